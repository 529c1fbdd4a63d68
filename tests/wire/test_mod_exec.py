"""mod_exec over real connections: programs run as the user, the greeting waits, and nobody else does."""

from __future__ import annotations

import fcntl
import ftplib
import os
import pwd
import signal
import socket
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, until

from tests.wire.daemon import PATIENCE


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Daemon]]:
    started = []

    def start(conf: str) -> Daemon:
        base = tmp_path / "daemon"
        base.mkdir()
        tmp_path.chmod(0o711)
        daemon = Daemon(base, f"LoadModule mod_exec.c\nExecEngine on\n{conf}")
        daemon.start()
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        daemon.stop()


def _script(folder: Path, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _login(daemon: Daemon) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect(daemon.host, daemon.port, timeout=PATIENCE)
    ftp.login(daemon.user, daemon.password)
    return ftp


def test_a_program_has_the_rights_of_the_user_for_good(serve: Callable[[str], Daemon], tmp_path: Path) -> None:
    body = "grep -E '^(Uid|Gid|CapEff|CapPrm)' /proc/self/status"
    script = _script(tmp_path / "bin", body)
    daemon = serve(f"ExecOptions sendStdout\nExecOnCommand MKD {script}\n")
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with _login(daemon) as ftp:
        reply = ftp.sendcmd("MKD a")
    words = [line.split() for line in reply.replace("257 ", " ").splitlines()[1:]]
    assert words[0] == ["Uid:", *[str(owner.pw_uid)] * 4]
    assert words[1] == ["Gid:", *[str(owner.pw_gid)] * 4]
    if os.geteuid() == 0:
        assert [int(word[1], 16) for word in words[2:]] == [0, 0]


def test_what_the_program_says_at_connect_comes_before_the_banner(
    serve: Callable[[str], Daemon], tmp_path: Path
) -> None:
    mark = tmp_path / "bin" / "mark"
    script = _script(tmp_path / "bin", f'test -e {mark} && echo "Welcome, $1"')
    daemon = serve(f"ExecOptions sendStdout\nExecOnConnect {script} %a\n")
    mark.touch()
    with socket.create_connection((daemon.host, daemon.port), PATIENCE) as client:
        # a client that does not wait for the banner is served in order nonetheless
        client.sendall(b"NOOP\r\nQUIT\r\n")
        with client.makefile("rb") as replies:
            said = replies.read().decode().splitlines()
    assert said[0] == "220-Welcome, 127.0.0.1"
    assert said[1].startswith("220 ")
    assert [line[:3] for line in said[2:]] == ["200", "221"]


def test_a_client_that_leaves_before_it_is_greeted_is_forgotten(serve: Callable[[str], Daemon], tmp_path: Path) -> None:
    gate, mark = tmp_path / "gate", tmp_path / "bin" / "mark"
    os.mkfifo(gate)
    gate.chmod(0o666)
    script = _script(tmp_path / "bin", f"test -e {mark} && read line < {gate}")
    daemon = serve(f"ExecOnConnect {script}\n")
    mark.touch()
    for farewell in (b"", b"QUIT\r\n"):
        with socket.create_connection((daemon.host, daemon.port), PATIENCE) as client:
            client.sendall(farewell)
        with open(os.open(gate, os.O_RDWR), "wb", buffering=0) as writer:
            writer.write(b"go\n")
            # the end that holds the line stays open until the script has read it
            until("the line is taken", lambda: not _waiting(writer.fileno()))
    mark.unlink()
    daemon.assert_well()


def _waiting(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_program_that_hangs_holds_up_nobody_else(serve: Callable[[str], Daemon], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    script = _script(tmp_path / "bin", f"read line < {gate}")
    daemon = serve(f"ExecOnCommand MKD {script}\n")
    with _login(daemon) as slow, _login(daemon) as other:
        assert slow.sock is not None
        slow.sock.sendall(b"MKD a\r\n")
        for _ in range(5):
            assert other.voidcmd("NOOP").startswith("200")
        with open(os.open(gate, os.O_RDWR), "wb", buffering=0) as writer:
            writer.write(b"go\n")
            assert slow.getresp().startswith("257")


def test_a_reload_runs_its_program(serve: Callable[[str], Daemon], tmp_path: Path) -> None:
    mark = tmp_path / "bin" / "mark"
    script = _script(tmp_path / "bin", f"echo again > {mark}")
    (tmp_path / "bin").chmod(0o777)
    daemon = serve(f"ExecOnRestart {script}\n")
    daemon._process.send_signal(signal.SIGHUP)
    until("the program has run", lambda: mark.read_text() == "again\n")
    # with the rights of User and Group, not with those that the daemon started with
    assert mark.stat().st_uid == (pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid())
