"""The many names of a folder without a compiler: two threads read them, one in the kernel while the other parses.

``os.listdir`` waits for the kernel and makes its texts by turns; here the one hides behind the other. ext4, which takes
more time for each name than other file systems, is asked for both halves of the names at once.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from threading import Lock, Thread

from ftpd.core import paths
from ftpd.core.identity import Identity, acting_as
from ftpd.core.record import dataclass

HUGE = 1024 * 1024
"""Bytes of a folder itself from which on this pays: twenty thousand names or more."""
_ANSWER = 64 * 1024
"""Bytes of one answer of the kernel, of which one piece is made: nobody else gets its processor before the kernel has
given all of it, and the interpreter may be as long in taking it apart."""
_NEXT, _TYPE, _NAME = 8, 18, 19
"""Where ``struct linux_dirent64`` has the place of the next one in the folder, and the two (getdents64(2))."""
_LOW, _HIGH = (16, 17) if sys.byteorder == "little" else (17, 16)
"""Where the two bytes of its own length stand."""
_SHORT = 24
"""No entry is shorter, and none longer than that and 256 more."""
_FILE, _LINK, _UNTOLD = 8, 10, 0
_DOTS = (".", "..")
_EXT = 0xEF53
"""What fstatfs(2) calls ext2, ext3 and ext4."""
_HALF = 1 << 62
"""Where the second half of such a folder begins, whose names are told in the order of hashes of 63 bits; those that
keep no hashes end long before."""

_libc = ctypes.CDLL(None, use_errno=True)
_getdents = getattr(_libc, "getdents64", None)
if _getdents is not None:
    _getdents.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    _getdents.restype = ctypes.c_ssize_t


@dataclass(slots=True)
class Found:
    """Names, some in each list; ``links`` are the symbolic ones, None where that was not told."""

    pieces: list[list[str]]
    links: list[str] | None
    dotted: bool
    """One of them at least begins with a dot."""


class TooMany(Exception):
    """The names take more bytes than they may."""


def read(
    folder: int, identity: Identity, *, dotted: bool, links: bool, most: int | None = None, each: int = 0
) -> Found | None:
    """The names in an open folder but ``.`` and ``..``; None where this system cannot tell them so.

    ``dotted``: with those that begin with a dot. TooMany where they take more than ``most`` bytes, ``each`` of them
    so many beside its own.
    """
    if _getdents is None:
        return None
    os.lseek(folder, 0, os.SEEK_SET)
    reading = _Reading(identity, dotted, links, most, each)
    half = _second_half(folder, identity)
    try:
        _both(reading, folder, half)
    finally:
        if half is not None:
            os.close(half)
        # as os.listdir leaves it
        os.lseek(folder, 0, os.SEEK_SET)
    if reading.error is not None:
        raise reading.error
    return reading.found()


def _second_half(folder: int, identity: Identity) -> int | None:
    """The same folder, standing at its second half; None where it is not to be had so."""
    kind = (ctypes.c_long * 32)()
    if _libc.fstatfs(folder, kind) != 0 or kind[0] != _EXT:
        return None
    with suppress(OSError), acting_as(identity):
        half = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.lseek(half, _HALF, os.SEEK_SET)
        except OSError:
            os.close(half)
            raise
        return half
    return None


def _both(reading: _Reading, folder: int, half: int | None) -> None:
    """Read all, by two threads: a half each, or from one place in turns."""
    end = None if half is None else _HALF
    processor = _libc.sched_getcpu()

    def help_reading() -> None:
        _move_from(processor)
        reading.take_part(folder if half is None else half)

    other = Thread(target=help_reading, daemon=True)
    try:
        other.start()
    except RuntimeError:
        # no more threads are to be had
        reading.take_part(folder)
    else:
        reading.take_part(folder, end)
        other.join()


def _move_from(processor: int) -> None:
    """Leave that one, if it is this thread's: many begin where who made them runs, while another is idle."""
    if _libc.sched_getcpu() != processor:
        return
    with suppress(OSError):
        allowed = os.sched_getaffinity(0)
        if others := allowed - {processor}:
            os.sched_setaffinity(0, others)
            os.sched_setaffinity(0, allowed)


def _before(answer: bytes, end: int) -> bytes:
    """What of it stands before that place in the folder, where its beginning does."""
    at = 0
    while at < len(answer):
        behind = int.from_bytes(answer[at + _NEXT : at + _NEXT + 8], sys.byteorder, signed=True)
        at += answer[at + _LOW] | answer[at + _HIGH] << 8
        if behind >= end:
            break
    return answer[:at]


class _Reading:
    """What the two have of one folder."""

    __slots__ = (
        "_any_dotted",
        "_dotted",
        "_each",
        "_found",
        "_identity",
        "_left",
        "_links",
        "_lock",
        "_untold",
        "error",
    )

    def __init__(self, identity: Identity, dotted: bool, links: bool, most: int | None, each: int) -> None:
        self._identity = identity
        self._dotted = dotted
        self._any_dotted = False
        self._left = most
        self._each = each
        self._lock = Lock()
        self._found: list[list[str]] = []
        self._links: list[str] | None = [] if links else None
        self._untold = False
        self.error: BaseException | None = None

    def take_part(self, folder: int, end: int | None = None) -> None:
        """Read until nothing is left before that place in the folder, or one of the two has failed."""
        buffer = ctypes.create_string_buffer(_ANSWER)
        try:
            with acting_as(self._identity):
                while self.error is None and (answer := self._next(folder, buffer)):
                    if end is not None and os.lseek(folder, 0, os.SEEK_CUR) >= end:
                        self._take(_before(answer, end))
                        return
                    self._take(answer)
        except BaseException as error:
            self.error = error

    def found(self) -> Found:
        return Found(self._found, None if self._untold else self._links, self._any_dotted)

    def _next(self, folder: int, buffer: ctypes.Array[ctypes.c_char]) -> bytes:
        assert _getdents is not None
        # unlike os.sched_yield, without the interpreter: who is served gets both
        _libc.sched_yield()
        length = _getdents(folder, buffer, len(buffer))
        if length < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        answer = ctypes.string_at(buffer, length)
        # the kernel leaves what is between a name and the next entry as it was
        ctypes.memset(buffer, 0, length)
        return answer

    def _take(self, answer: bytes) -> None:
        # with its kind in front of each name, where these are asked for
        begin = _NAME if self._links is None else _TYPE
        raw: list[bytes] = []
        add = raw.append
        at, end = 0, len(answer)
        while at < end:
            length = answer[at + _LOW]
            if length <= _SHORT:
                length += answer[at + _HIGH] << 8
            add(answer[at + begin : at + length].rstrip(b"\0"))
            at += length
        text = b"\0".join(raw) if self._links is None else self._without_kinds(raw)
        names = paths.decode(text).split("\0")
        # one look at all of them, as most answers have none
        if text.startswith(b".") or b"\0." in text:
            names = [name for name in names if name not in _DOTS and (self._dotted or not name.startswith("."))]
            self._any_dotted = self._any_dotted or any(name.startswith(".") for name in names)
        if names:
            self._weigh(names)
            self._found.append(names)

    def _without_kinds(self, raw: list[bytes]) -> bytes:
        """The names with a NUL between each two; in front of each its kind stands."""
        assert self._links is not None
        text = b"\0".join(raw)
        # most answers have nothing but files: then all kinds are taken away in one go, and no other NUL is left
        names = text.replace(b"\0\x08", b"\0")
        between = len(raw) - 1
        if raw[0][0] == _FILE and len(text) - len(names) == between == names.count(b"\0"):
            return names[1:]
        self._links += [paths.decode(entry[1:]) for entry in raw if entry[0] == _LINK]
        self._untold = self._untold or any(entry[0] == _UNTOLD for entry in raw)
        return b"\0".join([entry[1:] for entry in raw])

    def _weigh(self, names: list[str]) -> None:
        if self._left is None:
            return
        weight = sum(map(len, names)) + self._each * len(names)
        with self._lock:
            self._left -= weight
        if self._left < 0:
            raise TooMany
