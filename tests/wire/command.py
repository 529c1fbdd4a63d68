"""The ftpd command as an administrator runs it: a folder with a configuration, a port, and what the command said."""

from __future__ import annotations

import ftplib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.wire.daemon import PATIENCE, Daemon, free_port, until

FTPD = (sys.executable, "-m", "ftpd")
NOBODY = 65534


class Said:
    """A command that has ended: its exit status and what it wrote."""

    def __init__(self, ended: subprocess.CompletedProcess[str]) -> None:
        self.status = ended.returncode
        self.out = ended.stdout
        self.err = ended.stderr

    def __repr__(self) -> str:
        return f"status {self.status}\n{self.out}{self.err}"


class Site:
    """A place to start daemons in; whatever was started there is ended by :meth:`close`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.port = free_port()
        self.path = base / "proftpd.conf"
        self.pid_file = base / "pid"
        self.log = base / "log"
        self._foreground: list[subprocess.Popen[bytes]] = []
        # root's daemon serves as nobody, pytest's folders are for their owner alone
        for folder in (base, *base.parents):
            if folder.name.startswith("pytest-") or folder == base:
                folder.chmod(0o711)
        self.conf()

    def conf(self, more: str = "", *, without: Sequence[str] = (), port: int | None = None) -> str:
        """Write ``more`` and a configuration that works; ``without`` leaves directives of the latter out."""
        lines = [
            f"Port {self.port if port is None else port}",
            "DefaultAddress 127.0.0.1",
            "UseIPv6 off",
            *(["User nobody", "Group nogroup"] if os.geteuid() == 0 else []),
            f"PidFile {self.pid_file}",
            f"ScoreboardFile {self.base}/scoreboard",
            f"SystemLog {self.log}",
            "TransferLog none",
        ]
        kept = [line for line in lines if line.split()[0] not in without]
        # replaced as a whole, as an editor does: a daemon that reads it just now reads the old one or the new one
        new = self.path.with_suffix(".new")
        new.write_text("\n".join([*more.splitlines(), *kept]) + "\n")
        new.rename(self.path)
        return str(self.path)

    def command(
        self,
        *options: str,
        environ: Mapping[str, str] | None = None,
        uid: int | None = None,
        stdin: int | socket.socket = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> Said:
        """Run ``ftpd -c CONF OPTIONS`` to its end, or until its daemon serves."""
        ended = subprocess.run(
            [*self._program(uid), "-c", str(self.path), *options],
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=self._environ(environ, uid),
            user=uid,
            group=uid,
            pass_fds=pass_fds,
        )
        return Said(ended)

    def start(
        self, *options: str, environ: Mapping[str, str] | None = None, uid: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``ftpd -n`` and wait until it serves; what it says is in :meth:`said`."""
        with (self.base / "said").open("wb") as said:
            process = subprocess.Popen(
                [*self._program(uid), "-n", "-c", str(self.path), *options],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=self._environ(environ, uid),
                user=uid,
                group=uid,
            )
        self._foreground.append(process)
        until(
            "the daemon serves or ends",
            lambda: process.poll() is not None or "standalone mode STARTUP" in self.said() + self.logged(),
        )
        assert process.poll() is None, f"the daemon ended with {process.poll()}: {self.said()}"
        return process

    @staticmethod
    def _program(uid: int | None) -> Sequence[str]:
        return FTPD if uid is None else (_for_others() or sys.executable, *FTPD[1:])

    @staticmethod
    def _environ(environ: Mapping[str, str] | None, uid: int | None) -> dict[str, str]:
        own = {} if uid is None else {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return {**os.environ, **own, **(environ or {})}

    def said(self) -> str:
        return (self.base / "said").read_text() if (self.base / "said").exists() else ""

    def logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def pid(self) -> int:
        """The daemon's process id, as its PidFile has it."""
        return int(self.pid_file.read_text())

    def _left(self) -> int | None:
        """The process of a PidFile that a daemon wrote and did not remove."""
        if self.pid_file.is_symlink() or not self.pid_file.exists() or not alive(self.pid):
            return None
        return self.pid

    def serves(self, port: int | None = None) -> bool:
        """Whether a client is greeted."""
        try:
            with socket.create_connection(("127.0.0.1", port or self.port), PATIENCE) as client:
                return client.recv(3) == b"220"
        except OSError:
            return False

    def stop_daemon(self) -> None:
        """End the daemon of the PidFile, and wait for that."""
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        until("the daemon has ended", lambda: not alive(pid))

    def close(self) -> None:
        for process in self._foreground:
            if process.poll() is None:
                process.kill()
            process.wait()
        if (pid := self._left()) is not None:
            os.kill(pid, signal.SIGKILL)


def fatal(site: Site, *options: str) -> str:
    """What the command says when it fails: one line behind its prefix, whether or not it stays in the foreground."""
    said = site.command(*options)
    assert said.status == 1, said
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert "Traceback" not in said.err
    return lines[0].partition("]: fatal: ")[2]


def unprivileged() -> int | None:
    """Whom to start a daemon as, so that it is not root; None for who runs the tests."""
    if os.geteuid() != 0:
        return None
    if _for_others() is None:
        pytest.skip("only root may use this interpreter")
    return NOBODY


@cache
def _for_others() -> str | None:
    """An interpreter like this one that others than root may run: root's own may lie in a folder of root's alone."""
    same = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in filter(None, (sys.executable, shutil.which(same, path="/usr/local/bin:/usr/bin"))):
        try:
            subprocess.run([program, "-c", ""], user=NOBODY, check=True, stderr=subprocess.DEVNULL)
        except (PermissionError, subprocess.CalledProcessError):
            continue
        return program
    return None


class Watched(Daemon):
    """The tests' daemon, with its process in reach: told, waited for, and given another configuration."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it however it is."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def login(self) -> ftplib.FTP:
        """A session of its user."""
        ftp = ftplib.FTP()
        ftp.connect(self.host, self.port, timeout=PATIENCE)
        ftp.login(self.user, self.password)
        return ftp

    @property
    def conf(self) -> str:
        return self._conf.read_text()

    @conf.setter
    def conf(self, text: str) -> None:
        # replaced as a whole, as an editor does: it may be read just now
        new = self._conf.with_suffix(".new")
        new.write_text(text)
        new.rename(self._conf)

    def hang_up(self, conf: str | None = None, *, then: str = "the new configuration is in force") -> None:
        """Give it another configuration, tell it, and wait until its log says what came of it."""
        if conf is not None:
            self.conf = conf
        before = self.log().count(then)
        os.kill(self.pid, signal.SIGHUP)
        until(f"its log says: {then}", lambda: self.log().count(then) > before)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        return " Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except (FileNotFoundError, ProcessLookupError):
        # gone before it was opened, or before it was read
        return False
