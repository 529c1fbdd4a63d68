"""RNTO to another file system: the file is copied there and only then removed here, so that one of them is whole."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from contextlib import suppress

from ftpd.api import Command, Files, Path, acls, close_file, copying, facl


async def move(cmd: Command, source: Path, target: Path, *, replace: bool) -> None:
    """Do what rename(2) would; OSError says what is in the way, and then the source is as it was."""
    with cmd.busy() as work:
        await copying.in_slices(cmd, work, _Move(cmd.files, source, target, replace=replace), "RNTO")


class _Move:
    """One file or link on its way; implements :class:`ftpd.api.copying.Job`."""

    def __init__(self, files: Files, source: Path, target: Path, *, replace: bool) -> None:
        self._files = files
        self._source = source
        self._target = target
        self._replace = replace
        name = f".move-{secrets.token_hex(8)}"
        # nobody guesses the name, and the file gets its own when it is whole; it is no new file, so what is said of
        # new ones (UserOwner) does not hold for it
        self._aside = Path(f"{target.virtual.rpartition('/')[0]}/{name}", name)
        self._known: os.stat_result | None = None
        self._acl: bytes | None = None
        self._open: list[int] = []
        self._made = False
        self._at = 0
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """Look whether it may be done, and open both ends; True when there is something to copy."""
        with self._lock:
            known = self._known = self._files.lstat(self._source)
            self._check(known)
            if stat.S_ISLNK(known.st_mode):
                self._files.symlink(self._files.readlink(self._source), self._aside)
                self._made = True
                self._publish(known)
                return False
            if not stat.S_ISREG(known.st_mode):
                code = errno.EISDIR if stat.S_ISDIR(known.st_mode) else errno.EXDEV
                raise OSError(code, os.strerror(code))
            self._open.append(self._files.open_read(self._source))
            self._unchanged(known)
            self._acl = facl.of(self._open[0])
            self._open.append(self._files.open_write(self._aside, exclusive=True, mode=0o600))
            self._made = True
            return True

    def _check(self, known: os.stat_result) -> None:
        """What rename(2) would refuse is refused before anything is copied."""
        folder = Path(self._source.virtual.rpartition("/")[0] or "/")
        if not acls.may_remove(self._files, folder, self._files.stat(folder), known):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with suppress(FileNotFoundError):
            there = self._files.lstat(self._target)
            if not self._replace:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            if stat.S_ISDIR(there.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    def _unchanged(self, known: os.stat_result) -> None:
        """What is written to the source meanwhile would be lost with it."""
        now = os.fstat(self._open[0])
        if not os.path.samestat(now, known) or (now.st_size, now.st_mtime_ns) != (known.st_size, known.st_mtime_ns):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def go_on(self) -> bool:
        with self._lock:
            if not self._open or self._known is None:
                return False
            source, target = self._open
            size, at = self._known.st_size, self._at
            self._at = copying.copy_slice(source, target, at, size)
            if self._at < size:
                if self._at == at:
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
                return True
            os.ftruncate(target, size)
            os.fsync(target)
            self._unchanged(self._known)
            self._close()
            self._dress(self._known)
            self._publish(self._known)
            return False

    def _dress(self, known: os.stat_result) -> None:
        """Permissions and times are the source's, as a rename would leave them; owner and group the user's."""
        self._files.permit(self._aside, known.st_mode & 0o777, self._acl)
        with suppress(OSError):
            self._files.utime(self._aside, known.st_mtime, known.st_atime)

    def _publish(self, known: os.stat_result) -> None:
        self._files.rename(self._aside, self._target, replace=self._replace)
        self._made = False
        if not os.path.samestat(self._files.lstat(self._source), known):
            # the name means another file by now, which nobody asked to remove
            return
        self._files.unlink(self._source)

    def _close(self) -> None:
        # NFS and quotas may tell only now that the disk is full
        while self._open:
            close_file(self._open.pop(), wait=True)

    def give_up(self) -> None:
        with self._lock:
            with suppress(OSError):
                self._close()
            if self._made:
                with suppress(OSError):
                    self._files.unlink(self._aside)
                self._made = False
