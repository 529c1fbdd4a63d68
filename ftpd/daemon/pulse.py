"""Signs of life: systemd wants some of us, and we want some of each worker."""

from __future__ import annotations

from collections.abc import Collection

from ftpd.core.log import Level, log
from ftpd.daemon import systemd
from ftpd.daemon.teams import Hand

_INTERVAL = 30.0
"""Seconds where systemd has no watchdog."""


class Pulse:
    """To be felt at :attr:`next`, a moment of the monotonic clock."""

    def __init__(self) -> None:
        watchdog = systemd.watchdog_interval()
        self._systemd_listens = watchdog is not None
        self._interval = watchdog or _INTERVAL
        self.next = 0.0

    def feel(self, now: float, hands: Collection[Hand]) -> list[Hand]:
        """Ask each worker whether it lives; gives those that have not answered since they were asked last.

        Their clients wait for nothing, and those that the kernel sends them are never greeted.
        """
        self.next = now + self._interval
        if self._systemd_listens:
            systemd.notify(WATCHDOG=1)
        lost = [hand for hand in hands if not hand.heard]
        for hand in lost:
            log(Level.ERROR, "worker %d (process %d) does not answer any more, and is ended", hand.number, hand.pid)
        for hand in hands:
            hand.heard = False
            hand.line.send({"alive": True})
        return lost
