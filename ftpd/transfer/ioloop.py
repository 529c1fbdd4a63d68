"""pyftpdlib's IOLoop on an asyncio loop: its handlers run on asyncio's or uvloop's, timed and fenced off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from time import perf_counter
from typing import Any

from ftpd import native
from ftpd.core import trace, watchdog
from ftpd.core.answers import Answers
from ftpd.core.log import Level, log
from ftpd.transfer import kernel
from ftpd.transfer.library import Epoll

_SOON = 0.001
"""Seconds within which a client that waits for each reply mostly sends its next command."""
_STAY = 0.005
"""Seconds for which others (timers, threads, sockets of modules) may wait meanwhile, and once more as long for a client
that has fallen silent: a shorter wait would set the processor's timer each time, which costs more than a command."""
_NOT_READ, _NOT_WRITE = ~Epoll.READ, ~Epoll.WRITE
BATCH, DATA_BATCH = 16, 4
"""Channels served before the loop gives everybody else a turn; one of data may move a megabyte, which takes half a
millisecond: with 16 of them one NOOP in a hundred waited for 28 ms beside 50 downloads, with 4 for 8 to 16."""


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


class _Guest(Epoll):  # type: ignore[misc]  # pyftpdlib is untyped
    """pyftpdlib's epoll loop, whose own descriptor is watched by the asyncio loop.

    Not ``add_reader`` for each connection: a descriptor that lives for one transfer pays five times as much for
    it, and uvloop calls but once and never again where a client's reset comes together with its last words.
    """

    batch = BATCH

    def __init__(self, aio: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.aio = aio
        aio.add_reader(self.fileno(), self._ready)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.socket_map)} connections>"

    __str__ = __repr__

    def _ready(self) -> None:
        self.serve(0)

    def serve(self, timeout: float) -> int:
        """Serve one batch of what is ready within ``timeout`` seconds; gives how many channels that were."""
        # never more than a batch: epoll keeps the rest, and hands it out in turn (ready list, round robin)
        ready = self._poller.poll(timeout, self.batch)
        self._serve_each(ready)
        return len(ready)

    def _serve_each(self, ready: Iterable[tuple[Any, ...]]) -> None:
        """Have handlers deal with their events; behind those may stand what was read for them already."""
        handlers = self.socket_map
        began = perf_counter()
        for fd, events, *read in ready:
            # .get: an earlier handler of the batch may have closed this one
            handler = handlers.get(fd)
            if handler is None:
                continue
            step = "handle_read_event"
            try:
                # errors and hang-ups come to whoever waits: the next read or write says what it was
                if read:
                    handler.handle_read_already(*read)
                elif events & _NOT_WRITE and handler.readable():
                    handler.handle_read_event()
                if events & _NOT_READ and handlers.get(fd) is handler and handler.writable():
                    step = "handle_write_event"
                    handler.handle_write_event()
            except Exception:
                _failed(handler)
            ended = perf_counter()
            if ended - began > watchdog.LIMIT:
                watchdog.note(f"{type(handler).__name__}.{step}", ended - began)
            began = ended

    def close(self) -> None:
        """Close every handler."""
        if not self._poller.closed:
            _close_all(self.socket_map)
            self.aio.remove_reader(self.fileno())
            self._poller.close()


def _nothing() -> None:
    pass


class AsyncioLoop(_Guest):
    """What control channels register with; made once a worker, inside its running loop.

    ``data`` is the loop of the data channels: apart, so that a command waits for one batch of transfers and not
    for all of them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(loop or asyncio.get_running_loop())
        self.timers: set[LoopTimer] = set()
        self.data = DataLoop(self)
        self.calm: Callable[[], bool] = lambda: False
        """Whether nobody waits for anything but these channels."""
        self.noted: list[tuple[Any, ...]] = []
        """Whom to tell, and what, once there is time: things that were done without asking anybody."""
        self._served = 0.0
        self._descriptor = self.fileno()
        self._front = None if native.front is None else native.front.Front()
        self._linger = (_nothing, _nothing) if native.calls is None else (native.calls.linger, native.calls.settle)

    def recall(self, fd: int, answers: Answers) -> None:
        """These packets of the channel need not come to it: they have these answers, for as long as they are there."""
        if self._front is not None:
            self._front.recall(fd, answers, answers.until)

    def lends_to(self, waken: Callable[[], None]) -> Any:
        """The front, if there is one, to wait for data connections as well, which :meth:`recall_lent` takes back.

        With the first that comes while nobody is ``awake``, ``waken`` is called.
        """
        if self._front is not None and self._front.waken is None:
            self._front.waken = waken
        return self._front

    def awake(self, awake: bool) -> None:
        if self._front is not None:
            self._front.awake = awake

    def lent_before(self, moment: float) -> list[Any]:
        """The channels one of whose data connections the front has waited for since before that (monotonic clock)."""
        return [] if self._front is None else [self.socket_map[fd] for fd in self._front.lasting(moment)]

    def forget(self, fd: int) -> None:
        """Whatever comes from that channel is to come to it."""
        if self._front is not None:
            self._front.forget(fd)

    def unregister(self, fd: int) -> None:
        if self._front is not None:
            self._front.forget(fd)
        super().unregister(fd)

    def serve(self, timeout: float, until: float = 0.0) -> int:
        """The same, and until that moment again and again while what comes has a known answer; the last batch counts.

        Channels that let answers be recalled have ``answered``, to be told of that, and ``handle_read_already``.
        """
        if self._front is None or trace.loud:
            for channel in self.lent_before(inf):
                channel.unsettle()
            return super().serve(timeout)
        # those who look at one file after the other are not left and become again for each
        linger, settle = self._linger
        linger()
        try:
            ready, told, served, slowest = self._front.serve(self._descriptor, timeout, until, BATCH)
        finally:
            settle()
            if self.noted:
                self.note()
        if slowest > watchdog.LIMIT:
            watchdog.note("an answer that was known", slowest)
        for fd, received, sent, when in told:
            self.socket_map[fd].answered(received, sent, when)
        if ready:
            self._serve_each(ready)
        return served  # type: ignore[no-any-return]

    def note(self) -> None:
        """Tell all who are to be told, in the order in which it happened."""
        noted = self.noted[:]
        self.noted.clear()
        begin = 0
        for at, (who, *_) in enumerate(noted):
            if at + 1 == len(noted) or noted[at + 1][0] is not who:
                who([what[1:] for what in noted[begin : at + 1]])
                begin = at + 1

    def _ready(self) -> None:
        """Serve, and stay for a moment with clients that answer at once: half of a round of asyncio's loop is saved."""
        came = perf_counter()
        self.serve(0)
        if came - self._served < _SOON:
            until = came + _STAY
            while self.calm() and self.serve(_STAY, until) and perf_counter() < until:
                pass
        self._served = perf_counter()

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
        super().close()
        if self._front is not None:
            self._front.waken = None
        for timer in tuple(self.timers):
            timer.cancel()


class DataLoop(_Guest):
    """What data channels and their ports register with."""

    batch = DATA_BATCH

    def __init__(self, host: AsyncioLoop) -> None:
        super().__init__(host.aio)
        self.host = host
        self.pumps: dict[int, Any] = {}
        """By descriptor, what goes out without its channel being asked (:data:`ftpd.transfer.kernel.pump`)."""

    def register(self, fd: int, channel: Any, events: int) -> None:
        # a number may be another connection's by now
        self.stop_pump(fd)
        super().register(fd, channel, events)

    def unregister(self, fd: int) -> None:
        self.stop_pump(fd)
        super().unregister(fd)

    def stop_pump(self, fd: int) -> None:
        """Have its channel asked again: what the pump gathered and has not sent is given back."""
        if self.pumps and (pump := self.pumps.pop(fd, None)) is not None:
            pump.close()

    def serve(self, timeout: float) -> int:
        if not self.pumps:
            return super().serve(timeout)
        began = perf_counter()
        ready, went = kernel.serve_pumps(self.fileno(), int(timeout * 1000), self.batch, self.pumps)
        for fd, sent in went:
            self.socket_map[fd].went(sent)
        if (spent := perf_counter() - began) > watchdog.LIMIT:
            watchdog.note("the middle of a file", spent)
        self._serve_each(ready)
        return len(ready) + len(went)

    def call_later(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self.host.call_later(seconds, target, *args, **kwargs)

    def call_every(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> LoopTimer:
        return self.host.call_every(seconds, target, *args, **kwargs)


def _failed(handler: Any) -> None:
    """What a step of a handler raises ends in its own handle_error, never in the loop."""
    try:
        handler.handle_error()
    except Exception as error:
        log(Level.ERROR, "%s failed while it dealt with a failure", type(handler).__name__, exc_info=error)
        handler.close()


def _close_all(handlers: dict[int, Any]) -> None:
    for handler in tuple(handlers.values()):
        try:
            handler.close()
        except Exception as error:
            log(Level.ERROR, "%s could not be closed", type(handler).__name__, exc_info=error)
    handlers.clear()
