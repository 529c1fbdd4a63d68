"""A control and a data connection in memory, which behave as the real ones promise to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable

from ftpd.conf.tree import Scope
from ftpd.core.clock import Sweep, Timer
from ftpd.core.reply import Reply
from ftpd.module.wire import Data, Foreign, NoShortcuts, TransferError, Work

NO_DATA = "Unable to build data connection: Connection refused"


class MemoryData:
    """A data connection whose other end is a bytes object."""

    last_moved: float | None = None

    def __init__(self, incoming: bytes = b"") -> None:
        self.moved = self.grown = self.shrunk = 0
        self.announced = False
        self.rest: Iterable[bytes] | None = None
        self.local_port = 20
        self.incoming = incoming
        self.sent = bytearray()
        self.rate: float | None = None
        self._aborted: TransferError | None = None

    def _checked(self) -> None:
        if self._aborted is not None:
            raise self._aborted

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
        self._checked()
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, size - offset if count is None else count, offset)
        made = content.replace(b"\n", b"\r\n") if ascii else content
        self.grown = len(made) - len(content)
        self.sent += made
        self.moved = len(self.sent)
        return self.moved

    def send_at_once(self, descriptor: int, device: int, *, offset: int, count: int) -> int:
        return 0

    async def send(self, chunks: Iterable[bytes] | AsyncIterator[bytes]) -> int:
        self._checked()
        if isinstance(chunks, AsyncIterator):
            async for chunk in chunks:
                self.sent += chunk
        else:
            for chunk in chunks:
                self.sent += chunk
        self.moved = len(self.sent)
        return self.moved

    async def receive_file(
        self, descriptor: int, *, offset: int | None = None, ascii: bool = False, limit: int | None = None
    ) -> int:
        self._checked()
        content = self.incoming.replace(b"\r\n", b"\n") if ascii else self.incoming
        kept = content if limit is None else content[:limit]
        if offset is None:
            os.lseek(descriptor, 0, os.SEEK_END)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
        view = memoryview(kept)
        while view:
            view = view[os.write(descriptor, view) :]
        self.moved, self.shrunk = len(kept), len(self.incoming) - len(content)
        if len(kept) < len(content):
            raise TransferError(552, "Transfer aborted. File size limit reached", moved=self.moved)
        return self.moved

    def throttle(self, bytes_per_second: float, free_bytes: int = 0) -> None:
        self.rate = bytes_per_second

    def stall_after(self, seconds: float) -> None:
        pass

    def abort(self, code: int = 426, text: str = "Transfer aborted. Data connection closed") -> None:
        self._aborted = TransferError(code, text, aborted=True, moved=self.moved)

    async def linger(self, seconds: float) -> None:
        pass

    async def finish(self) -> None:
        pass


class MemoryWire(NoShortcuts):
    """A control connection that keeps what was written, and timers that a test moves on."""

    def __init__(self) -> None:
        self.written: list[Reply] = []
        self.closed_for: str | None = None
        self.incoming: bytes | None = None
        self.last: MemoryData | None = None
        self.listening: dict[str, object] | None = None
        self.work: Work | None = None
        self.abort_wanted = False
        self.use_ipv6 = True
        self.hosts: dict[str, Scope] = {}
        """Servers by name or address, for HOST; :class:`ftpd.testing.Bench` fills it."""
        self._timers: list[Timer] = []
        self._sweep = Sweep()

    def send(self, reply: Reply) -> None:
        self.written.append(reply)

    def end(self, reason: str) -> None:
        self.closed_for = reason if self.closed_for is None else self.closed_for

    def server_named(self, name: str) -> Scope | None:
        return self.hosts.get(name.lower())

    def moved(self) -> None:
        pass

    def passive(self, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        self.listening = {"ports": ports, "address": address, "extended": extended}
        self.incoming = self.incoming if self.incoming is not None else b""
        return address or "127.0.0.1", ports.start if ports else 50000

    def active(self, address: str, port: int, *, from_before: bool = False) -> None:
        self.listening = {"active": (address, port)}
        self.incoming = self.incoming if self.incoming is not None else b""

    def forget_data(self) -> None:
        self.listening = self.incoming = None

    async def open_data(self, *, timeout: float, allow_foreign: Foreign = False) -> Data:
        if self.incoming is None:
            raise TransferError(425, NO_DATA)
        self.last = MemoryData(self.incoming)
        self.listening = self.incoming = None
        return self.last

    @property
    def data(self) -> Data | None:
        return None

    def abort_transfer(self) -> bool:
        if self.work is not None:
            self.work.aborted = True
        return self.work is not None

    @property
    def busy(self) -> bool:
        return self.work is not None or self.data is not None

    @property
    def awaits_client(self) -> bool:
        return self.listening is not None and "active" not in self.listening

    def hear(self) -> bool:
        """Nobody speaks while a line is being answered."""
        return False

    @property
    def gone(self) -> bool:
        return self.closed_for is not None

    def timer(self, seconds: float, callback: Callable[[], None], *, idle: bool = False) -> Timer:
        timer = Timer(self._sweep, seconds, callback)
        self._timers.append(timer)
        return timer

    def pass_time(self, seconds: float) -> None:
        """Let every timer of at most so many seconds ring."""
        for timer in list(self._timers):
            if timer.active and timer.seconds <= seconds:
                timer.ring()
