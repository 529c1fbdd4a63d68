"""The files in which rows wait for a database: each process has and locks its own, and takes over those of the dead."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import urllib.parse
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.sql.backend import Target, Value

_MOST = 1000
"""Processes that may write to one folder; no daemon has as many workers."""
_WRITTEN = b"null\n"
"""The line that says of the oldest row above it that the database has it."""


class Row(NamedTuple):
    """A statement and what is bound in it."""

    text: str
    values: tuple[Value, ...]


class SpoolFile:
    """Rows by lines, oldest first: ``["INSERT ...", ["a", 1]]``, and ``null`` for each that was written since.

    Nothing is ever taken out of it before all of it is written, so that no death of the daemon loses a row.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._told = False

    def rows(self) -> list[Row]:
        """Those that are not written yet."""
        found: deque[Row] = deque()
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            line = b"\n"
            for line in file:
                if line == _WRITTEN:
                    if found:
                        found.popleft()
                elif line.strip() and (row := _row(line)) is not None:
                    found.append(row)
        if not line.endswith(b"\n"):
            self._write(b"\n")
        return list(found)

    def add(self, rows: Iterable[Row]) -> bool:
        """Whether all of them are in it now; else none is."""
        return self._write(b"".join(json.dumps(row).encode("ascii") + b"\n" for row in rows))

    def note_written(self) -> None:
        """The oldest row has arrived."""
        self._write(_WRITTEN)

    def clear(self) -> None:
        """All rows have arrived."""
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, data: bytes) -> bool:
        size = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            # half a line would spoil the next one, too
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            if not self._told:
                log(Level.ERROR, "mod_sql: the spool %s is not written: %s", self.path, error.strerror)
            self._told = True
            return False
        self._told = False
        return True


class SpoolFolder:
    """Where the files for one database are."""

    def __init__(self, folder: str, target: Target) -> None:
        self._folder = folder
        self._stem = "+".join(urllib.parse.quote(part, safe=":@") for part in (target.label, target.user))
        self._name = re.compile(re.escape(self._stem) + r"\+[0-9]+\.spool")
        self._refused: set[str] = set()
        """Those that may be somebody else's work, and have been told of."""

    def own(self) -> SpoolFile:
        """The first that no other process has; OSError when the folder cannot be used."""
        with acting_as_daemon():
            if os.stat(self._folder).st_mode & stat.S_IWOTH:
                raise PermissionError(1, f"everybody can write to {self._folder}")
            for number in range(1, _MOST + 1):
                path = os.path.join(self._folder, f"{self._stem}+{number}.spool")
                try:
                    return SpoolFile(path, _locked(path, os.O_CREAT))
                except BlockingIOError:
                    continue
        raise OSError(errno.EUSERS, f"{_MOST} processes use it")

    def left(self) -> Iterator[SpoolFile]:
        """Those in which rows wait and whose process has died; each is closed when the next is asked for."""
        with acting_as_daemon():
            names = sorted(entry.name for entry in os.scandir(self._folder) if self._name.fullmatch(entry.name))
        for path in (os.path.join(self._folder, name) for name in names):
            try:
                with acting_as_daemon():
                    if os.stat(path, follow_symlinks=False).st_size == 0:
                        continue
                    file = SpoolFile(path, _locked(path))
            except (BlockingIOError, FileNotFoundError):
                continue
            except OSError as error:
                if path not in self._refused:
                    log(Level.ERROR, "mod_sql: the spool %s cannot be used: %s", path, error.strerror)
                self._refused.add(path)
                continue
            try:
                yield file
            finally:
                file.close()


def _locked(path: str, flags: int = 0) -> int:
    """The file, open, locked and surely ours: what stands in it is executed."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise PermissionError(1, "it is not the daemon's own, or others can write to it")
        if found.st_nlink > 1:
            raise PermissionError(1, "it has several names")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _row(line: bytes) -> Row | None:
    try:
        text, values = json.loads(line)
        if isinstance(text, str) and all(value is None or isinstance(value, str | int) for value in values):
            return Row(text, tuple(values))
    except (ValueError, TypeError):
        pass
    # the last line of a daemon that died while it wrote
    log(Level.ERROR, "mod_sql: a line of the spool is no row and is left out: %r", line[:200])
    return None
