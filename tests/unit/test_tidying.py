"""The collector looks through everything when few are on, or when there is twice as much as before."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from ftpd.engine import tidying
from ftpd.engine.tidying import Tidying


class Ring:
    """An object that holds itself: what the collector comes for."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def the_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = gc.get_threshold()
    monkeypatch.setattr(tidying, "_EVERY", 0.01)
    gc.collect()
    yield
    gc.set_threshold(*before)


def lies_there(*, sessions: int, growth: float) -> bool:
    """Whether an old ring lies there still, after what is in use has grown by so much."""
    ring = Ring()
    gc.collect()
    old = weakref.ref(ring)
    del ring

    async def story() -> bool:
        tidy = Tidying(asyncio.get_running_loop(), lambda: sessions)
        ballast = [object() for _ in range(int(tidy._before * growth))]
        await asyncio.sleep(0.1)
        tidy.close()
        del ballast
        return old() is not None

    return asyncio.run(story())


def test_with_few_sessions_it_comes_when_there_is_something() -> None:
    assert not lies_there(sessions=3, growth=0.2)
    assert lies_there(sessions=3, growth=0.0)


def test_with_many_sessions_it_comes_when_there_is_twice_as_much() -> None:
    assert lies_there(sessions=1000, growth=0.2)
    assert not lies_there(sessions=1000, growth=1.2)


def test_by_itself_it_looks_only_through_what_is_young() -> None:
    tidying.only_when_told()
    before = gc.get_stats()[2]["collections"]
    rings = [[Ring()] for _ in range(200_000)]
    assert gc.get_stats()[2]["collections"] == before
    assert gc.get_stats()[1]["collections"] > 0
    assert len(rings) == 200_000


def test_more_sessions_are_no_reason_to_look_through_them() -> None:
    async def story() -> int:
        sessions = 1000
        tidy = Tidying(asyncio.get_running_loop(), lambda: sessions)
        before = gc.get_stats()[2]["collections"]
        sessions += sys.getallocatedblocks() // 50
        ballast = [object() for _ in range(2 * sys.getallocatedblocks())]
        await asyncio.sleep(0.1)
        tidy.close()
        del ballast
        return gc.get_stats()[2]["collections"] - before

    assert asyncio.run(story()) == 0
