"""A folder copied with all that is in it: what the copy has made on its way is remembered, to be removed again."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from ftpd.core import listing
from ftpd.core.log import debug
from ftpd.module.command import Command
from ftpd.module.copying import POOL
from ftpd.module.files import Files, Path
from ftpd.module.missing import missing_folders
from ftpd.module.wire import Work


class _Made(NamedTuple):
    """Something that a copy of a folder has made, and would have to remove again."""

    virtual: str
    folder: bool
    mode: int | None = None
    """The permissions that a folder gets when all is in it."""
    size: int = 0


class FolderCopy:
    """One folder on its way; every folder of it is made by a MKD of its own.

    ``readable`` gives the path of what may be copied, and refuses the rest.  ``copy_entry`` copies a file or link to
    another virtual path, and gives its size, None when it took the place of something.
    """

    def __init__(
        self, cmd: Command, work: Work, what: str, *,
        readable: Callable[[str], Path], copy_entry: Callable[[str, str], Awaitable[int | None]],
    ) -> None:  # fmt: skip
        self._cmd = cmd
        self._work = work
        self._what = what
        self._readable = readable
        self._copy_entry = copy_entry
        self._made: list[_Made] = []

    async def run(self, source: Path, target: Path) -> None:
        """Copy it all; Refuse, which begins with ``what``, when the client does not want it any more."""
        await self._copy_entries(source, target)
        await self._cmd.offload(partial(_set_modes, self._cmd.files, self._made), POOL)

    @property
    def copied(self) -> tuple[int, int]:
        """How many files there were not before, and their bytes."""
        sizes = [entry.size for entry in self._made if not entry.folder]
        return len(sizes), sum(sizes)

    async def undo(self) -> None:
        """Remove all that was made, as far as that can be done."""
        self._made = await self._cmd.offload(partial(_undo, self._cmd.files, self._made), POOL)

    @property
    def left(self) -> str:
        """What is there of a copy that did not come to its end, for who has to look after it; empty for nothing."""
        if not self._made:
            return ""
        files = sum(not entry.folder for entry in self._made)
        first = listing.shown(self._made[0].virtual)
        return f"Left behind: files {files}, folders {len(self._made) - files}, the first of them {first}"

    async def _copy_entries(self, source: Path, target: Path) -> None:
        cmd, files = self._cmd, self._cmd.files
        await self._make_folders(target.virtual, stat.S_IMODE(files.stat(source).st_mode))
        todo = [(source.virtual, target.virtual)]
        targets: set[tuple[int, int]] = set()
        while todo:
            here, there = todo.pop()
            folder = self._readable(here)
            targets.add(_inode(files.stat(cmd.path(there))))
            if _inode(files.stat(folder)) in targets:
                # a link in the path of the target has led back into the source
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            for name, known in await cmd.offload(partial(_listed, files, folder), POOL):
                self._work.check(self._what)
                old, new = posixpath.join(here, name), posixpath.join(there, name)
                if stat.S_ISDIR(known.st_mode):
                    await self._make_folders(new, stat.S_IMODE(known.st_mode))
                    todo.append((old, new))
                elif stat.S_ISREG(known.st_mode) or stat.S_ISLNK(known.st_mode):
                    size = await self._copy_entry(old, new)
                    if size is not None:
                        self._made.append(_Made(new, False, size=size))
                else:
                    debug(3, "%s: '%s' is neither file nor folder, left out", cmd.name, old, peer=cmd.session.peer)

    async def _make_folders(self, virtual: str, mode: int) -> None:
        """Make a folder, and those above it that are missing."""
        for place in reversed(list(missing_folders(self._cmd.files, virtual))):
            await self._cmd.also("MKD", place)
            self._made.append(_Made(place, True, mode if place == virtual else None))


def _inode(known: os.stat_result) -> tuple[int, int]:
    return known.st_dev, known.st_ino


def _listed(files: Files, path: Path) -> list[tuple[str, os.stat_result]]:
    """The names in a folder and what they are; those that go away meanwhile are left out."""
    with files.open_folder(path) as folder:
        return [(name, known) for name, known in folder.lstat_many(sorted(folder.names())) if known is not None]


def _set_modes(files: Files, made: list[_Made]) -> None:
    """Give the folders their permissions: last, as a folder may be closed to its owner, and from below."""
    for entry in reversed(made):
        if entry.mode is not None:
            path = Path(entry.virtual)
            now = files.stat(path).st_mode
            if now & 0o777 != entry.mode & 0o777:
                # the group that a folder hands down (setgid) came from the folder above it, and stays
                files.chmod(path, entry.mode & 0o777 | now & stat.S_ISGID)


def _undo(files: Files, made: list[_Made]) -> list[_Made]:
    """Remove all of it; gives what could not be removed."""
    left = []
    for entry in reversed(made):
        try:
            (files.rmdir if entry.folder else files.unlink)(Path(entry.virtual))
        except FileNotFoundError:
            pass
        except OSError:
            left.append(entry)
    return left[::-1]
