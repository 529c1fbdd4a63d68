"""One coarse sweep for all timers of a worker: a session timer costs a set entry, not a loop handle."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from ftpd.core import watchdog
from ftpd.core.log import Level, log

TICK = 0.25
"""Seconds: how exact a timer is. A timeout of one second must not take two."""
_TURN = 0.005
"""Seconds of ringing after which others have their turn: a thousand who came together fall silent together."""


class Timer:
    """Calls back once, ``seconds`` after its start or its last :meth:`reset`, at most :data:`TICK` late.

    Where very many are due together, others have their turn in between.
    """

    __slots__ = ("_callback", "_deadline", "_sweep", "_tick", "seconds")

    def __init__(self, sweep: Sweep, seconds: float, callback: Callable[[], None]) -> None:
        self._sweep = sweep
        self._callback: Callable[[], None] | None = callback
        self.seconds = seconds
        self._deadline = monotonic() + seconds
        self._tick = 0

    @property
    def active(self) -> bool:
        return self._callback is not None

    def reset(self, now: float | None = None) -> None:
        """Start again from now; cheap: the bucket is only looked at when the old deadline comes."""
        self._deadline = (monotonic() if now is None else now) + self.seconds

    @property
    def since(self) -> float:
        """The moment it counts from."""
        return self._deadline - self.seconds

    def cancel(self) -> None:
        """Never call back; safe to call twice, and from inside the callback."""
        self._callback = None
        # left in its bucket, an hour's timeout of each short transfer would stay in memory for the hour; so would the
        # bucket, and the loop would be woken for it
        buckets = self._sweep._buckets
        if (bucket := buckets.get(self._tick)) is not None:
            bucket.discard(self)
            if not bucket:
                del buckets[self._tick]

    def ring(self) -> None:
        """Call back now, for the first and last time."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def _due(self, now: float) -> float | None:
        """None when done; otherwise the moment to look again."""
        if self._callback is None:
            return None
        if now < self._deadline:
            return self._deadline
        try:
            self.ring()
        except Exception as error:  # the other timers of this tick must not fall with it
            log(Level.ERROR, "a timer of %g seconds failed", self.seconds, exc_info=error)
        return None


class Sweep:
    """Buckets of timers by the tick; the loop is asked to wake only for a bucket that is not empty."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Timer]] = {}
        self._ringing: deque[Timer] = deque()
        self._handle: asyncio.Handle | None = None
        self._next = 0

    def start(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """A running timer; it needs a running loop."""
        timer = Timer(self, seconds, callback)
        tick = self._keep(timer, timer._deadline)
        if self._handle is None or tick < self._next:
            self._wake_at(tick)
        return timer

    def close(self) -> None:
        """Drop every timer without calling it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._buckets.clear()
        self._ringing.clear()

    def _keep(self, timer: Timer, when: float) -> int:
        tick = timer._tick = int(when / TICK) + 1
        self._buckets.setdefault(tick, set()).add(timer)
        return tick

    def _wake_at(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next = tick
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(max(0.0, tick * TICK - monotonic()), self._run)

    def _run(self) -> None:
        self._handle = None
        began = now = monotonic()
        if not self._ringing:
            for tick in sorted(tick for tick in self._buckets if tick * TICK <= now):
                self._ringing += self._buckets.pop(tick)
        # what rings may cancel those that are still to ring
        while self._ringing:
            timer = self._ringing.popleft()
            again = timer._due(began)
            if again is not None:
                self._keep(timer, again)
            before, now = now, monotonic()
            if now - before > watchdog.LIMIT:
                watchdog.note(f"a timer of {timer.seconds:g} seconds", now - before)
            if now - began > _TURN and self._ringing:
                # no moment is before this one, so nothing that is started meanwhile asks to be woken earlier
                self._next = 0
                self._handle = asyncio.get_running_loop().call_soon(self._run)
                return
        if self._buckets:
            self._wake_at(min(self._buckets))
