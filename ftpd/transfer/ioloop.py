"""pyftpdlib's IOLoop on an asyncio loop: its handlers run on asyncio's or uvloop's, timed and fenced off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from pyftpdlib.ioloop import Epoll, _IOLoop

from ftpd.core import watchdog
from ftpd.core.log import Level, log

BATCH = 16
"""Data channels served before the loop gives everybody else a turn; each may move a megabyte or four."""


def _guarded(handler: Any, work: Callable[[], Any]) -> None:
    """Do one step of a handler; what it raises ends in its own handle_error, never in the loop."""
    began = perf_counter()
    try:
        work()
    except Exception:
        try:
            handler.handle_error()
        except Exception as error:
            log(Level.ERROR, "%s failed while it dealt with a failure", type(handler).__name__, exc_info=error)
            handler.close()
    spent = perf_counter() - began
    if spent > watchdog.LIMIT:
        watchdog.note(f"{type(handler).__name__}.{getattr(work, '__name__', 'work')}", spent)


class LoopTimer:
    """What ``call_later`` and ``call_every`` give back: pyftpdlib's kind of timer, held by the asyncio loop."""

    __slots__ = ("_handle", "_ioloop", "_target", "_failed", "_every", "_seconds", "cancelled")  # noqa: RUF023

    def __init__(
        self,
        ioloop: AsyncioLoop,
        seconds: float,
        target: Callable[[], Any],
        failed: Callable[[], Any] | None,
        *,
        every: bool,
    ) -> None:
        self._ioloop = ioloop
        self._seconds = seconds
        self._target = target
        self._failed = failed
        self._every = every
        self.cancelled = False
        ioloop.timers.add(self)
        self._handle = ioloop.aio.call_later(seconds, self._run)

    def reset(self) -> None:
        """Count from now again."""
        self._handle.cancel()
        self._handle = self._ioloop.aio.call_later(self._seconds, self._run)

    def cancel(self) -> None:
        """Never call; safe to call twice, and from inside the target."""
        if not self.cancelled:
            self.cancelled = True
            self._handle.cancel()
            self._ioloop.timers.discard(self)

    def _run(self) -> None:
        began = perf_counter()
        try:
            self._target()
        except Exception as error:
            self.cancel()
            if self._failed is None:
                log(Level.ERROR, "a timer of the network floor failed", exc_info=error)
            else:
                self._failed()
        else:
            if self._every and not self.cancelled:
                self.reset()
            else:
                self.cancel()
        spent = perf_counter() - began
        if spent > watchdog.LIMIT:
            watchdog.note(f"timer {getattr(self._target, '__qualname__', self._target)}", spent)


class AsyncioLoop(_IOLoop):  # type: ignore[misc]  # pyftpdlib is untyped
    """What control channels and listeners register with; made once a worker, inside its running loop.

    ``data`` is the loop that data channels use: registering there costs a fifth of ``add_reader``, which
    pays for descriptors that live for one transfer; an idle control connection is cheaper here.
    """

    READ = 1
    WRITE = 2

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.aio = loop or asyncio.get_running_loop()
        self.socket_map: dict[int, Any] = {}
        self.timers: set[LoopTimer] = set()
        self._wanted: dict[int, int] = {}
        self.data = DataLoop(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.socket_map)} connections and {len(self.timers)} timers>"

    __str__ = __repr__

    def register(self, fd: int, instance: Any, events: int) -> None:
        self.socket_map[fd] = instance
        self._want(fd, events)

    def modify(self, fd: int, events: int) -> None:
        self._want(fd, events)

    def unregister(self, fd: int) -> None:
        self._want(fd, 0)
        self.socket_map.pop(fd, None)

    def _want(self, fd: int, events: int) -> None:
        changed = self._wanted.get(fd, 0) ^ events
        if changed & self.READ:
            if events & self.READ:
                self.aio.add_reader(fd, self._readable, fd)
            else:
                self.aio.remove_reader(fd)
        if changed & self.WRITE:
            if events & self.WRITE:
                self.aio.add_writer(fd, self._writable, fd)
            else:
                self.aio.remove_writer(fd)
        if events:
            self._wanted[fd] = events
        else:
            self._wanted.pop(fd, None)

    def _readable(self, fd: int) -> None:
        handler = self.socket_map.get(fd)
        if handler is not None and handler.readable():
            _guarded(handler, handler.handle_read_event)

    def _writable(self, fd: int) -> None:
        handler = self.socket_map.get(fd)
        if handler is not None and handler.writable():
            _guarded(handler, handler.handle_write_event)

    def call_later(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self._timer(seconds, target, args, kwargs, every=False)

    def call_every(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self._timer(seconds, target, args, kwargs, every=True)

    def _timer(
        self, seconds: float, target: Callable[..., Any], args: Any, kwargs: dict[str, Any], *, every: bool
    ) -> LoopTimer:
        failed = kwargs.pop("_errback", None)

        def call() -> None:
            target(*args, **kwargs)

        call.__qualname__ = getattr(target, "__qualname__", call.__qualname__)
        return LoopTimer(self, seconds, call, failed, every=every)

    def loop(self, timeout: float | None = None, blocking: bool = True) -> None:
        """pyftpdlib's servers would block here."""
        raise RuntimeError("the asyncio loop is the one that runs: start the server with asyncio, not with loop()")

    def close(self) -> None:
        """Close every handler and drop every timer."""
        self.data.close()
        _close_all(self.socket_map)
        for timer in tuple(self.timers):
            timer.cancel()


class DataLoop(Epoll):  # type: ignore[misc]  # pyftpdlib is untyped
    """pyftpdlib's epoll loop as a guest: its own descriptor is watched by the asyncio loop."""

    def __init__(self, host: AsyncioLoop) -> None:
        super().__init__()
        self.host = host
        host.aio.add_reader(self.fileno(), self._ready)

    def _ready(self) -> None:
        # never more than a batch: epoll keeps the rest, and hands it out in turn (ready list, round robin)
        for fd, events in self._poller.poll(0, BATCH):
            # .get: an earlier handler of the batch may have closed this one
            handler = self.socket_map.get(fd)
            # errors and hang-ups come to whoever waits: the next read or write says what it was
            if handler is not None and events & ~self.WRITE and handler.readable():
                _guarded(handler, handler.handle_read_event)
                handler = self.socket_map.get(fd)
            if handler is not None and events & ~self.READ and handler.writable():
                _guarded(handler, handler.handle_write_event)

    def call_later(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self.host.call_later(seconds, target, *args, **kwargs)

    def call_every(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self.host.call_every(seconds, target, *args, **kwargs)

    def close(self) -> None:
        if not self._poller.closed:
            _close_all(self.socket_map)
            self.host.aio.remove_reader(self.fileno())
            self._poller.close()


def _close_all(handlers: dict[int, Any]) -> None:
    for handler in tuple(handlers.values()):
        try:
            handler.close()
        except Exception as error:
            log(Level.ERROR, "%s could not be closed", type(handler).__name__, exc_info=error)
    handlers.clear()
