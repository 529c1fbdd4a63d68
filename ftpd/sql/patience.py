"""An end to waiting: what takes too long, or nobody waits for any more, is cancelled until it hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

_AGAIN = 0.25
"""Seconds after which it is cancelled again: asyncio.wait_for swallows a cancellation that comes together with what it
waits for (before Python 3.12), and drivers use it."""


class Patience:
    """``async with Patience(10):`` raises TimeoutError after that many seconds.

    With ``lost`` it asks again and again, every so many seconds, whether waiting has become useless.
    """

    __slots__ = ("_cancelled", "_had", "_look", "_loop", "_lost", "_seconds", "_task")

    def __init__(self, seconds: float, lost: Callable[[], bool] | None = None) -> None:
        self._seconds = seconds
        self._lost = lost
        self._cancelled = 0

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._had = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._look = self._loop.call_later(self._seconds, self._is_up)

    def _is_up(self) -> None:
        if self._lost is not None and not self._lost():
            self._look = self._loop.call_later(self._seconds, self._is_up)
            return
        self._cancelled += 1
        self._task.cancel()
        self._look = self._loop.call_later(_AGAIN, self._is_up)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look.cancel()
        left = self._had
        for _ in range(self._cancelled):
            left = self._task.uncancel()
        if self._cancelled and left <= self._had and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from None
