"""Log files: which may be opened, and a line appended whole or not at all."""

from __future__ import annotations

import errno
import os
import stat

from ftpd.api import acting_as_daemon


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
