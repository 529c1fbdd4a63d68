"""Digests of files: computed off the loop, slice by slice, and remembered as long as the file is the same."""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from time import monotonic, time_ns
from typing import NamedTuple, Protocol

from ftpd.core.aside import at_file, close_file
from ftpd.core.record import dataclass
from ftpd.module.command import Command

_BLOCK = 1 << 20
_SLICE = 16 << 20
"""Bytes read in one turn of a thread: what many ask at once goes forward side by side, and who left is noticed."""
_COARSE = 2_000_000_000
"""Nanoseconds: the step of the coarsest clock of a file system, that of FAT."""


# -- the algorithms ------------------------------------------------------------------------------------


class Sum(Protocol):
    """What hashlib's objects are."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Crc32:
    """The checksum of zip and Ethernet, in the shape of hashlib's."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class Algorithm(NamedTuple):
    """One way to sum up a file; ``iana`` is its name in HASH and FEAT, ``note`` that in logs."""

    name: str
    note: str
    iana: str
    make: Callable[[], Sum]


# MD5 and SHA-1 find damage, not forgery: so they are asked of a library that forbids them for anything else, too
ALGORITHMS = {
    row.name: row
    for row in (
        Algorithm("crc32", "CRC32", "CRC32", Crc32),
        Algorithm("md5", "MD5", "MD5", lambda: hashlib.md5(usedforsecurity=False)),
        Algorithm("sha1", "SHA1", "SHA-1", lambda: hashlib.sha1(usedforsecurity=False)),
        Algorithm("sha256", "SHA256", "SHA-256", hashlib.sha256),
        Algorithm("sha512", "SHA512", "SHA-512", hashlib.sha512),
    )
}
BY_IANA = {row.iana.lower(): row for row in ALGORITHMS.values()}


# -- what is remembered --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many digests are remembered (0: none), and for how many seconds."""

    size: int = 10_000
    max_age: int = 30


Key = tuple[int, int, int, int, int, str, int, int]


class Cache:
    """Digests by the very file they are of, the oldest first; the clock is that of the computation."""

    def __init__(self, rule: Keeping) -> None:
        self._rule = rule
        self._kept: OrderedDict[Key, tuple[float, str]] = OrderedDict()

    def get(self, key: Key) -> str | None:
        self._expire(monotonic())
        found = self._kept.get(key)
        return None if found is None else found[1]

    def put(self, key: Key, digest: str) -> None:
        now = monotonic()
        self._kept.setdefault(key, (now, digest))
        self._expire(now)

    def _expire(self, now: float) -> None:
        too_old = now - self._rule.max_age
        while self._kept and (len(self._kept) > self._rule.size or next(iter(self._kept.values()))[0] < too_old):
            self._kept.popitem(last=False)


# -- the work ------------------------------------------------------------------------------------------


class OpenFile:
    """A file open for reading, closed when its last user lets go of it.

    A session may end while a thread still reads for it: closed by hand, the number could by then be another file's.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        close_file(self.descriptor)

    def add_slice(self, total: Sum, at: int, end: int) -> int:
        """Read one slice of what is to be read, and give where the next one begins."""
        stop = min(at + _SLICE, end)
        while at < stop:
            data = os.pread(self.descriptor, min(_BLOCK, stop - at), at)
            if not data:
                raise OSError(errno.EIO, "The file became shorter while it was read")
            total.update(data)
            at += len(data)
        return at


def _key(known: os.stat_result, algorithm: Algorithm, start: int, end: int) -> Key:
    """The inode's change time is in it, which no client can set back as it can the modification time."""
    return (
        known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns, algorithm.name, start, end,
    )  # fmt: skip


def _may_change_unseen(known: os.stat_result, began: int) -> bool:
    """Whether the file's clock is so coarse that a change during this very step would leave no trace."""
    return known.st_ctime_ns % 1_000_000_000 == 0 and began - known.st_ctime_ns < _COARSE


class Digests:
    """Digests of all files that sessions ask for: who asks has opened the file, and it has one digest for all."""

    def __init__(self) -> None:
        self._caches: dict[Keeping, Cache] = {}

    async def of(
        self, cmd: Command, file: OpenFile, algorithm: Algorithm, start: int, end: int, keeping: Keeping
    ) -> str:
        """That of these bytes in lower-case hex, remembered or computed; Refuse when the client wants it no more."""
        before = at_file(file.descriptor, os.fstat)
        key = _key(before, algorithm, start, end)
        cache = self._caches.setdefault(keeping, Cache(keeping))
        digest = cache.get(key)
        if digest is None:
            began = time_ns()
            digest = await _compute(cmd, file, algorithm.make(), start, end)
            if _key(at_file(file.descriptor, os.fstat), algorithm, start, end) == key and not _may_change_unseen(
                before, began
            ):
                cache.put(key, digest)
        return digest


async def _compute(cmd: Command, file: OpenFile, total: Sum, start: int, end: int) -> str:
    at = start
    with cmd.busy() as work:
        while at < end:
            at = await cmd.offload(partial(file.add_slice, total, at, end), "digest")
            if at < end:
                work.check(cmd.name)
    return total.hexdigest()
