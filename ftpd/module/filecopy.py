"""One file or link copied: made aside, under a name that nobody guesses, and given its own when it is whole."""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
import stat
import threading
from contextlib import suppress

from ftpd.core import facl
from ftpd.core.aside import close_file
from ftpd.module.copying import copy_slice
from ftpd.module.files import Files, Path


def _aside(target: Path) -> Path:
    """A name that nobody guesses, in the folder of the target: the copy takes its own name when it is whole."""
    name = f".copy-{secrets.token_hex(8)}"
    return Path(posixpath.join(posixpath.dirname(target.virtual), name), name, target.settings)


def _replaceable(files: Files, target: Path, source: os.stat_result, *, overwrite: bool) -> int | None:
    """The size of what the copy would replace, None for nothing; OSError where it may not be replaced."""
    try:
        there = files.lstat(target)
    except FileNotFoundError:
        return None
    if not overwrite:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # ProFTPD empties a file that is copied onto itself
    if os.path.samestat(there, source) or not (stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return there.st_size


def _publish(files: Files, work: Path, target: Path, *, overwrite: bool) -> None:
    try:
        files.rename(work, target, replace=overwrite)
    except FileExistsError:
        # somebody was faster
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


class FileCopy:
    """One file on its way; implements :class:`ftpd.module.copying.Job`. ``keep`` what is there when it fails."""

    def __init__(
        self, files: Files, source: Path, target: Path, *, overwrite: bool, keep: bool, most: int | None
    ) -> None:
        self.size = 0
        self.replaced: int | None = None
        self._files = files
        self._source = source
        self._target = target
        self._work = _aside(target)
        self._overwrite = overwrite
        self._keep = keep
        self._most = most
        self._mode = 0
        self._acl: bytes | None = None
        self._at = 0
        self._open: list[int] = []
        self._lock = threading.Lock()
        self._made = self._over = False

    def begin(self) -> bool:
        """Open both ends and copy the first slice; True when there is more to do."""
        with self._lock:
            source = self._files.open_read(self._source)
            self._open.append(source)
            known = os.fstat(source)
            # what is written to the file from now on is not waited for: it might never end
            self.size, self._mode, self._acl = known.st_size, known.st_mode & 0o777, facl.of(source)
            if self._most is not None and self.size > self._most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            self.replaced = _replaceable(self._files, self._target, known, overwrite=self._overwrite)
            mode = facl.without(self._mode, self._acl)
            self._open.append(self._files.open_write(self._work, exclusive=True, mode=mode))
            self._made = True
        return self.go_on()

    def go_on(self) -> bool:
        with self._lock:
            if self._over:
                return False
            source, target = self._open
            at = self._at
            self._at = copy_slice(source, target, at, self.size)
            if self._at < self.size:
                if self._at > at:
                    return True
                self.size = at  # the file has become shorter meanwhile
            self._finish(target)
            return False

    def _finish(self, target: int) -> None:
        os.ftruncate(target, self.size)
        if stat.S_IMODE(os.fstat(target).st_mode) != self._mode or facl.of(target) != self._acl:
            # what UserOwner has given to somebody else keeps the permissions it was made with
            with suppress(PermissionError):
                self._files.permit(self._work, self._mode, self._acl)
        self._close()
        _publish(self._files, self._work, self._target, overwrite=self._overwrite)
        self._over = True

    def _close(self) -> None:
        # NFS and quotas may tell only now that the disk is full
        while self._open:
            close_file(self._open.pop(), wait=True)

    def give_up(self) -> None:
        """Leave nothing of an unfinished copy; with NoDeleteOnFailure what there is, under a name that was free."""
        with self._lock:
            unfinished = self._made and not self._over
            self._over = True
            with suppress(OSError):
                self._close()
            if not unfinished:
                return
            with suppress(OSError):
                if self._keep:
                    self._files.rename(self._work, self._target, replace=False)
            with suppress(OSError):
                self._files.unlink(self._work)


def copy_link(files: Files, source: Path, target: Path, *, overwrite: bool) -> int | None:
    """Copy a symbolic link as it is: what it leads to is not looked at; the size of what it took the place of."""
    work = _aside(target)
    replaced = _replaceable(files, target, files.lstat(source), overwrite=overwrite)
    files.symlink(files.readlink(source), work)
    try:
        _publish(files, work, target, overwrite=overwrite)
    except BaseException:
        files.unlink(work)
        raise
    return replaced
