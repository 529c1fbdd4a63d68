"""Long work in a thread beside a loop that serves: it rests every now and then, so that nobody has to wait for it.

Only one thread at a time has the interpreter.  The loop gives it up with each system call and has to ask for it again
then, so one that works on in another thread would slow it down to three calls in a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

_STRETCH = 0.0005
_REST = 0.002
"""Seconds: four times as long for the loop, which has to catch up."""


class _Turns(threading.local):
    since: float | None = None
    """When this thread has rested last; None in one that nobody waits for."""


_turns = _Turns()


@contextmanager
def taken() -> Iterator[None]:
    """Within it :func:`rest` rests."""
    _turns.since = monotonic()
    try:
        yield
    finally:
        _turns.since = None


def rest() -> None:
    """To be called between two steps of what may be long; it costs next to nothing where there is no need to rest."""
    if _turns.since is not None and monotonic() - _turns.since > _STRETCH:
        sleep(_REST)
        _turns.since = monotonic()
