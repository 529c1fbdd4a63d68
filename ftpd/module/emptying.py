"""A folder removed with all that is in it: whether it may be, and by which commands, one after the other."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import AsyncIterator
from functools import partial

from ftpd.module.command import Command
from ftpd.module.files import Files, Path

_POOL = "trees"


def check(files: Files, path: Path) -> None:
    """OSError where that is no folder, or the one that everything is in."""
    kind = files.lstat(path).st_mode
    if stat.S_ISLNK(kind):
        # ProFTPD empties the folder that the link leads to, and fails then
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not stat.S_ISDIR(kind):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if path.virtual == "/":
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


async def steps(cmd: Command, top: Path) -> AsyncIterator[tuple[str, str]]:
    """A verb and a path at a time, the folder itself last; links are not followed."""
    folders = [(top.virtual, False)]
    while folders:
        folder, emptied = folders.pop()
        if emptied:
            yield "RMD", folder
            continue
        folders.append((folder, True))
        for name, is_folder in await cmd.offload(partial(_listed, cmd.files, Path(folder)), _POOL):
            virtual = posixpath.join(folder, name)
            if is_folder:
                folders.append((virtual, False))
            else:
                yield "DELE", virtual


def _listed(files: Files, path: Path) -> list[tuple[str, bool]]:
    with files.open_folder(path) as folder:
        entries = folder.lstat_many(folder.names())
        return [(name, stat.S_ISDIR(known.st_mode)) for name, known in entries if known is not None]
