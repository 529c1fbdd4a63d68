"""What goes out over a data connection: files, listings, and the end in order, with back-pressure and exact counts."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from time import perf_counter
from typing import Any

from ftpd.core.aside import far_file
from ftpd.core.eager import begin
from ftpd.core.slices import my_turn
from ftpd.transfer import kernel
from ftpd.transfer.channel import COPIED, TURN
from ftpd.transfer.cold import AT_ONCE, fetch, flags_for, is_cold
from ftpd.transfer.errors import connection_lost, file_shrank, local_failure
from ftpd.transfer.incoming import FEW, Incoming
from ftpd.transfer.lineends import ToNetwork

SENDFILE_MOST = 1 << 20
"""Bytes asked of one sendfile call: more is no faster, and unfair to others."""
SMALL = 32 << 10
"""Bytes that go out by themselves: what sendfile leaves for the end to follow, Perl's Net::FTP takes for unfinished."""
UNSENT_MOST = 192 << 10
"""Bytes that may wait unsent in the kernel: with megabytes there, 226 would be said long before it is true."""
UNSENT_MEANWHILE = 1 << 20
"""The same far from the end of a file: a client that is quick is waited for less often, and costs a quarter less."""
BESIDE_US = 256 << 10
"""Bytes that may be on their way to a client on this machine (SO_SNDBUF), far from the end of a file: it is as quick as
we are, and with room for more it is asleep whenever the next bytes come. To wake it costs more than to send them; so it
is the client that wakes us, and a file costs half."""
LAST = 2 << 20
"""What is left of a file when its end comes near."""
PATIENCE = 0.0005
"""Seconds of sending without a break before the loop is given a turn (a listing goes out in slices)."""
_NOTSENT_LOWAT = 25
"""TCP_NOTSENT_LOWAT of <linux/tcp.h>, which the socket module does not name."""
_UNKNOWN = 1 << 62

_buffer = kernel.ROOM

_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_LOST = frozenset(
    {errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT}
    | {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
)


async def _next(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)


def _unchanged(chunk: bytes) -> bytes:
    return chunk


class DataChannel(Incoming):
    """The ``Data`` of a session: see :class:`ftpd.module.wire.Data`."""

    _widening: ToNetwork | None = None

    def hold_little(self, most: int = UNSENT_MOST) -> None:
        """Have the kernel ask for more only when little is left; what the client has room for goes out all the same."""
        with suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, most)

    def hold_much(self) -> bool:
        """Have enough ready in the kernel that a quick client costs little; whether that is one on this machine."""
        with suppress(OSError):
            if not self.ground.options.send_buffer and self.socket.getpeername()[0] == self.socket.getsockname()[0]:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BESIDE_US)
                return True
        self.hold_little(UNSENT_MEANWHILE)
        return False

    @property
    def grown(self) -> int:
        return 0 if self._widening is None else self._widening.grown

    # -- out -----------------------------------------------------------------------------------------

    async def send_file(
        self,
        descriptor: int,
        *,
        offset: int = 0,
        count: int | None = None,
        ascii: bool = False,
        sendfile: bool = True,
        slice: int = 0,
    ) -> int:
        """Send a file from ``offset`` (``count`` bytes, or as long as it is now); gives the bytes on the wire."""
        before = self.moved
        convert = self._widening = ToNetwork() if ascii else None
        if (far := self._far_end(descriptor)) is not None:
            async with aclosing(far.chunks(offset, count, convert or _unchanged)) as chunks:
                return await self.send(chunks)
        known_file = os.fstat(descriptor)
        size, device = known_file.st_size, known_file.st_dev
        # a size of 0 says nothing (procfs): there the end is where reading ends, and nothing can be missing
        known = size > offset
        end = size if known else _UNKNOWN
        if count is not None:
            end = min(end, offset + count)
        if end - offset > UNSENT_MOST:
            self.hold_little()
        small = min(slice or SMALL, SMALL)
        if known and end - offset <= small and not ascii:
            offset += self.send_at_once(descriptor, device, offset=offset, count=end - offset)
            if offset == end:
                return self.moved - before
        if convert is not None:
            step = self._copying(descriptor, device, offset, end, known, convert)
        elif sendfile and end - offset > small and self.use_sendfile():
            most = min(slice or SENDFILE_MOST, SENDFILE_MOST)
            step = self._sendfile(descriptor, device, offset, end, known, most)
        else:
            step = self._copying(descriptor, device, offset, end, known, _unchanged)
        await self.run(step, self.ioloop.WRITE)
        return self.moved - before

    def send_at_once(self, descriptor: int, device: int, *, offset: int, count: int) -> int:
        """Send a small file, or what the connection takes of it now, without any of what long ones need.

        0 where that is not to be had, for whatever reason: :meth:`send_file` meets it again.
        """
        if count > SMALL or self._bucket is not None or self._closed or not self.use_sendfile():
            return 0
        if far_file(descriptor) is not None:
            return 0
        # as much of it as is in memory
        sent = kernel.deliver(self._fileno, descriptor, offset, count, flags_for(device))
        if sent <= 0:
            return 0
        self.moved += sent
        return sent

    def _sendfile(
        self, descriptor: int, device: int, at: int, end: int, known: bool, most: int
    ) -> Callable[[], bool]:  # fmt: skip
        copying: Callable[[], bool] | None = None
        here = at
        much = known and end - at > LAST
        beside = much and self.hold_much()
        pump: Any = None

        def step() -> bool:
            nonlocal at, here, copying, much, pump
            if copying is not None:
                return copying()
            if pump is not None:
                at = here = pump.at
                pump = None
                self.ioloop.stop_pump(self._fileno)
            if at == end:
                return True
            if much and end - at <= LAST:
                much = False
                self.hold_little()
            if at >= here:
                here, comes = self._look_ahead(descriptor, device, at, min(end, at + most)) if known else (end, False)
                if comes:
                    return False
            wanted = self.allowed(min(here - at, most))
            if not wanted:
                return False
            try:
                sent = os.sendfile(self._fileno, descriptor, at, wanted)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _NO_SENDFILE:  # some FUSE and network file systems
                    self.hold_little()
                    copying = self._copying(descriptor, device, at, end, known, _unchanged)
                    return copying()
                if error.errno in _LOST:
                    raise connection_lost(self.moved) from None
                raise local_failure(error, self.moved) from error
            if not sent:
                return self._at_end(known)
            at += sent
            self.moved += sent
            self.passed(sent)
            if much and kernel.pump is not None and self._is_left_alone():
                # of many at once each is waited for anyway
                gather = beside and len(self.ioloop.pumps) < FEW
                pump = kernel.pump(self._fileno, descriptor, at, end - LAST, most, flags_for(device), gather)
                self.ioloop.pumps[self._fileno] = pump
            return at == end

        return step

    def _is_left_alone(self) -> bool:
        """Whether nobody has a say in each piece, and the loop waits for the connection."""
        return bool(self._watched == self.ioloop.WRITE) and self._bucket is None and self.ground.meter is None

    def _look_ahead(self, descriptor: int, device: int, at: int, end: int) -> tuple[int, bool]:
        """How far the file can be read without waiting; True: once the disk has brought that, for which we wait now."""
        threads = self.ground.threads
        if threads is None or not is_cold(descriptor, device, end - 1):
            return end, False
        end = min(end, at + AT_ONCE)
        if not is_cold(descriptor, device, end - 1):
            return end, False
        self.hold(fetch(threads, descriptor, device, at, end))
        return end, True

    def _copying(
        self, descriptor: int, device: int, at: int, end: int, known: bool, convert: Callable[[bytes], bytes]
    ) -> Callable[[], bool]:
        rest = memoryview(b"")
        here = at

        def step() -> bool:
            nonlocal at, here, rest
            turn = TURN
            while turn > 0:
                if not rest:
                    if at == end:
                        return True
                    if at >= here:
                        stop = min(end, at + COPIED)
                        here, comes = self._look_ahead(descriptor, device, at, stop) if known else (end, False)
                        if comes:
                            return False
                    try:
                        chunk = os.pread(descriptor, min(end - at, COPIED), at)
                    except OSError as error:
                        raise local_failure(error, self.moved) from error
                    if not chunk:
                        return self._at_end(known)
                    at += len(chunk)
                    rest = memoryview(convert(chunk))
                sent = self._push(rest)
                if not sent:
                    return False
                rest = rest[sent:]
                turn -= sent
            return at == end and not rest

        return step

    def _at_end(self, known: bool) -> bool:
        if known:
            raise file_shrank(self.moved)
        return True

    def _push(self, data: memoryview) -> int:
        """Give the connection what it and the throttle take of ``data``; 0 is: wait."""
        wanted = self.allowed(len(data))
        if not wanted:
            return 0
        try:
            sent = self.put(data[:wanted])
        except BlockingIOError:
            return 0
        except OSError:
            raise connection_lost(self.moved) from None
        self.moved += sent
        self.passed(sent)
        return sent

    async def send(self, chunks: Iterable[bytes] | AsyncIterator[bytes]) -> int:
        """Send what the iterable yields, asking for the next chunk only when the last one has left."""
        before = self.moved
        try:
            # the first question is answered in no time, the second one by an abstract class
            if not isinstance(chunks, (list, tuple, map)) and isinstance(chunks, AsyncIterator):
                while (chunk := await self._pull(chunks)) is not None:
                    await self._send_chunk(memoryview(chunk))
            else:
                began = perf_counter()
                for chunk in chunks:
                    given = self.give_at_once(chunk)
                    if waits := given < len(chunk):
                        await self._send_chunk(memoryview(chunk)[given:])
                    if waits or perf_counter() - began > PATIENCE:
                        await my_turn()
                        began = perf_counter()
            if self._failure is not None:  # aborted while the loop had its turn
                raise self._cause()
        except BaseException:  # the source's own failures too: nothing must stay open behind them
            self.close()
            raise
        return self.moved - before

    def give_at_once(self, chunk: bytes) -> int:
        """Send what the connection takes of it now, without what waiting needs; 0 where that is not to be had."""
        if self._bucket is not None or self._closed or self.moved + len(chunk) >= UNSENT_MOST:
            return 0
        if not self.use_sendfile() or (given := kernel.give(self._fileno, chunk)) <= 0:
            return 0
        self.moved += given
        self.passed(given)
        return given

    async def _send_chunk(self, rest: memoryview) -> None:
        if self.moved < UNSENT_MOST <= self.moved + len(rest):
            self.hold_little()

        def step() -> bool:
            nonlocal rest
            while rest:
                sent = self._push(rest)
                if not sent:
                    return False
                rest = rest[sent:]
            return True

        await self.run(step, self.ioloop.WRITE)

    async def _pull(self, source: AsyncIterator[bytes]) -> bytes | None:
        """The next chunk, None at the end."""
        chunk = begin(_next(source))
        return chunk if chunk is None or isinstance(chunk, bytes) else await self._outside(chunk)

    # -- the end -------------------------------------------------------------------------------------

    async def linger(self, seconds: float) -> None:
        """Send our end and wait for the client's: only that tells that it has taken everything."""
        self._lingers = True
        with suppress(OSError):
            self.half_close()

        def step() -> bool:
            try:
                while self.get(_buffer):
                    pass
            except BlockingIOError:
                return False
            except OSError:
                pass  # a client that closes by a reset has closed as well
            return True

        timer = self.ground.sweep.start(seconds, self._enough)
        try:
            await self.run(step, self.ioloop.READ)
        finally:
            timer.cancel()

    def linger_no_more(self) -> bool:
        """Whether it was only the client's end that was waited for; then the transfer is over."""
        if self._lingers:
            self._enough()
        return self._lingers

    async def finish(self) -> None:
        """Close in order: bytes left unread would turn our end into a reset, which eats what is on its way."""
        self._in_order = not self._ended
        self.close()
