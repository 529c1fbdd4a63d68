"""The pytest plugin: ``ftpd_server`` starts the real daemon on a free port and stops it after the test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

import pytest

from ftpd.core import crypt
from ftpd.core.record import dataclass

_PATIENCE = 10.0


@dataclass
class LiveServer:
    """A running daemon."""

    host: str
    port: int
    user: str
    password: str
    root: Path
    """The user's home: what the client sees as /."""
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


StartServer = Callable[..., LiveServer]


def _free_port() -> int:
    """A port below those that the kernel hands out, so that no outgoing connection takes it meanwhile."""
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture
def ftpd_server(tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts a daemon: ``ftpd_server(conf="...", modules=[path of mod_x.py, ...])``.

    ``conf`` is added to a configuration with one user whose home is an empty folder; the files of
    ``modules`` are loaded in their order before it. An AuthOrder in it takes the place of mod_auth_file alone.
    """
    started: list[LiveServer] = []

    def start(conf: str = "", modules: Sequence[Path] = ()) -> LiveServer:
        server = _start(tmp_path / f"ftpd{len(started)}", conf, modules)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
        shutil.rmtree(server.root)


def _start(folder: Path, conf: str, modules: Sequence[Path]) -> LiveServer:
    libexec = folder / "libexec"
    for place in (folder, libexec):
        place.mkdir(mode=0o755)
    # not below the test's own folder: root's is closed to the user that a daemon of root serves as
    root = Path(tempfile.mkdtemp(prefix="ftpd-home-"))
    for module in modules:
        shutil.copy(module, libexec)
        (libexec / module.name).chmod(0o644)
    port, password = _free_port(), secrets.token_urlsafe(9)
    uid, gid = os.geteuid() or 65534, os.getegid() or 65534
    os.chown(root, uid, gid)
    passwd = folder / "passwd"
    passwd.write_text(f"tester:{crypt.hash(password, '$5$')}:{uid}:{gid}::{root}:/bin/sh\n")
    passwd.chmod(0o600)
    lines = [
        "ServerName ftpd-test",
        f"Port {port}",
        "DefaultAddress 127.0.0.1",
        "SocketBindTight on",
        f"PidFile {folder}/pid",
        f"ScoreboardFile {folder}/scoreboard",
        "AuthOrder mod_auth_file.c" if "AuthOrder" not in conf else "",
        f"AuthUserFile {passwd}",
        "RequireValidShell off",
        "DefaultRoot ~",
        "WtmpLog off",
        f"ModulePath {libexec}",
        *(f"LoadModule {module.stem}.c" for module in modules),
        conf,
    ]
    path = folder / "proftpd.conf"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ftpd", "-n", "-c", str(path)], stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    _wait_for(process, port, log)
    return LiveServer("127.0.0.1", port, "tester", password, root, process, log)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = monotonic() + _PATIENCE
    while monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended with status {process.returncode}:\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            sleep(0.02)
        else:
            return
    process.kill()
    raise RuntimeError(f"the daemon does not listen after {_PATIENCE} s:\n{log.read_text()}")
