"""An open directory of a session: entries are looked at through its descriptor, so no path is walked twice."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from ftpd import native
from ftpd.core import paths
from ftpd.core.allowance import NAME, TEXT
from ftpd.core.identity import Identity, acting_as
from ftpd.core.listing import Compact, Compiled, Layout, Odd, Tabled, packed, unpacked
from ftpd.fs import dents, kept, table
from ftpd.fs.jail import encoded
from ftpd.module.files import Path, Surveyed

if TYPE_CHECKING:
    from ftpd.fs.local import LocalFiles

BATCH = 512
"""Entries looked at in one stay under the session's identity."""
_COMPILED_BATCH = 256
_TABLED_BATCH = 128
"""The same where Python makes their lines as well: half a millisecond."""
_PATIENCE = 750_000
"""Nanoseconds after which such a stay ends earlier: a disk may have to fetch each entry."""
_ALL_AT_ONCE = 2 * _PATIENCE
"""The same where a small folder is looked at in one stay."""
_ANSWERS = 8
"""Those of the kernel, of 64 KiB each, of which one part of a large folder is made: some ten thousand names."""
_SCANNED = 4096
"""Names of one part of it without a compiler."""
_STEP = 512
"""Names that become texts in one go: the interpreter is nobody else's meanwhile, and there may be 200,000."""


_ODD = (None, stat.S_IFLNK)


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

    __slots__ = ("_descriptor", "_files", "_identity", "_in_order", "_path", "_seen", "_surveyed", "attributes")

    def __init__(
        self,
        descriptor: Descriptor,
        attributes: os.stat_result,
        identity: Identity,
        files: LocalFiles,
        path: Path,
        surveyed: Surveyed | None = None,
    ) -> None:
        self._descriptor: Descriptor | None = descriptor
        self.attributes = attributes
        self._identity = identity
        self._files = files
        self._path = path
        self._seen: Compact | list[str] | dents.Found | None = None
        """The names that came with the links, for who asks for them next: many are not read twice."""
        self._in_order = False
        self._surveyed = surveyed
        """What is known already to who lists it at once."""

    def __enter__(self) -> LocalFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._descriptor = None

    def _above(self) -> os.stat_result:
        """The attributes of the parent as the session sees it: the root is its own."""
        return self._files.stat(Path(paths.split(self._path.place or self._path.virtual)[0]))

    def _open(self) -> Descriptor:
        if self._descriptor is None:
            raise OSError(errno.EBADF, "The folder was closed before this use of it")
        return self._descriptor

    def place(self) -> str:
        """The folder's path on the machine; nothing is walked for it."""
        return os.readlink(f"/proc/self/fd/{self._open().fd}")

    def names(self) -> list[str]:
        folder = self._open()
        seen, self._seen = self._seen, None
        if isinstance(seen, dents.Found):
            return [name for piece in seen.pieces for name in piece]
        if seen is not None:
            return _told(seen)
        with acting_as(self._identity):
            if native.lines is not None:
                return _told(self._read(folder.fd, TEXT))
            before = kept.of(self.attributes)
            if before is not None:
                return before
            self._weigh(folder.fd)
            found = os.listdir(folder.fd)
        # the machine's own encoding need not be UTF-8, ours is
        names = found if _SAME_ENCODING else [paths.decode(os.fsencode(name)) for name in found]
        kept.keep(folder.fd, self.attributes, names)
        return names

    def compact(self, *, dotted: bool = True, ordered: bool = False) -> Compact | None:
        if native.lines is None:
            return None
        folder = self._open()
        seen, self._seen = self._seen, None
        if seen is not None and not isinstance(seen, (list, dents.Found)):
            found: Compact = seen if dotted else seen.undotted()
            if ordered and not self._in_order:
                found.sort()
        else:
            with acting_as(self._identity):
                found = self._read(folder.fd, NAME, dotted=dotted, ordered=ordered)
        # the order of other bytes is not that of their texts
        return None if found.odd() else found

    def ranked(
        self, column: int, *, dotted: bool = True, least_first: bool = False, follows: bool = False
    ) -> Compact | None:
        if native.lines is None:
            return None
        folder = self._open()
        with acting_as(self._identity):
            found: Compact = self._read(folder.fd, NAME, dotted=dotted)
            if found.odd() or (follows and found.links() != []):
                return None
            found.rank(folder.fd, column, least_first)
        return found

    def pieces(self, *, dotted: bool = True) -> list[list[str]] | None:
        seen = self._seen
        if isinstance(seen, dents.Found):
            self._seen = None
            if not dotted and seen.dotted:
                return [[name for name in piece if not name.startswith(".")] for piece in seen.pieces]
        elif seen is not None or (seen := self._in_pieces(dotted=dotted, links=False)) is None:
            return None
        return seen.pieces

    def _in_pieces(self, *, dotted: bool, links: bool) -> dents.Found | None:
        """None of a folder that is not so large, or where there is a quicker way."""
        if native.lines is not None or self.attributes.st_size < dents.HUGE:
            return None
        allowance = self._files.allowance
        left = None if allowance is None else allowance.left()
        try:
            return dents.read(self._open().fd, self._identity, dotted=dotted, links=links, most=left, each=TEXT)
        except dents.TooMany:
            assert allowance is not None
            allowance.full(self._path.virtual)

    def _read(self, fd: int, each: int, *, dotted: bool = True, ordered: bool = False) -> Any:
        """The names, each of which takes so many bytes beside its own; Excess where the session may not hold them."""
        allowance = self._files.allowance
        left = None if allowance is None else allowance.left()
        if allowance is None or left is None:
            return native.lines.read(fd, dotted, ordered)
        try:
            return native.lines.read(fd, dotted, ordered, left, each)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
        allowance.full(self._path.virtual)

    def _weigh(self, fd: int) -> None:
        """The same of names that Python is to read."""
        allowance = self._files.allowance
        left = None if allowance is None else allowance.left()
        if allowance is None or left is None:
            return
        with os.scandir(fd) as entries:
            for entry in entries:
                left -= len(entry.name) + TEXT
                if left < 0:
                    allowance.full(self._path.virtual)
        os.lseek(fd, 0, os.SEEK_SET)

    def parts(self, *, dotted: bool = True) -> Iterator[Sequence[str]]:
        folder = self._open()
        return self._scanned(folder, dotted) if native.lines is None else self._compact_parts(folder, dotted)

    def _compact_parts(self, folder: Descriptor, dotted: bool) -> Iterator[Sequence[str]]:
        os.lseek(folder.fd, 0, os.SEEK_SET)
        answers = 1  # somebody waits for the first
        while True:
            # collected first, handed out afterwards: the caller must never run under the session's identity
            with acting_as(self._identity):
                some: Compact = native.lines.more(folder.fd, dotted, answers)
            if not some:
                return
            yield some
            answers = _ANSWERS

    def _scanned(self, folder: Descriptor, dotted: bool) -> Iterator[Sequence[str]]:
        with os.scandir(folder.fd) as entries:
            names = (entry.name for entry in entries if dotted or not entry.name.startswith("."))
            if not _SAME_ENCODING:
                names = (paths.decode(os.fsencode(name)) for name in names)
            while True:
                with acting_as(self._identity):
                    some = list(islice(names, _SCANNED))
                if not some:
                    return
                yield some

    def links(self, *, ordered: bool = False) -> list[str]:
        folder = self._open()
        in_pieces = self._in_pieces(dotted=True, links=True)
        if in_pieces is not None and in_pieces.links is not None:
            self._seen = in_pieces
            return in_pieces.links
        with acting_as(self._identity):
            if native.lines is not None:
                seen = self._read(folder.fd, TEXT, ordered=ordered)
                found: list[str] | None = seen.links()
                if found is not None:
                    self._seen, self._in_order = seen, ordered
                    return found
            self._weigh(folder.fd)
            with os.scandir(folder.fd) as entries:
                told = [(entry.name, entry.is_symlink()) for entry in entries]
        if not _SAME_ENCODING:
            told = [(paths.decode(os.fsencode(name)), is_link) for name, is_link in told]
        self._seen = [name for name, _ in told]
        return [name for name, is_link in told if is_link]

    def lstat(self, name: str) -> os.stat_result:
        folder = self._open()
        if name == "..":
            return self._above()
        raw = _entry(name)
        with acting_as(self._identity):
            return os.stat(raw, dir_fd=folder.fd, follow_symlinks=False)

    def stat(self, name: str) -> os.stat_result:
        found = self.lstat(name)
        # what it leads to inside the session's root
        return self._files.stat(self._path.child(name)) if stat.S_ISLNK(found.st_mode) else found

    def readlink(self, name: str) -> str:
        folder = self._open()
        raw = _entry(name)
        with acting_as(self._identity):
            return paths.decode(os.readlink(raw, dir_fd=folder.fd))

    def lstat_many(self, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result | None]]:
        for start in range(0, len(names), BATCH):
            # collected first, handed out afterwards: the caller must never run under the session's identity
            some = list(names[start : start + BATCH])
            yield from zip(some, self._look(some), strict=True)

    def lines(
        self, names: Sequence[str], layout: Layout, folders: list[str] | None = None
    ) -> Iterator[str | tuple[str, os.stat_result]]:
        if isinstance(layout, Compiled):
            for piece in self._compiled_lines(names, layout, folders, None):
                yield unpacked(piece) if isinstance(piece, bytes) else piece
            return
        tabled = layout if isinstance(layout, Tabled) and folders is None and ".." not in names else None
        start = 0
        while start < len(names):
            if tabled is not None:
                some = list(names[start : start + _TABLED_BATCH])
                made = self._tabled(some, tabled)
                if made is not None:
                    start += len(some)
                    yield from made
                    continue
                # where there is one link there are others
                tabled = None
            some = list(names[start : start + BATCH])
            start += len(some)
            yield from lines_of(some, self._look(some), layout, folders)

    def _tabled(self, names: list[str], layout: Tabled) -> list[str] | None:
        folder = self._open()
        with table.room() as room:
            with acting_as(self._identity):
                found = table.look(room, folder.fd, names)
            with suppress(Odd):
                return None if found is None else layout.tabled(names, found)
        return None

    def raw_lines(self, names: Sequence[str], layout: Compiled) -> Iterator[bytes | tuple[str, os.stat_result]]:
        return self._compiled_lines(names, layout, None, None)

    def lines_at_once(
        self, layout: Compiled | Tabled, order: int, most: int, *, dotted: bool
    ) -> Iterable[bytes | tuple[str, os.stat_result]] | None:
        if not isinstance(layout, Compiled):
            return self._tabled_at_once(layout, order, min(most, table.MOST), dotted)
        folder = self._open()
        if (allowance := self._files.allowance) is not None and allowance.memory is not None:
            return None
        known, self._surveyed = self._surveyed, None
        if known is not None and known.asked == (self.attributes.st_dev, self.attributes.st_ino, dotted, order):
            return self._compiled_lines(known.names, layout, None, (known.attributes, known.odd))
        with acting_as(self._identity):
            found = native.lines.survey(folder.fd, dotted, order, most, _ALL_AT_ONCE)
        if found is None:
            return None
        names, attributes, odd = found
        if odd or len(attributes) != len(names) * native.lines.ENTRY:
            return self._compiled_lines(names, layout, None, (attributes, odd))
        text = layout.packed(names, 0, attributes)
        return (text,) if text else ()

    def _tabled_at_once(
        self, layout: Tabled, order: int, most: int, dotted: bool
    ) -> Iterable[bytes | tuple[str, os.stat_result]] | None:  # fmt: skip
        names = self.names()
        if len(names) > most:
            return None
        if not dotted and "/." in "/" + "/".join(names):
            names = [name for name in names if not name.startswith(".")]
        if order:
            names.sort(reverse=order < 0)
        made = self._tabled(names, layout) if names else []
        return self._one_by_one(names, layout) if made is None else (*map(packed, made),)

    def _one_by_one(self, names: list[str], layout: Tabled) -> Iterator[bytes | tuple[str, os.stat_result]]:
        for start in range(0, len(names), BATCH):
            some = names[start : start + BATCH]
            for piece in lines_of(some, self._look(some), layout, None):
                yield packed(piece) if isinstance(piece, str) else piece

    def _compiled_lines(
        self, names: Sequence[str], layout: Compiled, folders: list[str] | None, looked: tuple[bytes, bool] | None
    ) -> Iterator[bytes | tuple[str, os.stat_result]]:
        """``looked``: what the first of them look like is known, as ``look`` would tell it."""
        start = 0
        while start < len(names):
            if looked is not None:
                (attributes, odd), looked = looked, None
            else:
                folder = self._open()
                with acting_as(self._identity):
                    attributes, odd = native.lines.look(folder.fd, names, start, start + _COMPILED_BATCH, _PATIENCE)
            if attributes:
                if folders is not None:
                    folders += native.lines.folders(names, start, attributes)
                text = layout.packed(names, start, attributes)
                start += len(attributes) // native.lines.ENTRY
                if text:
                    yield text
            if odd:
                name = names[start]
                start += 1
                with suppress(OSError):
                    yield name, self.lstat(name)

    def _look(self, names: list[str]) -> list[os.stat_result | None]:
        fd = self._open().fd
        look = os.stat
        with acting_as(self._identity):
            # a slash or a name that no bytes stand for, one that went away: then each of them is handled with care
            if _SAME_ENCODING and "/" not in "".join(names) and ".." not in names:
                with suppress(OSError, ValueError):
                    return [look(name, dir_fd=fd, follow_symlinks=False) for name in names]
            return [self._look_at(name, fd) for name in names]

    def _look_at(self, name: str, fd: int) -> os.stat_result | None:
        try:
            return self._above() if name == ".." else os.stat(_entry(name), dir_fd=fd, follow_symlinks=False)
        except OSError:
            return None


def surveyed(
    identity: Identity, root: int, folder: bytes, devices: frozenset[int], largest: int, order: int, most: int, *,
    dotted: bool, dots: bool,
) -> Surveyed | None:  # fmt: skip
    """What :meth:`LocalFiles.survey` tells of the folder of that path beneath the root."""
    with acting_as(identity):
        found = native.lines.survey_below(root, folder, devices, largest, dots, dotted, order, most, _ALL_AT_ONCE)
    if found is None:
        return None
    told, device, inode, (names, attributes, odd) = found
    if dots and told is None:
        return None
    above = told and (os.stat_result(told[0]), os.stat_result(told[1]))
    whole = not odd and len(attributes) == len(names) * native.lines.ENTRY
    return Surveyed(names, attributes, odd, whole, above, (device, inode, dotted, order))


def lines_of(
    names: list[str], found: list[os.stat_result | None], layout: Layout, folders: list[str] | None
) -> Iterator[str | tuple[str, os.stat_result]]:
    """The lines of entries that were looked at; links and ``..`` as they are."""
    # entries of a folder share a few modes
    kinds = {mode and stat.S_IFMT(mode) for mode in {known and known[0] for known in found}}
    if folders is not None and stat.S_IFDIR in kinds:
        folders += [
            name
            for name, known in zip(names, found, strict=True)
            if known and stat.S_ISDIR(known.st_mode) and name not in (".", "..")
        ]
    if kinds.isdisjoint(_ODD) and ".." not in names:
        yield from layout.lines(names, cast("list[os.stat_result]", found))
        return
    plain: list[tuple[str, os.stat_result]] = []
    for name, known in zip(names, found, strict=True):
        if known is None:
            continue
        if name != ".." and not stat.S_ISLNK(known.st_mode):
            plain.append((name, known))
            continue
        yield from _together(plain, layout)
        plain.clear()
        yield name, known
    yield from _together(plain, layout)


def _together(entries: list[tuple[str, os.stat_result]], layout: Layout) -> list[str]:
    return layout.lines([name for name, _ in entries], [known for _, known in entries])


def _entry(name: str) -> bytes:
    """The bytes of one entry's name; a path would lead out of the folder."""
    if not name or "/" in name:
        raise OSError(errno.EINVAL, "The name of a folder's entry cannot be empty or hold a slash", name)
    return encoded(name)


_SAME_ENCODING = os.fsencode("\u00e9\udce9") == paths.encode("\u00e9\udce9")


def _told(names: Sequence[str]) -> list[str]:
    told: list[str] = []
    for start in range(0, len(names), _STEP):
        told += names[start : start + _STEP]
    return told
