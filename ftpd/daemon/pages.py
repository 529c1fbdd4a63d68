"""What lasts lies in large pages: the processor then finds what a command touches without looking up where that lies.

A command touches a thousand small pages of Python's memory, and on a busy machine none of their addresses is known to
the processor any more when the next client has something to say. On a virtual one the host has to be asked for each.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator

from ftpd import native
from ftpd.core.identity import acting_as_daemon

SIZE = 2 << 20
"""Bytes of a large page."""
_FULL = 0.5
"""How much of it has to be in use: memory that nobody has touched is not to be paid for."""
_STEP = 64 << 10
"""Bytes of which the same is asked where they are less than a large page; what is shorter stays where it is."""
_OURS = "/proc/self"
_ENTRY = struct.Struct("=Q")
"""What /proc/self/pagemap has of each page; the highest bit says that it is there."""
_COLLAPSE = 25
"""MADV_COLLAPSE of <asm-generic/mman-common.h>: Linux 6.1 has it; those before refuse."""

_LIBRARY = re.compile("/(?!dev/|memfd:)")
"""How memory is called that a library writes to: by its file, and not by a device or by a file of memory."""

_Place = tuple[int, int]
"""Where memory begins and ends."""


def gather() -> int:
    """Move what Python has made so far into large pages, where it fills them; gives how many there are.

    What lies at the place of a large page becomes one. The rest, that of libraries too, is copied into some and these
    are then put in its place, where nobody but the caller runs in this process.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    moved, left = 0, list[_Place]()
    try:
        with acting_as_daemon(), open(f"{_OURS}/pagemap", "rb", buffering=0) as places:

            def is_full(begin: int, end: int) -> bool:
                return _in_use(places.fileno(), begin, end) >= _FULL

            for begin, end in _private():
                done = begin
                for at in range(-begin // SIZE * -SIZE, end - SIZE + 1, SIZE):
                    if is_full(at, at + SIZE) and libc.madvise(at, SIZE, _COLLAPSE) == 0:
                        moved += 1
                        left += _parts(done, at, is_full)
                        done = at + SIZE
                left += _parts(done, end, is_full)
            if native.pages is not None and len(os.listdir(f"{_OURS}/task")) == 1:
                moved += native.pages.bring_together(left) // SIZE
    except OSError:
        # nothing tells us what there is
        pass
    return moved


def _parts(begin: int, end: int, is_full: Callable[[int, int], bool]) -> Iterator[_Place]:
    """What is in use of the memory between two places."""
    start = begin
    for at in range(begin, end, _STEP):
        if not is_full(at, min(at + _STEP, end)):
            if at - start >= _STEP:
                yield start, at
            start = at + _STEP
    if end - start >= _STEP:
        yield start, end


def _in_use(places: int, begin: int, end: int) -> float:
    """How much of the memory between two places is there.

    That mincore(2) would tell as well, but the sandbox of our unit is without it.
    """
    size = (end - begin) // mmap.PAGESIZE * _ENTRY.size
    entries = os.pread(places, size, begin // mmap.PAGESIZE * _ENTRY.size)
    there: int = sum(entry >> 63 for (entry,) in _ENTRY.iter_unpack(entries))
    return there / (size // _ENTRY.size)


def _private() -> Iterator[_Place]:
    """Where memory lies that may be written to and is nobody else's, as far as the kernel tells."""
    with open(f"{_OURS}/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        place, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights == "rw-p" and (name in ([], ["[heap]"]) or _LIBRARY.match(name[0])):
            begin, end = (int(number, 16) for number in place.split("-"))
            yield begin, end
