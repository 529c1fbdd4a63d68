"""Running a coroutine at once as far as it goes: what never has to wait costs no task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Rest(Generic[T]):
    """A coroutine that has begun, and what it waits for: whoever awaits this takes it on from there."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, waits_for, self._waits_for = self._coroutine, self._waits_for, None
        proceed: Callable[[Any], Any]
        while True:
            try:
                value = yield waits_for
            except BaseException as error:
                proceed, value = coroutine.throw, error
            else:
                proceed = coroutine.send
            waits_for = None
            try:
                waits_for = proceed(value)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            finally:
                # an exception that its own frame holds, or its future, would stay until the collector comes by
                value = None


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Awaitable[T]:
    """The coroutine's result where it never waits, else what is left of it, to be awaited once.

    A handler may give back either.  Up to its first wait the coroutine runs outside of any task:
    asyncio.current_task() and asyncio.timeout() are not to be had there.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    return _Rest(coroutine, waits_for)


async def in_task() -> None:
    """Be in a task when this returns: for awaiting what others wrote, who may count on asyncio.timeout()."""
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
