"""A real daemon on a free port, as an administrator would start it, with one user and an anonymous area."""

from __future__ import annotations

import fcntl
import ftplib
import grp
import itertools
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.listening import listens

# of the password "secret", with few rounds: what is tested is not how slow the hash is
HASH = (
    "$6$rounds=1000$clienttests$R.yT.fq6TbgOiDc3AA0fBbhCODCCKnS0063LwafQi6P5GHUZpT1/8nOGVNCXRPvDKJdD9Cq4ebS2Gb1QNd6hQ1"
)
PATIENCE = 60.0
"""Seconds for what happens at once, however slow and busy the machine is: only a failure ever takes them."""
BINARY = os.environ.get("FTPD_BIN") or str(Path(sys.prefix, "bin", "ftpd"))

CONF = """\
ServerName "Wire tests"
ServerType standalone
Port {port}
DefaultAddress 127.0.0.1
UseIPv6 off
User {owner}
Group {group}
PidFile {run}/pid
ScoreboardFile {run}/scoreboard
TransferLog none
WtmpLog off
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile {run}/passwd
AuthGroupFile {run}/group
RequireValidShell off
UseFtpUsers off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
<Anonymous {anonymous}>
  User ftp
  UserAlias anonymous ftp
  <Limit WRITE>
    DenyAll
  </Limit>
</Anonymous>
"""


def until(what: str, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until ``true()``; not happening in time fails the test and says what did not happen.

    What looks into a file need not ask whether it is there: until then it has not happened.
    """
    end = time.monotonic() + seconds
    while not _come(true):
        assert time.monotonic() < end, f"not within {seconds:g} seconds: {what}"
        time.sleep(0.01)


def _come(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except FileNotFoundError:
        return False


# each process of the tests from a place of its own, and none of them the same port twice
_ports = itertools.count(os.getpid() * 100)
_claims = os.open(
    # in one place for all, which that of temporary files is not
    f"/tmp/ftpd-ports-of-tests-{os.geteuid()}",
    os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
    0o600,
)
"""A byte of it for each port, locked to its end by the process of tests that has the port: several run at once."""


def free_port() -> int:
    """A port below those that the kernel hands out, so that no outgoing connection takes it meanwhile."""
    while True:
        port = 20000 + next(_ports) % 12000
        try:
            fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Running:
    """A daemon's process, from its 220 to its orderly end."""

    host = "127.0.0.1"
    _seen = _waited = 0

    def __init__(self, conf: Path, port: int, environ: dict[str, str] | None = None) -> None:
        self.port = port
        self._conf = conf
        self._environ = os.environ | (environ or {})
        self._log = conf.with_name("log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        assert Path(BINARY).exists(), (
            f"there is no {BINARY}: install the project into this environment, or set FTPD_BIN"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [BINARY, "-n", "-c", str(self._conf)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
            )
        self._seen = self._waited = 0
        try:
            until("the daemon greets with 220", self._greets)
        except BaseException:
            self._kill()
            print(self.log())
            raise

    def _kill(self) -> None:
        self._process.kill()
        # whoever waits for a file system that does not answer outlives that, and the test is to tell of it
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def stop(self) -> None:
        """End it as a service manager does; it has to go without a complaint."""
        self._process.send_signal(signal.SIGTERM)
        try:
            until("the daemon ends after SIGTERM", self._has_ended)
            # while the kernel still knows of it
            self.assert_no_fault()
        except AssertionError:
            self._kill()
            print(self.log())
            raise
        code = self._process.wait()
        assert code == 0, f"the daemon ended with {code}; its log:\n{self.log()}"

    def _has_ended(self) -> bool:
        done = self._process.returncode is not None
        return done or os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def assert_no_fault(self) -> None:
        faults = re.findall(r".*(?:Traceback|was never awaited|ResourceWarning).*(?:\n .*)*", self.log())
        # that nothing of its own holds the loop for longer than 50 ms is what test_hostile_load.py shows
        faults += self.held_longer_than(500)
        assert not faults, "the daemon's log tells of a fault:\n" + "\n".join(faults)

    def held_longer_than(self, limit: int) -> list[str]:
        """The watchdog's lines since the last look that tell of more than so many ms, in which others did not have the
        processor."""
        steps, before = self.slow_steps(), self._waited
        self._waited = max(before, self.waited())
        new, self._seen = steps[self._seen :], len(steps)
        return [line for line, held in new if held > limit + self._waited - before]

    def waited(self) -> int:
        """ms for which the thread of the loop could have gone on and had no processor; 0 where that is not known."""
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) // 1_000_000
        except (OSError, IndexError):
            return 0

    def slow_steps(self) -> list[tuple[str, int]]:
        """The lines of the daemon's watchdog, and how many ms each tells of."""
        return [(found[0], int(found[1])) for found in re.finditer(r".*held the loop for (\d+) ms", self.log())]

    def log(self) -> str:
        return self._log.read_text(errors="backslashreplace")

    def _greets(self) -> bool:
        assert self._process.poll() is None, f"the daemon ended at once, with {self._process.returncode}"
        try:
            with socket.create_connection((self.host, self.port), 10) as client, client.makefile("rb") as replies:
                greeting: bytes = replies.readline()
                if not greeting.startswith(b"220"):
                    return False
                # a session that says goodbye is not one that the log tells of as lost
                client.sendall(b"QUIT\r\n")
                return replies.readline().startswith(b"221")
        except OSError:
            return False


class Daemon(Running):
    """A daemon of the tests' own; ``home`` is what its user sees as /, ``anonymous`` what visitors see."""

    user = "alice"
    password = "secret"

    def __init__(self, base: Path, more_conf: str = "") -> None:
        self.home = base / "home"
        self.anonymous = base / "anonymous"
        self._run = base / "run"
        # Root's daemon serves as nobody, who has to reach the folders, while pytest's are for their owner alone
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        uid, gid = self._owner.pw_uid, self._owner.pw_gid
        for folder in (base, *base.parents):
            if folder.name.startswith("pytest-") or folder == base:
                folder.chmod(0o711)
        for folder in (self.home, self.anonymous, self._run):
            folder.mkdir(parents=True)
        os.chown(self.home, uid, gid)
        group = grp.getgrgid(gid).gr_name
        passwd = self._run / "passwd"
        passwd.write_text(
            f"alice:{HASH}:{uid}:{gid}::{self.home}:/bin/sh\nftp:*:{uid}:{gid}::{self.anonymous}:/bin/sh\n"
        )
        passwd.chmod(0o600)
        (self._run / "group").write_text(f"{group}:x:{gid}:\n")
        super().__init__(self._run / "ftpd.conf", free_port())
        self._conf.write_text(
            more_conf
            + CONF.format(
                port=self.port, owner=self._owner.pw_name, group=group, run=self._run, anonymous=self.anonymous
            )
        )

    @property
    def url(self) -> str:
        """Where it is, without a user: for the clients that take one apart from the address."""
        return f"ftp://{self.host}:{self.port}"

    @property
    def url_with_login(self) -> str:
        return f"ftp://{self.user}:{self.password}@{self.host}:{self.port}"

    def give(self, name: str, content: bytes) -> Path:
        """Put a file into the user's home, as if the user had made it."""
        path = self.home / name
        path.write_bytes(content)
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return path

    def give_huge(self, name: str) -> Path:
        """A file that no socket buffer swallows; being all holes, it takes no room on the disk."""
        path = self.give(name, b"")
        os.truncate(path, 256 * 1024 * 1024)
        return path

    def give_folder(self, name: str) -> Path:
        path = self.home / name
        path.mkdir()
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return path

    def assert_well(self) -> None:
        """It still serves others, at once, and has let go of what the last client left behind."""
        with ftplib.FTP() as ftp:
            ftp.connect(self.host, self.port, timeout=PATIENCE)
            ftp.login(self.user, self.password)
            ftp.nlst()
        # no connection of any client is left: each would be a descriptor of the daemon's
        until("every session has ended", lambda: not self._connections())

    def listens(self, port: int) -> bool:
        """Whether it is this daemon that listens at the port."""
        return listens(port, self._process.pid)

    def _connections(self) -> list[str]:
        """Established connections at the server's port, as /proc/net/tcp writes them."""
        # a client that ended first lingers there as TIME_WAIT (06), which is the kernel's own affair
        local = f":{self.port:04X} "
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return [line for line in lines if local in line.split(maxsplit=2)[1] + " " and line.split()[3] in ("01", "08")]
