"""What a control channel is: a client's socket, its session, and where the two stand; the layers over it act."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import AsyncChat, Epoll

from ftpd.core.aside import Journey
from ftpd.core.clock import Timer
from ftpd.dispatch.registry import Generation
from ftpd.engine.dataport import DataPort
from ftpd.engine.lines import LineReader, LineTooLong
from ftpd.engine.pace import Pace
from ftpd.engine.tuning import tuning_of
from ftpd.module.session import Address, Session
from ftpd.module.wire import Work
from ftpd.transfer.ports import plain_host
from ftpd.transfer.sockets import DEFAULT

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.engine.worker import Worker

READ = Epoll.READ
LINGER = 5.0
"""Seconds that a client has to read the last reply and close, and a command whose client has gone to end."""


class Channel(FTPHandler):  # type: ignore[misc]
    """pyftpdlib's command channel with a session; each layer knows those beneath it, and this one what all share."""

    def __init__(self, sock: socket.socket, worker: Worker, generation: Generation, server: Scope) -> None:
        # what fails for a client that has already gone comes first: nothing is registered with the loop yet
        remote, local = sock.getpeername(), sock.getsockname()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        tuning = tuning_of(generation, server)
        if sock.family != socket.AF_UNIX and tuning.control.no_delay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tuning.control is not DEFAULT:
            tuning.control.apply(sock)
        # FTPHandler's own constructor makes thirty attributes for verbs that modules answer here:
        # only the channel beneath it is wanted
        AsyncChat.__init__(self, sock, ioloop=worker.ioloop)
        self.worker = worker
        self.generation = generation
        self._reader = LineReader(tuning.line_buffer)
        self._pace = None if tuning.command_rate is None else Pace(*tuning.command_rate)
        self._held: asyncio.TimerHandle | None = None
        """Runs while the client has to wait because it has sent too many commands (MaxCommandRate)."""
        self._queue: deque[bytes | LineTooLong] | None = None
        self._task: asyncio.Task[None] | None = None
        self._out = b""
        self._port: DataPort | None = None
        self.work: Work | None = None
        self._journey: Journey | None = None
        """Of the command that runs, where files may keep it waiting."""
        self._abort_heard = False
        """ABOR came for the command that runs, if only after its data connection's end had been seen."""
        self._impatient: asyncio.TimerHandle | None = None
        """Runs while a command waits behind a transfer."""
        self._timers: list[Timer] | None = None
        self._ending: str | None = None
        self._ended = False
        self._peer_done = False
        self._scheduled = False
        self._opened = False
        """The client has been let in, as far as the greeting."""
        self.abort_wanted = False
        """ABOR came before the command that it is for had its data connection."""
        self._running = False
        """A command is on its way through dispatch: whatever ends the session waits for its reply."""
        self._aside: asyncio.Task[None] | None = None
        """A STAT that is answered while a transfer runs."""
        self._mute = False
        """The client has had its last reply, and the command that it overtook may not add another."""
        self._events = READ
        self._linger: Timer | None = None
        self.session = Session(
            wire=self,
            modules=generation,
            server=server,
            settings=server.settings,
            remote=Address(plain_host(remote[0]), remote[1]),
            local=Address(plain_host(local[0]), local[1]),
            enter=worker.enter,
        )

    @property
    def working(self) -> bool:
        """Whether a command waits for something: a transfer, a password's hash."""
        return self._task is not None

    @property
    def _over(self) -> bool:
        """The session ends: only then is its task cancelled by us (:meth:`Worker.cancel_later`)."""
        return self._closed or self._ending is not None

    def readable(self) -> bool:
        return not self._closed

    def writable(self) -> bool:
        return bool(self._out)

    # -- what the layers beneath ask of those over them ----------------------------------------------

    def vanish(self, reason: str) -> None:
        """The client is gone: stop its transfer, let its command come to its end, and close."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Nothing is in the way of what comes next any more: lines that wait, or the end."""
        raise NotImplementedError
