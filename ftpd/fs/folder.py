"""An open directory of a session: entries are looked at through its descriptor, so no path is walked twice."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from types import TracebackType

from ftpd.core import paths
from ftpd.core.identity import Identity, acting_as
from ftpd.fs.jail import encoded

_BATCH = 512
"""Entries looked at in one stay under the session's identity."""


class Descriptor:
    """A file descriptor that closes when its last user lets go of it.

    A session may end while its work is still under way in a pool's thread; closing by hand would let the
    number be reused under that thread's feet, and its next path would start in somebody else's root.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


class LocalFolder:
    """A folder opened by :class:`ftpd.fs.local.LocalFiles`; use it in a ``with``."""

    __slots__ = ("_above", "_descriptor", "_follow", "_identity")

    def __init__(
        self,
        descriptor: Descriptor,
        identity: Identity,
        above: Callable[[], os.stat_result],
        follow: Callable[[str], os.stat_result],
    ) -> None:
        self._descriptor: Descriptor | None = descriptor
        self._identity = identity
        self._above = above
        """The attributes of the parent as the session sees it: the root is its own."""
        self._follow = follow
        """The attributes of what an entry leads to inside the session's root."""

    def __enter__(self) -> LocalFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._descriptor = None

    def _open(self) -> Descriptor:
        if self._descriptor is None:
            raise OSError(errno.EBADF, "The folder was closed before this use of it")
        return self._descriptor

    def names(self) -> list[str]:
        folder = self._open()
        with acting_as(self._identity):
            found = os.listdir(folder.fd)
        # the machine's own encoding need not be UTF-8, ours is
        return found if _SAME_ENCODING else [paths.decode(os.fsencode(name)) for name in found]

    def links(self) -> list[str]:
        folder = self._open()
        with acting_as(self._identity), os.scandir(folder.fd) as found:
            names = [entry.name for entry in found if entry.is_symlink()]
        return names if _SAME_ENCODING else [paths.decode(os.fsencode(name)) for name in names]

    def lstat(self, name: str) -> os.stat_result:
        folder = self._open()
        if name == "..":
            return self._above()
        raw = _entry(name)
        with acting_as(self._identity):
            return os.stat(raw, dir_fd=folder.fd, follow_symlinks=False)

    def stat(self, name: str) -> os.stat_result:
        found = self.lstat(name)
        return self._follow(name) if stat.S_ISLNK(found.st_mode) else found

    def readlink(self, name: str) -> str:
        folder = self._open()
        raw = _entry(name)
        with acting_as(self._identity):
            return paths.decode(os.readlink(raw, dir_fd=folder.fd))

    def lstat_many(self, names: list[str]) -> Iterator[tuple[str, os.stat_result | None]]:
        for start in range(0, len(names), _BATCH):
            # collected first, handed out afterwards: the caller must never run under the session's identity
            yield from self._batch(names[start : start + _BATCH])

    def _batch(self, names: list[str]) -> list[tuple[str, os.stat_result | None]]:
        folder = self._open()
        fd = folder.fd
        found: list[tuple[str, os.stat_result | None]] = []
        with acting_as(self._identity):
            for name in names:
                try:
                    known = self._above() if name == ".." else os.stat(_entry(name), dir_fd=fd, follow_symlinks=False)
                except OSError:
                    found.append((name, None))
                else:
                    found.append((name, known))
        return found


def _entry(name: str) -> bytes:
    """The bytes of one entry's name; a path would lead out of the folder."""
    if not name or "/" in name:
        raise OSError(errno.EINVAL, "The name of a folder's entry cannot be empty or hold a slash", name)
    return encoded(name)


_SAME_ENCODING = os.fsencode("\u00e9\udce9") == paths.encode("\u00e9\udce9")
