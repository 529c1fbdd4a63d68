"""Whom a master has working for it: workers are born of it as copies, and struck off when they are dead."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Collection, Iterator
from contextlib import suppress

from ftpd.core.tally import COLUMNS, SharedTally
from ftpd.daemon import systemd
from ftpd.daemon.announce import status
from ftpd.daemon.bell import Bell
from ftpd.daemon.crew import Seat
from ftpd.daemon.detach import Starter
from ftpd.daemon.errors import StartError
from ftpd.daemon.line import Line
from ftpd.daemon.pidfile import PidFile
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Ports, part
from ftpd.daemon.teams import Hand, Team
from ftpd.engine.pool import Pools


class Born(BaseException):
    """Raised in the new process, so that it leaves all that the master is about."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat


class Staff:
    """What a master has: the team that serves, one that is to come, those that end, and what they share."""

    def __init__(self, first: Plan, pools: Pools, ports: Ports) -> None:
        self._pools = pools
        self._ports = ports
        self._tally = SharedTally()
        self._selector = selectors.DefaultSelector()
        self._bell: Bell | None = None
        self._team = Team(first)
        self._coming: Team | None = None
        self._old: list[Team] = []
        self._pid_file: PidFile | None = None
        self._starter: Starter | None = None

    def _teams(self) -> list[Team]:
        return [team for team in (self._team, self._coming, *self._old) if team is not None]

    def _hands(self) -> list[Hand]:
        return [hand for team in self._teams() for hand in team.hands]

    # -- birth -----------------------------------------------------------------------------------------------

    def _raise(self, team: Team) -> None:
        """All workers of a team; Born in each of them."""
        for number in range(1, self._ports.workers + 1):
            self._bear(team, number)

    def _bear(self, team: Team, number: int) -> None:
        taken = {hand.column for hand in self._hands()}
        column = next((column for column in range(COLUMNS) if column not in taken), None)
        if column is None:
            raise StartError(
                f"{COLUMNS} workers live, most of them for sessions of configurations before: wait for them"
            )
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise StartError(f"no line to another worker is to be had: {error.strerror}") from None
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise StartError(f"no process for another worker is to be had: {error.strerror}") from None
        if pid == 0:
            sockets = {**part(self._ports.sockets, number - 1), **part(team.opened, number - 1)}
            if not self._ports.handed_over:
                sockets = {end: sock for end, sock in sockets.items() if end in team.plan.bindings.endpoints}
            self._forget_all(ours, sockets.values())
            new = team is self._coming
            seat = Seat(
                number, column, team.plan, self._pools, sockets, theirs, self._tally, team.board, self._starter, new
            )
            raise Born(seat)
        theirs.close()
        hand = Hand(number, column, pid, Line(ours), team)
        team.hands.append(hand)
        self._selector.register(ours, selectors.EVENT_READ, hand)

    def _forget_all(self, ours: socket.socket, its_own: Collection[socket.socket]) -> None:
        """In a worker: little of what the master has open is its own."""
        self._selector.close()
        if self._bell is not None:
            self._bell.forget()
        ours.close()
        for hand in self._hands():
            hand.line.close()
        for pid_file in {self._pid_file, *(team.pid_file for team in self._teams())}:
            if pid_file is not None:
                pid_file.forget()
        for opened in (self._ports.sockets, *(team.opened for team in self._teams())):
            for sock in (sock for sockets in opened.values() for sock in sockets if sock not in its_own):
                # were it open here, the kernel would go on sending clients when those who accept there are gone
                sock.close()

    # -- death -----------------------------------------------------------------------------------------------

    @staticmethod
    def _kill(hands: Collection[Hand]) -> None:
        for hand in hands:
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGKILL)

    def _reap(self) -> Iterator[tuple[Hand, int]]:
        """Those who have died, each with its exit status, or less than 0 for a signal."""
        while True:
            try:
                pid, state = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            hand = next((hand for hand in self._hands() if hand.pid == pid), None)
            if hand is not None:
                yield hand, os.waitstatus_to_exitcode(state)

    def _strike_off(self, hand: Hand) -> None:
        team = hand.team
        self._hang_up(hand)
        team.hands.remove(hand)
        self._tally.release(hand.column)
        if team.board is not None:
            team.board.clear(hand.pid)
        if team in self._old and not team.hands:
            self._old.remove(team)
            if team.board is not None and all(team.board is not other.board for other in self._teams()):
                team.board.close()

    def _hang_up(self, hand: Hand) -> None:
        if hand.line.open:
            self._selector.unregister(hand.line.sock)
            hand.line.close()

    def _leave(self) -> None:
        self._kill(self._hands())
        for board in {team.board for team in self._teams()}:
            if board is not None:
                board.close()
        if self._pid_file is not None:
            self._pid_file.remove()
            self._pid_file = None

    def _tell_systemd(self, trouble: str = "") -> None:
        said = trouble or f"{status(tuple(self._ports.sockets))}, {len(self._team.hands)} workers"
        systemd.notify(READY=1, STATUS=said, MAINPID=os.getpid())
