"""Who is counted against the limits of the configuration: by this process alone, or by all that serve together.

MaxInstances, MaxClients and their kin hold for the daemon, whichever of its workers a client came to.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import struct
import time
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from threading import RLock
from time import monotonic
from typing import Any, Protocol

from ftpd import native
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass

COLUMNS = 32
"""Processes that may count at once: the workers in service, and those whose last sessions are still on."""


_PATIENCE = 2.0
"""Seconds that the lock is waited for before the one who has it is ended, and then once more."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 20e-6, 1e-3
_FLOCK = "@hhqqi0q"
"""``struct flock`` of fcntl(2): kind, whence, start, length, process."""

_REACH = 64
"""Rows from its own on in which a key can be: with a third of the table full, one in 10^20 finds no place."""


@dataclass
class Window:
    """When a stretch of time began (of the monotonic clock, seconds), and how much has happened in it."""

    began: float = float("-inf")
    count: int = 0


Counted = tuple[Hashable, Hashable]
"""A key, and what it is one of; None where it is one of nothing."""


class Tally(Protocol):
    """Counts by key; a key without a count takes no place."""

    @property
    def arrivals(self) -> Window:
        """The connections of late, for MaxConnectionRate."""

    def __len__(self) -> int:
        """How many keys this process has a count of."""

    def add(self, key: Hashable, *, under: Hashable = None) -> int:
        """One more of the key, which is one of those ``under`` another; gives how many there are now."""

    def add_all(self, counted: Sequence[Counted]) -> None:
        """One more of each, or of none where that fails."""

    def drop(self, key: Hashable) -> None:
        """One less; only what this process has added."""

    def drop_all(self, keys: Sequence[Hashable]) -> None:
        """One less of each."""

    def count(self, key: Hashable) -> int:
        """How many there are, whoever added them."""

    def distinct(self, under: Hashable) -> int:
        """How many keys have a count that were added under this one."""

    def exclusively(self) -> AbstractContextManager[object]:
        """Around adding and judging what came of it: nobody else counts meanwhile."""


_ALONE = RLock()
"""Nobody else is there: what costs nothing to enter and leave."""


def add_by_python(counts: dict[Hashable, int], counted: Sequence[Counted]) -> list[Counted] | None:
    """One more of each; gives those that had no count before and are one of something."""
    first = []
    for pair in counted:
        key, under = pair
        many = counts[key] = counts.get(key, 0) + 1
        if under is not None and many == 1:
            first.append(pair)
    return first


def drop_by_python(
    counts: dict[Hashable, int], keys: Sequence[Hashable], above: dict[Hashable, Hashable]
) -> list[Hashable] | None:
    """One less of each; gives those that have no count any more and are one of something."""
    gone = []
    for key in keys:
        left = counts[key] - 1
        if left > 0:
            counts[key] = left
            continue
        del counts[key]
        if key in above:
            gone.append(key)
    return gone


_add, _drop = (
    (add_by_python, drop_by_python) if native.tally is None else (native.tally.add, native.tally.drop)
)  # fmt: skip


class OwnTally:
    """That of a process that serves alone."""

    def __init__(self) -> None:
        self.arrivals = Window()
        self._counts: dict[Hashable, int] = {}
        self._above: dict[Hashable, Hashable] = {}
        self._under: dict[Hashable, set[Hashable]] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: Hashable, *, under: Hashable = None) -> int:
        self.add_all(((key, under),))
        return self._counts[key]

    def add_all(self, counted: Sequence[Counted]) -> None:
        if first := _add(self._counts, counted):
            for key, under in first:
                self._above[key] = under
                self._under.setdefault(under, set()).add(key)

    def drop(self, key: Hashable) -> None:
        self.drop_all((key,))

    def drop_all(self, keys: Sequence[Hashable]) -> None:
        if gone := _drop(self._counts, keys, self._above):
            for key in gone:
                above = self._above.pop(key)
                self._under[above].discard(key)
                if not self._under[above]:
                    del self._under[above]

    def count(self, key: Hashable) -> int:
        return self._counts.get(key, 0)

    def distinct(self, under: Hashable) -> int:
        return len(self._under.get(under, ()))

    def exclusively(self) -> AbstractContextManager[object]:
        return _ALONE


class Crowded(Exception):
    """There is no room for one more key: whoever it is for cannot be let in."""


class _SharedWindow(Window):
    """A window that all processes see through."""

    def __init__(self, memory: memoryview[float]) -> None:
        self._memory = memory
        super().__init__()

    @property
    def began(self) -> float:
        return self._memory[0]

    @began.setter
    def began(self, when: float) -> None:
        self._memory[0] = when

    @property
    def count(self) -> int:
        return int(self._memory[1])

    @count.setter
    def count(self, many: int) -> None:
        self._memory[1] = many


class Locked:
    """Has a lock that is taken by the outermost of those who ask for it, and let go of with it."""

    _held = 0

    def exclusively(self) -> AbstractContextManager[object]:
        return self

    def __enter__(self) -> None:
        if not self._held:
            self._take_lock()
        self._held += 1

    def __exit__(self, *exception: object) -> None:
        self._held -= 1
        if not self._held:
            self._let_go()

    def _take_lock(self) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        raise NotImplementedError


class SharedTally(Locked):
    """A table in memory that the master made before it forked: a row for each key, a column for each process.

    A process writes its own column only, so that what a dead one counted is taken back by emptying its column.
    Rows are found by open addressing over the keys' hashes, which forked processes share; a row without a count
    goes to the next key that wants it.
    """

    def __init__(self, rows: int = 1 << 17) -> None:
        self._rows = rows
        self._file = os.memfd_create("ftpd-tally", os.MFD_CLOEXEC)
        size = rows * (8 + 8 + 4 * COLUMNS) + 16
        os.ftruncate(self._file, size)
        self._memory = mmap.mmap(self._file, size)
        whole = memoryview(self._memory)
        parts = whole[: 8 * rows], whole[8 * rows : 16 * rows], whole[16 * rows : -16], whole[-16:]
        self._keys, self._counts, moments = parts[0].cast("Q"), parts[2].cast("I"), parts[3].cast("d")
        self._aboves = parts[1].cast("Q")
        self.arrivals: Window = _SharedWindow(moments)
        self._views: list[memoryview[Any]] = [self._keys, self._aboves, self._counts, moments, *parts, whole]
        self._own: dict[Hashable, int] = {}
        """The rows that this process has a count in: nobody takes these for another key."""
        self.column = 0

    def __len__(self) -> int:
        return len(self._own)

    def take(self, column: int) -> None:
        """In a worker: the column that is its own."""
        self.column = column
        self._own = {}

    def add(self, key: Hashable, *, under: Hashable = None) -> int:
        return self._sum(self._add(key, under))

    def add_all(self, counted: Sequence[Counted]) -> None:
        if all(key in self._own for key, _ in counted):
            for key, _ in counted:
                self._counts[self._own[key] * COLUMNS + self.column] += 1
            return
        # the lock once for all of them: to take it costs more than to count
        with self.exclusively():
            for place, (key, under) in enumerate(counted):
                try:
                    self._add(key, under)
                except BaseException:
                    self.drop_all([key for key, _ in counted[:place]])
                    raise

    def _add(self, key: Hashable, under: Hashable) -> int:
        row = self._own.get(key)
        if row is None:
            with self.exclusively():
                row = self._row_for(_number(key), 0 if under is None else _number(under))
                self._counts[row * COLUMNS + self.column] += 1
            self._own[key] = row
        else:
            self._counts[row * COLUMNS + self.column] += 1
        return row

    def drop(self, key: Hashable) -> None:
        row = self._own[key]
        place = row * COLUMNS + self.column
        self._counts[place] -= 1
        if not self._counts[place]:
            del self._own[key]

    def drop_all(self, keys: Sequence[Hashable]) -> None:
        for key in keys:
            self.drop(key)

    def count(self, key: Hashable) -> int:
        row = self._own.get(key)
        if row is None:
            row = self._find(_number(key))
        return 0 if row is None else self._sum(row)

    def distinct(self, under: Hashable) -> int:
        wanted = struct.pack("=Q", _number(under))
        found, at = 0, self._memory.find(wanted, 8 * self._rows, 16 * self._rows)
        while at >= 0:
            found += at % 8 == 0 and self._sum((at - 8 * self._rows) // 8) > 0
            at = self._memory.find(wanted, at + 1, 16 * self._rows)
        return found

    def _let_go(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _take_lock(self) -> None:
        """The kernel lets go of it should we die with it. It is held for some 20 us: who stands still meanwhile
        (SIGSTOP) would have all others stand still for as long, and is ended."""
        began = monotonic()
        pause, ended = _SHORTEST_PAUSE, False
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return
            waited = monotonic() - began
            if waited > 2 * _PATIENCE:
                raise Crowded(f"process {self._holder()} keeps the limits of all workers to itself")
            if waited > _PATIENCE and not ended:
                ended = True
                self._end_holder()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _holder(self) -> int:
        """Who has the lock; 0 where nobody has."""
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(self._file, fcntl.F_GETLK, asked))
        return 0 if kind == fcntl.F_UNLCK else pid

    def _end_holder(self) -> None:
        if pid := self._holder():
            text = "process %d has stood still for %g seconds with the limits of all workers, and is ended"
            log(Level.ERROR, text, pid, _PATIENCE)
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def release(self, column: int) -> None:
        """The process with that column is gone, and all that it counted with it."""
        # not exclusively: who counts just now may find too many, which refuses one at worst, and nobody is waited for
        self._counts[column::COLUMNS] = memoryview(bytes(4 * self._rows)).cast("I")

    def close(self) -> None:
        """Give the memory back, as far as this process is concerned."""
        for view in self._views:
            view.release()
        self._memory.close()
        os.close(self._file)

    def _sum(self, row: int) -> int:
        return sum(self._counts[row * COLUMNS : (row + 1) * COLUMNS])

    def _find(self, number: int) -> int | None:
        row = number % self._rows
        for _ in range(_REACH):
            there = self._keys[row]
            if there == number:
                return row
            if not there:
                return None
            row = (row + 1) % self._rows
        return None

    def _row_for(self, number: int, above: int) -> int:
        row, free = number % self._rows, -1
        for _ in range(_REACH):
            there = self._keys[row]
            if there == number:
                break
            if free < 0 and (not there or not self._sum(row)):
                free = row
            if not there:
                row = free
                break
            row = (row + 1) % self._rows
        else:
            row = free
        if row < 0:
            raise Crowded("the table of those who are counted is full")
        self._keys[row], self._aboves[row] = number, above
        return row


def _number(key: Hashable) -> int:
    """64 bits of a key, never 0."""
    return hash(key) & 0xFFFFFFFFFFFFFFFF or 1


_tally: Tally = OwnTally()


def tally() -> Tally:
    """That of this process."""
    return _tally


def count_by(common: Tally) -> None:
    """In a process for one client, before it serves: count in this one."""
    global _tally
    _tally = common


def share(shared: SharedTally, column: int) -> None:
    """In a worker, before it serves: count in the table of all, in this column."""
    global _tally
    shared.take(column)
    _tally = shared
