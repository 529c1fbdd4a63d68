"""When the collector of garbage looks through what there is: a part at a time, so that nobody waits long for it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from time import perf_counter

from ftpd.core import watchdog

_EVERY = 2.0
"""Seconds between looking how much there is."""
_FEW = 30
"""Sessions, or fewer, that can be looked through in a millisecond or two."""
_SOME = 1.05
"""How much more memory is in use than at the last time, when there are few sessions."""
_PART = 100_000
"""How many more pieces of memory are in use when there are many: some 1,500 sessions, looked through in 10 to 20 ms."""


def only_when_told() -> None:
    """Have the collector look through what is young by itself, and through more when :class:`Tidying` says so.

    Its own measure is what has come since the last time: that would be all sessions, again and again, while more of
    them come.  What they are made of goes with them, and does not wait for it.
    """
    youngest, young, _ = gc.get_threshold()
    gc.set_threshold(youngest, young, sys.maxsize >> 33)


class Tidying:
    """Looks now and then whether the collector is to look through what has come.

    While many are on, what it has looked through once it leaves alone, until few are.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sessions: Callable[[], int]) -> None:
        self._loop = loop
        self._sessions = sessions
        self._before = sys.getallocatedblocks()
        self._set_aside = False
        """There is what has been looked through and left alone since."""
        self._next = loop.call_later(_EVERY, self._look)

    def close(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        self._next = self._loop.call_later(_EVERY, self._look)
        began = perf_counter()
        now = sys.getallocatedblocks()
        few = self._sessions() <= _FEW
        if few and self._set_aside:
            gc.unfreeze()
            self._collect(keep=True)
            self._set_aside = False
        elif now > (self._before * _SOME if few else self._before + _PART):
            self._collect(keep=not few)
            self._set_aside = self._set_aside or not few
        else:
            self._before = min(self._before, now)
        spent = perf_counter() - began
        if spent > watchdog.LIMIT:
            watchdog.note("the collector of garbage", spent)

    def _collect(self, *, keep: bool) -> None:
        gc.collect()
        if keep:
            gc.freeze()
        self._before = sys.getallocatedblocks()
