"""The folders that are not there yet on the way to a path."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator

from ftpd.module.files import Files, Path


def missing_folders(files: Files, virtual: str) -> Iterator[str]:
    """The path and those above it, upwards, as far as nothing is there; NotADirectoryError where that is no folder."""
    while True:
        try:
            known = files.stat(Path(virtual))
        except FileNotFoundError:
            yield virtual
            virtual = posixpath.dirname(virtual)
        else:
            if not stat.S_ISDIR(known.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            return
