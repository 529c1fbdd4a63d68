"""mod_sql in a real daemon: loaded by LoadModule, replaced by SIGHUP, and its records whole when the daemon ends."""

from __future__ import annotations

import ftplib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ftpd.testing.plugin import StartServer
from tests.wire.daemon import PATIENCE

LIBEXEC = Path(__file__).parents[2] / "libexec"
MODULES = [LIBEXEC / f"{name}.py" for name in ("mod_sql", "mod_sql_sqlite", "mod_sql_passwd")]


class Database:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "ftpd.db"
        self.do("CREATE TABLE users (userid TEXT, passwd TEXT, uid INTEGER, gid INTEGER, homedir TEXT, shell TEXT)")
        self.do("CREATE TABLE groups (groupname TEXT, gid INTEGER, members TEXT)")
        self.do("CREATE TABLE log (who TEXT, what TEXT)")
        self.path.chmod(0o600)

    def do(self, text: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE)) as database:
            return database.execute(text, values).fetchall()


@pytest.fixture
def db() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="ftpd-sql-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = Database(folder)
        uid, gid = os.geteuid() or 65534, os.getegid() or 65534
        for user in ("tom", "ann"):
            database.do("INSERT INTO users VALUES (?, ?, ?, ?, ?, '')", user, f"{user}'s password", uid, gid, name)
        yield database


def conf(db: Database, more: str = "") -> str:
    return f"""AuthOrder mod_sql.c
SQLBackend sqlite3
SQLConnectInfo {db.path}
SQLAuthTypes Plaintext
SQLMinID 0
SQLNamedQuery record INSERT "'%u', '%m'" log
SQLLog PASS,EXIT record
{more}
"""


def login(port: int, user: str) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", port, timeout=PATIENCE)
    ftp.login(user, f"{user}'s password")
    return ftp


def test_users_come_in_and_everything_is_recorded(ftpd_server: StartServer, db: Database) -> None:
    server = ftpd_server(conf(db), MODULES)
    with login(server.port, "tom") as ftp:
        assert ftp.pwd() == "/"
        server.process.send_signal(signal.SIGHUP)
        # the session goes on with what it began with, new ones come in
        end = time.monotonic() + PATIENCE
        while "reloaded" not in server.log.read_text() and "SIGHUP" not in server.log.read_text():
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.02)
        with login(server.port, "ann"):
            pass
        assert ftp.pwd() == "/"
    with ftplib.FTP() as stranger:
        stranger.connect("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(ftplib.error_perm, match="530"):
            stranger.login("eve", "eve's password")
    stays = login(server.port, "ann")
    assert server.stop() == 0
    stays.close()
    rows = [row[0] for row in db.do("SELECT who FROM log WHERE who <> '-'")]
    assert sorted(rows) == ["ann"] * 4 + ["tom"] * 2


@pytest.mark.parametrize("backend", ["mod_sql_mysql", "mod_sql_postgres", "mod_sql_sqlite", "mod_sql_passwd"])
def test_what_belongs_to_mod_sql_does_not_load_without_it(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "proftpd.conf"
    path.write_text(f"ServerName x\nPort 0\nModulePath {LIBEXEC}\nLoadModule {backend}.c\n")
    run = subprocess.run([sys.executable, "-m", "ftpd", "-t", "-c", str(path)], capture_output=True, text=True)
    assert run.returncode != 0
    assert f"{backend} needs mod_sql, which is not loaded yet" in run.stdout + run.stderr
    assert "LoadModule mod_sql.c above this line" in run.stdout + run.stderr


def test_a_template_that_cannot_be_bound_is_shown_with_its_line(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "proftpd.conf"
    loads = "".join(f"LoadModule {module.stem}.c\n" for module in MODULES)
    path.write_text(
        f"ServerName x\nPort 0\nModulePath {LIBEXEC}\n{loads}" + conf(db, 'SQLNamedQuery bad SELECT "a FROM %u"')
    )
    run = subprocess.run([sys.executable, "-m", "ftpd", "-t", "-c", str(path)], capture_output=True, text=True)
    line = path.read_text().splitlines().index('SQLNamedQuery bad SELECT "a FROM %u"') + 1
    assert run.returncode != 0
    assert f"{path}:{line}: SQLNamedQuery: the query 'bad': %u behind FROM would be a name" in run.stdout + run.stderr


def test_who_cannot_be_recorded_hears_the_answer_before_the_end(ftpd_server: StartServer, db: Database) -> None:
    more = "SQLNamedQuery gone FREEFORM \"INSERT INTO nowhere VALUES ('%m')\"\nSQLLog NOOP gone"
    server = ftpd_server(conf(db, more), MODULES)
    with login(server.port, "tom") as ftp:
        assert ftp.sendcmd("NOOP").startswith("200")
        with pytest.raises(EOFError):
            ftp.sendcmd("PWD")


def test_rows_that_wait_outlive_every_worker(ftpd_server: StartServer, db: Database, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    lines = conf(
        db, f"Workers 3\nSQLTimeout 1\nSQLRetry 0\nSQLSpool {spool}\nSQLNamedQuery note INSERT \"'%u', '%m'\" log"
    )
    lines = lines.replace("SQLLog PASS,EXIT record", "SQLLog NOOP note")
    server = ftpd_server(lines, MODULES)
    sessions = [login(server.port, "tom") for _ in range(6)]
    locked = sqlite3.connect(db.path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    for ftp in sessions:
        assert ftp.sendcmd("NOOP").startswith("200")
    pid = server.process.pid
    workers = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert len(workers) == 3 and len(list(spool.iterdir())) == 3
    for number in (pid, *workers):
        os.kill(number, signal.SIGKILL)
    server.process.wait(PATIENCE)
    for ftp in sessions:
        ftp.close()
    locked.close()
    assert db.do("SELECT * FROM log") == []

    # the next one has fewer workers, and writes what all of them left
    ftpd_server(lines.replace("Workers 3", "Workers 1"), MODULES)
    end = time.monotonic() + PATIENCE
    while len(db.do("SELECT * FROM log")) < 6 or any(path.stat().st_size for path in spool.iterdir()):
        assert time.monotonic() < end, [path.read_text() for path in spool.iterdir()]
        time.sleep(0.05)
    assert db.do("SELECT who, what, count(*) FROM log") == [("tom", "NOOP", 6)]
