"""Rows that a database could not take: kept in order, in memory and where wished in a file, until it is back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from ftpd.core.log import Level, log
from ftpd.sql.backend import SqlError, SqlLost, Statement, Value
from ftpd.sql.pool import Pool
from ftpd.sql.spoolfile import Row, SpoolFile, SpoolFolder


class Spool:
    """The rows of this process that wait for one database, and those that another process left when it died.

    A row is written at least once: when the daemon dies between a write and the note of it, twice.
    """

    def __init__(self, pool: Pool, folder: str | None, most: int) -> None:
        self.pool = pool
        self.dropped = 0
        self._most = most
        self._rows: deque[tuple[Row, bool]] = deque()
        """Each with whether it stands in the file."""
        self._folder = None if folder is None else SpoolFolder(folder, pool.target)
        self._file: SpoolFile | None = None
        self._flushing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, statement: Statement, values: Sequence[Value]) -> bool:
        """Keep a row; False when so many wait that there is no place for it."""
        if len(self._rows) >= self._most:
            self.dropped += 1
            return False
        if not self._rows:
            log(Level.WARN, "mod_sql: rows for %s are spooled until it is back", self.pool.target.label)
        self._keep([Row(statement.text, tuple(values))])
        return True

    def _keep(self, rows: Sequence[Row]) -> None:
        kept = self._file is not None and self._file.add(rows)
        self._rows.extend((row, kept) for row in rows)

    def open(self) -> None:
        """Have a file of one's own, with what an earlier process left in it and in others."""
        if self._folder is None:
            return
        try:
            if self._file is None:
                self._file = self._folder.own()
                new = [row for row, _ in self._rows]
                left = self._file.rows()
                self._tell_of(left, self._file)
                self._rows = deque((row, True) for row in left)
                self._keep(new)
            self._adopt(self._folder, self._file)
        except OSError as error:
            log(Level.ERROR, "mod_sql: the spool for %s cannot be used: %s", self.pool.target.label, error.strerror)
            self._folder = None

    def _adopt(self, folder: SpoolFolder, mine: SpoolFile) -> None:
        """Take over what a process that died, a worker as it may be, had not written yet."""
        for file in folder.left():
            left = file.rows()
            self._tell_of(left, file)
            if mine.add(left):
                self._rows.extend((row, True) for row in left)
                file.clear()

    def _tell_of(self, left: Sequence[Row], file: SpoolFile) -> None:
        if left:
            log(Level.NOTICE, "mod_sql: %d rows for %s wait in %s", len(left), self.pool.target.label, file.path)

    async def flush(self) -> None:
        """Write what waits, oldest first, until all of it is written or the database is gone again."""
        # a turn may take longer than the time to the next one
        async with self._flushing:
            self.open()
            written = 0
            while self._rows:
                row, kept = self._rows[0]
                try:
                    await self.pool.run(Statement(row.text), row.values)
                except SqlLost:
                    return
                except SqlError as error:
                    log(Level.ERROR, "mod_sql: a spooled row was refused: %s: %s %r", error, row.text, row.values)
                self._rows.popleft()
                written += 1
                if self._file is not None and kept:
                    self._file.note_written()
            if written:
                if self._file is not None:
                    self._file.clear()
                log(Level.NOTICE, "mod_sql: %d spooled rows were written to %s", written, self.pool.target.label)

    def close(self) -> None:
        """Let go of the file; rows that are nowhere else are lost, and the log says how many."""
        lost = [row for row, kept in self._rows if not kept]
        if lost and self._file is None:
            self.open()
            lost = [row for row, kept in self._rows if not kept]
        elif lost and self._file is not None and self._file.add(lost):
            lost = []
        if self._file is not None:
            self._file.close()
            self._file = None
        if lost:
            label = self.pool.target.label
            log(Level.ERROR, "mod_sql: %d rows for %s are lost: no SQLSpool keeps them", len(lost), label)
        self._rows.clear()
