"""The processor time of one session, where somebody asks for it: steps on the loop are timed, and work in threads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import thread_time
from typing import Any, TypeVar

T = TypeVar("T")

running: Meter | None = None
"""Whose step the loop's thread is at."""


class Meter:
    """Counts what it is given to do; ``spent`` is called once, when that has taken so many seconds."""

    __slots__ = ("_limit", "_spent", "seconds")

    def __init__(self, limit: float, spent: Callable[[], None]) -> None:
        self.seconds = 0.0
        self._limit = limit
        self._spent: Callable[[], None] | None = spent

    def step(self, work: Callable[[], T]) -> T:
        """Do it, in the loop's thread; a step inside a step is counted once."""
        global running
        if running is self:
            return work()
        before, running = running, self
        began = thread_time()
        try:
            return work()
        finally:
            running = before
            self.add(thread_time() - began)

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds >= self._limit and self._spent is not None:
            spent, self._spent = self._spent, None
            spent()

    async def along(self, work: Coroutine[Any, Any, T]) -> T:
        """Await it, each of its steps being one of these."""
        result: T = await _Steps(self, work)
        return result

    async def in_thread(self, work: Callable[[], T], pool: Callable[[Callable[[], T]], Coroutine[Any, Any, T]]) -> T:
        """Have a thread of the pool do it."""
        seconds = 0.0

        def timed() -> T:
            nonlocal seconds
            began = thread_time()
            try:
                return work()
            finally:
                seconds = thread_time() - began

        try:
            return await pool(timed)
        finally:
            self.add(seconds)


class _Steps:
    __slots__ = ("_meter", "_work")

    def __init__(self, meter: Meter, work: Coroutine[Any, Any, Any]) -> None:
        self._meter = meter
        self._work = work

    def __await__(self) -> Generator[Any, Any, Any]:
        meter, work = self._meter, self._work
        proceed: partial[Any] = partial(work.send, None)
        while True:
            try:
                waits_for = meter.step(proceed)
            except StopIteration as done:
                return done.value
            finally:
                # an exception that its own frame holds would stay until the collector comes by
                del proceed
            try:
                value = yield waits_for
            except BaseException as error:
                proceed = partial(work.throw, error)
            else:
                proceed = partial(work.send, value)
            del waits_for
