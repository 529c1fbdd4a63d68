"""Processes that inetd starts count each other by the scoreboard: who is on at the same address, alive, and as what."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest

from ftpd.core.scoreboard import CommonBoard, Entry, read
from ftpd.daemon.commontally import CommonTally

HERE = "192.0.2.1:21"
ALICE = Entry(
    os.getppid(), user="alice", server=HERE, address="10.0.0.1", client_class="local", command="RETR", argument="a"
)
COMING = Entry(os.getppid(), server=HERE, address="10.0.0.2")
GUEST = Entry(os.getppid(), user="ftp", server=HERE, address="10.0.0.1")
ELSEWHERE = Entry(os.getppid(), user="alice", server="192.0.2.1:2121", address="10.0.0.1")


def _ended() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


KILLED = Entry(_ended(), user="alice", server=HERE, address="10.0.0.1")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[CommonBoard]:
    tmp_path.chmod(0o755)
    board = CommonBoard(f"{tmp_path}/board", started=1, scrub=False)
    yield board
    board.close()


@pytest.mark.parametrize(
    ("key", "many"),
    [
        (("connections", ":21"), 3),
        (("connection", ":21", "10.0.0.1"), 2),
        (("connection", ":21", "10.0.0.3"), 0),
        (("client", ":21"), 2),
        (("client", ":21/ftp"), 1),
        (("host", ":21", "10.0.0.1"), 2),
        (("host", ":21", "10.0.0.2"), 0),
        (("user", ":21", "alice"), 1),
        (("user", ":21/ftp", "ftp"), 1),
        (("class", ":21", "local"), 1),
        (("host", ":21", "10.0.0.1", "RETR"), 1),
        (("host", ":21", "10.0.0.1", "STOR"), 0),
        (("user", ":21", "alice", "RETR"), 1),
        (("user", ":21", "ftp", "RETR"), 0),
        ("sessions", 0),
    ],
)
def test_others_are_counted_as_what_they_are_there(board: CommonBoard, key: Hashable, many: int) -> None:
    for place, entry in enumerate([ALICE, COMING, GUEST, ELSEWHERE, KILLED]):
        board.write(place, entry)
    tally = CommonTally(board, "192.0.2.1", 21)
    assert tally.count(key) == many
    assert tally.add(key) == 1
    assert tally.count(key) == many + 1


def test_hosts_of_a_user_are_counted_once_each(board: CommonBoard) -> None:
    board.write(0, ALICE)
    board.write(1, ALICE)
    tally = CommonTally(board, "192.0.2.1", 21)
    hosts = ("hosts", ":21", "alice")
    assert tally.distinct(hosts) == 1
    tally.add(("at", ":21", "alice", "10.0.0.1"), under=hosts)
    assert tally.distinct(hosts) == 1
    tally.add(("at", ":21", "alice", "10.0.0.9"), under=hosts)
    assert tally.distinct(hosts) == 2


def test_others_see_at_once_what_is_counted_and_no_more_when_that_is_over(board: CommonBoard) -> None:
    tally = CommonTally(board, "192.0.2.1", 21)

    def shown() -> tuple[str, str, str, str]:
        (entry,) = read(board.path).entries
        return entry.address, entry.user, entry.client_class, entry.command

    tally.add(("connection", ":21", "10.0.0.1"))
    assert shown() == ("10.0.0.1", "(none)", "", "idle")
    with tally.exclusively():
        tally.add_all([(("user", ":21", "alice"), None), (("class", ":21", "local"), None)])
        assert shown()[1] == "(none)", "not before it is judged"
    tally.add(("user", ":21", "alice", "RETR"))
    assert shown() == ("10.0.0.1", "alice", "local", "RETR")
    tally.drop(("user", ":21", "alice", "RETR"))
    assert shown()[3] == "idle"
    with tally.exclusively():
        tally.drop_all([("user", ":21", "alice"), ("class", ":21", "local")])
    assert shown() == ("10.0.0.1", "(none)", "", "idle")
    board.release(board.claim())
    assert read(board.path).entries == ()
