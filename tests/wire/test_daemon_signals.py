"""Signals: TERM and INT end the daemon in order, HUP before it serves is heard later, others do no harm."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.command import FTPD, Site, Watched
from tests.wire.daemon import PATIENCE, until


@pytest.fixture(params=["", "Workers 2\n"], ids=["one process", "workers"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    daemon = Watched(tmp_path, request.param)
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGTERM, "killed"),
        (signal.SIGINT, "killed"),
        (signal.SIGQUIT, "terminating"),
        (signal.SIGXCPU, "CPU limit exceeded"),
    ],
)
def test_it_ends_in_order(site: Site, number: signal.Signals, how: str) -> None:
    process = site.start()
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    assert not site.pid_file.exists()
    assert f"ProFTPD {how} (signal {int(number)})" in site.said()
    assert site.said().splitlines()[-1].endswith("standalone mode SHUTDOWN")
    assert not site.serves()


def test_who_waits_for_a_command_is_told_and_let_go_at_once(daemon: Watched) -> None:
    with daemon.login() as ftp:
        os.kill(daemon.pid, signal.SIGTERM)
        assert ftp.getline() == "421 Service not available, server is shutting down"
        assert ftp.sock.recv(1) == b""
        # or leaving this block would send QUIT
        ftp.close()
    assert daemon.wait() == 0


def test_a_transfer_gets_the_time_to_end(daemon: Watched) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR report.txt")
        upload.sendall(b"first half, ")
        until("the upload has begun", lambda: (daemon.home / "report.txt").exists())
        os.kill(daemon.pid, signal.SIGTERM)
        until("it no longer listens", lambda: not listens(daemon.port))
        upload.sendall(b"second half")
        upload.close()
        assert ftp.getline().startswith("226 ")
        assert ftp.getline().startswith("421 ")
        ftp.close()
    assert daemon.wait() == 0
    assert (daemon.home / "report.txt").read_bytes() == b"first half, second half"


def test_a_transfer_that_does_not_end_does_not_keep_it(daemon: Watched) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR slow.txt")
        upload.sendall(b"and then nothing")
        until("the upload has begun", lambda: (daemon.home / "slow.txt").exists())
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait() == 0
        assert ftp.getline().startswith("421 ")
        upload.close()
        ftp.close()


def test_a_second_term_changes_nothing(daemon: Watched) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR slow.txt")
        upload.sendall(b"...")
        until("the upload has begun", lambda: (daemon.home / "slow.txt").exists())
        os.kill(daemon.pid, signal.SIGTERM)
        until("it no longer listens", lambda: not listens(daemon.port))
        os.kill(daemon.pid, signal.SIGTERM)
        upload.close()
        assert ftp.getline().startswith("226 ")
        ftp.close()
    assert daemon.wait() == 0


def test_other_signals_do_no_harm_to_a_transfer(daemon: Watched) -> None:
    content = os.urandom(4_000_000)
    daemon.give("big", content)
    got = io.BytesIO()
    with daemon.login() as ftp:
        ftp.voidcmd("TYPE I")
        download, _ = ftp.ntransfercmd("RETR big")
        with download:
            while chunk := download.recv(65536):
                got.write(chunk)
                for number in (
                    signal.SIGUSR1,
                    signal.SIGUSR2,
                    signal.SIGALRM,
                    signal.SIGIO,
                    signal.SIGPIPE,
                    signal.SIGCHLD,
                ):
                    os.kill(daemon.pid, number)
        assert ftp.voidresp().startswith("226")
    assert got.getvalue() == content
    daemon.assert_well()


def test_modules_hear_of_usr2(daemon: Watched, tmp_path: Path) -> None:
    libexec = tmp_path / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_ears.py").write_text(
        "from ftpd.api import SIGNAL_USR2, Level, Module, log\n"
        "module = Module('mod_ears', version='1')\n\n"
        "@module.on(SIGNAL_USR2)\ndef hear(nothing):\n    log(Level.NOTICE, 'heard it')\n"
    )
    (libexec / "mod_ears.py").chmod(0o644)
    daemon.hang_up(f"ModulePath {libexec}\nLoadModule mod_ears.c\n{daemon.conf}")
    os.kill(daemon.pid, signal.SIGUSR2)
    until("the module has heard it", lambda: "heard it" in daemon.log())
    daemon.assert_well()


def test_a_hangup_before_it_listens_does_not_end_it(site: Site) -> None:
    """A service manager may send one as soon as it knows the process."""
    fifo = site.base / "slow.conf"
    os.mkfifo(fifo)
    process = subprocess.Popen([*FTPD, "-n", "-c", fifo], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        # opened on our side when it is on its side: it reads, and cannot go on before we have written
        with fifo.open("w") as conf:
            process.send_signal(signal.SIGHUP)
            conf.write(site.path.read_text())
        assert process.stderr is not None
        said = b""
        while b"received SIGHUP" not in said:
            line = process.stderr.readline()
            assert line, f"it ended: {said!r}"
            said += line
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
