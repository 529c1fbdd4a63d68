"""The control and data connections of one session, as modules use them; the engine implements them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from ftpd.core.clock import Timer
from ftpd.core.reply import Refuse, Reply

if TYPE_CHECKING:
    from ftpd.conf.directive import Settings
    from ftpd.conf.tree import Scope
    from ftpd.core.answers import ShortAnswer
    from ftpd.module.command import Command
    from ftpd.module.files import Folder, Path, Way
    from ftpd.module.session import Session

Lister = Callable[["Command", "Folder", "Path"], Iterable[bytes] | None]
"""The lines of an open folder for a command, each of their pieces made in a short step; None: not to be had so.

Where it has a method ``at_once``, that is asked first, with a session and the bytes of the folder's path beneath its
root: all lines as one text, or None.
"""


class TransferError(Exception):
    """A transfer that ended early: the reply that tells the truth about it, and whether the client asked."""

    def __init__(self, code: int, text: str, *, aborted: bool = False, moved: int = 0) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.aborted = aborted
        self.moved = moved

    def again(self) -> TransferError:
        """The same to be raised once more: one that is raised where it is kept would hold all that it came through."""
        return TransferError(self.code, self.text, aborted=self.aborted, moved=self.moved)


Foreign = bool | Callable[[str], bool]
"""Whether another host than the client may be at the other end of a data connection; a function is asked for each."""


class Data(Protocol):
    """An established data connection; all calls count into :attr:`moved` and raise TransferError."""

    moved: int
    announced: bool
    """The client has been told that it opens, and some bytes may have gone, as :attr:`moved` says."""
    local_port: int
    last_moved: float | None
    """The moment (monotonic) of the last byte, once the connection is closed; known where TimeoutStalled had begun."""
    rest: Iterable[bytes] | None
    """What is left of a listing that :meth:`Wire.lists` began: to be sent instead of what the command would make."""

    @property
    def grown(self) -> int:
        """By how many bytes a text became longer on its way out (TYPE A): they are no bytes of the file."""

    @property
    def shrunk(self) -> int:
        """By how many bytes a text became shorter on its way in: they came, and are no bytes of the file."""

    async def send_file(
        self,
        descriptor: int,
        *,
        offset: int = 0,
        count: int | None = None,
        ascii: bool = False,
        sendfile: bool = True,
        slice: int = 0,
    ) -> int:
        """Send a file from ``offset`` (``count`` bytes, or to its end); gives the bytes sent on the wire.

        The kernel is asked for no more than ``slice`` bytes at once; 0 leaves that to the connection.  Without
        ``sendfile`` all bytes go through memory.
        """

    def send_at_once(self, descriptor: int, device: int, *, offset: int, count: int) -> int:
        """Send of a small file, which lies on that device, what goes out now; gives the bytes, 0 where none do.

        Nothing is waited for and nothing raised: :meth:`send_file` is for what is left, and says what is wrong.
        """

    async def send(self, chunks: Iterable[bytes] | AsyncIterator[bytes]) -> int:
        """Send what the iterable yields, asking for the next chunk only when the last one has left."""

    async def receive_file(
        self, descriptor: int, *, offset: int | None = None, ascii: bool = False, limit: int | None = None
    ) -> int:
        """Write what comes to the file, at ``offset`` or at its end; gives the bytes written.

        A reset instead of an end is a TransferError, as is anything beyond ``limit`` bytes.
        """

    def throttle(self, bytes_per_second: float, free_bytes: int = 0) -> None: ...

    def stall_after(self, seconds: float) -> None:
        """Abort when nothing moves for so long; 0 never."""

    def abort(self, code: int = 426, text: str = "Transfer aborted. Data connection closed") -> None:
        """Close at once; the transfer under way raises TransferError(code, text)."""

    async def linger(self, seconds: float) -> None:
        """Say that nothing more comes, and wait for the client to close its side too, but no longer than so.

        The stall timer goes on: a client that takes nothing may be ended by it.
        """

    async def finish(self) -> None:
        """Close in order, so that the client sees an end and not a reset."""


class Work:
    """Long work of a command without a data connection: timers let it go on, and ABOR ends it at its next check."""

    __slots__ = ("_depth", "_wire", "aborted")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._depth = 0
        """Commands that are at it: one may run others (a folder is copied file by file)."""
        self.aborted = wire.abort_wanted

    @classmethod
    def begin(cls, wire: Wire) -> Work:
        """Long work of the session's begins, or goes on one level deeper."""
        if wire.work is None:
            wire.work = cls(wire)
        wire.work._depth += 1
        return wire.work

    def end(self) -> bool:
        """One level is done; True when it was the last."""
        self._depth -= 1
        if self._depth == 0:
            self._wire.work = None
        return self._depth == 0

    def check(self, what: str = "") -> None:
        """Refuse 426 when the client does not want it any more; to be asked every now and then."""
        label = f"{what}: " if what else ""
        if self.aborted:
            raise Refuse(426, f"{label}aborted")
        if self._wire.gone:
            raise Refuse(426, f"{label}the client has gone away")


class Wire(Protocol):
    """The control connection and what hangs on it."""

    def send(self, reply: Reply) -> None:
        """Write a reply at once, before those that the command under way has queued: 150, 220, 421."""

    def end(self, reason: str) -> None:
        """End the session once all replies are written; ``reason`` goes into the log.

        Called while another's command runs (by a timer, say), its transfer ends at once and it is not answered any
        more: what was sent before is the last the client hears.
        """

    @property
    def use_ipv6(self) -> bool:
        """Whether the daemon serves IPv6 at all (UseIPv6, -4)."""

    def server_named(self, name: str) -> Scope | None:
        """The server of that name, as known where the client has connected to and to the server that it has met."""

    def moved(self) -> None:
        """The session has changed its server: take up that one's options for the connection."""

    def passive(self, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        """Listen for a data connection; gives the address and port to announce.

        ``ports`` limits the choice (picked at random), ``address`` is announced instead of the local one,
        ``extended`` asks for a protocol family by its RFC 2428 number (1 IPv4, 2 IPv6, 0 that of the control
        connection). OSError when no port is free.
        """

    def active(self, address: str, port: int, *, from_before: bool = False) -> None:
        """Connect to there when the next transfer starts.

        ``from_before`` prefers the local port before the control connection's own (RFC 959 3.2) to any.
        """

    def forget_data(self) -> None:
        """Close the listener and the pending data connection, if there are any."""

    def listens(self, before: str, after: str, *, ports: range | None, split: bool = False) -> ShortAnswer | None:
        """What answers PASV or EPSV with a new port each time, put between the two texts; ``split`` in two numbers.

        As :meth:`passive` chooses it. None where that is not to be had so.
        """

    def sends(self, command: Command, way: Way, before: str, after: str) -> ShortAnswer | None:
        """What answers such a command, which has succeeded, with other small files of the same folder.

        As they are, from their beginning, to the control connection's peer only. ``before`` is the text of the 150
        before the name, ``after`` that of the 226. Who has something to record of the command (LOG_CMD) is told of
        each file; FILES_SENT has the sums. None where that is not to be had so.
        """

    def lists(self, command: Command, folder: str, before: str, after: str, lister: Lister) -> ShortAnswer | None:
        """What answers such a command, which has succeeded, with a listing of other folders in this one.

        To the control connection's peer only, as long as no link is on the way and nothing is said of any path.
        ``before`` is the text of the 150, ``after`` that of the 226; ``lister`` is called with a command like this one,
        of whichever session it is, an open folder and its path. What takes long goes by the whole road, which finds a
        connection at which :attr:`Data.rest` is what is left. FILES_SENT has the sums. None where that is not to be had
        so, and where anybody has something to record of the command (LOG_CMD).
        """

    def takes(
        self, command: Command, way: Way, before: str, after: str, *, mode: int, replaces: bool,
        guard: Callable[[Command, str], bool] | None, noted: tuple[str, ...], came: Callable[[Command, bool], None],
    ) -> ShortAnswer | None:  # fmt: skip
        """What answers such a command, which has succeeded, by receiving other files of the same folder.

        A file that is there gives way where it ``replaces``; one that is not is made with the mode. ``guard`` is
        asked about each name, where there is one, and False leaves it to the whole road, as does an end of those
        ``noted``; the command that it is given is one like this, of whichever session it is. Of a file that has come
        whole ``came`` is told, with its command and whether it was made, then POST_CMD and LOG_CMD; where nobody
        there has anything to record, FILES_RECEIVED may have the sums instead. Where something else happens before
        that (it takes long, the client says something or goes, a write fails), its command takes the whole road and
        finds the file by :meth:`begun_file`.
        """

    def enters(self, verb: str, folder: str, reply: Reply, simply: Callable[[Settings], bool]) -> ShortAnswer | None:
        """What answers a command, which has succeeded, by having a session be in other folders of this one.

        As long as no link is on the way, the user may search the folder, and it is known that nothing that is said of
        it keeps the verb out. ``simply`` tells whether it is no more than being there, by what is configured for
        either place.
        """

    def turns(self, data_type: str, reply: Reply) -> ShortAnswer | None:
        """What answers a command by setting the type of representation."""

    def names(self, naming: Callable[[Session], None]) -> ShortAnswer | None:
        """What answers a command that says who the client is, if that is the first that it says.

        ``naming`` does to the session of another client, who came as this one did and says the same, what the command
        has done to this one.
        """

    def admits(self, again: Callable[[Session, str], bool]) -> ShortAnswer | None:
        """What answers the command by which a client was let in that had said nothing but its name before.

        ``again`` lets another in, who came as this one did, said the same name and now proves it with that argument;
        False leaves that to the command's whole road. It is not asked while any file system may keep us waiting.
        """

    def begun_file(self) -> tuple[int, bool] | None:
        """The open file of an upload that the command is to go on with, and whether it was made; None for all others.

        It is the caller's from now on. The connection is the one that :meth:`data_at_once` gives.
        """

    def data_at_once(self, *, allow_foreign: Foreign = False) -> Data | None:
        """The data connection if it is there already; None where it has to be waited for, with :meth:`open_data`.

        TransferError as there.
        """

    async def open_data(self, *, timeout: float, allow_foreign: Foreign = False) -> Data:
        """The data connection that PASV or PORT prepared; TransferError 425 when there is none or it fails.

        Only the control connection's peer may be at the other end, and whom ``allow_foreign`` lets be there.
        """

    @property
    def data(self) -> Data | None:
        """The data connection of the transfer under way."""

    def abort_transfer(self) -> bool:
        """ABOR: end the transfer or the long work under way with 426; False when there is none."""

    work: Work | None
    """The long work under way; :meth:`Command.busy` is the way to have some."""

    abort_wanted: bool
    """ABOR came for the command that runs, before there was anything of it that could be ended."""

    @property
    def busy(self) -> bool:
        """Whether a transfer or long work is under way: no idleness then, however long it takes."""

    @property
    def awaits_client(self) -> bool:
        """Whether the client was told a port of ours and has not come there for its data."""

    def hear(self) -> bool:
        """Take in what the client has said meanwhile; True when ABOR was among it, which counts before what came since.

        With a transfer under way it has ended that, as :meth:`abort_transfer` does.
        """

    @property
    def gone(self) -> bool:
        """Whether the client has closed its side, or the session is ending: long work for it is to stop."""

    def timer(self, seconds: float, callback: Callable[[], None], *, idle: bool = False) -> Timer:
        """A timer to the second that dies with the session; an exception in it is logged.

        One of ``idle`` also begins anew with every command that is answered without asking any module, because the
        answer is known; where modules are asked, they see to that.
        """

    def budget(self, seconds: float, spent: Callable[[], None]) -> None:
        """Call ``spent`` once what is done for the session from now on has taken so many seconds of processor time.

        That is the time of its commands and transfers on the loop and in threads (:meth:`Command.offload`).  To be
        asked before the client's first command: such a session goes no short ways.
        """


class NoShortcuts:
    """A wire without quick ways: all that is asked for takes the whole road, and is waited for.

    The part of :class:`Wire` that makers of other wires need not write.
    """

    __slots__ = ()

    def listens(self, before: str, after: str, *, ports: range | None, split: bool = False) -> None:
        return None

    def sends(self, command: Command, way: Way, before: str, after: str) -> None:
        return None

    def lists(self, command: Command, folder: str, before: str, after: str, lister: Lister) -> None:
        return None

    def takes(
        self, command: Command, way: Way, before: str, after: str, *, mode: int, replaces: bool,
        guard: Callable[[Command, str], bool] | None, noted: tuple[str, ...], came: Callable[[Command, bool], None],
    ) -> None:  # fmt: skip
        return None

    def enters(self, verb: str, folder: str, reply: Reply, simply: Callable[[Settings], bool]) -> None:
        return None

    def turns(self, data_type: str, reply: Reply) -> None:
        return None

    def budget(self, seconds: float, spent: Callable[[], None]) -> None:
        """What is not measured has no end."""

    def names(self, naming: Callable[[Session], None]) -> None:
        return None

    def admits(self, again: Callable[[Session, str], bool]) -> None:
        return None

    @property
    def awaits_client(self) -> bool:
        return False

    def begun_file(self) -> tuple[int, bool] | None:
        return None

    def data_at_once(self, *, allow_foreign: Foreign = False) -> Data | None:
        return None
