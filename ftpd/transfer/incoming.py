"""What comes in over a data connection: uploads, written as they come, with back-pressure and exact counts."""

from __future__ import annotations

import os

from ftpd.core.aside import far_file
from ftpd.transfer import kernel
from ftpd.transfer.channel import COPIED, TURN, Channel
from ftpd.transfer.errors import connection_lost, local_failure, too_large
from ftpd.transfer.far import CHUNK, FarEnd
from ftpd.transfer.lineends import FromNetwork

LONG_TURN, FEW = 4 << 20, 2
"""Bytes of a turn of an upload while there are so few transfers: each turn costs three per cent of a megabyte."""

_buffer = kernel.ROOM


class Incoming(Channel):
    """A connection that an upload may come by."""

    _narrowing: FromNetwork | None = None

    def use_sendfile(self) -> bool:
        """False where bytes have to pass through us, out or in: TLS overrides it."""
        return True

    @property
    def shrunk(self) -> int:
        """Bytes that came and are not in the file: the CRs of a text."""
        return 0 if self._narrowing is None else self._narrowing.shrunk

    async def receive_file(
        self, descriptor: int, *, offset: int | None = None, ascii: bool = False, limit: int | None = None
    ) -> int:
        """Write what comes to the file, at ``offset`` or at its end; gives the bytes written.

        A reset instead of an end is a TransferError, as is anything beyond ``limit`` bytes.
        """
        before = self.moved
        convert = self._narrowing = FromNetwork() if ascii else None
        if (far := self._far_end(descriptor)) is not None:
            await self._receive_far(far, offset, convert, limit)
            return self.moved - before

        def keep(data: bytes | memoryview) -> None:
            done = self.moved - before
            room = len(data) if limit is None else limit - done
            self._store(descriptor, data[:room], None if offset is None else offset + done)
            if len(data) > room:
                raise too_large(self.moved)

        as_it_comes = convert is None and limit is None and self.use_sendfile()
        most = TURN if convert is None else COPIED

        def step() -> bool:
            if as_it_comes and self._bucket is None:
                return self._receive(descriptor, -1 if offset is None else offset + self.moved - before)
            turn = TURN
            while turn > 0:
                wanted = self.allowed(most)
                if not wanted:
                    return False
                try:
                    count = self.get(_buffer[:wanted])
                except BlockingIOError:
                    return False
                except OSError:
                    # a reset is no end: what the client meant to send after it is unknown
                    raise connection_lost(self.moved) from None
                if not count:
                    self._ended = True
                    if convert is not None:
                        keep(convert.rest())
                    return True
                self.passed(count)
                turn -= count
                keep(_buffer[:count] if convert is None else convert(bytes(_buffer[:count])))
            return False

        await self.run(step, self.ioloop.READ)
        return self.moved - before

    def _receive(self, descriptor: int, at: int) -> bool:
        """A step that writes what comes as it is."""
        turn = LONG_TURN if len(self.ioloop.socket_map) <= FEW else TURN
        stored, how, code = kernel.receive(self._fileno, descriptor, at, turn)
        self.moved += stored
        if stored:
            self.passed(stored)
        if how == kernel.ENDED:
            self._ended = True
            return True
        if how == kernel.LOST:
            # a reset is no end: what the client meant to send after it is unknown
            raise connection_lost(self.moved)
        if how == kernel.FAILED:
            raise local_failure(OSError(code, os.strerror(code)), self.moved)
        return False

    async def _receive_far(
        self, far: FarEnd, offset: int | None, convert: FromNetwork | None, limit: int | None
    ) -> None:  # fmt: skip
        """The same for a file that a thread has to write: while it does, nothing more is taken from the client."""
        before = self.moved
        buffer = memoryview(bytearray(CHUNK))
        filled = 0

        def fill() -> bool:
            nonlocal filled
            while filled < CHUNK and not self._ended:
                wanted = self.allowed(CHUNK - filled)
                if not wanted:
                    return filled > 0
                try:
                    count = self.get(buffer[filled : filled + wanted])
                except BlockingIOError:
                    return filled > 0
                except OSError:
                    raise connection_lost(self.moved) from None
                self._ended = not count
                self.passed(count)
                filled += count
            return True

        try:
            while not self._ended:
                filled = 0
                await self.run(fill, self.ioloop.READ)
                data = bytes(buffer[:filled])
                if convert is not None:
                    data = convert(data) + (convert.rest() if self._ended else b"")
                done = self.moved - before
                room = len(data) if limit is None else limit - done
                if stored := data[:room]:
                    await self._outside(far.store(stored, None if offset is None else offset + done))
                    self.moved += len(stored)
                if len(data) > room:
                    raise too_large(self.moved)
        except BaseException:
            self.close()
            raise

    def _store(self, descriptor: int, data: bytes | memoryview, at: int | None) -> None:
        written, code = kernel.written_all(descriptor, memoryview(data), -1 if at is None else at)
        self.moved += written
        if code:
            raise local_failure(OSError(code, os.strerror(code)), self.moved)

    def _far_end(self, descriptor: int) -> FarEnd | None:
        file, threads = far_file(descriptor), self.ground.threads
        return None if file is None or threads is None else FarEnd(file, threads, lambda: self.moved)
