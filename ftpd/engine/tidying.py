"""When the collector of garbage looks through everything: where nobody waits for it, or much has come of itself."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from time import perf_counter

from ftpd.core import watchdog

_EVERY = 30.0
"""Seconds between looking how much there is."""
_FEW = 30
"""Sessions, or fewer, that can be looked through in a millisecond or two."""
_SOME, _MUCH = 1.05, 2.0
"""How much more memory is in use than at the last time, when there are few sessions, and when there are many."""
_PER_SESSION = 150
"""Pieces of memory that a session may be made of: that there are more sessions is no reason to look through them."""


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
        self._before = self._unexplained()
        self._next = loop.call_later(_EVERY, self._look)

    def close(self) -> None:
        self._next.cancel()

    def _unexplained(self) -> int:
        return sys.getallocatedblocks() - self._sessions() * _PER_SESSION

    def _look(self) -> None:
        self._next = self._loop.call_later(_EVERY, self._look)
        few = self._sessions() <= _FEW
        now = self._unexplained()
        if now > self._before * (_SOME if few else _MUCH):
            began = perf_counter()
            gc.collect()
            spent = perf_counter() - began
            if spent > watchdog.LIMIT:
                watchdog.note("the collector of garbage", spent)
            self._before = self._unexplained()
        elif few:
            self._before = min(self._before, now)
