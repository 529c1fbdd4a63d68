"""Log files besides the daemon's own: which may be opened, and a line appended whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import time

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, escape, log


def append(path: str, line: str, *, mode: int = 0o644, follow: bool = False) -> None:
    """Append one line; OSError says why not.

    The file is opened for each line: whoever moves it away (logrotate) loses no line and needs no signal.
    ``follow`` allows it to be a symbolic link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    # a FIFO that nobody reads must not stop the daemon
    flags |= os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    with acting_as_daemon():
        folder = os.path.dirname(path)
        found = os.stat(folder)
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise PermissionError(errno.EPERM, f"{folder} is world-writable")
        descriptor = os.open(path, flags, mode)
    try:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, f"{path} took a part of the line only")
    finally:
        os.close(descriptor)


class ModuleLog:
    """The log of its own that a module offers (RewriteLog, ExecLog): ProFTPD's layout, and one complaint a path."""

    def __init__(self, directive: str, module: str) -> None:
        self._directive = directive
        self._module = module
        self._complained: set[str] = set()

    def write(self, path: str | None, message: str, *, follow: bool = False) -> None:
        """Add a record; without a path, or with the word ``none``, there is no log."""
        if path is None or path == "none":
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        line = f"{stamp},{int(now * 1000) % 1000:03d} {self._module}[{os.getpid()}]: {escape(message)}"
        try:
            append(path, line, mode=0o640, follow=follow)
        except OSError as error:
            if path not in self._complained:
                self._complained.add(path)
                log(Level.WARN, "%s: unable to write %s '%s': %s", self._module, self._directive, path, error.strerror)
