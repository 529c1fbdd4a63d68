"""RLimitOpenFiles and RLimitMemory of sessions: what would be too much is refused, and the session lives on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw

TOO_MANY = "Too many open files"
NO_CONNECTION = f"425 Unable to build data connection: {TOO_MANY}"
NO_ROOM = "Transfer aborted. Cannot allocate memory"


def rationed(base: Path, line: str) -> Daemon:
    return Daemon(base, f"{line}\n")


def test_ten_descriptors_leave_none_for_a_port(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitOpenFiles session 10") as server, Raw(server).login() as client:
        assert client.ask("PASV") == NO_CONNECTION
        assert client.ask("EPSV") == NO_CONNECTION
        assert client.ask("NOOP").startswith("200")
        assert "RLimitOpenFiles (10) reached: no port for data" in server.log()


def test_eleven_are_a_port_and_neither_file_nor_connection(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitOpenFiles session 11") as server, Raw(server).login() as client:
        server.give("small", b"content")
        for command, refused in (
            ("LIST", NO_CONNECTION),
            ("NLST", NO_CONNECTION),
            ("MLSD", f"550 /: {TOO_MANY}"),
            ("RETR small", f"550 small: {TOO_MANY}"),
            ("STOR new", f"550 new: {TOO_MANY}"),
            ("APPE small", f"550 small: {TOO_MANY}"),
        ):
            with client.passive():
                assert client.ask(command) == refused, command
        assert client.ask("SIZE new").startswith("550")
        assert client.ask("TYPE I").startswith("200")
        assert client.ask("SIZE small") == "213 7"
        assert "RLimitOpenFiles (11) reached: 'small' is not opened" in server.log()


def test_twelve_are_a_listing_but_no_file_behind_a_port(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitOpenFiles session 12") as server, Raw(server).login() as client:
        server.give("small", b"content")
        assert client.transfer("NLST")[1] == b"small\r\n"
        with client.passive():
            assert client.ask("RETR small") == NO_CONNECTION


def test_a_folder_too_many_behind_its_connection_ends_the_transfer(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitOpenFiles session 11") as server, Raw(server).login() as client:
        with socket.create_server(("127.0.0.1", 0)) as port:
            high, low = divmod(port.getsockname()[1], 256)
            assert client.ask(f"PORT 127,0,0,1,{high},{low}").startswith("200")
            assert client.ask("LIST").startswith("150")
            assert client.reply() == f"426 Transfer aborted. {TOO_MANY}"
        assert client.ask("NOOP").startswith("200")


@pytest.mark.parametrize("line", ["RLimitOpenFiles session 13", "RLimitOpenFiles session max", "RLimitOpenFiles none"])
def test_thirteen_are_enough_for_everything_again_and_again(tmp_path: Path, line: str) -> None:
    with rationed(tmp_path, line) as server, Raw(server).login() as client:
        for turn in range(3):
            assert client.transfer(f"STOR new{turn}", b"content")[0].startswith("226")
            assert client.transfer(f"RETR new{turn}")[1] == b"content"
            assert client.transfer("LIST")[0].startswith("226")
            assert client.transfer("LIST -R")[0].startswith("226")
            assert client.transfer("MLSD")[0].startswith("226")
            assert client.ask("STAT .").startswith("212")


def test_a_listing_of_more_names_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitMemory session 8K") as server:
        many = server.give_folder("many")
        few = server.give_folder("few")
        for number in range(1000):
            (many / f"name{number}").touch()
        for number in range(9):
            (few / f"name{number}").touch()
        with Raw(server).login() as client:
            for verb in ("LIST", "LIST -t", "LIST -R", "NLST", "MLSD"):
                assert client.transfer(f"{verb} few")[0].startswith("226"), verb
                assert client.transfer(f"{verb} many")[0] == f"451 {NO_ROOM}", verb
            assert client.ask("STAT few").startswith("212")
            assert client.ask("STAT many") == "450 /many: Cannot allocate memory"
            assert client.transfer("NLST few/n*")[0].startswith("226")
            with client.passive():
                assert client.ask("NLST many/n*") == "450 /many: Cannot allocate memory"
            assert client.transfer("STOR file", b"x" * 100_000)[0].startswith("226")
            assert len(client.transfer("RETR file")[1]) == 100_000
        assert "RLimitMemory (8192 bytes) reached: '/many' takes more than that" in server.log()
        server.assert_well()


def test_folders_that_wait_to_be_listed_are_counted(tmp_path: Path) -> None:
    with rationed(tmp_path, "RLimitMemory session 16K") as server:
        wide = server.give_folder("wide")
        for number in range(100):
            (wide / f"{number}").mkdir()
        with Raw(server).login() as client:
            assert client.transfer("LIST wide")[0].startswith("226")
            assert client.transfer("LIST -R wide")[0] == f"451 {NO_ROOM}"
