"""Threads for what blocks: a small crew for each kind of work, so that a hung kind starves no other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_THREADS = {"auth": 2}
_DEFAULT_THREADS = 4


class _Job(NamedTuple):
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    crew: _Crew


class _Crew:
    """The threads of one kind of work; they start as they are needed."""

    __slots__ = ("_most", "_name", "_threads", "jobs", "under_way")

    def __init__(self, kind: str) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.under_way = 0
        """Jobs given out and not back yet."""
        self._name = f"ftpd-{kind}"
        self._most = _THREADS.get(kind, _DEFAULT_THREADS)
        self._threads = 0

    def take(self, job: _Job, run: Callable[[SimpleQueue[_Job | None]], None]) -> None:
        self.under_way += 1
        self.jobs.put(job)
        if self._threads < min(self.under_way, self._most):
            # one that hangs must not keep the daemon from ending: these threads may be left behind
            thread = threading.Thread(target=run, args=(self.jobs,), name=f"{self._name}_{self._threads}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if not self._threads:
                    raise
                return
            self._threads += 1

    def dismiss(self) -> None:
        for _ in range(self._threads):
            self.jobs.put(None)


class Pools:
    """Implements :class:`ftpd.module.command.Pool`, for one loop.

    Not asyncio's executor: results come back through a queue and one eventfd, at half the price of a future of
    each of the two kinds for every job.
    """

    def __init__(self) -> None:
        self._crews: dict[str, _Crew] = {}
        self._back: deque[tuple[_Job, Any, BaseException | None]] = deque()
        self._bell = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        """Held while the bell is rung or taken away."""
        self._closed = False

    async def __call__(self, work: Callable[[], T], kind: str) -> T:
        if self._loop is None:
            self.listen()
        crew = self._crews.get(kind)
        if crew is None:
            crew = self._crews[kind] = _Crew(kind)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        crew.take(_Job(work, future, crew), self._run)
        return await future

    def listen(self) -> None:
        """Have results come to the running loop; done by the first job where nobody did before."""
        self._loop = asyncio.get_running_loop()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._loop.add_reader(self._bell, self._collect)

    def _run(self, jobs: SimpleQueue[_Job | None]) -> None:
        """A thread's life."""
        while (job := jobs.get()) is not None:
            result: Any = None
            failure: BaseException | None = None
            try:
                if not job.future.cancelled() and not self._closed:
                    result = job.work()
            except (StopIteration, GeneratorExit) as error:
                # a future cannot carry the one, who waits would wait for ever; the other would close who waits
                failure = RuntimeError(f"what was offloaded raised {type(error).__name__}")
                failure.__cause__ = error
            except BaseException as error:
                failure = error
            self._back.append((job, result, failure))
            # what the job holds must not live until the next one comes
            del job, result, failure
            with self._lock:
                if self._bell >= 0:
                    os.eventfd_write(self._bell, 1)

    def _collect(self) -> None:
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return
        while self._back:
            job, result, failure = self._back.popleft()
            job.crew.under_way -= 1
            if job.future.done():
                continue
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)

    def close(self) -> None:
        """Let running work end in its own time; nothing new is taken."""
        self._closed = True
        with self._lock:
            bell, self._bell = self._bell, -1
        if bell >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(bell)
            os.close(bell)
        for crew in self._crews.values():
            crew.dismiss()
        self._crews.clear()
