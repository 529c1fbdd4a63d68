"""A listening socket on the loop of the control connections: who comes does not wait while others are being served."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial

from ftpd.core.log import Level, log
from ftpd.transfer.ioloop import AsyncioLoop


class Door:
    """Calls ``accept`` whenever somebody waits, as long as it is open; the socket stays its owner's."""

    __slots__ = ("_fd", "_ioloop", "_open", "handle_read_event")

    def __init__(self, ioloop: AsyncioLoop, sock: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        self._ioloop = ioloop
        self._fd = sock.fileno()
        self._open = False
        self.handle_read_event = partial(accept, sock)

    def open(self) -> None:
        if not self._open:
            self._open = True
            self._ioloop.register(self._fd, self, self._ioloop.READ)

    def close(self) -> None:
        """Leave those who come to wait in the kernel's queue."""
        if self._open:
            self._open = False
            self._ioloop.unregister(self._fd)

    def readable(self) -> bool:
        return self._open

    def writable(self) -> bool:
        return False

    def handle_error(self) -> None:
        error = sys.exc_info()[1]
        log(Level.ERROR, "a connection could not be accepted: %r", error, exc_info=error)
