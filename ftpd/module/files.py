"""A session's view of the file system, as modules see it: paths that passed the gate, and what can be done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Literal, NamedTuple, Protocol

from ftpd.conf.directive import EMPTY, Settings
from ftpd.core.allowance import Allowance
from ftpd.core.listing import Compact, Compiled, Layout, Tabled
from ftpd.core.record import dataclass

Use = Literal["", "read", "write", "list", "enter"]
"""What a command goes on to do with a path: nothing that is known yet, or to open the file or the folder there.

``enter``: to ask :meth:`Files.access` whether the folder may be searched.
"""


class Opened:
    """What was opened as it was looked at; who goes on to open it takes this, once."""

    __slots__ = ("_descriptor", "attributes", "searchable", "surveyed", "use")

    def __init__(
        self, descriptor: int, attributes: os.stat_result, use: Use, searchable: bool | None = None
    ) -> None:  # fmt: skip
        self._descriptor = descriptor
        self.attributes = attributes
        self.use = use
        self.searchable = searchable
        """Whether the user may go on from there, if that was asked as it was opened."""
        self.surveyed: Surveyed | None = None
        """What of its listing is known already."""

    def take(self, use: Use) -> int:
        """The descriptor, which is the caller's from now on; -1 where it is gone, or was opened for another use."""
        if use != self.use:
            return -1
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def __del__(self) -> None:
        # nobody wanted it: the command was refused
        if self._descriptor >= 0:
            os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Path:
    """A file name that went through the gate; only such a value opens, lists or changes anything.

    ``virtual`` is the absolute path as the client sees it, ``given`` the words it used (replies quote them),
    ``settings`` the configuration in force there.
    """

    virtual: str
    given: str = ""
    settings: Settings = field(default=EMPTY, repr=False, compare=False)
    absent: bool = False
    """IgnoreHidden: to this client nothing is there, and every use of the path fails as if that were so."""
    place: str = field(default="", repr=False, compare=False)
    """Where it lies with its links followed, for what the configuration says of it; empty: as ``virtual`` has it."""
    seen: os.stat_result | None = field(default=None, repr=False, compare=False)
    """What the gate has just seen there, if no link is on the way: for commands that only tell, and at once."""
    vacant: bool = field(default=False, repr=False, compare=False)
    """The gate has just seen that nothing is there, and no link on the way to it."""
    opened: Opened | None = field(default=None, repr=False, compare=False)
    """What is there, where the gate was told what comes and could open it; ``Files`` knows what to do with it."""
    plain: bool = field(default=False, repr=False, compare=False)
    """Nothing is said of it, nor of what lies in it."""

    def saw(self, seen: os.stat_result | None, *, vacant: bool = False, opened: Opened | None = None) -> None:
        """For the gate, which looks before anybody else has the path."""
        object.__setattr__(self, "seen", seen)
        object.__setattr__(self, "vacant", vacant)
        object.__setattr__(self, "opened", opened)

    @property
    def name(self) -> str:
        """The last component; empty for the root."""
        return self.virtual.rpartition("/")[2]

    def child(self, name: str) -> Path:
        """The path of an entry of this folder, under this folder's settings."""
        place = f"{self.place.rstrip('/')}/{name}" if self.place else ""
        return Path(f"{self.virtual.rstrip('/')}/{name}", name, self.settings, self.absent, place)


class Rooted(Protocol):
    """An open folder, for as long as somebody holds it."""

    @property
    def fd(self) -> int: ...


class Way(NamedTuple):
    """How the kernel is led to the plain names of one folder, in one step."""

    identity: bytes | None
    """Who goes there, as :data:`ftpd.core.identity.Identity.raw`; None where nobody else can be become."""
    otherwise: bytes
    """Who the thread is meanwhile, where that is not known."""
    root: Rooted
    devices: frozenset[int]
    """Those whose regular files are the kernel's own, and not for clients."""
    folder: bytes
    """From the root, with a slash at its end."""


class Surveyed(NamedTuple):
    """What one step found out of a folder: all of it, or as far as it came."""

    names: Sequence[str]
    attributes: bytes
    """What :class:`ftpd.core.listing.Compiled` makes lines of, those of the first of the names."""
    odd: bool
    """The next one is a link."""
    whole: bool
    """They are those of all the names, and none is a link."""
    dots: tuple[os.stat_result, os.stat_result] | None
    """The folder's own, and those of the one above it as the session sees it, where they were asked for."""
    asked: tuple[int, int, bool, int]
    """Device and inode of the folder, and with which ``dotted`` and ``order`` it was asked for."""


class Folder(Protocol):
    """An open directory: names and their attributes without any path walked again."""

    @property
    def attributes(self) -> os.stat_result:
        """Its own, when it was opened."""

    def names(self) -> list[str]:
        """All entries but ``.`` and ``..``, in no order."""

    def compact(self, *, dotted: bool = True, ordered: bool = False) -> Compact | None:
        """The same in one piece, for long listings; None where that is not to be had, or where one is no UTF-8.

        ``dotted``: with those that begin with a dot. ``ordered``: sorted, while they are read.
        """

    def ranked(
        self, column: int, *, dotted: bool = True, least_first: bool = False, follows: bool = False
    ) -> Compact | None:
        """The same by what stands there in ``os.stat_result``, the greatest first, the names of equals in their order.

        ``least_first``: the other way round, but for the names. ``follows``: a link counts as what it leads to, and
        where there is one this is not to be had.
        """

    def pieces(self, *, dotted: bool = True) -> list[list[str]] | None:
        """The same in several lists, where there are many and they are had sooner so; None elsewhere."""

    def parts(self, *, dotted: bool = True) -> Iterator[Sequence[str]]:
        """The same some at a time, as the file system tells them: none is read before it is asked for.

        In one piece each where that is to be had, as by :meth:`compact`, and of any letters.
        """

    def links(self, *, ordered: bool = False) -> list[str]:
        """The entries that are symbolic links.

        ``ordered``: all names are asked for next, in one piece and sorted; they may be read so at once.
        """

    def lstat(self, name: str) -> os.stat_result: ...

    def stat(self, name: str) -> os.stat_result:
        """Follows symbolic links, but never out of the session's root."""

    def readlink(self, name: str) -> str: ...

    def lstat_many(self, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result | None]]:
        """Each name with its attributes, None where it went away meanwhile; identity is switched once."""

    def lines(
        self, names: Sequence[str], layout: Layout, folders: list[str] | None = None
    ) -> Iterator[str | tuple[str, os.stat_result]]:
        """The lines of the entries in their order, several at a time with line ends in between.

        Links and ``..`` are given as they are, with their own attributes, for the caller to tell of.  What went
        away meanwhile is left out; ``folders`` is given the names of those that are folders,
        but for ``.`` and ``..``.
        """

    def raw_lines(self, names: Sequence[str], layout: Compiled) -> Iterator[bytes | tuple[str, os.stat_result]]:
        """The same as they are sent, each line with its end."""

    def lines_at_once(
        self, layout: Compiled | Tabled, order: int, most: int, *, dotted: bool
    ) -> Iterable[bytes | tuple[str, os.stat_result]] | None:
        """:meth:`raw_lines` of all entries of a small folder, in fewer steps; ``.`` and ``..`` are not among them.

        ``order`` is 1 by name, -1 with the last first, 0 as they are; ``dotted`` are those that begin with a dot.
        None where there are more than ``most``, or where it is not to be had: then ask for names and lines.
        """


class Files(Protocol):
    """File operations as the logged-in user, confined to the session's root; all raise OSError.

    Every call acts as the session's identity and resolves beneath its root (openat2), never by text alone.
    """

    root: str
    umask: int
    folder_umask: int
    """What new files and new folders do not get; the gate sets both for each path that it lets through."""

    slow: bool
    """Some of them may keep a caller waiting; in a command only its session waits, elsewhere the calling thread."""

    made: Callable[[Path, int | str], None] | None
    """Called with each file opened for writing and each folder made; ``os.chown`` and ``os.stat`` take its handle."""

    allowance: Allowance | None
    """Is asked before anything is opened for a transfer or a listing, and for the room that names take."""

    def enter(self) -> bool:
        """Open the root, and tell whether the user may go on from it; OSError where it cannot be opened as a folder."""

    def stat(self, path: Path) -> os.stat_result: ...

    def lstat(self, path: Path) -> os.stat_result: ...

    def look(self, path: Path, *, follow: bool = True) -> os.stat_result | None:
        """The attributes of what is there if no symbolic link is on the way, and None where one is.

        Without ``follow`` the last name may be a link, and the attributes are its own.  OSError says why there is
        nothing, and then no link was met before.
        """

    def open_at_once(self, path: Path, use: Use) -> Opened | None:
        """The regular file, or for ``list`` the folder, that is there, opened, if no symbolic link is on the way.

        None for anything else, be it a folder that may not be read.  OSError says why it cannot be opened, and then no
        link was met before.
        """

    def open_read(self, path: Path) -> int:
        """A descriptor of a regular file; IsADirectoryError, or OSError(EINVAL) for FIFOs, sockets, devices."""

    def open_write(
        self,
        path: Path,
        *,
        append: bool = False,
        truncate: bool = False,
        exclusive: bool = False,
        mode: int = 0o666,
    ) -> int:
        """A descriptor of a regular file, made if it is not there; ``mode`` is masked by the session's umask.

        The last component is followed when it is a symbolic link inside the root, never outside it.
        """

    def open_folder(self, path: Path) -> AbstractContextManager[Folder]: ...

    def mkdir(self, path: Path, mode: int = 0o777) -> None: ...

    def rmdir(self, path: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def rename(self, source: Path, target: Path, *, replace: bool = True) -> None:
        """FileExistsError when ``replace`` is off and the target is there (RENAME_NOREPLACE: no race)."""

    def chmod(self, path: Path, mode: int, *, special: bool = False) -> None:
        """Special bits (setuid, setgid, sticky) raise PermissionError unless they were set before, or ``special``."""

    def permit(self, path: Path, mode: int, acl: bytes | None) -> None:
        """Give a copy the permissions of its original: mode and ACL (:mod:`ftpd.core.facl`)."""

    def chown(self, path: Path, uid: int = -1, gid: int = -1, *, as_daemon: bool = False) -> None:
        """``as_daemon`` gives away what is the session's own (UserOwner, GroupOwner), PermissionError for the rest."""

    def utime(self, path: Path, seconds: float, accessed: float | None = None) -> None:
        """Set the time of the last change; that of the last access becomes ``accessed``, by default the same."""

    def way(self, folder: str) -> Way | None:
        """To what lies in that folder, for what is compiled; None where files may keep a caller waiting."""

    def way_within(self, folder: bytes) -> Way | None:
        """The same to what another way has as its :attr:`Way.folder`."""

    def survey(
        self, folder: bytes, *, largest: int, dotted: bool, order: int, most: int, dots: bool = False
    ) -> Surveyed | None:
        """The names in a folder and what their entries look like, in one step.

        The arguments are those of :meth:`Folder.lines_at_once`; ``dots`` asks for those of the folder itself too. None
        where a link is on the way, for what is no folder, or a larger one than ``largest``, and where that is not to
        be had so. What is not whole goes on where the folder is opened with it (:attr:`Opened.surveyed`).
        """

    def glances(self, folder: str) -> Callable[[bytes], tuple[int, int] | None] | None:
        """What tells size and time of change (seconds) of a regular file by its name in that folder, in one step.

        It gives None for all else: where a link is on the way, where nothing is, for what is no plain name.
        There is none such where files may keep a caller waiting, or the way is not this short.
        """

    def holding(self, name: str, folder: str) -> tuple[list[str], bool] | None:
        """The folders on the way to a folder, and itself, that hold something of that name, the root first.

        False with them where the user may not go the whole way.  None where it has to be asked of each of them.
        """

    def readlink(self, path: Path) -> str: ...

    def symlink(self, target: str, path: Path) -> None: ...

    def access(self, path: Path, mode: int) -> bool:
        """os.access for the session's identity: os.R_OK, os.W_OK, os.X_OK."""

    def may(self, attributes: os.stat_result, mode: int) -> bool:
        """What the mode bits alone let the identity do; costs no call, for the entries of a listing."""

    def may_remove(self, folder: os.stat_result, entry: os.stat_result) -> bool:
        """Whether the mode bits let the identity delete or rename that entry of that folder."""

    def pool(self, kind: str, virtual: str) -> str:
        """The pool for offloaded work at that path: ``kind``, or that of the slow device it would wait for."""

    def real(self, path: Path) -> str:
        """The absolute path on the machine, for logs and messages to the administrator; resolves nothing."""

    def close(self) -> None: ...
