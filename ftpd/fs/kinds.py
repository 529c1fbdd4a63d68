"""Of which kinds a file may be that a client gets to read or write, and which folders it may list."""

from __future__ import annotations

import errno
import os
import stat

from ftpd.fs import kernel
from ftpd.module.files import Path


def only_files(error: OSError, path: Path) -> OSError:
    """What open(2) says of sockets, FIFOs without a reader and absent devices, in words for a client."""
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return OSError(errno.EINVAL, "Not a regular file", path.virtual)
    return error


def regular(fd: int, path: Path) -> int:
    """The descriptor when it is a regular file's; closed and refused otherwise."""
    known = os.fstat(fd)
    if is_regular(known):
        return fd
    os.close(fd)
    if stat.S_ISDIR(known.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path.virtual)
    raise OSError(errno.EINVAL, "Not a regular file", path.virtual)


def is_listable(folder: os.stat_result) -> bool:
    # the kernel lets a process read its own /proc/self/fd, but this process is that of all sessions
    return folder.st_dev not in kernel.kernel_devices() or bool(folder.st_mode & stat.S_IROTH)


def is_regular(known: os.stat_result) -> bool:
    # procfs calls /proc/self/mem a regular file: reading or writing it is reading or writing the daemon
    return stat.S_ISREG(known.st_mode) and known.st_dev not in kernel.kernel_devices()
