"""The sweep of timers: who is called back, and what is left of those that nobody waits for any more."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.core import clock
from ftpd.core.clock import TICK, Sweep


def test_what_is_cancelled_is_neither_kept_nor_waited_for() -> None:
    """Each login has timers of many minutes, which most cancel at once."""

    async def story() -> None:
        sweep = Sweep()
        for seconds in range(1, 1000):
            sweep.start(seconds, lambda: None).cancel()
        assert not sweep._buckets
        sweep.close()

    asyncio.run(story())


def test_a_timer_that_rings_may_cancel_the_others_that_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the loop was held up for longer than both had to wait."""

    async def story() -> None:
        rang: list[str] = []
        sweep = Sweep()
        sweep.start(0.0, lambda: (rang.append("early"), later.cancel()))
        later = sweep.start(2 * TICK, lambda: rang.append("later"))
        sweep.start(3 * TICK, lambda: rang.append("last"))
        now = clock.monotonic()
        monkeypatch.setattr(clock, "monotonic", lambda: now + 10)
        sweep._run()
        assert rang == ["early", "last"]
        assert not later.active
        sweep.close()

    asyncio.run(story())
