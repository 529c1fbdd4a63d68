"""Log files: which may be opened at all, kept open, noticed when moved away, and written by the scribe."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from typing import NamedTuple

from ftpd.core import trace
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, escape, log, stamp
from ftpd.core.scribe import PIPE, Outlet, flush, rest, write

__all__ = ["LogFile", "ModuleLog", "append", "at", "close", "flush", "reopen", "trouble"]

# a FIFO that nobody reads must not stop the daemon, a terminal not become its own
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class LogFile(Outlet):
    """One file; records are appended whole, in the order in which they came."""

    def __init__(
        self, path: str, directive: str, *, mode: int = 0o644, follow: bool = False, make: bool = True,
        complaint: Level = Level.WARN,
    ) -> None:  # fmt: skip
        super().__init__(f"{directive} '{path}'", complaint)
        self.path = path
        self.kept = False
        """The daemon's own: should its name lead to nothing that can be written, what is open goes on."""
        self._mode = mode
        self._follow = follow
        self._flags = _FLAGS | (os.O_CREAT if make else 0) | (0 if follow else os.O_NOFOLLOW)
        self._descriptor = -1
        self._inode: tuple[int, int] | None = None
        self._together = 0
        """Bytes to write at once: other processes may write there as well."""
        self._astray: str | None = None
        """Why the name is not followed any more."""
        self._opening = threading.Lock()

    def open(self) -> None:
        """Open it now; OSError with a full reason in its ``strerror`` when it is not there or not safe."""
        with acting_as_daemon(), self._opening:
            if not self._is_current():
                self._turn_to(self._opened())

    def open_soon(self) -> None:
        """Have the scribe open it, so that what is wrong with it is told now and not with the first record."""
        self.put(b"")

    def _send(self) -> None:
        with self._opening:
            self._follow_name()
        write(self._descriptor, self._batch, self._together)

    def _follow_name(self) -> None:
        """Have the file open that has the name now; where that is none to be written, the one from before goes on."""
        if self._is_current():
            return
        try:
            self._turn_to(self._opened())
        except OSError as error:
            if self._descriptor < 0:
                raise
            if self._astray != error.strerror:
                self._astray = error.strerror
                log(
                    self._complaint,
                    "unable to open %s again: %s; the file from before goes on",
                    self.name,
                    error.strerror,
                )

    def _let_go(self) -> None:
        # where the name leads to nothing that can be written, what comes next has no other place
        if self._astray is None:
            self._close()

    def _is_current(self) -> bool:
        """Whether what is open still has the name: somebody may have moved it away (logrotate)."""
        if self._descriptor < 0:
            return False
        try:
            found = os.stat(self.path, follow_symlinks=self._follow)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    def _turn_to(self, descriptor: int) -> None:
        self._close()
        now = os.fstat(descriptor)
        self._descriptor, self._inode, self._astray = descriptor, (now.st_dev, now.st_ino), None
        self._together = sys.maxsize if stat.S_ISREG(now.st_mode) else PIPE
        trace.say("log", 5, "opened %s", self.name)

    def _opened(self) -> int:
        """A descriptor, unless somebody else could have put the file, or a link to another, there."""
        folder = os.path.dirname(self.path)
        try:
            if os.stat(folder).st_mode & stat.S_IWOTH:
                raise PermissionError(errno.EPERM, f"{folder} is a world-writable directory")
            descriptor = os.open(self.path, self._flags, self._mode)
        except OSError as error:
            raise OSError(error.errno, self._reason(error)) from None
        file = os.fstat(descriptor)
        reason = ""
        if stat.S_ISREG(file.st_mode):
            if file.st_nlink > 1 and not self._follow:
                reason = f"it has {file.st_nlink} names, and its records would be in another file as well (a hard link)"
        elif not (stat.S_ISCHR(file.st_mode) or stat.S_ISFIFO(file.st_mode)):
            reason = "it is no regular file"
        if reason:
            os.close(descriptor)
            raise OSError(errno.EPERM, reason)
        return descriptor

    def _reason(self, error: OSError) -> str:
        if error.errno == errno.ELOOP and not self._follow:
            return f"{self.path} is a symbolic link"
        if error.errno == errno.ENXIO:
            return "FIFO reader process must be running first"
        reason = error.strerror or str(error)
        return f"{reason}: {os.path.dirname(self.path)}" if error.errno == errno.ENOENT else reason

    def forget(self) -> None:
        super().forget()
        self._opening = threading.Lock()
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor, self._inode = -1, None


class Trouble(NamedTuple):
    """Why a log could not be kept, and what would be right; as the system has it, and in words of one line."""

    error: OSError
    reason: str
    remedy: str


def trouble(path: str, directive: str, *, follow: bool = False) -> Trouble | None:
    """What would keep a daemon from writing there; nothing is made.

    Who asks need not be who starts the daemon, so rights that are missing are no trouble.
    """
    folder = os.path.dirname(path)
    with acting_as_daemon():
        there = os.path.isdir(folder)
    file = LogFile(path, directive, follow=follow, make=False)
    try:
        file.open()
    except OSError as error:
        if error.errno == errno.EACCES or (error.errno == errno.ENOENT and there):
            return None
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and not there:
            return Trouble(error, f"there is no folder {folder}", f"mkdir {folder}")
        return Trouble(error, error.strerror or str(error), _REMEDIES.get(error.errno or 0, ""))
    file.forget()
    return None


_REMEDIES = {
    errno.ELOOP: "the file that the link leads to, or AllowLogSymlinks on",
    errno.EPERM: "a file of its own, in a folder that only the daemon's user may write to",
}


_open_files: dict[tuple[str, bool], LogFile] = {}


def at(
    path: str, directive: str, *, mode: int = 0o644, follow: bool = False, make: bool = True,
    complaint: Level = Level.WARN,
) -> LogFile:  # fmt: skip
    """The one log file of that path; who names it first decides on what else there is to it.

    ``follow`` allows it to be a symbolic link, ``make`` makes it where it is missing, and at the level ``complaint``
    is told what is wrong with it.
    """
    found = _open_files.get((path, follow))
    if found is None:
        found = LogFile(path, directive, mode=mode, follow=follow, make=make, complaint=complaint)
        _open_files[path, follow] = found
    return found


def reopen() -> None:
    """Close the log files, as SIGHUP asks; who still writes to one opens it anew."""
    for file in _open_files.values():
        if not file.kept:
            file.release()


def close() -> None:
    """Write what there is and let go of everything, as if nothing had been logged yet: for the end of a test."""
    flush()
    rest()
    for file in _open_files.values():
        file.forget()
    _open_files.clear()


def append(path: str, line: str, directive: str, *, mode: int = 0o644, follow: bool = False) -> None:
    """Hand one line over; what is wrong with the file is told in the daemon's log."""
    at(path, directive, mode=mode, follow=follow).put(encoded(line))


def encoded(line: str) -> bytes:
    return f"{line}\n".encode("utf-8", "backslashreplace")


class ModuleLog:
    """The log of its own that a module offers (RewriteLog, ExecLog), in ProFTPD's layout."""

    def __init__(self, directive: str, module: str) -> None:
        self._directive = directive
        self._module = module

    def write(self, path: str | None, message: str, *, follow: bool = False) -> None:
        """Add a record; without a path, or with the word ``none``, there is no log."""
        if path is None or path == "none":
            return
        line = f"{stamp(time.time())} {self._module}[{os.getpid()}]: {escape(message)}"
        append(path, line, self._directive, mode=0o640, follow=follow)
