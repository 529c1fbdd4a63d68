"""Waiting in the middle of plain code: a call to a slow file system goes to a thread, and the loop to other sessions.

A handler says ``cmd.files.stat(path)`` and gets the answer, as ever.  Where that may take long, the command is run in
a greenlet, a piece of the loop's own thread that can be left and come back to at any call: :func:`hop` leaves it with
the work to be done, :class:`Trips` gives that to a pool and comes back with the result.  Only the work itself is done
by another thread, so that the state of sessions and modules is touched by the loop's alone, as everywhere.
"""

from __future__ import annotations

import asyncio
import os
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from greenlet import getcurrent, greenlet

from ftpd.core import watchdog
from ftpd.core.fault import is_cancelled
from ftpd.core.reply import Refuse

T = TypeVar("T")

NO_ANSWER = 450, "The file system does not answer, try again later"
_GONE = 426, "Transfer aborted. The file system does not answer"


class Threads(Protocol):
    """The pools that wait for devices, by the name of each."""

    def __call__(self, work: Callable[[], T], kind: str) -> Awaitable[T]: ...

    def post(self, work: Callable[[], object], kind: str) -> None:
        """Have it done, in its own time; nobody hears how it went."""


class Journey:
    """One command's, with all its trips: once it is given up, nothing of it waits for a file system again."""

    __slots__ = ("_aborted", "given_up", "transfers", "waiting")

    def __init__(self) -> None:
        self._aborted = False
        self.given_up = False
        self.transfers = False
        """It is that of a transfer, which ABOR may end."""
        self.waiting = False
        """A file system keeps it waiting now."""

    def abort(self, task: asyncio.Task[None]) -> None:
        """Have the command, which that task runs, wait for its file system no longer; the task goes on without."""
        if self.waiting:
            self._aborted = True
            task.cancel()

    def give_up(self) -> None:
        """Its task has been cancelled where it waited."""
        self.given_up = True
        task = asyncio.current_task()
        if self._aborted and task is not None:
            task.uncancel()
            self._aborted = False


class _Errand(NamedTuple):
    work: Callable[[], Any]
    kind: str


class _Done:
    """How work ended; the error goes from here to where it is raised, and is not kept."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any, error: BaseException | None) -> None:
        self.result = result
        self.error = error


class _Traveller(greenlet):  # type: ignore[misc]  # greenlet is untyped
    """What a command's code runs in while it may have to be left; used again and again, as making one costs."""

    journey: Journey | None = None
    work: Callable[[], Any] | None = None
    done: _Done | None = None


def hop(work: Callable[[], T], kind: str) -> T:
    """Do ``work`` in the pool of that kind while only this command waits; elsewhere than in a command, do it here.

    Refuse says that the pool's file system does not answer.  Nothing may be held over it that others wait for.
    """
    here = getcurrent()
    if here.__class__ is not _Traveller or here.journey is None:
        return work()
    if here.journey.given_up:
        raise Refuse(*_GONE)
    return here.parent.switch(_Errand(work, kind))  # type: ignore[no-any-return]


class Trips:
    """Runs the commands of sessions whose files may keep them waiting; one for each loop."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._idle: list[_Traveller] = []

    def go(self, work: Callable[[], T], journey: Journey) -> T | Trip[T]:
        """The result of ``work`` if it had to wait for nothing, else what is left of it, to be awaited once."""
        if getcurrent().__class__ is _Traveller:
            return work()
        traveller = self._idle.pop() if self._idle else _Traveller(_life)
        traveller.journey, traveller.work = journey, work
        del work
        began = perf_counter()
        errand = traveller.switch()
        if errand is None:
            return self._home(traveller)  # type: ignore[no-any-return]
        _watch(began)
        return Trip(self, traveller, errand)

    async def along(self, begun: Any, then: Callable[[Any], Coroutine[Any, Any, None]], journey: Journey) -> None:
        """Finish what :meth:`go` gave, and run the coroutine that follows from its result in the same way."""
        await self._steps(then(await begun if isinstance(begun, Trip) else begun), journey)

    @types.coroutine
    def _steps(self, coroutine: Coroutine[Any, Any, None], journey: Journey) -> Generator[Any, Any, None]:
        """Await the coroutine, each of its steps on a trip of its own."""
        proceed: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            step: Any = self.go(partial(_step, proceed, value), journey)
            if step.__class__ is Trip:
                step = yield from step.__await__()
            if step.error is not None:
                if isinstance(step.error, StopIteration):
                    return
                _raise(step)
            try:
                value = yield step.result
                proceed = coroutine.send
            except BaseException as error:
                proceed, value = coroutine.throw, error

    def _home(self, traveller: _Traveller) -> Any:
        done, traveller.done, traveller.journey = traveller.done, None, None
        assert done is not None
        self._idle.append(traveller)
        if done.error is not None:
            _raise(done)
        return done.result


def _life() -> None:
    """Of a traveller; what it worked on must not live until it works again, so nothing is held where it rests."""
    me = getcurrent()
    while True:
        me.done = _work_of(me)
        me.parent.switch(None)


def _work_of(traveller: _Traveller) -> _Done:
    work, traveller.work = traveller.work, None
    assert work is not None
    try:
        return _Done(work(), None)
    except BaseException as error:
        return _Done(None, error)


def _raise(done: _Done) -> NoReturn:
    """An exception that a frame of its own traceback holds would live until the collector comes by."""
    error, done.error = done.error, None
    assert error is not None
    try:
        raise error
    finally:
        del error


class Trip(Awaitable[T]):
    """Work that has been left at a :func:`hop`."""

    __slots__ = ("_errand", "_traveller", "_trips")

    def __init__(self, trips: Trips, traveller: _Traveller, errand: _Errand) -> None:
        self._trips = trips
        self._traveller = traveller
        self._errand = errand

    def __await__(self) -> Generator[Any, Any, T]:
        traveller, answer = self._traveller, self._errand
        journey = traveller.journey
        assert journey is not None
        while answer.__class__ is _Errand:
            journey.waiting = True
            try:
                result = yield from self._trips._threads(answer.work, answer.kind).__await__()
            except BaseException as error:
                if is_cancelled(error):
                    # to the code that waits for the file system that is one more way for it to fail
                    journey.give_up()
                    back = partial(traveller.throw, Refuse(*_GONE))
                else:
                    back = partial(traveller.throw, error)
            else:
                back = partial(traveller.switch, result)
                del result
            journey.waiting = False
            # what is measured inside of the trip has the time in it that others used
            watchdog.travelling, began = True, perf_counter()
            try:
                answer = back()
            finally:
                watchdog.travelling = False
                del back
            _watch(began)
        return self._trips._home(traveller)  # type: ignore[no-any-return]


def _step(proceed: Callable[[Any], Any], value: Any) -> _Done:
    """A step of a coroutine: what it waits for, or how it ended."""
    try:
        return _Done(proceed(value), None)
    except BaseException as error:
        return _Done(None, error)


def _watch(began: float) -> None:
    spent = perf_counter() - began
    if spent > watchdog.LIMIT:
        watchdog.note("a command that waits for a file system", spent)


# -- descriptors -----------------------------------------------------------------------------------------


class FarFile:
    """An open file on a far file system: whoever closes it while a thread still waits there leaves that to the thread.

    Otherwise the number could be another file's by the time the thread comes back to it.
    """

    __slots__ = ("_closing", "_lock", "_users", "descriptor", "kind")

    def __init__(self, descriptor: int, kind: str) -> None:
        self.descriptor = descriptor
        self.kind = kind
        self._users = 0
        self._closing = False
        self._lock = threading.Lock()

    def use(self, work: Callable[[int], T]) -> T:
        """Do it with the descriptor; for a thread."""
        with self._lock:
            if self._closing:
                raise Refuse(*_GONE)
            self._users += 1
        try:
            return work(self.descriptor)
        finally:
            with self._lock:
                self._users -= 1
                last = self._closing and not self._users
            if last:
                with suppress(OSError):
                    os.close(self.descriptor)

    def close(self) -> None:
        """For a thread."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            if self._users:
                return
        os.close(self.descriptor)


_far: dict[int, FarFile] = {}
_threads: Threads | None = None
_loop_thread = 0


def use_threads(threads: Threads | None) -> None:
    """The pools that files are closed by; the caller's thread is the loop's."""
    global _threads, _loop_thread
    _threads, _loop_thread = threads, threading.get_ident()


def open_aside(work: Callable[[], int], kind: str) -> int:
    """:func:`hop` for work that opens a file: what is opened when nobody waits for it any more is closed again."""
    lock = threading.Lock()
    opened: FarFile | None = None
    unwanted = False

    def open_it() -> int:
        nonlocal opened
        file = FarFile(work(), kind)
        with lock:
            if not unwanted:
                opened = file
                return file.descriptor
        file.close()
        raise Refuse(*_GONE)

    try:
        descriptor = hop(open_it, kind)
    except BaseException:
        with lock:
            unwanted = True
        if opened is not None:
            leave(opened.close, kind)
        raise
    assert opened is not None
    _far[descriptor] = opened
    return descriptor


def far_file(descriptor: int) -> FarFile | None:
    """What is known of the descriptor if its file system may keep a caller waiting."""
    return _far.get(descriptor)


def at_file(descriptor: int, work: Callable[[int], T]) -> T:
    """``work(descriptor)``, where it may wait: os.fstat, os.ftruncate and their like on an open file of a session's."""
    file = _far.get(descriptor)
    return work(descriptor) if file is None else hop(partial(file.use, work), file.kind)


def close_file(descriptor: int, *, wait: bool = False) -> None:
    """Close a session's open file.

    With ``wait`` it is closed when this returns, and OSError tells what only then is known: NFS and quotas say here
    that the disk is full.
    """
    file = _far.pop(descriptor, None)
    if file is None:
        os.close(descriptor)
        return
    if wait:
        try:
            hop(file.close, file.kind)
        except BaseException:  # whether it has been begun cannot be told; twice does no harm
            leave(file.close, file.kind)
            raise
    else:
        leave(file.close, file.kind)


def leave(work: Callable[[], None], kind: str | None) -> None:
    """Have something let go by whoever can wait; with no kind, here."""
    if kind is None:
        work()
    elif _threads is None or threading.get_ident() != _loop_thread:
        with suppress(OSError):
            work()
    else:
        _threads.post(work, kind)
