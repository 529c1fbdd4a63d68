"""The scoreboard: who is on, in a file with ProFTPD's own layout, so that its ftpwho and its kin read ours and theirs.

A header of 32 bytes, then entries of 624 bytes in the machine's own byte order; an entry whose pid is 0 is free.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from ftpd.core import trace
from ftpd.core.identity import acting_as_daemon
from ftpd.core.record import dataclass

MAGIC = 0xDEADBEEF
VERSION = 0x01040003
NOBODY = "(none)"
"""The user of a session that has not logged in."""
IDLE = "idle"
"""The command of a session that runs none."""

_HEADER = struct.Struct("=QQi4xq")
_ENTRY = struct.Struct("=iII32si80s32s46s80s32s32s80s65s80sxqqqqqQ")
_MOST_ENTRIES = 1 << 20
_NOTHING = bytes(_ENTRY.size)
_LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB


class ScoreboardError(Exception):
    """Why a file is not used as a scoreboard, in ProFTPD's words."""


@dataclass(slots=True)
class Entry:
    """One session. Times are seconds since the epoch, ``elapsed`` is milliseconds; sizes are bytes."""

    pid: int
    uid: int = 0
    gid: int = 0
    user: str = NOBODY
    port: int = 0
    server: str = ""
    """``address:port``"""
    label: str = ""
    """ServerName"""
    address: str = ""
    name: str = ""
    client_class: str = ""
    protocol: str = "ftp"
    cwd: str = ""
    command: str = IDLE
    argument: str = ""
    idle_since: int = 0
    began: int = 0
    size: int = 0
    done: int = 0
    length: int = 0
    elapsed: int = 0

    def pack(self) -> bytes:
        """The entry as it stands in the file; what is too long is cut."""
        return _ENTRY.pack(
            self.pid, self.uid & 0xFFFFFFFF, self.gid & 0xFFFFFFFF, _text(self.user, 32), self.port,
            _text(self.server, 80), _text(self.label, 32), _text(self.address, 46), _text(self.name, 80),
            _text(self.client_class, 32), _text(self.protocol, 32), _text(self.cwd, 80), _text(self.command, 65),
            _text(self.argument, 80), self.idle_since, self.began, self.size, self.done, self.length, self.elapsed,
        )  # fmt: skip


@lru_cache(maxsize=512)
def _text(text: str, room: int) -> bytes:
    """Cut to leave room for the NUL that ends it; control characters have no business on an administrator's screen."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text.encode("utf-8", "replace")[: room - 1]


def unpack(data: bytes) -> Entry:
    fields: list[Any] = [field.split(b"\0", 1)[0].decode("utf-8", "replace") if isinstance(field, bytes) else field
              for field in _ENTRY.unpack(data)]  # fmt: skip
    return Entry(*fields)


class Board:
    """The daemon's side: entries are claimed, written and given back; OSError where the disk refuses."""

    def __init__(self, path: str, mutex: str | None = None, *, pid: int, started: int) -> None:
        self.path = path
        self._mutex = mutex or f"{path}.lck"
        self._free: list[int] = []
        self._next, self._step = 0, 1
        self._mine = True
        """The file goes when we close it."""
        check_place(path)
        check_place(self._mutex)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        self._lock = os.open(self._mutex, flags, 0o644)
        try:
            self._file = os.open(path, flags, 0o644)
        except BaseException:
            os.close(self._lock)
            raise
        try:
            for descriptor in (self._file, self._lock):
                known = os.fstat(descriptor)
                if not stat.S_ISREG(known.st_mode):
                    raise OSError(errno.EINVAL, "it is not a regular file", path)
                if known.st_nlink > 1:
                    # what is written here would be written into somebody's file
                    raise OSError(errno.EMLINK, "it has several names (hard links)", path)
            with self._locked():
                self._begin(flags, _HEADER.pack(MAGIC, VERSION, pid, started))
        except BaseException:
            self._shut()
            raise

    def _begin(self, flags: int, header: bytes) -> None:
        """What an earlier daemon left is no longer true; should sessions of it live, they may go on writing there."""
        found = os.fstat(self._file)
        if found.st_size or found.st_uid != os.geteuid():
            # whom an empty file belongs to may write there as well
            try:
                os.unlink(self.path)
            except OSError:
                # the file may be ours and its folder not
                os.ftruncate(self._file, 0)
            else:
                anew = os.open(self.path, flags | os.O_EXCL, 0o644)
                os.dup2(anew, self._file, inheritable=False)
                os.close(anew)
        self._head(header)

    def _head(self, header: bytes) -> None:
        os.fchmod(self._file, 0o644)
        os.pwrite(self._file, header, 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Against what else keeps to ScoreboardMutex; never waited for here."""
        trace.say("lock", 9, "attempt #1 to write-lock scoreboard mutex fd %d", self._lock)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            trace.say("lock", 3, "write-lock of scoreboard mutex fd %d failed: %s", self._lock, error.strerror)
            # a reader holds it: entries are written whole all the same
            yield
            return
        trace.say("lock", 9, "write-lock of scoreboard mutex fd %d successful", self._lock)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _hold(self, at: int, peer: str) -> bool:
        """Against ProFTPD's ftpwho and its kin, which lock what they read; never waited for, as anybody can hold it."""
        if trace.active:
            text = "attempting to write-lock scoreboard fd %d entry, offset %d"
            trace.say("lock", 9, text, self._file, at, peer=peer)
        try:
            fcntl.lockf(self._file, _LOCK, _ENTRY.size, at)
        except OSError as error:
            text = "write-lock of scoreboard fd %d entry failed: %s"
            trace.say("lock", 3, text, self._file, error.strerror, peer=peer)
            return False
        return True

    at_once = False
    """Whether others count by what is written, so that a session is to be there from its beginning."""

    def claim(self) -> int:
        """A place for one entry."""
        if self._free:
            return self._free.pop()
        place = self._next
        self._next += self._step
        return place

    def share(self, column: int, columns: int) -> None:
        """In one of several processes that write to it: of so many places in a row this one has the one with that
        number."""
        self._next, self._step, self._mine = column, columns, False

    def clear(self, pid: int) -> None:
        """The process is gone, and those who were on with it."""
        with suppress(OSError):
            size = os.fstat(self._file).st_size
            for at in range(_HEADER.size, size, _ENTRY.size):
                if os.pread(self._file, 4, at) == struct.pack("=i", pid):
                    os.pwrite(self._file, bytes(_ENTRY.size), at)

    def write(self, place: int, entry: Entry, peer: str = "") -> None:
        """Write an entry whole; ``peer`` is the session whose it is, for the trace."""
        data, at = entry.pack(), _HEADER.size + place * _ENTRY.size
        held = self._hold(at, peer)
        try:
            written = os.pwrite(self._file, data, at)
        finally:
            if held:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _ENTRY.size, at)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def release(self, place: int) -> None:
        self._free.append(place)
        try:
            os.pwrite(self._file, _NOTHING, _HEADER.size + place * _ENTRY.size)
        except OSError:
            pass

    def close(self) -> None:
        """At an orderly end nothing is left to read."""
        for path, descriptor in () if not self._mine else ((self.path, self._file), (self._mutex, self._lock)):
            with suppress(OSError), acting_as_daemon():
                mine = os.fstat(descriptor)
                there = os.lstat(path)
                if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
                    os.unlink(path)
        self._shut()

    def _shut(self) -> None:
        os.close(self._file)
        os.close(self._lock)


class CommonBoard(Board):
    """That of processes which inetd started, one for each client: they come and go, and the file stays."""

    at_once = True

    def __init__(self, path: str, mutex: str | None = None, *, started: int, scrub: bool) -> None:
        self._scrub = scrub
        self._own: int | None = None
        """The place of this process: it has one client."""
        super().__init__(path, mutex, pid=0, started=started)
        self._mine = False

    @property
    def mutex(self) -> int:
        """The descriptor of the ScoreboardMutex, for who locks what spans more than one entry."""
        return self._lock

    def others(self) -> list[Entry]:
        """What other processes that live have written."""
        found = []
        for place in range(self._places()):
            data = os.pread(self._file, _ENTRY.size, self._at(place))
            if len(data) == _ENTRY.size and data[:4] != _NOTHING[:4]:
                entry = unpack(data)
                if entry.pid != os.getpid() and alive(entry.pid):
                    found.append(entry)
        return found

    def release(self, place: int) -> None:
        if place == self._own:
            self._own = None
            super().release(place)

    def close(self) -> None:
        if self._own is not None:
            self.release(self._own)
        super().close()

    def _begin(self, flags: int, header: bytes) -> None:
        found = os.pread(self._file, _HEADER.size, 0)
        if not found:
            self._head(header)
            return
        try:
            pid, _ = _understood(found)
        except ScoreboardError as error:
            raise OSError(errno.EINVAL, str(error), self.path) from None
        if pid and not alive(pid):
            self._head(header)
        if self._scrub:
            self._scrub_entries()

    def _scrub_entries(self) -> None:
        """Free the places of those who were killed and could not do it themselves (ScoreboardScrub)."""
        _free_dead(self._file, lambda at: self._hold(at, ""))

    def _places(self) -> int:
        return max(os.fstat(self._file).st_size - _HEADER.size, 0) // _ENTRY.size

    def _at(self, place: int) -> int:
        return _HEADER.size + place * _ENTRY.size

    def _pid_at(self, at: int) -> int:
        return int.from_bytes(os.pread(self._file, 4, at), sys.byteorder)

    def claim(self) -> int:
        """A place that no other process takes meanwhile, as each locks it before it looks whether it is free."""
        if self._own is None:
            self._own = self._claimed()
        return self._own

    def _claimed(self) -> int:
        for _ in range(_ATTEMPTS):
            many = self._places()
            for place in range(many + _AT_ONCE):
                if (place >= many or not self._pid_at(self._at(place))) and self._take(place):
                    return place
            # somebody reads all of them
            time.sleep(_PAUSE)
        return self._places()

    def _take(self, place: int) -> bool:
        at = self._at(place)
        if not self._hold(at, ""):
            return False
        try:
            if self._pid_at(at):
                return False
            os.pwrite(self._file, Entry(os.getpid()).pack(), at)
            return True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _ENTRY.size, at)


_ATTEMPTS, _PAUSE = 50, 0.002
_AT_ONCE = 8
"""Places behind the last one that are tried, where others are about to take them."""


def alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    if not 0 < pid < 1 << 31:
        # what a damaged file says; to kill(2) it would be a group of processes
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def check_place(path: str) -> None:
    """PermissionError for a place where another user could put a file of his own; OSError where there is no folder."""
    folder = os.path.dirname(path) or "."
    if os.stat(folder).st_mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, f"{folder} is world-writable", path)
    if os.path.islink(path):
        raise PermissionError(errno.EPERM, "it is a symbolic link", path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "it is not a regular file", path)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scoreboard says: the daemon's pid (0: inetd), since when, and who is on."""

    pid: int
    started: int
    entries: tuple[Entry, ...]


def _understood(data: bytes) -> tuple[int, int]:
    """Whose scoreboard it is, and since when, by its header."""
    if len(data) < _HEADER.size:
        raise ScoreboardError("bad/corrupted file")
    magic, version, pid, started = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ScoreboardError("bad/corrupted file")
    if version != VERSION:
        raise ScoreboardError("bad version (too old)" if version < VERSION else "bad version (too new)")
    return pid, started


def _without_waiting(path: str, flags: int) -> int:
    """A FIFO is opened at once, whether somebody is at its other end or not."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read(path: str) -> Scores:
    """The scoreboard in that file; OSError, or ScoreboardError where the file is none."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ScoreboardError("bad/corrupted file")
        data = file.read(_HEADER.size + _MOST_ENTRIES * _ENTRY.size)
    pid, started = _understood(data)
    body = data[_HEADER.size :]
    whole = len(body) - len(body) % _ENTRY.size
    # most are free where several processes write: each has places of its own
    taken = (at for at in range(0, whole, _ENTRY.size) if body[at : at + 4] != b"\0\0\0\0")
    return Scores(pid, started, tuple(unpack(body[at : at + _ENTRY.size]) for at in taken))


def scrub(path: str) -> tuple[list[Entry], int]:
    """Free the places of processes that are gone; returns what stood there, and how many a reader's lock has kept.

    OSError, or ScoreboardError where the file is no scoreboard.
    """
    with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "r+b") as file:
        descriptor, kept = file.fileno(), 0
        _understood(os.pread(descriptor, _HEADER.size, 0))

        def hold(at: int) -> bool:
            nonlocal kept
            for _ in range(_ATTEMPTS):
                try:
                    fcntl.lockf(descriptor, _LOCK, _ENTRY.size, at)
                    return True
                except (BlockingIOError, PermissionError):
                    time.sleep(_PAUSE)
            kept += 1
            return False

        return _free_dead(descriptor, hold), kept


def _free_dead(file: int, hold: Callable[[int], bool]) -> list[Entry]:
    """Free the places of the dead that ``hold`` can lock."""
    freed = []
    for at in range(_HEADER.size, os.fstat(file).st_size - _ENTRY.size + 1, _ENTRY.size):
        if not _is_dead(os.pread(file, _ENTRY.size, at)) or not hold(at):
            continue
        try:
            # meanwhile it may have been given to somebody who lives
            data = os.pread(file, _ENTRY.size, at)
            if _is_dead(data):
                os.pwrite(file, _NOTHING, at)
                freed.append(unpack(data))
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, _ENTRY.size, at)
    return freed


def _is_dead(data: bytes) -> bool:
    (pid,) = struct.unpack_from("=i", data)
    return pid != 0 and not alive(pid)
