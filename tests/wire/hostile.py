"""A client that says exactly the bytes it is told to, and what has to hold whatever such a client did."""

from __future__ import annotations

import os
import re
import resource
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType

import pytest

from tests.wire.daemon import PATIENCE, Daemon, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon serves several system users")


class Raw:
    """One control connection; ``source`` is the address it comes from, ``window`` how little it takes in unread."""

    def __init__(self, server: Daemon, *, source: str | None = None, window: int = 0, greeted: bool = True) -> None:
        self.host, self.port = server.host, server.port
        self._user, self._password = server.user, server.password
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        if source is not None:
            self.sock.bind((source, 0))
        self._came = b""
        self.sock.connect((self.host, self.port))
        if greeted:
            assert self.reply().startswith("220")

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a session that says goodbye is not one that the log tells of as lost
        with suppress(OSError):
            self.sock.sendall(b"QUIT\r\n")
        self.sock.close()

    # -- the control connection ------------------------------------------------------------------------

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data if isinstance(data, bytes) else data.encode() + b"\r\n")

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._came += data
        return bool(data)

    def line(self) -> str:
        while b"\n" not in self._came:
            assert self._more(), f"the server closed the connection; the last it said was {self._came!r}"
        line, _, self._came = self._came.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply that does not end in CRLF: {line!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def reply(self) -> str:
        """One whole reply; the lines of a long one stay lines."""
        lines = [self.line()]
        if lines[0][3:4] == "-":
            while not lines[-1].startswith(lines[0][:3] + " "):
                lines.append(self.line())
        return "\n".join(lines)

    def ask(self, command: bytes | str) -> str:
        self.send(command)
        return self.reply()

    def codes(self, *commands: str) -> list[int]:
        return [int(self.ask(command)[:3]) for command in commands]

    def rest(self) -> str:
        """All that still comes until the server closes; a reset is an end, too."""
        with suppress(ConnectionResetError):
            while self._more():
                pass
        came, self._came = self._came, b""
        return came.decode("utf-8", "surrogateescape")

    def flood(self, data: bytes, replies: int) -> list[str]:
        """Send and read at once, as a client has to that sends more than the connection holds."""
        self.sock.setblocking(False)
        rest, end = memoryview(data), monotonic() + PATIENCE
        while rest or self._came.count(b"\n") < replies:
            assert monotonic() < end, f"only {self._came.count(10)} of {replies} replies came"
            ready, writable, _ = select.select([self.sock], [self.sock] if rest else [], [], 1)
            if writable:
                with suppress(BlockingIOError):
                    rest = rest[self.sock.send(rest[:65536]) :]
            if ready and not self._more():
                break
        self.sock.settimeout(PATIENCE)
        *lines, self._came = self._came.split(b"\r\n")
        return [line.decode("utf-8", "surrogateescape") for line in lines]

    def login(self, user: str | None = None, password: str | None = None) -> Raw:
        self.ask(f"USER {user or self._user}")
        answer = self.ask(f"PASS {password or self._password}")
        assert answer.startswith("230"), answer
        assert self.ask("TYPE I").startswith("200")
        return self

    def reset(self) -> None:
        reset(self.sock)

    # -- data connections ------------------------------------------------------------------------------

    def port_for_data(self) -> int:
        answer = self.ask("PASV")
        found = re.search(r"\((?:\d+,){4}(\d+),(\d+)\)", answer)
        assert found, answer
        return int(found[1]) * 256 + int(found[2])

    def passive(self, *, source: str | None = None, window: int = 0) -> socket.socket:
        """A data connection to a fresh passive port."""
        return connect(self.host, self.port_for_data(), source=source, window=window)

    def transfer(self, command: str, upload: bytes | None = None) -> tuple[str, bytes]:
        """The final reply of a transfer, and what came; a refusal is the final reply as well."""
        came = b""
        with self.passive() as data:
            self.send(command)
            first = self.reply()
            if not first.startswith("1"):
                return first, b""
            if upload is None:
                came = everything(data)
            else:
                with suppress(OSError):
                    data.sendall(upload)
        return self.reply(), came


def connect(host: str, port: int, *, source: str | None = None, window: int = 0) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    if source is not None:
        sock.bind((source, 0))
    try:
        sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def everything(sock: socket.socket) -> bytes:
    """What comes until the end, which may be a reset."""
    came = bytearray()
    with suppress(ConnectionResetError):
        while data := sock.recv(65536):
            came += data
    return bytes(came)


def reset(sock: socket.socket) -> None:
    """Close with RST, as the kernel does for a process that dies with unread data."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# -- what must hold -----------------------------------------------------------------------------------------


def answers_others(server: Daemon) -> None:
    """Another client logs in within a second; on a busy machine, at one of ten tries."""
    took = []
    for _ in range(10):
        began = monotonic()
        with Raw(server) as other:
            other.login()
        took.append(monotonic() - began)
        if took[-1] < 1:
            return
    raise AssertionError(f"others had to wait for their login: {took} s")


def alive(server: Daemon) -> None:
    """It serves others at once, holds nothing of those who went, and its log tells of no fault."""
    answers_others(server)
    server.assert_well()
    server.assert_no_fault()


def pid(server: Daemon) -> int:
    return server._process.pid


def memory(server: Daemon) -> int:
    """Bytes of RAM that the daemon has to itself."""
    status = Path(f"/proc/{pid(server)}/status").read_text()
    return sum(int(size) * 1024 for size in re.findall(r"^RssAnon:\s+(\d+)", status, re.M))


def descriptors(server: Daemon) -> int:
    return len(os.listdir(f"/proc/{pid(server)}/fd"))


def cpu_seconds(server: Daemon) -> float:
    fields = Path(f"/proc/{pid(server)}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_descriptors(server: Daemon, count: int) -> None:
    hard = resource.prlimit(pid(server), resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid(server), resource.RLIMIT_NOFILE, (count, hard))


def until_descriptors(server: Daemon, count: int) -> None:
    until(f"the daemon is back at {count} descriptors", lambda: descriptors(server) <= count)
