"""The wire of a session that is over: what a module says then goes nowhere, and nothing is waited for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ftpd.core.clock import Sweep, Timer
from ftpd.core.reply import Reply
from ftpd.module.wire import Data, Foreign, NoShortcuts, TransferError, Work

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope


class Gone(NoShortcuts):
    """Implements :class:`ftpd.module.wire.Wire`.

    It takes the control channel's place at the end, so that session and channel do not hold each other: memory,
    and a generation that waits for its last session, are free at once and not when the collector comes by.
    """

    __slots__ = ("_sweep", "abort_wanted", "work")

    data: Data | None = None
    use_ipv6 = False
    busy = False
    gone = True

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self.work: Work | None = None
        self.abort_wanted = False

    def send(self, reply: Reply) -> None:
        pass

    def end(self, reason: str) -> None:
        pass

    def server_named(self, name: str) -> Scope | None:
        return None

    def moved(self) -> None:
        pass

    def passive(self, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def active(self, address: str, port: int, *, from_before: bool = False) -> None:
        pass

    def forget_data(self) -> None:
        pass

    async def open_data(self, *, timeout: float, allow_foreign: Foreign = False) -> Data:
        raise TransferError(425, "Unable to build data connection: the client has gone away")

    def abort_transfer(self) -> bool:
        return False

    def hear(self) -> bool:
        return False

    def timer(self, seconds: float, callback: Callable[[], None], *, idle: bool = False) -> Timer:
        """One that never rings."""
        timer = self._sweep.start(seconds, callback)
        timer.cancel()
        return timer
