"""Offloaded work: its result or its failure always comes back."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.engine.pool import Pools


def test_the_result_and_the_failure_come_back() -> None:
    async def story() -> None:
        pools = Pools()
        assert await pools(lambda: 7, "any") == 7
        with pytest.raises(ZeroDivisionError):
            await pools(lambda: 1 // 0, "any")
        pools.close()

    asyncio.run(story())


def test_an_iterator_that_is_used_up_leaves_nobody_waiting() -> None:
    async def story() -> None:
        pools = Pools()
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(pools(lambda: next(iter(())), "any"), 5)
        pools.close()

    asyncio.run(story())
