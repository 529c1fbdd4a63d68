"""The meter of a session's processor time: each step counts, a step inside another one does not count twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from ftpd.core import meter
from ftpd.core.meter import Meter

T = TypeVar("T")


class Work:
    """Processor time that passes only while somebody works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(meter, "thread_time", lambda: self.now)

    def __call__(self, seconds: float = 1.0) -> None:
        self.now += seconds


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


def test_steps_count_and_what_is_inside_of_one_counts_once(work: Work) -> None:
    told: list[str] = []
    mine = Meter(2.5, lambda: told.append("spent"))
    mine.step(lambda: mine.step(work))
    work()
    assert (mine.seconds, told) == (1.0, [])
    mine.step(work)
    mine.step(work)
    mine.step(work)
    assert (mine.seconds, told) == (4.0, ["spent"]), "who asked is told once"
    assert meter.running is None


def test_a_step_that_fails_counts_and_leaves_nobody_running(work: Work) -> None:
    mine = Meter(10, lambda: None)

    def fails() -> None:
        work()
        raise ValueError

    with pytest.raises(ValueError):
        mine.step(fails)
    assert (mine.seconds, meter.running) == (1.0, None)


def test_of_a_task_its_own_steps_count_and_not_what_others_do_meanwhile(work: Work) -> None:
    async def task() -> str:
        work()
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0)
        except TimeoutError:
            work()
        await asyncio.sleep(0)
        work()
        return "done"

    async def story() -> tuple[str, float]:
        mine = Meter(10, lambda: None)
        running = asyncio.ensure_future(mine.along(task()))
        while not running.done():
            work(0.125)
            await asyncio.sleep(0)
        return await running, mine.seconds

    assert asyncio.run(story()) == ("done", 3.0)


def test_a_task_can_be_cancelled(work: Work) -> None:
    async def story() -> None:
        running = asyncio.ensure_future(Meter(10, lambda: None).along(asyncio.sleep(3600)))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(story())


def test_what_a_thread_does_for_it_counts(work: Work) -> None:
    async def pool(job: Callable[[], T]) -> T:
        return await asyncio.to_thread(job)

    mine = Meter(10, lambda: None)
    asyncio.run(mine.in_thread(lambda: work(4), pool))
    assert mine.seconds == 4
