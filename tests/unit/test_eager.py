"""Coroutines that run at once: to their end where they never wait, and on from there where they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from ftpd.core.eager import begin


def test_what_never_waits_is_done_at_once_and_outside_of_any_loop() -> None:
    async def inner() -> int:
        return 20

    async def work() -> int:
        return await inner() + 1

    assert begin(work()) == 21


def test_a_failure_before_the_first_wait_comes_at_once() -> None:
    async def work() -> None:
        raise KeyError("at once")

    with pytest.raises(KeyError, match="at once"):
        begin(work())


def test_what_waits_has_begun_and_goes_on_where_it_is_awaited() -> None:
    steps: list[str] = []

    async def story() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def work() -> str:
            steps.append("begun")
            steps.append(await gate)
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            return "done"

        rest = begin(work())
        assert isinstance(rest, Awaitable)
        assert steps == ["begun"]
        gate.set_result("went on")
        assert await rest == "done"

    asyncio.run(story())
    assert steps == ["begun", "went on"]


def test_a_failure_of_what_it_waits_for_is_its_own_to_deal_with() -> None:
    async def story() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def work() -> str:
            try:
                await gate
            except ValueError:
                return "dealt with"
            return "no"

        rest = begin(work())
        gate.set_exception(ValueError())
        assert isinstance(rest, Awaitable)
        assert await rest == "dealt with"

    asyncio.run(story())


def test_a_task_that_is_cancelled_ends_what_it_awaits() -> None:
    ended: list[str] = []

    async def story() -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("cleaned up")

        async def waiter() -> None:
            rest = begin(work())
            assert rest is not None
            await rest

        task = asyncio.create_task(waiter())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert ended == ["cleaned up"]
