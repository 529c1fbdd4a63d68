"""Offloaded work: its result or its failure always comes back, and a kind that hangs holds no other."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Awaitable, Callable

import pytest

from ftpd.engine.pool import Pools


def run(story: Callable[[Pools], Awaitable[None]]) -> None:
    async def whole() -> None:
        pools = Pools()
        try:
            await asyncio.wait_for(story(pools), 10)
        finally:
            pools.close()

    asyncio.run(whole())


def test_the_result_and_the_failure_come_back() -> None:
    async def story(pools: Pools) -> None:
        assert await pools(lambda: 7, "any") == 7
        with pytest.raises(ZeroDivisionError):
            await pools(lambda: 1 // 0, "any")

    run(story)


def test_an_iterator_that_is_used_up_leaves_nobody_waiting() -> None:
    async def story(pools: Pools) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pools(lambda: next(iter(())), "any")

    run(story)


def test_work_of_one_kind_goes_on_side_by_side_and_no_other_kind_waits_for_it() -> None:
    async def story(pools: Pools) -> None:
        go_on = threading.Event()
        hung = [asyncio.create_task(pools(go_on.wait, "files")) for _ in range(20)]
        for _ in range(50):
            assert await pools(lambda: "done", "auth") == "done"
        named = [thread for thread in threading.enumerate() if thread.name.startswith("ftpd-files")]
        assert len(named) == 4
        assert not any(task.done() for task in hung)
        go_on.set()
        assert all(await asyncio.gather(*hung))

    run(story)


def test_one_that_waits_no_longer_is_passed_over_and_the_next_is_served() -> None:
    async def story(pools: Pools) -> None:
        go_on, done = threading.Event(), []
        hung = [asyncio.create_task(pools(go_on.wait, "auth")) for _ in range(2)]
        given_up = asyncio.create_task(pools(lambda: done.append("given up"), "auth"))
        await asyncio.sleep(0)
        given_up.cancel()
        go_on.set()
        await asyncio.gather(*hung)
        await pools(lambda: done.append("next"), "auth")
        assert done == ["next"]

    run(story)


def test_a_thread_at_rest_keeps_nothing_of_what_it_did() -> None:
    class Large:
        pass

    async def story(pools: Pools) -> None:
        large = Large()
        seen = weakref.ref(large)
        assert await pools(lambda kept=large: kept, "any") is large  # type: ignore[misc]
        del large
        await asyncio.sleep(0.05)
        gc.collect()
        assert seen() is None

    run(story)


def test_what_hangs_at_the_end_is_left_behind_and_rings_no_bell_that_is_gone() -> None:
    go_on = threading.Event()
    before = len(os.listdir("/proc/self/fd"))

    async def story(pools: Pools) -> None:
        hung = asyncio.create_task(pools(go_on.wait, "any"))
        await asyncio.sleep(0.01)
        hung.cancel()

    run(story)
    assert len(os.listdir("/proc/self/fd")) == before
    named = [thread for thread in threading.enumerate() if thread.name.startswith("ftpd-any")]
    go_on.set()
    for thread in named:
        thread.join(5)
        assert not thread.is_alive()
