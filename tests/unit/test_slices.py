"""Of long work on the loop there is one slice between two looks at everything else, however many have some to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from ftpd.core.slices import my_turn

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def told(loop: Callable[[], asyncio.AbstractEventLoop], workers: int, *, cancelled: int = 0) -> list[str]:
    """What happened in its order: slices by the name of whose they are, and dots where the loop looked around."""
    told: list[str] = []

    async def work(name: str) -> None:
        for _ in range(4):
            await my_turn()
            told.append(name)

    async def story() -> None:
        running = asyncio.get_running_loop()

        def beat() -> None:
            told.append(".")
            running.call_soon(beat)

        beat()
        tasks = [asyncio.ensure_future(work(chr(ord("a") + number))) for number in range(workers)]
        await asyncio.sleep(0)
        for task in tasks[:cancelled]:
            task.cancel()
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())
    return told


@LOOPS
def test_many_have_slices_in_turn_and_one_between_two_looks(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    events = "".join(told(loop, 5))
    slices = events.replace(".", "")
    assert sorted(slices) == sorted("abcde" * 4)
    assert slices == "abcde" * 4, "nobody is passed over"
    assert all(len(between) <= 1 for between in events.split(".")), events


@LOOPS
def test_one_alone_has_no_more_either(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    events = "".join(told(loop, 1))
    assert events.count("a") == 4 and "aa" not in events


@LOOPS
def test_who_is_gone_is_not_waited_for(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    slices = "".join(told(loop, 5, cancelled=3)).replace(".", "")
    assert slices.count("d") == slices.count("e") == 4
