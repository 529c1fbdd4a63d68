"""Long work in a thread rests now and then, so that a loop beside it is not held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic, sleep, thread_time

import pytest

from ftpd.core import turns


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long it has rested, each time."""
    counted: list[float] = []

    def counting(seconds: float) -> None:
        counted.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(turns, "sleep", counting)
    yield counted


def work(seconds: float) -> None:
    """So much work in small steps."""
    busy = thread_time()
    while thread_time() - busy < seconds:
        turns.rest()


def test_it_rests_for_longer_than_it_works(rests: list[float]) -> None:
    began, busy = monotonic(), thread_time()
    with turns.taken():
        work(0.02)
    assert monotonic() - began > 2 * (thread_time() - busy)
    assert rests


def test_who_has_not_asked_for_it_does_not_rest(rests: list[float]) -> None:
    with turns.taken():
        pass
    work(0.02)
    assert rests == []


def test_other_threads_do_not_rest_with_it(rests: list[float]) -> None:
    with turns.taken():
        thread = threading.Thread(target=work, args=(0.02,))
        thread.start()
        thread.join()
    assert rests == []
