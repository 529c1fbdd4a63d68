"""Whether a piece of a file is in memory already; where it is not, a thread waits until the disk has brought it."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial

from ftpd.core.aside import FarFile, Threads

AT_ONCE = 1 << 20
"""Bytes that a transfer waits for; the disk is asked for as many more as :data:`AHEAD` says in the same breath."""
AHEAD = 4 << 20

_byte = [bytearray(1)]
_silent: set[int] = set()
"""The devices whose file systems cannot be asked: those in memory, mostly."""


def flags_for(device: int) -> int:
    """For os.preadv, so that it gives what is in memory and waits for nothing."""
    return 0 if device in _silent else os.RWF_NOWAIT


def is_cold(descriptor: int, device: int, at: int) -> bool:
    """Whether reading the byte there would wait for the disk; the bytes before it have come before, mostly.

    One byte tells not of all in front of it: the wait becomes short and rare by this, not impossible.
    """
    if device in _silent:
        return False
    try:
        os.preadv(descriptor, _byte, at, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except OSError:
        # EOPNOTSUPP; whatever else it is, whoever really reads will be told
        _silent.add(device)
    return False


async def fetch(threads: Threads, descriptor: int, device: int, at: int, end: int) -> None:
    """Wait until the disk has brought the bytes from ``at`` to ``end``; the caller may close its file meanwhile."""
    kind = f"files:{os.major(device)}:{os.minor(device)}"
    file = FarFile(os.dup(descriptor), kind)
    try:
        await threads(partial(file.use, partial(_warm, at=at, end=end)), kind)
    finally:
        file.close()


def _warm(descriptor: int, *, at: int, end: int) -> None:
    """For a thread; what goes wrong here goes wrong once more where the bytes are read."""
    with suppress(OSError):
        os.posix_fadvise(descriptor, at, AHEAD, os.POSIX_FADV_WILLNEED)
        os.pread(descriptor, 1, end - 1)
