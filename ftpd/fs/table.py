"""What many entries of a folder look like, without a Python object for each thing that there is to know of one."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat

from ftpd.core.listing import ENTRY

MOST = 1024
"""Entries that are looked at in one go."""
_KEPT = 2
_NOT_FOLLOWED = 0x100 | 0x800
"""AT_SYMLINK_NOFOLLOW and AT_NO_AUTOMOUNT: as lstat(2) does it."""
_WANTED = 0x35F
"""All that lstat(2) tells but for two times and the blocks."""

# without argtypes: to convert four arguments for each entry takes half as long as the call itself. The interpreter's
# lock is let go of for each, as os.stat does it
_statx = getattr(ctypes.CDLL(None), "statx", None)


class _Room:
    """Where the kernel writes what it tells."""

    def __init__(self) -> None:
        self._entries = ctypes.create_string_buffer(ENTRY * MOST)
        self.places = [ctypes.byref(self._entries, ENTRY * place) for place in range(MOST)]
        self.view = memoryview(self._entries)


_free: list[_Room] = []
"""Those that nobody uses: threads look at the same time, and who tells of entries may be kept waiting meanwhile."""


@contextmanager
def room() -> Iterator[_Room]:
    """One for as long as what was told is needed."""
    mine = _free.pop() if _free else _Room()
    try:
        yield mine
    finally:
        if len(_free) < _KEPT:
            _free.append(mine)


def look(into: _Room, folder: int, names: Sequence[str]) -> memoryview | None:
    """The ``struct statx`` of these entries, one behind the other; None where one cannot be looked at, or not so."""
    if _statx is None or len(names) > MOST:
        return None
    try:
        raw = "\0".join(names).encode("utf-8", "surrogateescape").split(b"\0")
    except UnicodeEncodeError:
        return None
    if len(raw) != len(names) or any(
        map(_statx, repeat(folder), raw, repeat(_NOT_FOLLOWED), repeat(_WANTED), into.places)
    ):
        return None
    return into.view[: ENTRY * len(names)]
