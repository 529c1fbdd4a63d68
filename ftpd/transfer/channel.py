"""An established data connection as a pyftpdlib handler: it runs one step function at a time until that is done."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from ftpd.core.aside import Threads
from ftpd.core.clock import Sweep, Timer
from ftpd.core.log import Level, log
from ftpd.core.meter import Meter
from ftpd.core.reply import Refuse
from ftpd.module.wire import TransferError
from ftpd.transfer import kernel
from ftpd.transfer.errors import CLOSED, connection_lost, stalled
from ftpd.transfer.ioloop import DataLoop, LoopTimer
from ftpd.transfer.library import DTPHandler
from ftpd.transfer.sockets import DEFAULT, SocketOptions
from ftpd.transfer.throttle import Bucket

T = TypeVar("T")
SERVICE = 0x08
"""IPTOS_THROUGHPUT (RFC 1349); ProFTPD marks data connections so, and some shapers look at it."""
TURN = 1 << 20
"""Bytes a transfer moves through memory before others get their turn."""
COPIED = 128 << 10
"""Bytes of a piece that is copied or changed on its way: longer ones fall out of the caches, and cost a fifth more."""


class Ground:
    """What the data connections of a worker stand on; to DTPHandler it is the command channel."""

    __slots__ = ("ioloop", "meter", "options", "sweep", "threads")

    def __init__(
        self,
        ioloop: DataLoop,
        sweep: Sweep,
        threads: Threads | None = None,
        options: SocketOptions = DEFAULT,
        meter: Meter | None = None,
    ) -> None:
        self.ioloop = ioloop
        self.sweep = sweep
        self.threads = threads
        """What waits for slow file systems; without any, the loop does."""
        self.options = options
        self.meter = meter
        """Counts the processor time of a session's transfers; without any, nobody does."""

    def metered(self, meter: Meter | None) -> Ground:
        """The same for one session."""
        return self if meter is None else Ground(self.ioloop, self.sweep, self.threads, self.options, meter)

    def with_options(self, options: SocketOptions) -> Ground:
        """The same for a server that wants its sockets otherwise."""
        return self if options is self.options else Ground(self.ioloop, self.sweep, self.threads, options)

    def prepare(self, sock: socket.SocketType) -> None:
        """To be called before the socket listens or connects."""
        if self.options is not DEFAULT:
            self.options.apply(sock)

    def log(self, message: str, logfun: object = None) -> None:
        log(Level.INFO, "%s", message)

    def log_exception(self, instance: object) -> None:
        log(Level.ERROR, "%s failed", type(instance).__name__, exc_info=sys.exc_info()[1])


class Channel(DTPHandler):  # type: ignore[misc]  # pyftpdlib is untyped
    """The connection under :class:`ftpd.transfer.data.DataChannel`: waiting, pausing, stalling, ending.

    A step function moves what it can and gives True when all is done; it runs at once, and again whenever the
    socket is ready, so a small transfer never meets the loop.  Its connection is gone once it has raised.
    TLS overrides :meth:`put`, :meth:`get`, :meth:`half_close` and :meth:`finish`, and sets :attr:`needs` before
    BlockingIOError where the record layer waits for the other direction.
    """

    moved = 0
    announced = False
    """The client has been told that it opens (150)."""
    rest: Iterable[bytes] | None = None
    """What is left of a listing that was begun without its command."""
    needs = 0
    ioloop: DataLoop
    _closed = False
    _in_order = False
    """What came unasked is thrown away before the end, which would be a reset otherwise."""
    _ended = False
    """The other side has ended in order: nothing is left to be read."""
    _lingers = False
    """Our end has been sent, and it is the other side's that is waited for."""
    _step: Callable[[], bool] | None = None
    _done: asyncio.Future[None] | None = None
    _events = 0
    _watched = 0
    _socket: socket.SocketType | None = None
    _failure: TransferError | None = None
    _bucket: Bucket | None = None
    _pause: LoopTimer | None = None
    _held: asyncio.Task[None] | None = None
    """What the step waits for instead of the socket."""
    _patience = 0.0
    _stall: Timer | None = None
    last_moved: float | None = None
    _puller: asyncio.Task[Any] | None = None

    def __init__(self, descriptor: int, ground: Ground, local_port: int = 0) -> None:
        # DTPHandler's own constructor, and asyncore's beneath it, make twenty attributes and ask the kernel who is
        # there: for a transfer of a kilobyte that is more than the transfer
        self.ground = ground
        self.ioloop = ground.ioloop
        self.local_port = local_port
        self._fileno = descriptor

    @property
    def socket(self) -> Any:
        """The connection as Python knows it; made where it is asked for, which a small transfer never does."""
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self._socket is None:
            self._socket = socket.SocketType(fileno=self._fileno)
        return self._socket

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on port {self.local_port}, {self.moved} bytes moved>"

    __str__ = __repr__

    def get_transmitted_bytes(self) -> int:
        return self.moved

    # -- the socket, as TLS may replace it ---------------------------------------------------------

    def put(self, data: memoryview) -> int:
        """Give bytes to the connection; how many it took. BlockingIOError: none now."""
        # what fills no segment leaves together with our end: Perl's Net::FTP aborts a listing whose end it does not
        # see behind the last byte
        taken: int = self.socket.send(data, socket.MSG_MORE)
        return taken

    def get(self, buffer: memoryview) -> int:
        """Take bytes from the connection; 0 at its orderly end. BlockingIOError: none now."""
        taken: int = self.socket.recv_into(buffer)
        return taken

    def half_close(self) -> None:
        """Send what is still held back, and then the end; the client's own end may come later."""
        self.socket.shutdown(socket.SHUT_WR)

    # -- running a transfer ------------------------------------------------------------------------

    async def run(self, step: Callable[[], bool], events: int) -> None:
        """Run ``step`` until it is done, waiting for ``events`` in between; any failure closes the connection."""
        if self._closed:
            raise self._cause()
        try:
            if step():
                return
            self._step, self._events = step, events
            self._done = asyncio.get_running_loop().create_future()
            self._wait()
            await self._done
        except BaseException:  # a cancelled task must leave no descriptor behind
            self.close()
            raise
        finally:
            self._step = self._done = None

    def _go_on(self) -> None:
        meter = self.ground.meter
        if meter is None:
            self._next_step()
        else:
            meter.step(self._next_step)

    def _next_step(self) -> None:
        step, done = self._step, self._done
        if step is None or done is None or done.done():
            self._unwatch()
            return
        try:
            finished = step()
        except Exception as error:
            self._step = None
            self._unwatch()
            done.set_exception(error)
            return
        if finished:
            self._step = None
            self._unwatch()
            done.set_result(None)
        else:
            self._wait()

    def _enough(self) -> None:
        """The step under way need not be done: its transfer goes on without."""
        if self._done is not None and not self._done.done():
            self._step = None
            self._unwatch()
            self._done.set_result(None)

    def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Have the step go on when ``work`` is done, instead of when the socket is ready."""
        self._held = asyncio.ensure_future(work)
        self._held.add_done_callback(self._let_go)

    def _let_go(self, held: asyncio.Task[None]) -> None:
        self._held = None
        if held.cancelled():
            return
        error = held.exception()
        if error is None:
            self._go_on()
        elif isinstance(error, Refuse):
            self._fail(TransferError(451, f"Transfer aborted. {error.lines[-1]}", moved=self.moved))
        else:
            log(Level.ERROR, "reading ahead failed: %r", error, exc_info=error)
            self._fail(TransferError(451, "Transfer aborted. Internal error", moved=self.moved))

    def _wait(self) -> None:
        self._expect()
        if self._held is not None:
            self._unwatch()
            return
        pause = self._bucket.delay() if self._bucket is not None else 0.0
        if pause:
            self._unwatch()
            self._pause = self.ioloop.call_later(pause, self._resume, _errback=self.handle_error)
            return
        events, self.needs = self.needs or self._events, 0
        if events != self._watched:
            if self._watched:
                self.ioloop.modify(self._fileno, events)
            else:
                self.ioloop.register(self._fileno, self, events)
            self._watched = events

    def _resume(self) -> None:
        self._pause = None
        self._go_on()

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = 0
            self.ioloop.unregister(self._fileno)

    def allowed(self, wanted: int) -> int:
        """How many of the ``wanted`` bytes the throttle lets through now."""
        return wanted if self._bucket is None else self._bucket.grant(wanted)

    def went(self, count: int) -> None:
        """So many bytes went without a step of ours."""
        self.moved += count
        self.passed(count)

    def passed(self, count: int) -> None:
        """So many bytes went over the wire: the throttle and the stall timer hear of it."""
        if self._bucket is not None:
            self._bucket.took(count)
        if self._stall is not None:
            self._stall.reset()

    # -- what the engine may ask -------------------------------------------------------------------

    @property
    def receiving(self) -> bool:
        """Whether what moves is an upload."""
        return bool(self._events == self.ioloop.READ)

    @property
    def moving(self) -> bool:
        """Whether there is more to come than what the kernel holds already."""
        return self._step is not None and not self._lingers

    def throttle(self, bytes_per_second: float, free_bytes: int = 0) -> None:
        """Move no more than so much a second once the free bytes have passed; 0 is no limit."""
        self._bucket = Bucket(bytes_per_second, free_bytes) if bytes_per_second > 0 else None
        self.ioloop.stop_pump(self._fileno)

    def stall_after(self, seconds: float) -> None:
        """End the transfer with 421 when nothing moves for so long; 0 never."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self._patience = seconds
        if self._done is not None:
            self._expect()

    def _expect(self) -> None:
        """Whoever has to wait starts the stall timer; most transfers are over before."""
        if self._stall is None and self._patience > 0 and not self._closed:
            self._stall = self.ground.sweep.start(self._patience, self._stalled)

    def _stalled(self) -> None:
        self._fail(stalled(self._patience, self.moved))

    def abort(self, code: int = 426, text: str = CLOSED, *, aborted: bool = True) -> None:
        """Close at once; the transfer under way raises TransferError(code, text).

        ``aborted`` says that the client asked for it.
        """
        self._fail(TransferError(code, text, aborted=aborted, moved=self.moved))

    def _cause(self) -> TransferError:
        """Why the connection is closed, to be raised."""
        return connection_lost(self.moved) if self._failure is None else self._failure.again()

    def _fail(self, error: TransferError) -> None:
        if not self._closed:
            self._failure = error
            self.close()
            if self._puller is not None:
                self._puller.cancel()

    async def _outside(self, work: Awaitable[T]) -> T:
        """Await what is not this connection's; an abort does not wait for it if it hangs."""
        self._expect()
        own = asyncio.current_task()
        # up to its first wait a transfer runs outside of any task, and only a task can be cancelled
        task = self._puller = own or asyncio.ensure_future(work)
        try:
            return await (work if own else task)
        except asyncio.CancelledError:
            # ours, from an abort, unless somebody else has cancelled the task as well
            if self._failure is not None and (own is None or own.uncancel() == 0):
                raise self._cause() from None
            raise
        finally:
            self._puller = None

    # -- pyftpdlib's handler -----------------------------------------------------------------------

    def add_channel(self, map: object = None, events: int | None = None) -> None:
        """Not registered before it has to wait: most transfers never do."""

    def del_channel(self, map: object = None) -> None:
        self._unwatch()

    def readable(self) -> bool:
        return bool(self._watched & self.ioloop.READ)

    def writable(self) -> bool:
        return bool(self._watched & self.ioloop.WRITE)

    def handle_read_event(self) -> None:
        self._go_on()

    def handle_write_event(self) -> None:
        self._go_on()

    def handle_error(self) -> None:
        """Something of ours failed outside of a step: the transfer ends with 451, the log has the traceback."""
        self.ground.log_exception(self)
        self._fail(TransferError(451, "Transfer aborted. Internal error", moved=self.moved))

    def handle_close(self) -> None:
        self.close()

    def close(self) -> None:
        """Release the descriptor and every registration; a transfer under way ends with the failure."""
        if self._closed:
            return
        # not DTPHandler's: that one writes replies, which is the dispatcher's work here
        self._closed = True
        if self._watched:
            self._unwatch()
        self._release()
        if self._pause is not None:
            self._pause.cancel()
        if self._stall is not None:
            self.last_moved = self._stall.since
            self._stall.cancel()
        self._pause = self._stall = self._step = None
        if self._held is not None:
            self._held.cancel()
        if self._done is not None and not self._done.done():
            self._done.set_exception(self._cause())

    def _release(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.detach()
        if self._in_order:
            kernel.end(self._fileno)
        else:
            os.close(self._fileno)
