"""Errands: what a module does beside the sessions, and does to its end when it goes out of service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """Tasks that come to their end even when nobody waits for them any more, and ``grace`` seconds they have for it."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def launch(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin at once. A command that waits for it does so by :func:`asyncio.shield`: its client may go away."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def launch_from_thread(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
        """Begin soon, asked from any thread; False when the module is not in service."""
        if self._loop is None:
            return False
        self._loop.call_soon_threadsafe(lambda: self.launch(make()))
        return True

    @asynccontextmanager
    async def in_service(self) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None
            if self._tasks:
                _, late = await asyncio.wait(list(self._tasks), timeout=self._grace)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
