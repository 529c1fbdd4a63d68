"""How long USER and PASS took lately, for each server: what mod_delay evens out, and keeps over a restart."""

from __future__ import annotations

import errno
import json
import os
import stat
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from ftpd.api import acting_as_daemon

KEPT = 256
"""Values of each command that are remembered (as in ProFTPD): the oldest go first."""
_FEW = 8
"""From so few values nothing is concluded."""


class Times:
    """The latest times of one command, in microseconds."""

    __slots__ = ("_sorted", "values")

    def __init__(self, values: list[int] | None = None) -> None:
        self.values: deque[int] = deque(values or (), KEPT)
        self._sorted: list[int] = sorted(self.values)

    def add(self, spent: int) -> None:
        if len(self.values) == KEPT:
            del self._sorted[bisect_left(self._sorted, self.values[0])]
        self.values.append(spent)
        self._sorted.insert(bisect_left(self._sorted, spent), spent)

    @property
    def usual(self) -> int:
        """What nineteen of twenty did not exceed; 0 while too few are known.

        ProFTPD takes the median: then half of the slow answers are still told from those that were held back.
        """
        return self._sorted[len(self._sorted) * 95 // 100] if len(self._sorted) >= _FEW else 0


class DelayTable:
    """Times by server and command, in memory and, where DelayTable names one, in a file."""

    def __init__(self) -> None:
        self._times: dict[str, Times] = {}
        self.path: str | None = None
        """What DelayTable says: a path, ``none``, or nothing."""

    @property
    def kept(self) -> bool:
        """Whether there is a file."""
        return self.path not in (None, "none")

    def times(self, server: str, verb: str) -> Times:
        key = f"{server} {verb}"
        found = self._times.get(key)
        if found is None:
            found = self._times[key] = Times()
        return found

    def reset(self) -> None:
        self._times.clear()

    def lines(self) -> Iterator[str]:
        """As ``ftpdctl delay info`` shows them, in ProFTPD's layout."""
        for key, times in sorted(self._times.items(), key=lambda item: _place(item[0])):
            server, verb = key.split(" ")
            yield f"Address {server}: {verb} values (usecs):"
            yield f" + Protocol ftp, {len(times.values)} values:"
            row = [f" {value:10d}" for value in times.values]
            yield from ("    " + "".join(row[at : at + 5]) for at in range(0, len(row), 5))
            yield ""

    def read(self) -> None:
        """Take over what an earlier daemon learnt; OSError or ValueError when the file holds nothing of the kind."""
        with acting_as_daemon():
            # a FIFO is not waited for, and a link is nobody's to put there
            descriptor = os.open(self._safe(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is not a regular file")
                found = json.loads(file.read(1 << 24))
        if not isinstance(found, dict):
            raise ValueError("it is not a table of delays")
        for key, values in found.items():
            server, _, verb = key.partition(" ")
            if verb not in ("USER", "PASS") or not isinstance(values, list):
                raise ValueError("it is not a table of delays")
            if not all(isinstance(value, int) and 0 <= value < 1 << 40 for value in values):
                raise ValueError("it is not a table of delays")
            self._times[f"{server} {verb}"] = Times(values)

    def _safe(self) -> str:
        """The path, in a folder of which others cannot take what is in it; no device, whose place a file would take."""
        path = str(self.path)
        folder = os.path.dirname(path) or "."
        try:
            mode = os.stat(folder).st_mode
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {folder}") from None
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionError(errno.EPERM, "its folder is world-writable")
        with suppress(FileNotFoundError):
            kind = os.lstat(path).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
                raise OSError(errno.EINVAL, "it is not a regular file")
        return path

    def look(self) -> str:
        """What would keep the file from being kept; rights that are missing are not asked for."""
        with acting_as_daemon():
            try:
                self._safe()
            except OSError as error:
                return "" if error.errno == errno.EACCES else error.strerror or str(error)
        return ""

    def write(self) -> None:
        """Replace the file whole, so that none is ever half written."""
        text = json.dumps({key: list(times.values) for key, times in self._times.items()})
        with acting_as_daemon():
            path = self._safe()
            beside = f"{path}.new"
            # made anew: what lies there, a link perhaps, is not ours
            with suppress(FileNotFoundError):
                os.unlink(beside)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w") as file:
                file.write(text)
            os.replace(beside, path)


def _place(key: str) -> tuple[str, bool]:
    """By server, and USER before PASS."""
    server, _, verb = key.partition(" ")
    return server, verb != "USER"
