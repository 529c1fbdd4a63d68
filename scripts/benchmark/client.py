"""A lean FTP client: it costs as little as can be, for it shares the machine with what is measured."""

from __future__ import annotations

import re
import socket
from typing import Any

from scripts.benchmark.ground import PASSWORD, USER

_PATIENCE = 60
"""Seconds that a server may take for anything: what takes longer it cannot do."""
_MIB = 1 << 20
_buffer = bytearray(_MIB)


class Client:
    """A session that is logged in, of type I."""

    def __init__(self, port: int, patience: float = _PATIENCE) -> None:
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port), patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""
        self.reply()
        self.command(f"USER {USER}")
        answer = self.command(f"PASS {PASSWORD}")
        assert answer.startswith(b"230"), answer
        self.command("TYPE I")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.sock.close()

    def reply(self) -> bytes:
        while True:
            lines = self._came.split(b"\r\n")
            for at, line in enumerate(lines[:-1]):
                if line[:3].isdigit() and line[3:4] == b" ":
                    self._came = b"\r\n".join(lines[at + 1 :])
                    return line
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(self._came)
            self._came += data

    def command(self, text: str) -> bytes:
        self.sock.sendall(text.encode() + b"\r\n")
        return self.reply()

    def open_data(self, text: str) -> socket.socket:
        found = re.search(rb"\|\|\|(\d+)\|", self.command("EPSV"))
        assert found is not None
        data = socket.create_connection(("127.0.0.1", int(found[1])), _PATIENCE)
        self.sock.sendall(text.encode() + b"\r\n")
        answer = self.reply()
        assert answer[:1] == b"1", answer
        return data

    def get(self, text: str) -> int:
        """The bytes that came."""
        total = 0
        with self.open_data(text) as data:
            while got := data.recv_into(_buffer):
                total += got
        answer = self.reply()
        assert answer[:1] == b"2", answer
        return total

    def put(self, text: str, block: bytes, times: int = 1) -> None:
        with self.open_data(text) as data:
            for _ in range(times):
                data.sendall(block)
        answer = self.reply()
        assert answer[:1] == b"2", answer

    def quit(self) -> None:
        self.command("QUIT")
        self.sock.close()
