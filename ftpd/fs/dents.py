"""The many names of a folder without a compiler: two threads read them, one in the kernel while the other parses.

``os.listdir`` waits for the kernel and makes its texts by turns; here the one hides behind the other.
"""

from __future__ import annotations

import ctypes
import os
from threading import Lock, Thread

from ftpd.core import paths
from ftpd.core.identity import Identity, acting_as
from ftpd.core.record import dataclass

HUGE = 1024 * 1024
"""Bytes of a folder itself from which on this pays: twenty thousand names or more."""
_ANSWER = 128 * 1024
"""Bytes of one answer of the kernel: with less to do, both threads would wait for one another on one processor."""
_PIECE = 64 * 1024
"""Those of which one piece is made, so that nobody waits long for the interpreter."""
_TYPE, _NAME, _LENGTH = 18, 19, 8
"""Where ``struct linux_dirent64`` has the two, in bytes, and its own length, in pairs of them (getdents64(2))."""
_UNTOLD, _LINK = 0, 10
_DOTS = (".", "..")

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
    reading = _Reading(folder, identity, dotted, links, most, each)
    other = Thread(target=reading.take_part, daemon=True)
    try:
        other.start()
    except RuntimeError:
        # no more threads are to be had
        reading.take_part()
    else:
        reading.take_part()
        other.join()
    # as os.listdir leaves it
    os.lseek(folder, 0, os.SEEK_SET)
    if reading.error is not None:
        raise reading.error
    return reading.found()


class _Reading:
    """What the two have of one folder."""

    __slots__ = ("_dotted", "_each", "_folder", "_found", "_identity", "_left", "_links", "_lock", "_untold", "error")

    def __init__(self, folder: int, identity: Identity, dotted: bool, links: bool, most: int | None, each: int) -> None:
        self._folder = folder
        self._identity = identity
        self._dotted = dotted
        self._left = most
        self._each = each
        self._lock = Lock()
        self._found: list[list[str]] = []
        self._links: list[str] | None = [] if links else None
        self._untold = False
        self.error: BaseException | None = None

    def take_part(self) -> None:
        """Read until nothing is left, or one of the two has failed."""
        buffer = ctypes.create_string_buffer(_ANSWER)
        try:
            with acting_as(self._identity):
                while self.error is None and (answer := self._next(buffer)):
                    self._take(answer)
        except BaseException as error:
            self.error = error

    def found(self) -> Found:
        return Found(self._found, None if self._untold else self._links)

    def _next(self, buffer: ctypes.Array[ctypes.c_char]) -> bytes:
        assert _getdents is not None
        # unlike os.sched_yield, without the interpreter: who is served gets both
        _libc.sched_yield()
        length = _getdents(self._folder, buffer, len(buffer))
        if length < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        answer = ctypes.string_at(buffer, length)
        # the kernel leaves what is between a name and the next entry as it was
        ctypes.memset(buffer, 0, length)
        return answer

    def _take(self, answer: bytes) -> None:
        pairs = memoryview(answer).cast("H")
        at, end = 0, len(pairs)
        while at < end:
            raw: list[bytes] = []
            add = raw.append
            kinds = None if self._links is None else bytearray()
            stop = min(at + _PIECE // 2, end)
            while at < stop:
                length = pairs[at + _LENGTH]
                add(answer[2 * at + _NAME : 2 * at + length])
                if kinds is not None:
                    kinds.append(answer[2 * at + _TYPE])
                at += length >> 1
            # one to eight zeros behind each
            text = b"".join(raw).replace(b"\0\0\0\0", b"\0").replace(b"\0\0", b"\0").replace(b"\0\0", b"\0")
            names = paths.decode(text[:-1]).split("\0")
            if kinds is not None:
                self._tell_links(names, kinds)
            # one look at all of them, as most pieces have none
            if text.startswith(b".") or b"\0." in text:
                names = [name for name in names if name not in _DOTS and (self._dotted or not name.startswith("."))]
            self._weigh(names)
            self._found.append(names)

    def _tell_links(self, names: list[str], kinds: bytearray) -> None:
        assert self._links is not None
        if _LINK in kinds:
            self._links += [name for name, kind in zip(names, kinds, strict=True) if kind == _LINK]
        self._untold = self._untold or _UNTOLD in kinds

    def _weigh(self, names: list[str]) -> None:
        if self._left is None:
            return
        weight = sum(map(len, names)) + self._each * len(names)
        with self._lock:
            self._left -= weight
        if self._left < 0:
            raise TooMany
