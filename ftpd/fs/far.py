"""Files on file systems that may keep us waiting: a thread of the device does each call, and only its session waits.

A session's root may lie on such a file system, hold one somewhere below, or neither; who has neither has plain
:class:`LocalFiles` and knows nothing of this.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TypeVar

from ftpd.core.allowance import Allowance
from ftpd.core.aside import hop, leave, open_aside
from ftpd.core.identity import Identity
from ftpd.core.listing import Compact, Compiled, Layout, Tabled, packed
from ftpd.core.mounts import ELSEWHERE, mounts
from ftpd.core.paths import decode, normalise, split
from ftpd.fs import jail, kernel
from ftpd.fs.beneath import there
from ftpd.fs.folder import BATCH, LocalFolder, lines_of
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path, Use
from ftpd.module.links import resolved

T = TypeVar("T")
_ROOT = Path("/")

_UNDECIDED = frozenset({errno.EXDEV, errno.EAGAIN})
"""The way leads over a mount point, or a rename came between."""
_TOUCHING = frozenset({"copy", "default", "digest", "files"})
"""The pools whose work is about files: that of other kinds waits for no device of a session's."""


class Crosses(Exception):
    """The way leads over a mount point that is not known to be near; nothing was done yet.

    No OSError: what cannot be told on the loop must not pass for something that is not there.
    """

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self.virtual = decode(path)


def around(files: LocalFiles, identity: Identity) -> LocalFiles | FarFiles:
    """The same files, or, where a file system that may keep us waiting is among them, as they are to be used then."""
    table = mounts()
    if not table.far:
        return files
    try:
        where = files.place()
    except OSError:
        # there is no such root, or no procfs: the first use of them tells
        return files
    return FarFiles(files, identity, where) if table.below(where) else files


class FarFiles:
    """Implements :class:`ftpd.module.files.Files` around a session's :class:`LocalFiles`."""

    __slots__ = ("_files", "_identity", "_near", "_where", "root")

    slow = True

    def __init__(self, files: LocalFiles, identity: Identity, where: str) -> None:
        self.root = files.root
        self._files = files
        self._identity = identity
        self._where = "" if where == "/" else where
        """The root's path on the machine, with no link in it."""
        self._near = files.opened_by(self._open_near) if jail.open_beneath is jail.by_kernel else None
        """The same files as far as they can be had without waiting; None where the kernel cannot tell."""

    @property
    def umask(self) -> int:
        return self._files.umask

    @umask.setter
    def umask(self, mask: int) -> None:
        for files in self._both():
            files.umask = mask

    @property
    def folder_umask(self) -> int:
        return self._files.folder_umask

    @folder_umask.setter
    def folder_umask(self, mask: int) -> None:
        for files in self._both():
            files.folder_umask = mask

    @property
    def made(self) -> Callable[[Path, int | str], None] | None:
        return self._files.made

    @made.setter
    def made(self, tell: Callable[[Path, int | str], None] | None) -> None:
        for files in self._both():
            files.made = tell

    @property
    def allowance(self) -> Allowance | None:
        return self._files.allowance

    @allowance.setter
    def allowance(self, allowance: Allowance | None) -> None:
        for files in self._both():
            files.allowance = allowance

    def _both(self) -> tuple[LocalFiles, ...]:
        return (self._files,) if self._near is None else (self._files, self._near)

    # -- where ---------------------------------------------------------------------------------------

    def _kind(self, virtual: str) -> str | None:
        """The pool of the device that the path lies on, going by its text; None where that is near."""
        mount = mounts().at(self._where + virtual.rstrip("/") or "/")
        return None if mount is None else mount.kind

    def pool(self, kind: str, virtual: str) -> str:
        # a pattern, or a whole tree: whatever lies below may be met, and what links lead to
        return (self._kind(virtual) or ELSEWHERE) if kind in _TOUCHING else kind

    def _do(self, path: Path, work: Callable[[LocalFiles], T], away: Callable[[Callable[[], T], str], T] = hop) -> T:
        """Do it at once where all on the way is near, else have it done by who can wait."""
        kind = self._kind(path.virtual)
        if kind is None and self._near is not None:
            try:
                return work(self._near)
            except Crosses:
                kind = self._behind_links(self._near, path)
        return away(partial(work, self._files), kind or ELSEWHERE)

    def _behind_links(self, near: LocalFiles, path: Path) -> str:
        """The pool for a path that leads over a mount point of which its text does not tell."""
        try:
            place = resolved(near, path.virtual, "/")
        except Crosses as crossing:
            place = crossing.virtual
        except OSError:
            return ELSEWHERE
        return self._kind(place) or ELSEWHERE

    def _open_near(self, identity: Identity, root: int, path: bytes, flags: int, mode: int) -> int:
        """As :func:`jail.by_kernel`, from the root or the near mount point that the path names, and over no other."""
        try:
            return self._on_one_mount(identity, root, path, flags, mode)
        except FileNotFoundError:
            # a link with the root's own path in it may help; who can wait tries that
            if self._where and self._meets_link(identity, root, path):
                raise Crosses(path) from None
            raise

    def _on_one_mount(
        self, identity: Identity, root: int, path: bytes, flags: int, mode: int, also: int = 0
    ) -> int:  # fmt: skip
        try:
            return kernel.openat2(identity, root, path, flags, mode, kernel.ONE_MOUNT | also)
        except OSError as error:
            if error.errno not in _UNDECIDED:
                raise
        full = normalise("/", self._where + decode(path))
        point = mounts().near_above(full)
        if len(point) <= len(self._where):
            raise Crosses(path)
        way = os.fsencode(point[len(self._where) :])
        base = kernel.openat2(identity, root, way, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, kernel.NO_LINKS)
        try:
            rest = os.fsencode(full[len(point) :].lstrip("/")) or b"."
            return kernel.openat2(identity, base, rest, flags, mode, kernel.BENEATH_ONE_MOUNT | also)
        except OSError as error:
            if error.errno in _UNDECIDED:
                raise Crosses(path) from None
            raise
        finally:
            os.close(base)

    def _meets_link(self, identity: Identity, root: int, path: bytes) -> bool:
        try:
            os.close(self._on_one_mount(identity, root, path, os.O_PATH | os.O_CLOEXEC, 0, kernel.NO_LINKS))
        except Crosses:
            return True
        except OSError as error:
            return error.errno == errno.ELOOP
        return False

    # -- looking -------------------------------------------------------------------------------------

    def enter(self) -> bool:
        return self._do(_ROOT, lambda files: files.enter())

    def stat(self, path: Path) -> os.stat_result:
        return self._do(path, lambda files: files.stat(path))

    def lstat(self, path: Path) -> os.stat_result:
        return self._do(path, lambda files: files.lstat(path))

    def look(self, path: Path, *, follow: bool = True) -> os.stat_result | None:
        return self._do(
            path, lambda files: self._look(path, follow) if files is self._near else files.look(path, follow=follow)
        )

    def _look(self, path: Path, follow: bool) -> os.stat_result | None:
        flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        try:
            fd = self._on_one_mount(
                self._identity, self._files.root_descriptor(), jail.encoded(there(path)), flags, 0, kernel.NO_LINKS
            )
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def way(self, folder: str) -> None:
        return None

    def way_within(self, folder: bytes) -> None:
        return None

    def survey(self, folder: bytes, *, largest: int, dotted: bool, order: int, most: int, dots: bool = False) -> None:
        return None

    def glances(self, folder: str) -> None:
        return None

    def holding(self, name: str, folder: str) -> None:
        return None

    def readlink(self, path: Path) -> str:
        return self._do(path, lambda files: files.readlink(path))

    def access(self, path: Path, mode: int) -> bool:
        return self._do(path, lambda files: files.access(path, mode))

    def may(self, attributes: os.stat_result, mode: int) -> bool:
        return self._files.may(attributes, mode)

    def may_remove(self, folder: os.stat_result, entry: os.stat_result) -> bool:
        return self._files.may_remove(folder, entry)

    def real(self, path: Path) -> str:
        return self._files.real(path)

    # -- opening -------------------------------------------------------------------------------------

    def open_at_once(self, path: Path, use: Use) -> None:
        """What lies far is opened by who can wait, and what is opened there is known to :mod:`ftpd.core.aside`."""

    def open_read(self, path: Path) -> int:
        return self._open(path, lambda files: files.open_read(path))

    def open_write(
        self,
        path: Path,
        *,
        append: bool = False,
        truncate: bool = False,
        exclusive: bool = False,
        mode: int = 0o666,
    ) -> int:
        return self._open(
            path,
            lambda files: files.open_write(path, append=append, truncate=truncate, exclusive=exclusive, mode=mode),
        )

    def _open(self, path: Path, work: Callable[[LocalFiles], int]) -> int:
        return self._do(path, work, open_aside)

    def open_folder(self, path: Path) -> FarFolder:
        kind = self._kind(path.virtual)
        if kind is None and self._near is not None:
            try:
                folder = self._near.open_folder(path)
            except Crosses:
                kind = self._behind_links(self._near, path)
            else:
                return FarFolder(folder, self, path, _kind_of_entries(folder))
        kind = kind or ELSEWHERE
        return FarFolder(hop(partial(self._files.open_folder, path), kind), self, path, kind)

    # -- changing ------------------------------------------------------------------------------------

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._do(path, lambda files: files.mkdir(path, mode))

    def rmdir(self, path: Path) -> None:
        self._do(path, lambda files: files.rmdir(path))

    def unlink(self, path: Path) -> None:
        self._do(path, lambda files: files.unlink(path))

    def symlink(self, target: str, path: Path) -> None:
        self._do(path, lambda files: files.symlink(target, path))

    def rename(self, source: Path, target: Path, *, replace: bool = True) -> None:
        # of two devices the one that the file is put on
        path = source if self._kind(target.virtual) is None else target
        self._do(path, lambda files: files.rename(source, target, replace=replace))

    def chmod(self, path: Path, mode: int, *, special: bool = False) -> None:
        self._do(path, lambda files: files.chmod(path, mode, special=special))

    def permit(self, path: Path, mode: int, acl: bytes | None) -> None:
        self._do(path, lambda files: files.permit(path, mode, acl))

    def chown(self, path: Path, uid: int = -1, gid: int = -1, *, as_daemon: bool = False) -> None:
        self._do(path, lambda files: files.chown(path, uid, gid, as_daemon=as_daemon))

    def utime(self, path: Path, seconds: float, accessed: float | None = None) -> None:
        self._do(path, lambda files: files.utime(path, seconds, accessed))

    def close(self) -> None:
        for files in self._both():
            files.close()


def _kind_of_entries(folder: LocalFolder) -> str | None:
    """The pool for looking at the entries of a near folder: far file systems may be mounted on some."""
    here = folder.place()
    table = mounts()
    if here not in table.parents:
        return None
    return next(mount.kind for point, mount in table.far.items() if os.path.dirname(point) == here)


class FarFolder:
    """Implements :class:`ftpd.module.files.Folder` around a :class:`LocalFolder` of a session with far files."""

    __slots__ = ("_files", "_folder", "_kind", "_path")

    def __init__(self, folder: LocalFolder, files: FarFiles, path: Path, kind: str | None) -> None:
        self._folder = folder
        self._files = files
        self._path = path
        self._kind = kind

    def __enter__(self) -> FarFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave(partial(self._folder.__exit__, None, None, None), self._kind)

    @property
    def attributes(self) -> os.stat_result:
        return self._folder.attributes

    def _do(self, work: Callable[[], T]) -> T:
        return work() if self._kind is None else hop(work, self._kind)

    def names(self) -> list[str]:
        return self._do(self._folder.names)

    def compact(self, *, dotted: bool = True, ordered: bool = False) -> Compact | None:
        return self._do(partial(self._folder.compact, dotted=dotted, ordered=ordered))

    def ranked(
        self, column: int, *, dotted: bool = True, least_first: bool = False, follows: bool = False
    ) -> Compact | None:
        return self._do(partial(self._folder.ranked, column, dotted=dotted, least_first=least_first, follows=follows))

    def pieces(self, *, dotted: bool = True) -> list[list[str]] | None:
        return self._do(partial(self._folder.pieces, dotted=dotted))

    def parts(self, *, dotted: bool = True) -> Iterator[Sequence[str]]:
        parts = self._folder.parts(dotted=dotted)
        while (some := self._do(partial(next, parts, None))) is not None:
            yield some

    def links(self, *, ordered: bool = False) -> list[str]:
        return self._do(partial(self._folder.links, ordered=ordered))

    def lstat(self, name: str) -> os.stat_result:
        if name == "..":
            return self._files.stat(Path(split(self._path.place or self._path.virtual)[0]))
        return self._do(partial(self._folder.lstat, name))

    def stat(self, name: str) -> os.stat_result:
        found = self.lstat(name)
        return self._files.stat(self._path.child(name)) if stat.S_ISLNK(found.st_mode) else found

    def readlink(self, name: str) -> str:
        return self._do(partial(self._folder.readlink, name))

    def lstat_many(self, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result | None]]:
        for start in range(0, len(names), BATCH):
            few = list(names[start : start + BATCH])
            yield from zip(few, self._look(few), strict=True)

    def lines(
        self, names: Sequence[str], layout: Layout, folders: list[str] | None = None
    ) -> Iterator[str | tuple[str, os.stat_result]]:
        for start in range(0, len(names), BATCH):
            few = list(names[start : start + BATCH])
            if self._kind is None and ".." not in few:
                yield from self._folder.lines(few, layout, folders)
            else:
                yield from lines_of(few, self._look(few), layout, folders)

    def raw_lines(self, names: Sequence[str], layout: Compiled) -> Iterator[bytes | tuple[str, os.stat_result]]:
        for piece in self.lines(names, layout):
            yield packed(piece) if isinstance(piece, str) else piece

    def lines_at_once(self, layout: Compiled | Tabled, order: int, most: int, *, dotted: bool) -> None:
        """Who waits for a disk does it in small steps."""

    def _look(self, names: list[str]) -> list[os.stat_result | None]:
        plain = [name for name in names if name != ".."]
        found = dict(self._do(lambda: list(self._folder.lstat_many(plain))))
        return [self._above() if name == ".." else found[name] for name in names]

    def _above(self) -> os.stat_result | None:
        try:
            return self.lstat("..")
        except OSError:
            return None
