"""A daemon with a user at home on the machine's own disk, and another on one that can be stalled."""

from __future__ import annotations

import ftplib
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire.daemon import HASH, PATIENCE, Daemon, until
from tests.wire.slow_disk import SlowDisk, needs_fuse

QUICK = 0.5
"""Seconds for what must not wait, on a machine that has other work, too."""


class Ground:
    """A daemon with two users: alice at home on the machine's own disk, bob on one that can be stalled."""

    def __init__(self, base: Path, more_conf: str = "") -> None:
        self.daemon = Daemon(base, more_conf)
        self.disk = SlowDisk(base)
        passwd = base / "run" / "passwd"
        owner = self.daemon._owner
        with passwd.open("a") as file:
            file.write(f"bob:{HASH}:{owner.pw_uid}:{owner.pw_gid}::{self.disk.point}:/bin/sh\n")
        self.daemon.give("near", b"from the own disk")
        (self.disk.behind / "folder").mkdir()
        (self.disk.behind / "folder").chmod(0o777)
        (self.disk.behind / "far").write_bytes(b"from the slow disk")
        self.clients: list[ftplib.FTP] = []

    def login(self, user: str, timeout: float = 15) -> ftplib.FTP:
        ftp = ftplib.FTP()
        ftp.connect(self.daemon.host, self.daemon.port, timeout=timeout)
        self.clients.append(ftp)
        ftp.login(user, "secret")
        return ftp

    def begin(self, *lines: str) -> socket.socket:
        """A client of bob's that has sent these lines, and waits for no answer."""
        sock = self.login("bob").sock
        assert sock is not None
        sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return sock

    def others_are_served(self, folder: str = ".") -> None:
        """alice logs in, lists, stores, loads and deletes, each at once."""
        began = time.monotonic()
        alice = self.login("alice", 5)
        assert alice.voidcmd("NOOP").startswith("200")
        assert load(alice, "near") == b"from the own disk"
        alice.nlst(folder)
        alice.storbinary("STOR mine", io.BytesIO(b"mine"))
        assert alice.size("mine") == 4
        alice.delete("mine")
        alice.quit()
        assert time.monotonic() - began < 8 * QUICK

    def rest(self) -> None:
        """After each story: the disk answers, no client is there any more, and the daemon has let go of all."""
        self.disk.recover()
        while self.clients:
            self.clients.pop().close()
        until("every session has ended", lambda: not self.daemon._connections())


def assert_never_held(ground: Ground) -> None:
    """No step of the daemon's waited for the disk, which stalled for longer."""
    assert not ground.daemon.held_longer_than(250)


def load(ftp: ftplib.FTP, name: str) -> bytes:
    content = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", content.write)
    return content.getvalue()


def answer(sock: socket.socket, seconds: float = PATIENCE) -> str:
    sock.settimeout(seconds)
    return sock.recv(4096).decode()


def is_silent(sock: socket.socket, seconds: float = 0.5) -> bool:
    sock.settimeout(seconds)
    try:
        sock.recv(4096)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE)
    return False


def log_count(ground: Ground, text: str) -> int:
    return ground.daemon.log().count(text)


@contextmanager
def ground_of_its_own(base: Path, more_conf: str = "") -> Iterator[Ground]:
    """For a story that mounts its disk and starts and stops its daemon itself."""
    needs_fuse()
    ground = Ground(base, more_conf)
    try:
        yield ground
    finally:
        ground.disk.unmount()
        for client in ground.clients:
            client.close()
