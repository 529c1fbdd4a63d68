"""doc/howto/SQL.md and VirtualUsers.md: what is printed there lets a user in and records a file."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sql_ground import entered, play
from sql_servers import Server

from ftpd.core import crypt
from ftpd.testing import Bench
from libexec import mod_sql, mod_sql_mysql, mod_sql_passwd, mod_sql_postgres, mod_sql_sqlite

HOWTO = Path(__file__).parents[2] / "doc" / "howto"
MODULES = (
    mod_sql.module, mod_sql_sqlite.module, mod_sql_mysql.module, mod_sql_postgres.module, mod_sql_passwd.module,
)  # fmt: skip


def block(page: str, kind: str, name: str) -> str:
    found = re.findall(rf"^```{kind} {name}\n(.*?)^```$", (HOWTO / page).read_text(), re.M | re.S)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def home() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ftpd-sql-") as name:
        Path(name).chmod(0o777)
        yield name


def lets_in_and_records(conf: str, files: int) -> None:
    async def story() -> None:
        async with Bench(*MODULES, conf=conf, users={}, login=None) as ftp:
            assert await entered(ftp, password="wrong") == "530 Login incorrect."
            assert await entered(ftp) == "230 User tom logged in"
            assert ftp.session.groups[0] == (2001, "staff")
            for number in range(files):
                assert "226" in await ftp.upload(f"STOR it's {number}", b"12345")

    play(story)


HASH = crypt.hash("secret", "$5$")


@pytest.mark.parametrize("page", ["SQL.md", "VirtualUsers.md"])
def test_sqlite(page: str, home: str, tmp_path: Path) -> None:
    path = tmp_path / "ftpd.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(block(page, "sql", "sqlite"))
        database.execute("INSERT INTO users VALUES ('tom', ?, 2001, 2001, ?, '')", (HASH, home))
        database.execute("INSERT INTO groups VALUES ('staff', 2001, '')")
    path.chmod(0o600)
    lets_in_and_records(block(page, "conf", "sqlite").replace("/var/lib/ftpd/ftpd.db", str(path)), 2)
    if page == "SQL.md":
        with closing(sqlite3.connect(path)) as database:
            assert [row[:3] for row in database.execute("SELECT * FROM transfers")] == [
                ("tom", f"{home}/it's {number}", 5) for number in range(2)
            ]


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
def test_servers(kind: str, home: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue({"mysql": "mariadb_server"}.get(kind, "postgres_server"))
    server.fresh()
    groups = "ftpgroups" if kind == "mysql" else "groups"
    tables = ("users", groups, "transfers")
    for table in tables:
        server.do(f"DROP TABLE IF EXISTS {table}_kept")
        if table in ("users", "groups"):
            server.do(f"ALTER TABLE {table} RENAME TO {table}_kept")
    try:
        for text in block("SQL.md", "sql", kind).split(";"):
            if text.strip():
                server.do(text)
        server.do("INSERT INTO users VALUES ('tom', %s, 2001, 2001, %s, '')", HASH, home)
        server.do(f"INSERT INTO {groups} VALUES ('staff', 2001, '')")
        conf = re.sub(r"SQLConnectInfo .*", lambda _: f"SQLConnectInfo {server.connect}", block("SQL.md", "conf", kind))
        lets_in_and_records(conf.replace("/var/spool/ftpd", str(tmp_path)), 2)
        rows = server.do("SELECT who, file, bytes FROM transfers ORDER BY file")
        assert rows == [("tom", f"{home}/it's {number}", 5) for number in range(2)]
    finally:
        for table in tables:
            server.do(f"DROP TABLE IF EXISTS {table}")
            if table in ("users", "groups"):
                server.do(f"ALTER TABLE {table}_kept RENAME TO {table}")


def test_a_file(home: str, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(f"tom:{HASH}:2001:2001::{home}:/bin/false\n")
    (tmp_path / "group").write_text("staff::2001:\n")
    for name in ("passwd", "group"):
        (tmp_path / name).chmod(0o600)
    lets_in_and_records(block("VirtualUsers.md", "conf", "file").replace("/etc/ftpd", str(tmp_path)), 1)
