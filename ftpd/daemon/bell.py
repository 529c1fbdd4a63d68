"""Signals for a process without an event loop: they ring a bell that can be waited for beside other things."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Collection


class Bell:
    """Rings for these signals, which then do nothing else; :attr:`sock` can be read when it has rung."""

    def __init__(self, numbers: Collection[signal.Signals]) -> None:
        self.sock, ring = socket.socketpair()
        for end in (self.sock, ring):
            end.setblocking(False)
        signal.set_wakeup_fd(ring.detach(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda number, frame: None)

    def rung(self) -> bytes:
        """The numbers of the signals that have come."""
        return self.sock.recv(4096)

    def forget(self) -> None:
        """In the child of a fork."""
        ring = signal.set_wakeup_fd(-1)
        if ring >= 0:
            os.close(ring)
        self.sock.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
