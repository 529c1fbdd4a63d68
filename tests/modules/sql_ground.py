"""A database in a file for the tests of mod_sql, and a bench over it."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ftpd.api import Module
from ftpd.testing import Bench
from libexec import mod_sql, mod_sql_passwd, mod_sql_sqlite

SCHEMA = """
CREATE TABLE users (userid TEXT UNIQUE, passwd TEXT, uid INTEGER, gid INTEGER, homedir TEXT, shell TEXT,
    fstor INTEGER DEFAULT 0, fretr INTEGER DEFAULT 0, bstor INTEGER DEFAULT 0, bretr INTEGER DEFAULT 0);
CREATE TABLE groups (groupname TEXT, gid INTEGER, members TEXT);
CREATE TABLE log (who TEXT, what TEXT, size INTEGER);
CREATE TABLE keys (name TEXT, id TEXT);
"""
CONF = """
SQLBackend sqlite3
SQLConnectInfo {db}
SQLAuthTypes Plaintext
SQLMinID 0
DelayEngine off
AuthOrder mod_sql.c
RequireValidShell off
"""
RECORD = """SQLNamedQuery record INSERT "'%u', '%m', %b" log\n"""


class Database:
    """The file, and what the tests put into it and read out of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ftpd.db"
        # not below the test's own folder, which may be closed to the users of the database
        self._home = tempfile.TemporaryDirectory(prefix="ftpd-sql-")
        self.home = Path(self._home.name)
        self.home.chmod(0o755)
        with closing(sqlite3.connect(self.path)) as database:
            database.executescript(SCHEMA)
        self.path.chmod(0o600)
        self.user("tom", "secret")

    def remove(self) -> None:
        self._home.cleanup()

    def do(self, text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as database:
            return database.execute(text, values).fetchall()

    def user(self, name: str, password: str | None, uid: int = 2001, gid: int = 2002, home: str | None = "") -> None:
        home = str(self.home) if home == "" else home
        self.do(
            "INSERT INTO users (userid, passwd, uid, gid, homedir, shell) VALUES (?, ?, ?, ?, ?, '/bin/sh')",
            name, password, uid, gid, home,
        )  # fmt: skip

    def bench(
        self, conf: str = "", *, base: str = CONF, login: str | None = None, modules: Sequence[Module] = (),
        users: Mapping[str, str] | None = None, **more: Any,
    ) -> Bench:  # fmt: skip
        lines = (base + conf).replace("{db}", str(self.path))
        modules = (mod_sql.module, mod_sql_sqlite.module, mod_sql_passwd.module, *modules)
        return Bench(*modules, conf=lines, users=users or {}, login=login, **more)


def rows(db: Database) -> list[tuple[object, ...]]:
    return db.do("SELECT who, what, size FROM log")


async def entered(ftp: Bench, user: str = "tom", password: str = "secret") -> str:
    """Log in; the last line of the answer."""
    await ftp(f"USER {user}")
    return (await ftp(f"PASS {password}")).splitlines()[-1]


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await story()

    asyncio.run(run())
