"""What a control channel is: a client's socket, its session, and where the two stand; the layers over it act."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from ftpd.core.answers import Answers, ShortAnswer
from ftpd.core.aside import Journey
from ftpd.core.clock import Timer
from ftpd.core.meter import Meter
from ftpd.dispatch.registry import Generation
from ftpd.engine.dataport import DataPort
from ftpd.engine.lines import LineTooLong
from ftpd.engine.pace import Pace
from ftpd.module.wire import Work
from ftpd.transfer.library import Epoll, FTPHandler
from ftpd.transfer.sockets import DEFAULT

if TYPE_CHECKING:
    from ftpd.engine.common import Common, Inherited, Kin, Recipe
    from ftpd.engine.doorway import Doorway
    from ftpd.engine.strangers import Again, Naming, Strangers
    from ftpd.engine.uploads import Upload
    from ftpd.engine.walking import Listening
    from ftpd.engine.worker import Worker
    from ftpd.module.session import Address

READ = Epoll.READ
LINGER = 5.0
"""Seconds that a client has to read the last reply and close, and a command whose client has gone to end."""


def prepare(sock: socket.socket) -> None:
    """Give a socket the options that control connections have, or a listening one, which hands them on."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    # a client whose machine is gone must not stay for ever
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


_FAMILIES, _STREAM = {2: socket.AF_INET, 4: socket.AF_INET6}, socket.SOCK_STREAM


def accepted(listener: socket.socket) -> tuple[socket.socket, Any]:
    """The next client and its address: ``listener.accept()``, which asks enumerations for the family and the kind."""
    descriptor, address = listener._accept()  # type: ignore[attr-defined]
    return socket.socket(_FAMILIES[len(address)], _STREAM, 0, descriptor), address


def waiting(listener: socket.socket) -> int:
    """How many connections wait to be accepted: of what listens, tcp_info tells it as what is not acknowledged."""
    try:
        told = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return 0
    (count,) = _TCP_INFO.unpack(told)
    return int(count)


_TCP_INFO = struct.Struct("=24xI")
"""The beginning of struct tcp_info of <linux/tcp.h>, up to tcpi_unacked."""


class Channel(FTPHandler):  # type: ignore[misc]
    """pyftpdlib's command channel with a session; each layer knows those beneath it, and this one what all share."""

    # in slots: of more than thirty attributes, and of methods beside them, Python has to look for each
    __slots__ = (
        "_abort_heard", "_admission", "_answers", "_aside", "_closed", "_common", "_ended", "_ending",
        "_entrance", "_events", "_fileno", "_held", "_idlers", "_impatient", "_journey", "_kin", "_linger",
        "_listens", "_meter", "_mine", "_mute", "_naming", "_opened", "_out", "_pace", "_peer_done", "_port",
        "_queue", "_reader", "_recipe", "_running", "_scheduled", "_set_aside", "_strangers", "_task",
        "_timers", "_upload", "abort_wanted", "generation", "ioloop", "session", "socket", "work", "worker",
    )  # fmt: skip

    def __init__(self, worker: Worker, generation: Generation) -> None:
        """What is the same for all: the pattern that others are made by, and none for a client itself."""
        # the constructors of FTPHandler and of what is beneath it make forty attributes for verbs that modules answer
        # here and buffers that nobody fills: nothing of them is wanted
        self.ioloop = worker.ioloop
        self.worker = worker
        self.generation = generation
        self._closed = False
        self._pace: Pace | None = None
        self._held: asyncio.TimerHandle | None = None
        """Runs while the client has to wait because it has sent too many commands (MaxCommandRate)."""
        self._queue: deque[bytes | LineTooLong] | None = None
        self._task: asyncio.Task[None] | None = None
        self._meter: Meter | None = None
        """Counts the processor time that the session takes, where that is asked for; nothing goes a short way then."""
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
        self._idlers: tuple[Timer, ...] = ()
        """Those of them that begin anew with each command."""
        self._upload: Upload | None = None
        """What is received without a command, and not by the front."""
        self._answers: Answers | None = None
        """Made when the first is known."""
        self._set_aside: Answers | None = None
        """What is known again once the transfer has ended that runs, if nothing else has happened by then."""
        self._kin: Kin | None = None
        """Those who have logged in alike."""
        self._common: Common | None = None
        """What is known by those who stand as this session does, once that was asked for since anything has changed."""
        self._mine: Inherited | None = None
        """What has been made of it here."""
        self._strangers: Strangers | None = None
        """Those who have come as this client has, as long as it has said nothing."""
        self._naming: tuple[ShortAnswer, Naming] | None = None
        """What has just been made to answer a name, and what that does to a session."""
        self._admission: tuple[ShortAnswer, Again] | None = None
        """The same of what proves a name."""
        self._entrance: tuple[Strangers, bytes] | None = None
        """Those among whom the client has said its name, and that name, until it has said more."""
        self._listens: tuple[Listening, ShortAnswer] | None = None
        """What was made last to answer PASV and EPSV."""
        self._recipe: tuple[ShortAnswer, Recipe] | None = None
        """What has just been made to answer a verb, and how others make it."""
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

    def begin(self, sock: socket.socket, doorway: Doorway, remote: Address) -> None:
        """A session on a socket that is :func:`prepare`d, of a client that came in by that doorway."""
        # what fails for a client that has already gone comes first: nothing is registered with the loop yet
        tuning = doorway.tuning
        if tuning.control is not DEFAULT:
            if not tuning.control.no_delay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            tuning.control.apply(sock)
        self.socket = sock
        self._fileno = sock.fileno()
        self._reader = doorway.reader()
        if tuning.command_rate is not None:
            self._pace = Pace(*tuning.command_rate)
        self.session = session = doorway.session()
        session.begin(self, remote)
        self.ioloop.register(self._fileno, self, READ)

    @property
    def working(self) -> bool:
        """Whether a command waits for something: a transfer, a password's hash."""
        return self._task is not None

    @property
    def ending(self) -> bool:
        """Whether it has been told to end, even if something of it is still to come to its own end."""
        return self._over

    @property
    def _over(self) -> bool:
        """The session ends: only then is its task cancelled by us (:meth:`Worker.cancel_later`)."""
        return self._closed or self._ending is not None

    def _let_socket_go(self) -> None:
        self._closed = True
        self.ioloop.unregister(self._fileno)
        self.socket.close()

    def _hand_socket_over(self) -> None:
        """The same, but the socket stays until the client has closed, too."""
        self._closed = True
        self.ioloop.unregister(self._fileno)
        self.worker.farewells.add(self.socket)

    @property
    def _receives(self) -> bool:
        """Whether something is received without a command."""
        return self._upload is not None or (self._port is not None and self._port.lent)

    def unsettle(self) -> None:
        """Something may be other than it was, or comes before what the client says next: no answer is known now."""
        self._common = None
        if self._upload is not None or (self._port is not None and self._port.lent):
            self._overtake()
        if self._answers:
            self._answers.clear()
        if self._set_aside:
            self._set_aside.clear()

    def readable(self) -> bool:
        return not self._closed

    def writable(self) -> bool:
        return bool(self._out)

    # -- what the layers beneath ask of those over them ----------------------------------------------

    def vanish(self, reason: str) -> None:
        """The client is gone: stop its transfer, let its command come to its end, and close."""
        raise NotImplementedError

    def _overtake(self) -> None:
        """Have the command begin that goes on with the upload."""
        raise NotImplementedError

    def _write_later(self, data: bytes) -> None:
        """Write it before anything else, as soon as the socket takes it."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Nothing is in the way of what comes next any more: lines that wait, or the end."""
        raise NotImplementedError
