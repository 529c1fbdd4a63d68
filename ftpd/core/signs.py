"""By what is told that a file is still the one from before, as it was: its times, size, place and permissions."""

from __future__ import annotations

import os

from ftpd import native

Sign = object
"""Equal to another only where nothing of the file is otherwise."""


def sign_by_stat(file: bytes | int) -> Sign:
    """That of a path or a descriptor, links followed; OSError where there is none."""
    known = os.stat(file)
    return known.st_mtime_ns, known.st_ctime_ns, known.st_size, known.st_ino, known.st_dev, known.st_mode


def sign_compiled(file: bytes | int) -> Sign:
    """The same without an object for each time: ``ftpd/native/signs.c``."""
    found: bytes | int = native.signs.sign(file)
    if isinstance(found, int):
        raise OSError(-found, os.strerror(-found), file)
    return found


sign = sign_by_stat if native.signs is None else sign_compiled
"""The quicker way that this installation has."""
