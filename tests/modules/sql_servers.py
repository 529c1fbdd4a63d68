"""Real servers of databases for the tests: on loopback, with folders of their own, started once and stopped at will."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

SCHEMA = (
    "CREATE TABLE users (userid VARCHAR(200) UNIQUE, passwd VARCHAR(200), uid INTEGER, gid INTEGER,"
    " homedir VARCHAR(200), shell VARCHAR(200))",
    "CREATE TABLE groups (groupname VARCHAR(200), gid INTEGER, members VARCHAR(200))",
    "CREATE TABLE log (who VARCHAR(500), what VARCHAR(500), size INTEGER)",
)
_PATIENCE = 30.0


def free_port() -> int:
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A server that runs as a user of its own where the tests run as root."""

    name = ""
    owner = ""
    gentle, hard = signal.SIGTERM, signal.SIGKILL

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(
            tempfile.mkdtemp(prefix=f"ftpd-{self.name}-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        )
        self.rights: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.owner)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.rights = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.certificates()
        self.home = tempfile.TemporaryDirectory(prefix="ftpd-sql-")
        Path(self.home.name).chmod(0o755)
        self.process: subprocess.Popen[bytes] | None = None

    def certificates(self) -> None:
        """An authority, and a certificate for 127.0.0.1 by it."""
        for step in (
            "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=authority",
            "req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj /CN=127.0.0.1",
            "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem -extfile names",
        ):
            (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
            subprocess.run(["openssl", *step.split()], cwd=self.folder, check=True, capture_output=True)
        key = self.folder / "key.pem"
        key.chmod(0o600)
        if self.rights:
            os.chown(key, self.rights["user"], self.rights["group"])

    # -- what each kind says

    def command(self) -> list[str]:
        raise NotImplementedError

    def do(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    # -- what they share

    def run(self, *command: str) -> None:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **self.rights)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        assert self.process is None
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                self.command(), cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, **self.rights
            )
        end = time.monotonic() + _PATIENCE
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "out").read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            self.do("SELECT 1")
        except Exception:
            return False
        return True

    def stop(self, *, gently: bool = False) -> None:
        """At once, as when the power fails, or as an administrator stops it."""
        if self.process is not None:
            self.process.send_signal(self.gentle if gently else self.hard)
            self.process.wait(_PATIENCE)
            self.process = None

    def freeze(self) -> None:
        """It holds its connections and says nothing."""
        stopped = self._signal_all(signal.SIGSTOP)
        # a signal is sent before it is heard: on a busy machine some of its threads go on for a moment
        end = time.monotonic() + _PATIENCE
        while any(state != "T" for pid in stopped for state in _states(pid)) and time.monotonic() < end:
            time.sleep(0.005)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        told = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for one in told:
            os.kill(one, number)
        return told

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.home.cleanup()

    def fresh(self) -> None:
        """Empty tables with one user in them."""
        if self.process is None:
            self.start()
        for table in ("users", "groups", "log"):
            self.do(f"DELETE FROM {table}")
        self.user("tom", "secret")

    def user(self, name: str, password: str, uid: int = 2001, gid: int = 2002) -> None:
        self.do("INSERT INTO users VALUES (%s, %s, %s, %s, %s, '/bin/sh')", name, password, uid, gid, self.home.name)


def _states(pid: int) -> list[str]:
    """Of each thread the letter that proc(5) has for what it does."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        # one may end meanwhile
        with suppress(OSError):
            states.append(thread.read_text().rpartition(") ")[2][0])
    return states


class Postgres(Server):
    name, owner, backend = "postgres", "postgres", "postgres"
    slow = "SELECT pg_sleep(%s)"
    cipher = "cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%%'"
    # its SIGTERM waits for the clients to leave, its SIGKILL leaves children
    gentle, hard = signal.SIGINT, signal.SIGQUIT

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
        super().__init__()
        self._bin = found[-1].parent
        self.run(str(self._bin / "initdb"), "-D", f"{self.folder}/data", "-A", "trust", "-U", "ftpd", "-E", "UTF8",
                 "--no-sync", "--locale=C")  # fmt: skip
        self._database = "postgres"
        self.start()
        self.do("CREATE DATABASE ftp")
        self._database = "ftp"
        for text in SCHEMA:
            self.do(text)

    @property
    def connect(self) -> str:
        return f"ftp@127.0.0.1:{self.port} ftpd"

    def command(self) -> list[str]:
        return [
            str(self._bin / "postgres"), "-D", f"{self.folder}/data", "-p", str(self.port), "-k", str(self.folder),
            "-c", "ssl=on", "-c", f"ssl_cert_file={self.folder}/cert.pem", "-c", f"ssl_key_file={self.folder}/key.pem",
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB",
        ]  # fmt: skip

    def do(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=self._database, user="ftpd", autocommit=True
        ) as connection:
            cursor = connection.execute(text, values or None)
            return [] if cursor.description is None else cursor.fetchall()


class MariaDB(Server):
    name, owner, backend = "mariadb", "mysql", "mysql"
    slow = "SELECT SLEEP(%s)"
    cipher = "variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'"
    running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%%'"

    def __init__(self) -> None:
        if shutil.which("mariadbd") is None and not Path("/usr/sbin/mariadbd").exists():
            pytest.skip("MariaDB is not installed (Debian's package mariadb-server)")
        super().__init__()
        self._database = ""
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                 "--auth-root-authentication-method=normal", "--skip-name-resolve")  # fmt: skip
        self.start()
        self.do("CREATE DATABASE ftp CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        self.do("CREATE USER 'ftpd'@'%%' IDENTIFIED BY 'db secret'")
        self.do("GRANT ALL ON ftp.* TO 'ftpd'@'%%'")
        self._database = "ftp"
        for text in SCHEMA:
            self.do(text)

    @property
    def connect(self) -> str:
        return f'ftp@127.0.0.1:{self.port} ftpd "db secret"'

    def command(self) -> list[str]:
        return [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve",
            f"--ssl-ca={self.folder}/ca.pem", f"--ssl-cert={self.folder}/cert.pem", f"--ssl-key={self.folder}/key.pem",
            "--innodb-buffer-pool-size=24M", "--innodb-log-file-size=16M",
        ]  # fmt: skip

    def do(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        import asyncio

        from asyncmy import connect

        async def ask() -> list[tuple[Any, ...]]:
            connection = await connect(
                unix_socket=f"{self.folder}/socket", user="root", database=self._database or None, autocommit=True
            )
            try:
                async with connection.cursor() as cursor:
                    await cursor.execute(text, values)
                    return list(await cursor.fetchall() or ())
            finally:
                await connection.ensure_closed()

        # in a thread, for the story that asks has a loop of its own
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, ask()).result()
