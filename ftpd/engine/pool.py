"""Threads for what blocks: a small crew for each kind of work, so that a hung kind starves no other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import get_ident
from time import monotonic
from typing import Any, TypeVar

from ftpd.core import meter
from ftpd.core.aside import NO_ANSWER
from ftpd.core.log import Level, log
from ftpd.core.mounts import mounts
from ftpd.core.reply import Refuse

T = TypeVar("T")

_THREADS = {"auth": 2}
_DEFAULT_THREADS = 4
_OF_DEVICES = "files:"
"""How the kinds begin that wait for one device each (:mod:`ftpd.core.mounts`)."""
_DEVICE_THREADS = 8
PATIENCE = 10.0
"""Seconds after which a call to a device counts as stuck, and for which work waits for one of its threads."""
_TOLD_AGAIN = 60.0


class _Job:
    __slots__ = ("crew", "future", "is_begun", "work")

    def __init__(self, work: Callable[[], Any], future: asyncio.Future[Any] | None, crew: _Crew) -> None:
        self.work = work
        self.future = future
        """None where nobody waits for it."""
        self.crew = crew
        self.is_begun = False

    @property
    def is_wanted(self) -> bool:
        return self.future is None or not self.future.done()


class _Crew:
    """The threads of one kind of work; they start as they are needed."""

    __slots__ = (
        "_began",
        "_kind",
        "_most",
        "_name",
        "_threads",
        "_told",
        "is_told_of",
        "jobs",
        "of_device",
        "under_way",
    )

    def __init__(self, kind: str) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.under_way = 0
        """Jobs given out and not back yet."""
        self.of_device = kind.startswith(_OF_DEVICES)
        self._began: dict[int, float] = {}
        """Since when each thread has been at its job, where that is to wait for a device."""
        self._kind = kind
        self._name = f"ftpd-{kind}"
        self._most = _DEVICE_THREADS if self.of_device else _THREADS.get(kind, _DEFAULT_THREADS)
        self._threads = 0
        self._told = -_TOLD_AGAIN
        self.is_told_of = False
        """The log has heard that the device does not answer."""

    def do(self, work: Callable[[], Any]) -> Any:
        """In a thread: work for a device, with the time for which it has been waited."""
        here = get_ident()
        self._began[here] = monotonic()
        try:
            return work()
        finally:
            del self._began[here]

    def is_stuck(self) -> bool:
        """Whether nobody of the crew has come back for so long that more work would only wait with them."""
        began = tuple(self._began.values())
        return len(began) >= self._most and monotonic() - max(began) > PATIENCE

    def refuse(self) -> Refuse:
        """What who cannot be served is told; the log hears of it once a minute."""
        now = monotonic()
        if now - self._told >= _TOLD_AGAIN:
            self._told, self.is_told_of = now, True
            name = mounts().named(self._kind)
            log(Level.ERROR, "%s does not answer: %d operations wait for it, others are refused", name, self.under_way)
        return Refuse(*NO_ANSWER)

    def came_back(self) -> None:
        if not self.is_stuck():
            self._told, self.is_told_of = -_TOLD_AGAIN, False
            log(Level.NOTICE, "%s answers again", mounts().named(self._kind))

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
        if meter.running is None:
            return await self._do(work, kind)
        return await meter.running.in_thread(work, partial(self._do, kind=kind))

    async def _do(self, work: Callable[[], T], kind: str) -> T:
        crew = self._crew(kind)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = _Job(work, future, crew)
        if not crew.of_device:
            crew.take(job, self._run)
            return await future
        if crew.is_stuck():
            raise crew.refuse()
        crew.take(job, self._run)
        timer = loop.call_later(PATIENCE, self._give_up, job)
        try:
            return await future
        finally:
            timer.cancel()

    def _give_up(self, job: _Job) -> None:
        """A job for a device waits no longer for a thread; one that has a thread goes on."""
        if not job.is_begun and job.future is not None and not job.future.done():
            job.future.set_exception(job.crew.refuse())

    def post(self, work: Callable[[], object], kind: str) -> None:
        """Have it done, in its own time; nobody hears how it went."""
        if not self._closed:
            crew = self._crew(kind)
            crew.take(_Job(work, None, crew), self._run)

    def _crew(self, kind: str) -> _Crew:
        if self._loop is None:
            self.listen()
        crew = self._crews.get(kind)
        if crew is None:
            crew = self._crews[kind] = _Crew(kind)
        return crew

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
                if job.is_wanted and not self._closed:
                    job.is_begun = True
                    result = job.crew.do(job.work) if job.crew.of_device else job.work()
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
            if job.crew.is_told_of:
                job.crew.came_back()
            if job.future is None or job.future.done():
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
