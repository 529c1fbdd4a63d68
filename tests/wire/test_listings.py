"""Listings as they go over the wire: what a name on disk cannot do to the lines that a client parses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw

FORGED = "x\r\n-rw-r--r--   1 root     root            0 Jan 15 08:00 passwd\r\n\x1b[2Ky"
SHOWN = b"x??-rw-r--r--   1 root     root            0 Jan 15 08:00 passwd??"


@pytest.fixture(autouse=True)
def nothing_is_left_in_the_home(server: Daemon, ends_alive: None) -> Iterator[None]:
    yield
    for entry in list(server.home.iterdir()):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.mark.parametrize("command", ["NLST", "NLST x*", "LIST", "LIST -1", "LIST x*", "LIST -C", "MLSD"])
def test_a_name_is_one_entry_whatever_is_in_it(server: Daemon, command: str) -> None:
    server.give(FORGED, b"")
    with Raw(server).login() as ftp:
        reply, content = ftp.transfer(command)
    assert reply == "226 Transfer complete"
    assert content.count(SHOWN) == 1
    assert not any(line.endswith(b" passwd") for line in content.splitlines())
    # programs get the name as it is: MLSD is how such a file is still reached
    assert (b"\x1b" in content) is (command == "MLSD")


def test_stat_shows_it_on_the_control_connection(server: Daemon) -> None:
    server.give_folder("d")
    server.give(f"d/{FORGED}", b"")
    with Raw(server).login() as ftp:
        reply = ftp.ask("STAT d")
        assert ftp.ask("NOOP").startswith("200")
    assert SHOWN.decode() in reply
    assert "\r" not in reply
    assert "\x1b" not in reply


def test_a_name_with_an_escape_sequence_can_be_fetched_by_it(server: Daemon) -> None:
    server.give("x\x1b[2K", b"here")
    with Raw(server).login() as ftp:
        name = next(line for line in ftp.transfer("MLSD")[1].split(b"\r\n") if b"\x1b" in line).partition(b"; ")[2]
        assert ftp.transfer("RETR " + name.decode()) == ("226 Transfer complete", b"here")


def test_names_that_are_no_utf8_come_as_they_are(server: Daemon) -> None:
    name = b"\xe9t\xe9 \xff\xfe"
    with open(os.path.join(os.fsencode(server.home), name), "wb"):
        pass
    with Raw(server).login() as ftp:
        for command in ("NLST", "NLST *", "LIST", "MLSD"):
            assert name in ftp.transfer(command)[1], command
