"""Logins a second with accounts in MariaDB, and the daemon's own CPU time for each, beside AuthUserFile's."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "modules"))

from sql_servers import MariaDB, free_port  # noqa: E402

from ftpd.core import crypt  # noqa: E402

PASSWORD = "a password"  # noqa: S105
CONF = """
ServerName bench
Port {port}
DefaultAddress 127.0.0.1
SocketBindTight on
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
UseReverseDNS off
WtmpLog off
TransferLog none
SystemLog {folder}/log
RequireValidShell off
UseFtpUsers off
MaxInstances none
DelayEngine off
{accounts}
"""
FILE = """
AuthOrder mod_auth_file.c
AuthUserFile {folder}/passwd
AuthGroupFile {folder}/group
"""
SQL = """
ModulePath {root}/libexec
LoadModule mod_sql.c
LoadModule mod_sql_mysql.c
LoadModule mod_sql_passwd.c
AuthOrder mod_sql.c
SQLBackend mysql
SQLConnectInfo {connect}
SQLAuthTypes {kind}
SQLPasswordEngine on
SQLMinID 0
SQLPoolSize 8
"""


def cpu(pid: int) -> float:
    """Seconds that the process and its threads have computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def login(port: int, user: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for line, wanted in ((None, b"220"), (f"USER {user}", b"331"), (f"PASS {PASSWORD}", b"230"), ("QUIT", b"221")):
            if line is not None:
                writer.write(f"{line}\r\n".encode())
            answer = await reader.readline()
            if not answer.startswith(wanted):
                raise RuntimeError(f"{line or 'the greeting'} drew {answer!r}")
    finally:
        writer.close()


async def logins(port: int, count: int, at_once: int, users: int) -> float:
    """Seconds for that many logins by different users."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await login(port, f"user{number * 7919 % users}")

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return time.perf_counter() - began


def measured(accounts: str, folder: Path, given: argparse.Namespace) -> tuple[float, float]:
    """Logins a second, and milliseconds of the daemon's CPU for each."""
    port = free_port()
    path = folder / "proftpd.conf"
    path.write_text(CONF.format(port=port, folder=folder, accounts=accounts))
    path.chmod(0o600)
    core = max(os.sched_getaffinity(0))
    with (folder / "out").open("wb") as out:
        daemon = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ftpd", "-n", "-c", str(path)], cwd=ROOT, stdout=out, stderr=out,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip
    try:
        end = time.monotonic() + 20
        while True:
            try:
                asyncio.run(logins(port, 200, given.at_once, given.users))
                break
            except (OSError, RuntimeError) as error:
                if time.monotonic() > end or daemon.poll() is not None:
                    raise SystemExit(f"{error}\n{(folder / 'out').read_text()}\n{log_of(folder)}") from None
                time.sleep(0.05)
        best, least = 0.0, 1e9
        for _ in range(given.rounds):
            before = cpu(daemon.pid)
            seconds = asyncio.run(logins(port, given.logins, given.at_once, given.users))
            best = max(best, given.logins / seconds)
            least = min(least, (cpu(daemon.pid) - before) / given.logins * 1000)
        return best, least
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)


def log_of(folder: Path) -> str:
    path = folder / "log"
    return path.read_text()[-3000:] if path.exists() else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--logins", type=int, default=2000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--at-once", type=int, default=40)
    given = parser.parse_args()
    server = MariaDB()
    try:
        with tempfile.TemporaryDirectory(prefix="ftpd-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            uid, gid = (os.geteuid() or 65534), (os.getegid() or 65534)
            stored = crypt.hash(PASSWORD, "$1$")
            names = [f"user{number}" for number in range(given.users)]
            home = server.home.name
            (folder / "passwd").write_text("".join(f"{one}:{stored}:{uid}:{gid}::{home}:/bin/sh\n" for one in names))
            (folder / "group").write_text(f"staff::{gid}:\n")
            for file in ("passwd", "group"):
                (folder / file).chmod(0o600)
            for begin in range(0, given.users, 500):
                some = ", ".join(
                    f"('{one}', '{stored}', {uid}, {gid}, '{home}', '/bin/sh')" for one in names[begin : begin + 500]
                )
                server.do(f"INSERT INTO users VALUES {some}")  # noqa: S608
            server.do(f"INSERT INTO groups VALUES ('staff', {gid}, '')")  # noqa: S608
            plain = measured(FILE.format(folder=folder), folder, given)
            sql = measured(SQL.format(root=ROOT, connect=server.connect, kind="Crypt"), folder, given)
            server.do("UPDATE users SET passwd = SHA2(%s, 256)", PASSWORD)
            fast = measured(SQL.format(root=ROOT, connect=server.connect, kind="SHA256"), folder, given)
        print(f"{given.users} users, {given.at_once} clients at once, the daemon on one core, a pool of 8")
        for what, (rate, cost) in (("AuthUserFile, $1$", plain), ("MariaDB, $1$", sql), ("MariaDB, SHA256", fast)):
            print(f"{what:20} {rate:6.0f} logins a second   {cost:6.2f} ms of the daemon's CPU each")
        print(f"MariaDB over AuthUserFile: {sql[1] - plain[1]:+.2f} ms a login")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
