"""mod_sql_sqlite -- SQLite for mod_sql: a database in a file, each connection in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from ftpd.api import ConfigError, Module, acting_as_daemon, sql, types

T = TypeVar("T")

module = Module("sql_sqlite", version="1.0", needs=("mod_sql",))

# the low byte of these says that the database could not do it now, not that the statement is wrong
_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
    }
)


def _fault(error: sqlite3.Error) -> sql.SqlError:
    code = getattr(error, "sqlite_errorcode", None)
    return sql.SqlLost(str(error)) if code is not None and code & 0xFF in _NOT_NOW else sql.SqlError(str(error))


class SQLiteConnection:
    """One connection; what it does is done in its thread, with the daemon's own rights to the file."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ftpd-sqlite")
        self._database: sqlite3.Connection | None = None
        self._inode = (0, 0)

    async def _do(self, work: Callable[[], T]) -> T:
        def done() -> T:
            with acting_as_daemon():
                return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, done)
        except sqlite3.Error as error:
            raise _fault(error) from None
        except OSError as error:
            raise sql.SqlLost(f"{self._path}: {error.strerror}") from None
        except (UnicodeError, OverflowError, RuntimeError) as error:
            raise sql.SqlError(str(error)) from None

    async def open(self) -> None:
        try:
            await self._do(self._open)
        except BaseException:
            self.abort()
            raise

    def _open(self) -> None:
        found = os.stat(self._path)
        folder = os.stat(os.path.dirname(os.path.realpath(self._path)))
        for what, attributes, shared in ((self._path, found, 0), ("its folder", folder, stat.S_ISVTX)):
            if attributes.st_mode & stat.S_IWOTH and not attributes.st_mode & shared:
                raise PermissionError(1, f"{what} can be written by everybody, who could make users: chmod o-w")
        self._inode = (found.st_dev, found.st_ino)
        # mode=rw: a name that was mistyped shall not become an empty database
        uri = f"file:{urllib.parse.quote(self._path)}?mode=rw"
        self._database = sqlite3.connect(
            uri, uri=True, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        self._database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    async def run(self, statement: sql.Statement, values: Sequence[sql.Value]) -> list[sql.Row]:
        return await self._do(lambda: self._run(statement.text, values))

    def _run(self, text: str, values: Sequence[sql.Value]) -> list[sql.Row]:
        if self._database is None:
            raise sqlite3.OperationalError("the connection is closed")
        if not self._is_same_file():
            # written anew by a program that renames it into place: whoever was removed in it is not to be found here
            self._end()
            self._open()
        cursor = self._database.execute(text, values)
        try:
            return [tuple(map(sql.as_text, row)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    async def ping(self) -> None:
        await self._do(self._same_file)

    def _is_same_file(self) -> bool:
        found = os.stat(self._path)
        return (found.st_dev, found.st_ino) == self._inode

    def _same_file(self) -> None:
        if not self._is_same_file():
            raise FileNotFoundError(2, "another file has taken its place")

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        database = self._database
        if database is not None:
            # the thread may be about to close it
            with suppress(sqlite3.ProgrammingError):
                database.interrupt()
        try:
            self._thread.submit(self._end)
        except RuntimeError:
            return
        self._thread.shutdown(wait=False)

    def _end(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


class SQLite:
    """The backend ``sqlite3``."""

    names = ("sqlite3", "sqlite")
    dialect = sql.Dialect(mark="?", brackets_quote=True, taken=r"\?|[:@$](?=\w)")

    def target(self, info: str, user: str, password: str, ssl: tuple[tuple[str, str], ...]) -> sql.Target:
        if ssl:
            raise ConfigError("a database in a file has no TLS", right="no ssl- parameters with SQLBackend sqlite3")
        return sql.Target("sqlite3", types.to_path(info))

    async def connect(self, target: sql.Target, timeout: float) -> SQLiteConnection:
        connection = SQLiteConnection(target.database, timeout)
        await connection.open()
        return connection

    def password_holds(self, password: str, stored: str) -> bool:
        """SQLite has no hashes of its own."""
        return False


module.offer(sql.BACKENDS, SQLite())
