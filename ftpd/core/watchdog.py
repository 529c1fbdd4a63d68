"""Who held the loop: every hook and every I/O callback is timed, and the slow ones are named in the log."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Generator
from time import perf_counter
from typing import Any, TypeVar

from ftpd.core.log import Level, log

T = TypeVar("T")

LIMIT = 0.050
"""Seconds that one step may hold the loop before it is called slow."""

_slow = 0

travelling = False
"""What runs now has been left and come back to in the middle (``ftpd.core.aside``): its own clock tells nothing."""


def slow_steps() -> int:
    """How many slow steps there were since the start; 0 is what the tests ask for."""
    return _slow


def note(what: str, seconds: float) -> None:
    """Record that ``what`` held the loop for so long; call it for each step that took more than LIMIT."""
    global _slow
    if travelling:
        return
    _slow += 1
    log(Level.WARN, "watchdog: %s held the loop for %d ms", what, round(seconds * 1000))


@types.coroutine
def timed(what: str, work: Awaitable[T]) -> Generator[Any, Any, T]:
    """Await ``work``, timing each of its steps between two suspensions; what cannot be awaited is given back."""
    try:
        steps = work.__await__()
    except AttributeError:
        if hasattr(work, "__await__"):
            raise
        return work  # type: ignore[return-value]
    send: Any = steps.send
    value: Any = None
    while True:
        began = perf_counter()
        try:
            waits_for = send(value)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        finally:
            # an exception that its own frame holds, or its future, would stay until the collector comes by
            value = None
            spent = perf_counter() - began
            if spent > LIMIT:
                note(what, spent)
        try:
            value = yield waits_for
            send = steps.send
        except BaseException as error:
            # thrown in from outside (a cancellation): the inner coroutine must see it
            value, send = error, steps.throw
        waits_for = None
