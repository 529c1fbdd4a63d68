"""What ps shows of this process: written over its words of the command line, as that is where the kernel looks."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

_START, _END = 48, 49
"""Fields of /proc/self/stat (proc(5), counted from 1): where the words begin and end."""


class _Words(NamedTuple):
    """The memory with the words, and what stood there at first."""

    address: int
    text: bytes


@cache
def _words() -> _Words | None:
    try:
        with open("/proc/self/stat", "rb") as file:
            # the second field is a name in brackets, in which anything may stand
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(fields[index - 3]) for index in (_START, _END))
    except (OSError, ValueError, IndexError):
        return None
    return _Words(start, ctypes.string_at(start, end - start)) if 0 < start < end else None


def show(title: str | None) -> None:
    """Have ps show this, as much of it as the words had room for; None: the words again."""
    words = _words()
    if words is None:
        return
    room = len(words.text)
    shown = words.text if title is None else title.encode()[: room - 1].ljust(room, b"\0")
    ctypes.memmove(words.address, shown, room)
