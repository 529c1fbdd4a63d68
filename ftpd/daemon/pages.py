"""What lasts lies in large pages: the processor then finds what a command touches without looking up where that lies.

A command touches some hundred small pages of Python's memory, and on a busy machine none of their addresses is known to
the processor any more when the next client has something to say.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Iterator

from ftpd.core.identity import acting_as_daemon

SIZE = 2 << 20
"""Bytes of a large page."""
_FULL = 0.5
"""How much of it has to be in use: memory that nobody has touched is not to be paid for."""
_OURS = "/proc/self"
_ENTRY = struct.Struct("=Q")
"""What /proc/self/pagemap has of each page; the highest bit says that it is there."""
_COLLAPSE = 25
"""MADV_COLLAPSE of <asm-generic/mman-common.h>: Linux 6.1 has it; those before refuse."""


def gather() -> int:
    """Move what Python has made so far into large pages, where it fills them; gives how many there are."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    moved = 0
    try:
        with acting_as_daemon(), open(f"{_OURS}/pagemap", "rb", buffering=0) as places:
            # what has a part of one only, at its ends, stays as it is
            for begin, end in _private():
                for at in range(-begin // SIZE * -SIZE, end - SIZE + 1, SIZE):
                    moved += _in_use(places.fileno(), at) >= _FULL and libc.madvise(at, SIZE, _COLLAPSE) == 0
    except OSError:
        # nothing tells us what there is
        pass
    return moved


def _in_use(places: int, at: int) -> float:
    """How much of the memory from there on is there.

    That mincore(2) would tell as well, but the sandbox of our unit is without it.
    """
    size = SIZE // mmap.PAGESIZE * _ENTRY.size
    entries = os.pread(places, size, at // mmap.PAGESIZE * _ENTRY.size)
    there: int = sum(entry >> 63 for (entry,) in _ENTRY.iter_unpack(entries))
    return there / (size // _ENTRY.size)


def _private() -> Iterator[tuple[int, int]]:
    """Where memory lies that is of no file and nobody else's, as far as the kernel tells."""
    with open(f"{_OURS}/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        place, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights == "rw-p" and name in ([], ["[heap]"]):
            begin, end = (int(number, 16) for number in place.split("-"))
            yield begin, end
