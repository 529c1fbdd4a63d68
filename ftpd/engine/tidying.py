"""When the collector of garbage looks through everything: where nobody waits for it, or where the heap has doubled."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

_EVERY = 30.0
"""Seconds between looking how much there is."""
_FEW = 30
"""Sessions, or fewer, that can be looked through in a millisecond or two."""
_SOME, _MUCH = 1.05, 2.0
"""How much more memory is in use than at the last time, when there are few sessions, and when there are many."""


def only_when_told() -> None:
    """Have the collector look through what is young by itself, and through everything when :class:`Tidying` says so.

    Its own measure is what has come since the last time: that would be all sessions, again and again, while more of
    them come.  What they are made of goes with them, and does not wait for it.
    """
    youngest, young, _ = gc.get_threshold()
    gc.set_threshold(youngest, young, sys.maxsize >> 33)


class Tidying:
    """Looks now and then whether the collector is to look through everything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sessions: Callable[[], int]) -> None:
        self._loop = loop
        self._sessions = sessions
        self._before = sys.getallocatedblocks()
        self._next = loop.call_later(_EVERY, self._look)

    def close(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        self._next = self._loop.call_later(_EVERY, self._look)
        now = sys.getallocatedblocks()
        if now > self._before * (_SOME if self._sessions() <= _FEW else _MUCH):
            gc.collect()
            now = sys.getallocatedblocks()
            self._before = now
        self._before = min(self._before, now)
