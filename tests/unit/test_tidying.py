"""The collector looks through what has come: when few are on through everything, when many are on a part at a time."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from ftpd.core import watchdog
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
    gc.unfreeze()


def old_ring() -> weakref.ref[Ring]:
    """One that the collector does not come by any more by itself."""
    ring = Ring()
    gc.collect()
    return weakref.ref(ring)


def lies_there(*, sessions: int, growth: int) -> bool:
    """Whether an old ring lies there still, after so many more pieces of memory are in use."""

    async def story() -> bool:
        old = old_ring()
        tidy = Tidying(asyncio.get_running_loop(), lambda: sessions)
        ballast = [object() for _ in range(growth)]
        await asyncio.sleep(0.1)
        tidy.close()
        del ballast
        return old() is not None

    return asyncio.run(story())


def test_with_few_sessions_it_comes_when_there_is_something() -> None:
    assert not lies_there(sessions=3, growth=sys.getallocatedblocks() // 5)
    assert lies_there(sessions=3, growth=0)


def test_with_many_sessions_it_comes_when_there_is_a_part_more() -> None:
    assert lies_there(sessions=1000, growth=50_000)
    assert not lies_there(sessions=1000, growth=150_000)


def test_what_it_has_looked_through_it_leaves_alone_until_few_are_on() -> None:
    async def story() -> None:
        sessions = 1000
        tidy = Tidying(asyncio.get_running_loop(), lambda: sessions)
        lives = Ring()
        ballast = [object() for _ in range(150_000)]
        await asyncio.sleep(0.1)
        assert gc.get_freeze_count() > 0
        gone = weakref.ref(lives)
        del lives
        ballast += [object() for _ in range(150_000)]
        await asyncio.sleep(0.1)
        assert gone() is not None
        sessions = 3
        await asyncio.sleep(0.1)
        assert gone() is None
        tidy.close()
        del ballast

    asyncio.run(story())


def test_the_log_tells_when_it_took_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LIMIT", 0.0)
    before = watchdog.slow_steps()
    assert not lies_there(sessions=1000, growth=150_000)
    assert watchdog.slow_steps() > before


def test_by_itself_it_looks_only_through_what_is_young() -> None:
    tidying.only_when_told()
    before = gc.get_stats()[2]["collections"]
    rings = [[Ring()] for _ in range(200_000)]
    assert gc.get_stats()[2]["collections"] == before
    assert gc.get_stats()[1]["collections"] > 0
    assert len(rings) == 200_000
