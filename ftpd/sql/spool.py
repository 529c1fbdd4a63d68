"""Rows that a database could not take: kept in order, in memory and where wished in a file, until it is back."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections import deque
from collections.abc import Sequence

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.sql.backend import SqlError, SqlLost, Statement, Value
from ftpd.sql.pool import Pool

_UNSAFE = re.compile(r"[^A-Za-z0-9_.@-]")


class Spool:
    """The rows that wait for one database; the file belongs to whoever holds its lock.

    A row is written at least once: when the daemon dies between a write and the note of it, twice.
    """

    def __init__(self, pool: Pool, folder: str | None, most: int) -> None:
        self.pool = pool
        self.dropped = 0
        self._most = most
        self._rows: deque[tuple[str, tuple[Value, ...]]] = deque()
        self._path = None if folder is None else os.path.join(folder, f"{_UNSAFE.sub('_', pool.target.label)}.spool")
        self._file: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, statement: Statement, values: Sequence[Value]) -> bool:
        """Keep a row; False when so many wait that there is no place for it."""
        if len(self._rows) >= self._most:
            self.dropped += 1
            return False
        row = (statement.text, tuple(values))
        if not self._rows:
            log(Level.WARN, "mod_sql: rows for %s are spooled until it is back", self.pool.target.label)
        self._rows.append(row)
        if self._file is not None:
            self._write(_line(row))
        return True

    def open(self) -> None:
        """Take the file over, with the rows that an earlier daemon left in it; somebody else's stays theirs."""
        if self._path is None or self._file is not None:
            return
        try:
            with acting_as_daemon():
                self._file = _owned(self._path)
        except BlockingIOError:
            return
        except OSError as error:
            log(Level.ERROR, "mod_sql: the spool %s cannot be used: %s", self._path, error.strerror)
            self._path = None
            return
        with os.fdopen(os.dup(self._file), "rb") as file:
            left = [row for line in file if (row := _row(line)) is not None]
        if left:
            log(Level.NOTICE, "mod_sql: %d rows for %s wait in %s", len(left), self.pool.target.label, self._path)
        new = list(self._rows)
        self._rows = deque([*left, *new])
        self._write(b"".join(map(_line, new)))

    async def flush(self) -> None:
        """Write what waits, oldest first, until all of it is written or the database is gone again."""
        self.open()
        if not self._rows:
            return
        written = 0
        try:
            while self._rows:
                text, values = self._rows[0]
                try:
                    await self.pool.run(Statement(text), values)
                except SqlLost:
                    return
                except SqlError as error:
                    log(Level.ERROR, "mod_sql: a spooled row was refused: %s: %s %r", error, text, values)
                self._rows.popleft()
                written += 1
            log(Level.NOTICE, "mod_sql: %d spooled rows were written to %s", written, self.pool.target.label)
        finally:
            if written:
                self._rewrite()

    def close(self) -> None:
        """Let go of the file; rows that are nowhere else are lost, and the log says how many."""
        if self._rows and self._file is None:
            self.open()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        elif self._rows:
            log(
                Level.ERROR,
                "mod_sql: %d rows for %s are lost: no SQLSpool keeps them",
                len(self),
                self.pool.target.label,
            )
        self._rows.clear()

    def _rewrite(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            self._write(b"".join(map(_line, self._rows)))

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            log(Level.ERROR, "mod_sql: the spool %s is not written: %s", self._path, error.strerror)


def _owned(path: str) -> int:
    """The file, open, locked and surely ours: what stands in it is executed."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise PermissionError(1, "it is not the daemon's own, or others can write to it")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _line(row: tuple[str, tuple[Value, ...]]) -> bytes:
    return json.dumps(row).encode("ascii") + b"\n"


def _row(line: bytes) -> tuple[str, tuple[Value, ...]] | None:
    try:
        text, values = json.loads(line)
        if isinstance(text, str) and all(value is None or isinstance(value, str | int) for value in values):
            return text, tuple(values)
    except (ValueError, TypeError):
        pass
    # the last line of a daemon that died while it wrote
    log(Level.ERROR, "mod_sql: a line of the spool is no row and is left out: %r", line[:200])
    return None
