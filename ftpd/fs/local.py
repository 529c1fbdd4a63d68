"""The files of the machine as one session sees them: its identity, its root, its umask, and nothing process-wide."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial

from ftpd import native
from ftpd.core import facl, paths
from ftpd.core.allowance import Allowance, Kind
from ftpd.core.identity import Identity, acting_as, acting_as_daemon, effective, neutral, privileged
from ftpd.fs import jail, kernel, permissions
from ftpd.fs.beneath import FOLDER, LOOK, TRANSFER, Beneath, there
from ftpd.fs.folder import Descriptor, LocalFolder, surveyed
from ftpd.fs.jail import Opener, encoded
from ftpd.fs.kinds import is_listable, is_regular, only_files, regular
from ftpd.fs.rights import may_remove, permits
from ftpd.module.files import Opened, Path, Surveyed, Use, Way

_ROOT = Path("/")
_READING, _WRITING = os.O_RDONLY | TRANSFER, os.O_WRONLY | TRANSFER
_LISTING = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = {"read": _READING, "write": _WRITING, "list": _LISTING, "enter": LOOK}
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


class LocalFiles(Beneath):
    """Implements :class:`ftpd.module.files.Files` on the local file system."""

    slow = False

    __slots__ = ("allowance", "folder_umask", "made", "umask")

    def __init__(self, identity: Identity, root: str, umask: int, *, opener: Opener | None = None) -> None:
        super().__init__(identity, root, opener or jail.open_beneath)
        self.umask = self.folder_umask = umask
        self.made: Callable[[Path, int | str], None] | None = None
        self.allowance: Allowance | None = None

    # -- looking ---------------------------------------------------------------------------------------

    def enter(self) -> bool:
        searchable = self._open_root() if self._root is None else None
        return self.access(_ROOT, os.X_OK) if searchable is None else searchable

    def stat(self, path: Path) -> os.stat_result:
        virtual = there(path)
        if virtual == "/":
            # open already, by the user's own right
            return os.fstat((self._root or self._enter()).fd)
        return self._attributes(virtual, LOOK)

    def lstat(self, path: Path) -> os.stat_result:
        return self._attributes(there(path), LOOK | os.O_NOFOLLOW)

    def look(self, path: Path, *, follow: bool = True) -> os.stat_result | None:
        if self._opener is not jail.by_kernel:
            return None
        root = self._root or self._enter()
        flags = LOOK if follow else LOOK | os.O_NOFOLLOW
        fd = jail.without_links(self._identity, root.fd, encoded(there(path)), flags)
        if fd is None:
            return None
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def way(self, folder: str) -> Way | None:
        return self.way_within(encoded(f"{folder.rstrip('/')}/"))

    def way_within(self, folder: bytes) -> Way | None:
        if native.calls is None or self._opener is not jail.by_kernel:
            return None
        who = self._identity.raw if privileged() else None
        return Way(who, neutral().raw, self._root or self._enter(), kernel.kernel_devices(), folder)

    def survey(
        self, folder: bytes, *, largest: int, dotted: bool, order: int, most: int, dots: bool = False
    ) -> Surveyed | None:
        if native.lines is None or self._opener is not jail.by_kernel:
            return None
        root, devices = self._root or self._enter(), kernel.kernel_devices()
        return surveyed(self._identity, root.fd, folder, devices, largest, order, most, dotted=dotted, dots=dots)

    def glances(self, folder: str) -> Callable[[bytes], tuple[int, int] | None] | None:
        way = self.way(folder)
        if way is None:
            return None
        who, otherwise, root, _, within = way
        glance = native.calls.glance

        def attributes(name: bytes) -> tuple[int, int] | None:
            return glance(who, otherwise, root.fd, within, name)  # type: ignore[no-any-return]

        return attributes

    def holding(self, name: str, folder: str) -> tuple[list[str], bool] | None:
        if self._opener is not jail.by_kernel:
            return None
        way = encoded(folder)
        found = jail.depths_with(self._identity, (self._root or self._enter()).fd, way, encoded(name))
        if found is None:
            return None
        parts = folder.split("/")
        return ["/".join(parts[: depth + 1]) or "/" for depth in found[0]], found[1]

    def readlink(self, path: Path) -> str:
        fd = self._open(there(path), LOOK | os.O_NOFOLLOW)
        try:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "Not a symbolic link", path.virtual)
            with acting_as(self._identity):
                return paths.decode(os.readlink(b"", dir_fd=fd))
        finally:
            os.close(fd)

    def access(self, path: Path, mode: int) -> bool:
        try:
            if path.opened is not None and (fd := path.opened.take("enter")) >= 0:
                try:
                    if mode == os.X_OK and path.opened.searchable is not None:
                        return path.opened.searchable
                    return self._accessible(fd, mode)
                finally:
                    os.close(fd)
            virtual = there(path)
            if virtual == "/":
                return self._accessible((self._root or self._enter()).fd, mode)
            # in one stay as the user: whoever opens it is that already
            with acting_as(self._identity):
                fd = self._open(virtual, LOOK)
                try:
                    return self._accessible(fd, mode)
                finally:
                    os.close(fd)
        except OSError:
            return False

    def _accessible(self, fd: int, mode: int) -> bool:
        if kernel.has_faccessat2():
            with acting_as(self._identity):
                return kernel.accessible(fd, mode)
        writable = not mode & os.W_OK or not os.fstatvfs(fd).f_flag & os.ST_RDONLY
        return writable and self.may(os.fstat(fd), mode)

    def may(self, attributes: os.stat_result, mode: int) -> bool:
        return permits(attributes, effective(self._identity), mode)

    def may_remove(self, folder: os.stat_result, entry: os.stat_result) -> bool:
        return may_remove(folder, entry, effective(self._identity))

    def real(self, path: Path) -> str:
        return path.virtual if self.root == "/" else f"{self.root.rstrip('/')}{path.virtual}".rstrip("/")

    # -- opening ---------------------------------------------------------------------------------------

    def open_at_once(self, path: Path, use: Use) -> Opened | None:
        if self._opener is not jail.by_kernel:
            return None
        if use == "enter" and kernel.has_faccessat2():
            return self._open_to_enter(path)
        root = self._root or self._enter()
        flags = _AT_ONCE[use]
        if self.allowance is not None and use != "read":
            # it is opened when its turn comes, that there is no more open than is needed
            return None
        try:
            fd = jail.without_links(self._identity, root.fd, encoded(there(path)), flags)
        except (NotADirectoryError, PermissionError):
            # files are listed as well, and folders that only a look is allowed at
            if use != "list":
                raise
            fd = None
        if fd is None:
            return None
        try:
            known = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
        # what is of no use is closed again as this returns
        opened = Opened(fd, known, use)
        if use == "enter":
            return opened
        if self.allowance is not None:
            self.allowance.opens("read", _label(path))
        return opened if (is_listable(known) if use == "list" else is_regular(known)) else None

    def _open_to_enter(self, path: Path) -> Opened | None:
        """Open what may be a folder to be in, and ask whether its user may, in one stay as that user."""
        root = self._root or self._enter()
        with acting_as(self._identity):
            fd = jail.without_links(self._identity, root.fd, encoded(there(path)), LOOK)
            if fd is None:
                return None
            try:
                return Opened(fd, os.fstat(fd), "enter", kernel.accessible(fd, os.X_OK))
            except BaseException:
                os.close(fd)
                raise

    def open_read(self, path: Path) -> int:
        if path.opened is not None and (fd := path.opened.take("read")) >= 0:
            return fd
        try:
            fd = regular(self._open(there(path), os.O_RDONLY | TRANSFER), path)
        except OSError as error:
            raise only_files(error, path) from None
        return fd if self.allowance is None else self._counted(fd, "read", path)

    def _counted(self, fd: int, kind: Kind, path: Path) -> int:
        assert self.allowance is not None
        try:
            self.allowance.opens(kind, _label(path))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def open_write(
        self,
        path: Path,
        *,
        append: bool = False,
        truncate: bool = False,
        exclusive: bool = False,
        mode: int = 0o666,
    ) -> int:
        if self.allowance is not None:
            # before there is a file
            self.allowance.opens("write", _label(path))
        fd = self._open_write(path, append=append, truncate=truncate, exclusive=exclusive, mode=mode)
        if self.made is not None:
            try:
                self.made(path, fd)
            except BaseException:
                os.close(fd)
                raise
        return fd

    def _open_write(self, path: Path, *, append: bool, truncate: bool, exclusive: bool, mode: int) -> int:
        flags = os.O_WRONLY | TRANSFER | (os.O_APPEND if append else 0)
        wanted = mode & 0o777 & ~self.umask
        virtual = there(path)
        try:
            if not (exclusive or append) and path.opened is not None and (fd := path.opened.take("write")) >= 0:
                return self._emptied(fd) if truncate else fd
            fd = -1 if exclusive else self._open_there(virtual, flags)
            if fd < 0:
                try:
                    fd = regular(self._open(virtual, flags | os.O_CREAT | os.O_EXCL, wanted), path)
                except FileExistsError:
                    if exclusive:
                        raise
                    # a link that leads, inside the root, to where nothing is yet; or a file came just now
                    fd = self._open(virtual, flags | os.O_CREAT, wanted)
                else:
                    permissions.permit_file(fd, self._identity, mode & 0o777, wanted, partial(self._parent, path))
                    return fd
            regular(fd, path)
        except OSError as error:
            raise only_files(error, path) from None
        return self._emptied(fd) if truncate else fd

    def _emptied(self, fd: int) -> int:
        # not O_TRUNC: nothing may happen to what is there before it is known to be a regular file
        with acting_as(self._identity):
            _truncate(fd)
        return fd

    def open_folder(self, path: Path) -> LocalFolder:
        surveyed = None
        if path.opened is not None and (fd := path.opened.take("list")) >= 0:
            descriptor, known, surveyed = Descriptor(fd), path.opened.attributes, path.opened.surveyed
        else:
            fd = self._open(there(path), _LISTING)
            descriptor = Descriptor(fd if self.allowance is None else self._counted(fd, "list", path))
            known = os.fstat(descriptor.fd)
            if not is_listable(known):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path.virtual)
        return LocalFolder(descriptor, known, self._identity, self, path, surveyed)

    # -- changing names --------------------------------------------------------------------------------

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        wanted = mode & 0o777 & ~self.folder_umask
        with self._parent(path, errno.EEXIST) as (folder, name):
            os.mkdir(name, wanted, dir_fd=folder)
            inherited = permissions.of_default_acl(folder, mode & 0o777)
            wanted = wanted if inherited is None else inherited
            if self.made is None and not wanted & ~os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode:
                return
            fd = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        try:
            permissions.permit_folder(fd, self._identity, wanted, inherited)
            if self.made is not None:
                self.made(path, permissions.handle(fd))
        finally:
            os.close(fd)

    def rmdir(self, path: Path) -> None:
        with self._parent(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def unlink(self, path: Path) -> None:
        with self._parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def symlink(self, target: str, path: Path) -> None:
        with self._parent(path, errno.EEXIST) as (folder, name):
            os.symlink(encoded(target), name, dir_fd=folder)

    def rename(self, source: Path, target: Path, *, replace: bool = True) -> None:
        at_root = errno.EBUSY if replace else errno.EEXIST
        with self._parent(source) as (from_folder, old), self._parent(target, at_root) as (to_folder, new):
            if replace:
                os.rename(old, new, src_dir_fd=from_folder, dst_dir_fd=to_folder)
                return
            try:
                kernel.rename_exclusively(from_folder, old, to_folder, new)
            except OSError as error:
                # EINVAL: the file system (NFS, some FUSE) does not know the flag
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
                if target.virtual.startswith(f"{source.virtual}/"):
                    # a folder that is to go into itself: no file system can, and nothing there is to be touched
                    raise
                _rename_by_steps(from_folder, old, to_folder, new)

    # -- changing attributes ---------------------------------------------------------------------------

    def chmod(self, path: Path, mode: int, *, special: bool = False) -> None:
        with self._inode(path) as (known, handle):
            if mode & _SPECIAL & ~known.st_mode and not special:
                raise PermissionError(
                    errno.EPERM, "The setuid, setgid and sticky bits cannot be set through FTP", path.virtual
                )
            os.chmod(handle, mode & 0o7777)

    def permit(self, path: Path, mode: int, acl: bytes | None) -> None:
        with self._inode(path) as (_, handle):
            if not facl.put(handle, acl):
                os.chmod(handle, facl.without(mode, acl))

    def chown(self, path: Path, uid: int = -1, gid: int = -1, *, as_daemon: bool = False) -> None:
        with self._inode(path) as (known, handle):
            if not as_daemon:
                os.chown(handle, uid, gid)
                return
            # the daemon may give away what is the session's own, not what a link or a rename put in its place
            if known.st_uid != effective(self._identity).uid:
                raise PermissionError(errno.EPERM, "Only a file of one's own can be given away", path.virtual)
            with acting_as_daemon():
                os.chown(handle, uid, gid)

    def utime(self, path: Path, seconds: float, accessed: float | None = None) -> None:
        times = (seconds if accessed is None else accessed, seconds)
        with self._inode(path) as (known, handle):
            try:
                os.utime(handle, times)
            except OverflowError:
                raise OSError(errno.EOVERFLOW, "No file can have that time", path.virtual) from None
            except PermissionError:
                # who may write what a group shares could give it any content, and with that the time of now
                who = effective(self._identity)
                if not known.st_mode & stat.S_IWGRP or known.st_gid not in (who.gid, *who.groups):
                    raise
                with acting_as_daemon():
                    os.utime(handle, times)

    # -- for those around it ----------------------------------------------------------------------------

    def pool(self, kind: str, virtual: str) -> str:
        return kind

    def opened_by(self, opener: Opener) -> LocalFiles:
        """The same files, found by another way that takes nothing for the root's own path."""
        other = LocalFiles(self._identity, "/", self.umask, opener=opener)
        other.folder_umask, other.made, other._root = self.folder_umask, self.made, self._root or self._enter()
        other.allowance = self.allowance
        return other

    def close(self) -> None:
        super().close()
        self.made = None


def _label(path: Path) -> str:
    """What a reply calls it; ProFTPD has the path of a folder that was not named."""
    return path.virtual if path.given in ("", ".") else path.given


def _truncate(fd: int) -> None:
    try:
        os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise


def _rename_by_steps(from_folder: int, old: bytes, to_folder: int, new: bytes) -> None:
    """Rename without replacing, in steps that each fail when the target is there."""
    if stat.S_ISDIR(os.stat(old, dir_fd=from_folder, follow_symlinks=False).st_mode):
        os.mkdir(new, 0o700, dir_fd=to_folder)
        try:
            os.rename(old, new, src_dir_fd=from_folder, dst_dir_fd=to_folder)
        except BaseException:
            os.rmdir(new, dir_fd=to_folder)
            raise
    else:
        os.link(old, new, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
        os.unlink(old, dir_fd=from_folder)
