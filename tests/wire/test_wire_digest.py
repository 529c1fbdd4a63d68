"""mod_digest over sockets: work that nobody waits for any more ends, and never holds up who else is there."""

from __future__ import annotations

import ftplib
import hashlib
import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ftpd.testing.plugin import LiveServer, StartServer
from tests.wire.daemon import PATIENCE, until

MODULE = Path(__file__).parents[2] / "libexec" / "mod_digest.py"
HOURS = 1 << 42
"""Bytes, all holes: no disk is filled by them, and no machine sums them up within a test."""
AT_ONCE = 12


@pytest.fixture
def server(ftpd_server: StartServer) -> LiveServer:
    return ftpd_server(modules=[MODULE])


def logged_in(server: LiveServer) -> ftplib.FTP:
    ftp = ftplib.FTP(timeout=PATIENCE)
    ftp.connect(server.host, server.port)
    ftp.login(server.user, server.password)
    return ftp


def lay(server: LiveServer, name: str, size: int) -> str:
    path = server.root / name
    path.touch()
    os.truncate(path, size)
    path.chmod(0o644)
    return str(path)


def readers(server: LiveServer, path: str) -> int:
    """How many descriptors of that file the daemon holds."""
    count = 0
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            count += os.readlink(entry) == path
        except FileNotFoundError:
            pass
    return count


def test_a_client_checks_its_upload(server: LiveServer) -> None:
    content = os.urandom(3_000_000)
    with logged_in(server) as ftp:
        ftp.storbinary("STOR up", io.BytesIO(content))
        assert ftp.sendcmd("HASH up") == f"213 SHA-1 0-{len(content)} {hashlib.sha1(content).hexdigest()} up"
        assert ftp.sendcmd("XSHA256 up") == f"213 {hashlib.sha256(content).hexdigest().upper()}"


def leave_by_reset(ftp: ftplib.FTP) -> None:
    assert ftp.sock is not None
    ftp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ftp.close()


def leave_by_shutdown(ftp: ftplib.FTP) -> None:
    assert ftp.sock is not None
    ftp.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [leave_by_reset, leave_by_shutdown])
def test_many_who_ask_for_too_much_hold_nobody_up_and_leave_nothing(
    server: LiveServer, leave: Callable[[ftplib.FTP], None]
) -> None:
    path = lay(server, "endless", HOURS)
    with ExitStack() as left:
        clients = [left.enter_context(closing(logged_in(server))) for _ in range(AT_ONCE)]
        for ftp in clients:
            ftp.putcmd("HASH endless")
        until("all of them are at work", lambda: readers(server, path) == AT_ONCE)
        with logged_in(server) as other:
            assert other.sendcmd("NOOP").startswith("200 ")
            lay(server, "small", 3)
            # the threads are shared, slice by slice: the small file has its turn
            assert other.sendcmd("XCRC small") == f"213 {zlib.crc32(bytes(3)):08X}"
        for ftp in clients:
            leave(ftp)
        until("the file is let go of", lambda: readers(server, path) == 0)
    assert server.stop() == 0


def test_the_daemon_stops_though_a_digest_is_under_way(server: LiveServer) -> None:
    path = lay(server, "endless", HOURS)
    with closing(logged_in(server)) as ftp:
        ftp.putcmd("HASH endless")
        until("it is at work", lambda: readers(server, path) == 1)
        assert server.stop() == 0
