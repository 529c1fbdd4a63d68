"""Opening a path beneath a root from which nothing leads out: by the kernel, or component by component."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from ftpd.core import paths
from ftpd.core.identity import Identity, acting_as
from ftpd.fs import kernel

Opener = Callable[[Identity, int, bytes, int, int], int]
"""``open(identity, root, path, flags, mode)``: a descriptor, opened as that user, or OSError."""

_LINKS = 40
"""Symbolic links that one path may lead through, as in the kernel."""

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def encoded(path: str) -> bytes:
    """The bytes of a name or path for the kernel; a NUL would cut it short on the way there."""
    try:
        raw = paths.encode(path)
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "The file name holds characters that no bytes stand for", path) from None
    if b"\0" in raw:
        raise OSError(errno.EINVAL, "A file name cannot hold a NUL byte", path)
    return raw


def by_own_path(opener: Opener, identity: Identity, own: bytes, root: int, path: bytes, flags: int, mode: int) -> int:
    """Open where nothing is found: an absolute link that begins with the root's own path is meant from the root.

    Whoever made the link saw the whole machine, where it leads into the root; inside the root its text alone would
    lead nowhere. FileNotFoundError where that does not help either.
    """
    if opener is by_kernel and not _meets_link(identity, root, path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), paths.decode(path))
    return by_walking(identity, root, path, flags, mode, own)


def _meets_link(identity: Identity, root: int, path: bytes) -> bool:
    """Whether a symbolic link stands on the way to ``path``, as far as that way goes."""
    try:
        found = without_links(identity, root, path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return False
    if found is not None:
        os.close(found)
    return found is None


def by_kernel(identity: Identity, root: int, path: bytes, flags: int, mode: int) -> int:
    """openat2(2) with the session's root as ``/``."""
    for _ in range(3):
        try:
            return kernel.openat2(identity, root, path, flags, mode)
        except BlockingIOError:
            # a rename anywhere on the machine while a link's ".." was followed: the kernel asks to try again
            continue
    return by_walking(identity, root, path, flags, mode)


def without_links(identity: Identity, root: int, path: bytes, flags: int) -> int | None:
    """The descriptor of what lies where the path says; None where a link is on the way, or it cannot be told."""
    try:
        return kernel.openat2(identity, root, path, flags, 0, kernel.NO_LINKS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EAGAIN):
            return None
        raise


def depths_with(identity: Identity, root: int, path: bytes, name: bytes) -> tuple[list[int], bool] | None:
    """How deep the folders on the way lie that hold something of that name, the root being 0; one step for each.

    False where the user may not go the whole way; None where a link is on it, or ``..``.
    """
    found: list[int] = []
    names = _names(path)[::-1]
    if b".." in names:
        return None
    with acting_as(identity):
        here = os.dup(root)
        try:
            for depth, part in enumerate([b".", *names]):
                inner = os.open(part, _LOOK | os.O_DIRECTORY, dir_fd=here)
                os.close(here)
                here = inner
                if _holds(here, name):
                    found.append(depth)
        except FileNotFoundError:
            pass
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
                return None
        except PermissionError:
            return found, False
        finally:
            os.close(here)
    return found, True


def _holds(folder: int, name: bytes) -> bool:
    """Whether something of that name is there, or it cannot be told."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def by_walking(identity: Identity, root: int, path: bytes, flags: int, mode: int, own: bytes = b"/") -> int:
    """The same by hand: no component is opened through a link, and ``..`` goes back the way we came.

    Links that begin with ``own`` are taken from the root.
    """
    with acting_as(identity):
        walk = _Walk(root, path, own)
        try:
            return walk.open(flags, mode)
        finally:
            walk.close()


class _Walk:
    """The folders from the root to where we stand, and the names still before us (the next one last)."""

    def __init__(self, root: int, path: bytes, own: bytes) -> None:
        self._root = root
        self._own = own
        self._stack: list[int] = []
        self._todo = _names(path)
        self._links = 0
        self._path = path

    @property
    def _here(self) -> int:
        return self._stack[-1] if self._stack else self._root

    def close(self) -> None:
        while self._stack:
            os.close(self._stack.pop())

    def open(self, flags: int, mode: int) -> int:
        follow = not flags & os.O_NOFOLLOW and not (flags & os.O_CREAT and flags & os.O_EXCL)
        while self._todo:
            name = self._todo.pop()
            if name == b"..":
                if self._stack:
                    os.close(self._stack.pop())
            elif self._todo:
                self._step(name)
            else:
                opened = self._open_last(name, flags, mode, follow)
                if opened is not None:
                    return opened
        return os.open(b".", flags | os.O_CLOEXEC, mode, dir_fd=self._here)

    def _step(self, name: bytes) -> None:
        """Into the folder ``name``, or behind the link of that name."""
        found, target = self._look(name)
        if target is None:
            self._stack.append(found)
            _must_be_folder(found, self._path)
        else:
            os.close(found)
            self._follow(target)

    def _open_last(self, name: bytes, flags: int, mode: int, follow: bool) -> int | None:
        """The descriptor asked for; None when the name was a link and the way goes on."""
        if follow:
            try:
                found, target = self._look(name)
            except FileNotFoundError:
                if not flags & os.O_CREAT:
                    raise
            else:
                if target is None and flags & os.O_PATH and not flags & os.O_DIRECTORY:
                    return found
                os.close(found)
                if target is not None:
                    self._follow(target)
                    return None
        # a link put here since we looked makes this fail (ELOOP, ENOTDIR), it does not lead astray
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self._here)

    def _look(self, name: bytes) -> tuple[int, bytes | None]:
        """What is there, whatever it is, and where it leads when it is a link."""
        found = os.open(name, _LOOK, dir_fd=self._here)
        try:
            known = os.fstat(found)
            if not stat.S_ISLNK(known.st_mode):
                return found, None
            self._links += 1
            # procfs's links are doors, not names: /proc/self/root leads out whatever its text says
            if self._links > _LINKS or known.st_dev in kernel.kernel_devices():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), paths.decode(self._path))
            return found, os.readlink(b"", dir_fd=found)
        except BaseException:
            os.close(found)
            raise

    def _follow(self, target: bytes) -> None:
        if target.startswith(b"/"):
            self.close()
            target = paths.within(target, self._own)
        self._todo.extend(_names(target))


def _must_be_folder(found: int, path: bytes) -> None:
    if not stat.S_ISDIR(os.fstat(found).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), paths.decode(path))


def _names(path: bytes) -> list[bytes]:
    """The components of a path, the last one first."""
    return [name for name in reversed(path.split(b"/")) if name and name != b"."]


open_beneath: Opener = by_kernel if kernel.has_openat2() else by_walking
"""The better way that this machine offers."""
