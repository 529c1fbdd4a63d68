"""Processes that inetd starts share a scoreboard: all who are on stand in it, and who was killed is removed."""

from __future__ import annotations

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ftpd.core.scoreboard import Board, Entry, read
from tests.wire.command import FTPD, NOBODY, Site
from tests.wire.daemon import HASH, PATIENCE, until
from tests.wire.test_daemon_systemd import pair

INETD = "ServerType inetd\n"


class Served:
    """A client that inetd has handed to a process of its own."""

    def __init__(self, site: Site, left: ExitStack, listener: socket.socket | None = None, begin: str = "220") -> None:
        if listener is None:
            self.client, ours = pair()
        else:
            self.client = socket.create_connection(listener.getsockname(), PATIENCE)
            ours, _ = listener.accept()
        left.enter_context(self.client)
        self.process = subprocess.Popen([*FTPD, "-c", site.path], stdin=ours, stdout=ours, stderr=ours)
        ours.close()
        left.callback(self.end)
        self.client.settimeout(PATIENCE)
        self.replies = self.client.makefile("rb")
        left.callback(self.replies.close)
        assert self.replies.readline().startswith(begin.encode())

    def login(self, user: str) -> str:
        for line in (f"USER {user}", "PASS secret"):
            self.client.sendall(f"{line}\r\n".encode())
            answer = self.replies.readline().decode().rstrip()
        return answer

    def end(self) -> None:
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


def users(site: Site) -> str:
    table = site.base / "passwd"
    table.write_text("".join(f"{name}:{HASH}:{NOBODY}:{NOBODY}::/tmp:/bin/sh\n" for name in ("alice", "bob")))
    table.chmod(0o600)
    os.chown(table, *(NOBODY, NOBODY) if os.geteuid() == 0 else (-1, -1))
    return f"{INETD}AuthOrder mod_auth_file.c\nAuthUserFile {table}\nRequireValidShell off\n"


def on(site: Site) -> set[int]:
    return {entry.pid for entry in read(f"{site.base}/scoreboard").entries}


def test_all_who_are_on_are_there_and_whoever_goes_is_not(site: Site) -> None:
    site.conf(INETD, port=0)
    with ExitStack() as left:
        first, second = Served(site, left), Served(site, left)
        until("both are there", lambda: on(site) == {first.process.pid, second.process.pid})
        assert read(f"{site.base}/scoreboard").pid == 0
        second.end()
        assert on(site) == {first.process.pid}
    assert on(site) == set()


@pytest.mark.parametrize(
    ("line", "stays"), [("", False), ("ScoreboardScrub 5\n", False), ("ScoreboardScrub off\n", True)]
)
def test_who_was_killed_is_removed_as_the_next_one_comes(site: Site, line: str, stays: bool) -> None:
    site.conf(INETD + line, port=0)
    with ExitStack() as left:
        killed = Served(site, left)
        until("it is there", lambda: on(site) == {killed.process.pid})
        killed.process.kill()
        killed.process.wait()
        assert on(site) == {killed.process.pid}
        later = Served(site, left)
        until("the next one is there", lambda: later.process.pid in on(site))
        assert (killed.process.pid in on(site)) is stays


def test_one_of_another_version_is_left_alone(site: Site) -> None:
    site.conf(INETD, port=0)
    board = Path(f"{site.base}/scoreboard")
    made = Board(str(board), pid=1, started=1)
    made.write(made.claim(), Entry(1))
    old = bytearray(board.read_bytes())
    old[8] += 1
    board.write_bytes(old)
    with ExitStack() as left:
        Served(site, left)
        until("the log tells", lambda: "bad version (too new)" in site.log.read_text())
    assert board.read_bytes() == old
    made.close()


def test_caps_hold_for_all_that_inetd_has_let_in(site: Site) -> None:
    site.conf(f"{users(site)}MaxClientsPerUser 1\nMaxClients 2\n", port=0)
    with ExitStack() as left, socket.create_server(("127.0.0.1", 0)) as listener:
        first, second, third = (Served(site, left, listener) for _ in range(3))
        assert first.login("alice").startswith("230")
        assert second.login("alice") == (
            "530 Sorry, the maximum number of clients (1) for this user are already connected."
        )
        assert third.login("bob").startswith("230")
        late = Served(site, left, listener)
        first.end()
        assert late.login("alice").startswith("230"), "who has left is not counted"


def test_connections_from_a_host_are_counted_too_and_those_to_another_port_are_not(site: Site) -> None:
    site.conf(f"{INETD}MaxConnectionsPerHost 1\n", port=0)
    with ExitStack() as left, socket.create_server(("127.0.0.1", 0)) as listener:
        Served(site, left, listener)
        Served(site, left, listener, "530 Sorry, the maximum number of connections (1) for your host")
        Served(site, left)


def test_of_many_who_log_in_at_once_no_more_than_the_cap_get_in(site: Site) -> None:
    site.conf(f"{users(site)}MaxClients 2\n", port=0)
    with ExitStack() as left, socket.create_server(("127.0.0.1", 0)) as listener:
        crowd = [Served(site, left, listener) for _ in range(5)]
        with ThreadPoolExecutor(len(crowd)) as threads:
            said = sorted(threads.map(lambda one: one.login("alice")[:3], crowd))
        assert said == ["230", "230", "530", "530", "530"]
