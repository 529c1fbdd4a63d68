"""An LF alone in what a client sends: a part of a name, and no command, reply or entry of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw

pytestmark = pytest.mark.usefixtures("ends_alive")

NAME = b"a\nDELE kept"
SHOWN = "a?DELE kept"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon"), "AllowOverwrite on\nDenyFilter q.*/\n") as daemon:
        daemon.give("kept", b"kept")
        yield daemon


def test_a_folder_with_an_lf_in_its_name_is_one_name_to_every_command(server: Daemon) -> None:
    def ask(verb: bytes) -> str:
        return client.ask(verb + b" " + NAME + b"\r\n")

    with Raw(server) as client:
        client.login()
        assert ask(b"MKD") == f'257 "/{SHOWN}" - Directory successfully created'
        assert (server.home / NAME.decode()).is_dir()
        assert ask(b"CWD") == "250 CWD command successful"
        assert client.ask("PWD") == f'257 "/{SHOWN}" is the current directory'
        assert client.ask("MLST").split("\n")[1].endswith(f"; /{SHOWN}")
        assert client.ask("CDUP") == "250 CDUP command successful"
        assert ask(b"MLST").split("\n")[0] == f"250-Start of list for {SHOWN}"
        assert ask(b"STAT").split("\n")[0] == f"212-Status of {SHOWN}:"
        assert ask(b"SITE CHMOD 700").startswith("200")
        assert ask(b"RNFR").startswith("350")
        assert ask(b"RNTO").startswith("250")
        assert ask(b"RMD").startswith("250")
        assert ask(b"SIZE").startswith(f"550 {SHOWN}: ")
        assert client.ask("NOOP") == "200 NOOP command successful"
    assert (server.home / "kept").read_bytes() == b"kept"


def test_a_file_with_an_lf_in_its_name_is_one_entry_of_every_listing(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        client.ask("TYPE I")
        with client.passive() as data:
            assert client.ask(b"STOR " + NAME + b"\r\n") == f"150 Opening BINARY mode data connection for {SHOWN}"
            data.sendall(b"new")
            data.shutdown(socket.SHUT_WR)
            assert client.reply() == "226 Transfer complete"
        for listing in ("NLST", "LIST", "MLSD"):
            told, entries = client.transfer(listing)
            assert told.endswith("226 Transfer complete")
            assert [line.endswith(SHOWN.encode()) for line in entries.split(b"\r\n")].count(True) == 1
            assert b"\n" not in entries.replace(b"\r\n", b"")
        assert client.ask(b"DELE " + NAME + b"\r\n") == "250 DELE command successful"
    assert (server.home / "kept").read_bytes() == b"kept"


def test_it_is_no_way_around_a_filter(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        assert client.ask(b"MKD q\nb/c\r\n") == "550 q?b/c: Forbidden command argument"
        assert client.ask(b"MKD q\nb\r\n").startswith("257")
        assert client.ask(b"RMD q\nb\r\n").startswith("250")


def test_it_puts_no_command_into_a_session_that_begins_with_it(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.ask(b"USER nobody\nSYST\r\n") == "331 Password required for nobody"
        assert client.ask(b"PASS a\nSYST\r\n").startswith("530")
        assert client.ask("NOOP") == "200 NOOP command successful"


def test_it_waits_for_the_end_of_a_line_whose_answer_is_known(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        for _ in range(3):
            assert client.ask("NOOP") == "200 NOOP command successful"
        client.send(b"NOOP\n")
        assert client.ask("NOOP") == "200 NOOP command successful"
        client.send(b"PWD\r\n")
        assert client.reply() == '257 "/" is the current directory'


def test_who_ends_all_lines_so_is_served(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.ask(f"USER {server.user}\n".encode()).startswith("331")
        assert client.ask(f"PASS {server.password}\n".encode()).startswith("230")
        for _ in range(3):
            assert client.ask(b"PWD\n") == '257 "/" is the current directory'
        client.send(b"NOOP\nSYST\n")
        assert (client.reply()[:3], client.reply()[:3]) == ("200", "215")
