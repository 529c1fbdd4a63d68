"""Processes that inetd starts share a scoreboard: all who are on stand in it, and who was killed is removed."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ftpd.core.scoreboard import Board, Entry, read
from tests.wire.command import FTPD, Site
from tests.wire.daemon import PATIENCE, until
from tests.wire.test_daemon_systemd import pair

INETD = "ServerType inetd\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


class Served:
    """A client that inetd has handed to a process of its own."""

    def __init__(self, site: Site, left: ExitStack) -> None:
        self.client, ours = pair()
        left.enter_context(self.client)
        self.process = subprocess.Popen([*FTPD, "-c", site.path], stdin=ours, stdout=ours, stderr=ours)
        ours.close()
        left.callback(self.end)
        self.client.settimeout(PATIENCE)
        assert self.client.recv(3) == b"220"

    def end(self) -> None:
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


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
