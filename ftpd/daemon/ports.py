"""The sockets that the daemon listens on: opened while it may, kept over reloads, one for each worker."""

from __future__ import annotations

import socket

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.daemon import doorstep, systemd
from ftpd.daemon.errors import StartError
from ftpd.daemon.listen import Endpoint, bind, waits_for_its_address
from ftpd.daemon.plan import Plan

_EVERYWHERE = {"::", "0.0.0.0"}
Sockets = tuple[socket.socket, ...]
Opened = dict[Endpoint, Sockets]


class Ports:
    """What is open now. With ``workers`` there are as many sockets of each endpoint (SO_REUSEPORT): the kernel spreads
    the clients over them, and those who wait at one whose worker dies are served by the next that gets it."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers
        self.handed_over = False
        """systemd has opened them: one of each, whoever accepts."""
        self.sockets: Opened = {}

    def begin(self, wanted: Plan) -> None:
        """Take what systemd hands over, else open all that is wanted; StartError when that cannot be."""
        # others can share the port of one that has said so beforehand
        shared = self.workers > 0 or wanted.settings.reuse_port
        doorstep.keep(() if shared else wanted.bindings.endpoints)
        self.sockets = {sock.getsockname()[:2]: (sock,) for sock in systemd.inherited_sockets()}
        self.handed_over = bool(self.sockets)
        if not self.handed_over:
            self.sockets = self.opened(wanted)

    def opened(self, wanted: Plan) -> Opened:
        """Sockets for the endpoints that are wanted and not open yet; all of them or StartError.

        Those that only become free when others are given up come later (:meth:`opened_later`).
        """
        if self.handed_over:
            return {}
        found: Opened = {}
        try:
            for end in wanted.bindings.endpoints:
                if end in self.sockets:
                    continue
                if not self._in_the_way(end, wanted):
                    found[end] = self.open(end, wanted)
        except StartError:
            close(found)
            raise
        return found

    def open(self, end: Endpoint, wanted: Plan) -> Sockets:
        shared = self.workers > 0
        sockets: list[socket.socket] = []
        if shared and not wanted.settings.reuse_port and not any(old[1] == end[1] for old in self.sockets):
            # another daemon's workers would let ours share the port, and clients would come to this one or that
            bind(end, 1).close()
        try:
            # whoever a socket belongs to may have others share its port (SO_REUSEPORT): that must not be User
            with acting_as_daemon():
                for _ in range(max(1, self.workers)):
                    sockets.append(
                        bind(end, wanted.settings.backlog, reuse_port=shared or wanted.settings.reuse_port)
                    )  # fmt: skip
        except StartError:
            for sock in sockets:
                sock.close()
            raise
        if waits_for_its_address(sockets[0]):
            log(Level.WARN, "no interface of this machine has %s: clients come to port %d there when one has", *end)
        return tuple(sockets)

    def unwanted(self, wanted: Plan) -> list[Endpoint]:
        """What is open and has no server any more."""
        return [] if self.handed_over else [end for end in self.sockets if end not in wanted.bindings.endpoints]

    def take_over(self, wanted: Plan, opened: Opened) -> None:
        """Those that a new configuration has opened are the daemon's, and those that it does not want are closed."""
        self.sockets.update(opened)
        for end in self.unwanted(wanted):
            close({end: self.sockets.pop(end)})
            log(Level.NOTICE, "no longer listening on %s, port %d", *end)
        for end in opened:
            log(Level.NOTICE, "listening on %s, port %d", *end)

    def of_worker(self, number: int) -> dict[Endpoint, socket.socket]:
        """The sockets of the worker with that number, from 0."""
        return part(self.sockets, number)

    def close(self) -> None:
        close(self.sockets)
        self.sockets = {}

    def _in_the_way(self, end: Endpoint, wanted: Plan) -> bool:
        """Whether a socket of ours that is to go keeps us from listening there: one of them is for all addresses.

        Sockets of workers keep nobody from a port that is theirs as well.
        """
        return not self.workers and any(
            old[1] == end[1] and {old[0], end[0]} & _EVERYWHERE
            for old in self.sockets
            if old not in wanted.bindings.endpoints
        )


def part(opened: Opened, number: int) -> dict[Endpoint, socket.socket]:
    """Those of the worker with that number, from 0."""
    return {end: sockets[number % len(sockets)] for end, sockets in opened.items()}


def close(opened: Opened) -> None:
    for sockets in opened.values():
        for sock in sockets:
            sock.close()
