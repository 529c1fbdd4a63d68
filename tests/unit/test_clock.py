"""The sweep of timers: who is called back, and what is left of those that nobody waits for any more."""

from __future__ import annotations

import asyncio
import time

import pytest

from ftpd.core import clock, watchdog
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


def test_while_thousands_ring_others_have_their_turn() -> None:
    """As when all who came together are idle for too long together: each is told so, and nobody else waits for it."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        sweep = Sweep()
        rang: list[float] = []
        turns: list[int] = []

        def ring() -> None:
            rang.append(until := loop.time() + 0.002)
            while loop.time() < until:
                pass

        def turn() -> None:
            turns.append(len(rang))
            if len(rang) < 50:
                loop.call_soon(turn)
            else:
                done.set_result(None)

        timers = [sweep.start(0.0, ring) for _ in range(50)]
        done = loop.create_future()
        while not rang:
            await asyncio.sleep(TICK / 10)
        loop.call_soon(turn)
        # one that is started meanwhile is neither lost nor waits for less than it should
        late = loop.create_future()
        sweep.start(0.0, lambda: late.set_result(len(rang)))
        await done
        assert len(turns) > 5, "three of them, and then the others"
        assert await late == len(rang)
        assert all(not timer.active for timer in timers)
        sweep.close()

    asyncio.run(story())


def test_a_timer_that_holds_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        sweep = Sweep()
        done = asyncio.get_running_loop().create_future()
        sweep.start(0.1, lambda: (time.sleep(watchdog.LIMIT * 1.1), done.set_result(None)))
        await done
        sweep.close()

    asyncio.run(story())
    assert "a timer of 0.1 seconds held the loop for" in caplog.text
