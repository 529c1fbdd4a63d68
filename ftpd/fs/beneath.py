"""The one road to all files of a session: whatever it is, it is opened beneath the session's root and as its user."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from ftpd.core import paths
from ftpd.core.identity import Identity, acting_as
from ftpd.fs import jail, kernel, permissions
from ftpd.fs.folder import Descriptor
from ftpd.fs.jail import Opener, encoded
from ftpd.fs.roots import shared
from ftpd.module.files import Path

LOOK = os.O_PATH | os.O_CLOEXEC
FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a FIFO without a partner, a tape, a modem must answer at once; O_NOCTTY: none becomes our terminal
TRANSFER = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_encoded_root = lru_cache(maxsize=256)(encoded)


def there(path: Path) -> str:
    if path.absent:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path.virtual)
    return path.virtual


class Beneath:
    """What lies beneath one root for one user."""

    __slots__ = ("_closed", "_identity", "_opener", "_root", "root")

    def __init__(self, identity: Identity, root: str, opener: Opener) -> None:
        self.root = root
        self._identity = identity
        self._opener = opener
        self._root: Descriptor | None = None
        self._closed = False

    def place(self) -> str:
        """The root's path on the machine, with its links followed; nothing is walked for it once it is open."""
        return os.readlink(f"/proc/self/fd/{(self._root or self._enter()).fd}")

    def root_descriptor(self) -> int:
        return (self._root or self._enter()).fd

    def close(self) -> None:
        self._closed = True
        self._root = None

    def _enter(self) -> Descriptor:
        """The root's descriptor; opened at first use, so that a session that only idles costs none."""
        if self._root is None:
            self._open_root()
        assert self._root is not None
        return self._root

    def _open_root(self) -> bool | None:
        """Open the root, and tell whether its user may go on from it, where that is known."""
        if self._closed:
            raise OSError(errno.EBADF, "The session's files were closed before this use of them")
        fd, place, searchable = kernel.enter(self._identity, _encoded_root(self.root), FOLDER)
        self._root = shared(fd, place)
        return searchable

    def _open(self, virtual: str, flags: int, mode: int = 0) -> int:
        """Open beneath the root, as the session's user."""
        root, raw = self._root or self._enter(), encoded(virtual)
        try:
            return self._opener(self._identity, root.fd, raw, flags, mode)
        except FileNotFoundError:
            if self.root == "/":
                raise
            return jail.by_own_path(self._opener, self._identity, encoded(self.root), root.fd, raw, flags, mode)

    def _open_there(self, virtual: str, flags: int) -> int:
        """Open what is there; -1 where nothing is."""
        try:
            return self._open(virtual, flags)
        except FileNotFoundError:
            return -1

    def _attributes(self, virtual: str, flags: int) -> os.stat_result:
        fd = self._open(virtual, flags)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _parent(self, path: Path, at_root: int = errno.EBUSY) -> Iterator[tuple[int, bytes]]:
        """The folder that holds the path's last name, for the calls that change names."""
        above, name = paths.split(there(path))
        if name in ("", ".", ".."):
            raise OSError(at_root, os.strerror(at_root), path.virtual)
        raw = encoded(name)
        fd = self._open(above, FOLDER)
        try:
            with acting_as(self._identity):
                yield fd, raw
        finally:
            os.close(fd)

    @contextmanager
    def _inode(self, path: Path) -> Iterator[tuple[os.stat_result, str | int]]:
        """The attributes of what the path leads to, and a handle on just that for chmod, chown and utime.

        The handle is no path that could be swapped: /proc/self/fd leads to the opened inode itself.  Without
        procfs the file must be opened for reading, which its owner may have forbidden himself.
        """
        fd = self._open(there(path), LOOK if permissions.PROC else os.O_RDONLY | TRANSFER)
        try:
            with acting_as(self._identity):
                yield os.fstat(fd), permissions.handle(fd)
        finally:
            os.close(fd)
