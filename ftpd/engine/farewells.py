"""Clients that have had their last reply: a socket is closed when they have closed theirs, or have had their time.

A socket that is closed while the client still sends is reset, and a reset may overtake the last reply.
"""

from __future__ import annotations

import socket
from collections import deque
from time import monotonic

from ftpd.core.clock import TICK, Sweep, Timer

_PATIENCE = 5.0
"""Seconds that a client has to read the last reply and close."""
_TURN = 0.005
"""Seconds for one look at all, who may be thousands that were told to go together."""
_READ_SIZE = 8192
_READS = 8
"""How much of what nobody asked for is read at one look: a client that goes on sending has its time, too."""


class Farewells:
    """Those of one worker. The loop is not woken for each: they are looked at a moment later, or by the next client."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._waiting: deque[tuple[float, socket.socket]] = deque()
        """Since when it waits, the longest first."""
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sock: socket.socket) -> None:
        """Take over a socket on which nothing more will be written."""
        self._waiting.append((monotonic(), sock))
        if self._timer is None:
            self._timer = self._sweep.start(TICK, self.look_at_all)

    def look(self) -> None:
        """Close those at the head of the queue that are done: a client that comes next is often one that just left."""
        while self._waiting and _is_done(*self._waiting[0]):
            self._waiting.popleft()[1].close()

    def look_at_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        until = monotonic() + _TURN
        waiting, self._waiting = self._waiting, deque()
        while waiting and monotonic() < until:
            since, sock = waiting.popleft()
            if _is_done(since, sock):
                sock.close()
            else:
                self._waiting.append((since, sock))
        # the others have their turn at the next look
        self._waiting += waiting
        if self._waiting:
            self._timer = self._sweep.start(TICK, self.look_at_all)

    def close(self) -> None:
        """Wait for nobody any more."""
        for _, sock in self._waiting:
            sock.close()
        self._waiting.clear()


def _is_done(since: float, sock: socket.socket) -> bool:
    try:
        for _ in range(_READS):
            if not sock.recv(_READ_SIZE):
                return True
    except (BlockingIOError, InterruptedError):
        pass
    except OSError:
        return True
    return monotonic() - since > _PATIENCE
