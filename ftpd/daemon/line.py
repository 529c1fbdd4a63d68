"""The line between the master and a worker: messages as JSON objects, one a line of text, over a pair of sockets."""

from __future__ import annotations

import json
import socket
from typing import Any

Message = dict[str, Any]
_PATIENCE = 2.0
"""Seconds that the master waits for a worker to take a message in: one that does not is as good as dead."""


def encode(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decoded(line: bytes) -> Message:
    """The message; where it is none, one of a word that nobody knows."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"nonsense": True}


class Line:
    """The master's end."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(_PATIENCE)
        self._came: list[bytes] = []
        """The beginning of a message, as it came in."""

    @property
    def open(self) -> bool:
        return self.sock.fileno() >= 0

    def close(self) -> None:
        self.sock.close()

    def send(self, message: Message) -> bool:
        """False where nobody is there to hear it."""
        try:
            self.sock.sendall(encode(message))
        except OSError:
            return False
        return True

    def receive(self) -> list[Message] | None:
        """What has come; None at the end of the line. To be asked when there is something to read."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        *whole, rest = data.split(b"\n")
        self._came.append(rest if whole else data)
        if not whole:
            return []
        whole[0] = b"".join(self._came[:-1]) + whole[0]
        self._came = [rest]
        return [decoded(line) for line in whole]
