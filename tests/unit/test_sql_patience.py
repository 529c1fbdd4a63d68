"""Patience has an end, also with code that does not hear it at once; whose task is cancelled by others is told so."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from ftpd.sql.patience import Patience


async def deaf(seconds: float) -> None:
    """As asyncio.wait_for can be: the first cancellation is lost."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)


def test_it_ends_in_time() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with Patience(0.01):
                await asyncio.sleep(5)
        async with Patience(5):
            await asyncio.sleep(0)
        # the task is as it was
        await asyncio.sleep(0.01)

    asyncio.run(story())


def test_it_ends_with_who_does_not_hear_it_the_first_time() -> None:
    async def story() -> None:
        began = monotonic()
        with pytest.raises(TimeoutError):
            async with Patience(0.01):
                await deaf(5)
        assert monotonic() - began < 2
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0

    asyncio.run(story())


def test_it_asks_whether_waiting_has_become_useless() -> None:
    answers = [False, False, True]

    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with Patience(0.01, lambda: answers.pop(0)):
                await asyncio.sleep(5)

    asyncio.run(story())
    assert answers == []


def test_a_cancellation_from_outside_is_one() -> None:
    async def waits() -> None:
        async with Patience(5):
            await asyncio.sleep(5)

    async def story() -> None:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_it_can_stand_in_another() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with Patience(0.05, lambda: True), Patience(5):
                await asyncio.sleep(5)
        with pytest.raises(TimeoutError):
            async with Patience(5), Patience(0.05):
                await asyncio.sleep(5)

    asyncio.run(story())
