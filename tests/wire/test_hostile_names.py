"""Names that try to lead out, that are too long, or look like something else; renames and uploads that ask for more."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import Raw, reset

pytestmark = pytest.mark.usefixtures("ends_alive")

CANARY = b"nobody from outside reads this\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One of these tests' own: they look at all that is in the home."""
    with Daemon(tmp_path_factory.mktemp("daemon"), "AllowOverwrite off\n") as daemon:
        yield daemon


@pytest.fixture
def canary(server: Daemon) -> Iterator[Path]:
    """A file beside the home that everybody may read and change: only the confinement keeps the client away."""
    file = server.home.parent / "canary"
    file.write_bytes(CANARY)
    file.chmod(0o666)
    os.utime(file, (1e9, 1e9))
    before = sorted(os.listdir(file.parent))
    yield file
    assert sorted(os.listdir(file.parent)) == before
    assert (file.read_bytes(), file.stat().st_mtime) == (CANARY, 1e9)
    file.unlink()


# -- S49: out of the root by name ---------------------------------------------------------------------------------

WAYS_OUT = [
    "../canary",
    "../../../../../../canary",
    "/../canary",
    "..//../canary",
    "./.././canary",
    "sub/../../canary",
    "sub/..../canary",
    "..\\canary",
    "%2e%2e/canary",
    "%2e%2e%2fcanary",
    "..%c0%afcanary",
    "~/../canary",
    "~root/../canary",
    "~alice/../canary",
    "../canary.",
    "... /canary",
]
RAW_WAYS_OUT = [b"..\xc0\xafcanary", b"\xc0\xae\xc0\xae/canary", b"\xe0\x80\xae./canary", b"..\xef\xbc\x8fcanary"]


@pytest.mark.parametrize("way", [*(way.encode() for way in WAYS_OUT), *RAW_WAYS_OUT])
def test_no_name_leads_out_of_the_root(server: Daemon, canary: Path, way: bytes) -> None:
    server.give_folder("sub")
    server.give("mine.txt", b"mine")
    with Raw(server) as client:
        client.login()
        client.ask("TYPE I")
        folder = way.rpartition(b"/")[0] or way
        for line in (
            b"SIZE " + way,
            b"MDTM " + way,
            b"MLST " + way,
            b"MFMT 20200101000000 " + way,
            b"SITE CHMOD 600 " + way,
            b"DELE " + way,
            b"RNFR " + way,
            b"CWD " + way,
            b"RMD " + way,
            b"STAT " + way,
        ):
            client.send(line + b"\r\n")
            reply = client.reply()
            assert reply[0] == "5" or reply.startswith("450"), (line, reply)
        with client.passive() as data:
            client.send(b"RETR " + way + b"\r\n")
            assert client.reply().startswith("550")
        # what may be made is made inside
        client.send(b"CWD " + folder + b"\r\n")
        client.reply()
        client.send(b"MKD " + way + b"\r\n")
        client.reply()
        client.send(b"CWD /\r\n")
        client.reply()
        for line in (b"RNFR mine.txt\r\n", b"RNTO " + way + b"\r\n"):
            client.send(line)
            client.reply()
        with client.passive() as data:
            client.send(b"STOR " + way + b"\r\n")
            if client.reply().startswith("150"):
                data.sendall(b"x")
                data.shutdown(socket.SHUT_WR)
                client.reply()
    for path in sorted(server.home.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


# -- S57: renames --------------------------------------------------------------------------------------------------


def test_a_rename_replaces_nothing_unasked_and_keeps_its_source(server: Daemon) -> None:
    server.give("a", b"a")
    server.give("b", b"b")
    server.give_folder("folder")
    with Raw(server) as client:
        client.login()
        for target in ("b", "folder", ".", "..", "/", "b/x", "no/such", "folder/../b"):
            assert client.ask("RNFR a").startswith("350")
            assert client.ask(f"RNTO {target}").startswith("550"), target
            # one RNFR, one RNTO
            assert client.ask("RNTO c").startswith("503")
        assert (server.home / "a").read_bytes() + (server.home / "b").read_bytes() == b"ab"
        assert client.ask("RNFR folder").startswith("350")
        assert client.ask("RNTO folder/inside").startswith("550")
        assert client.codes("DELE a", "DELE b", "RMD folder") == [250, 250, 250]


# -- S67: long ------------------------------------------------------------------------------------------------------


def test_long_names_and_deep_folders_work_or_are_refused(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        longest = "n" * 255
        assert client.ask(f"MKD {longest}").startswith("257 ")
        assert client.ask(f"MKD {longest}n") == f"550 {longest}n: File name too long"
        assert longest.encode() in client.transfer("MLSD")[1]
        assert client.ask(f"RMD {longest}").startswith("250")
        # deeper than any path can be said at once
        name = "d" * 200
        for _ in range(25):
            assert client.ask(f"MKD {name}").startswith("257 ")
            reply = client.ask(f"CWD {name}")
            if not reply.startswith("250"):
                assert reply.startswith("550 ")
                assert client.ask(f"RMD {name}")[0] in "25"
                break
        assert client.ask("PWD").startswith('257 "/ddd')
        assert client.ask("MKD " + "x/" * 2040 + "x").startswith("550 ")
        while client.ask("CDUP").startswith("250") and client.ask(f"RMD {name}").startswith("250"):
            pass
    assert list(server.home.iterdir()) == []


# -- S69: odd ---------------------------------------------------------------------------------------------------------

ODD = [
    "-rf",
    " leading",
    "trailing ",
    "~",
    "%d%s%n",
    "*",
    "?",
    "[a",
    "{a,b}",
    "$(id)",
    "`id`",
    ";ls",
    "|ls",
    'quo"te',
    "'",
    "\\",
    ".in.x.",
    "...",
    "\u202ertl",
    "e\u0301",
    "\u00e9",
    "tab\there",
    "\x1b[31m",
    "\x01",
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_nothing_but_a_name(server: Daemon, name: str) -> None:
    with Raw(server) as client:
        client.login()
        client.ask("TYPE I")
        assert client.transfer(f"STOR {name}", b"odd")[0] == "226 Transfer complete"
        assert [path.name for path in server.home.iterdir()] == [name]
        assert client.ask(f"SIZE {name}") == "213 3"
        assert client.transfer(f"RETR {name}") == ("226 Transfer complete", b"odd")
        assert client.transfer("MLSD")[1].count(b"type=file") == 1
        assert client.ask(f"RNFR {name}").startswith("350")
        assert client.ask(f"RNTO {name}x").startswith("250")
        assert client.ask(f"DELE {name}x").startswith("250")
    assert list(server.home.iterdir()) == []


# -- S73: STOU ------------------------------------------------------------------------------------------------------


def test_unique_names_are_many_and_none_can_be_guessed(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        names = set()
        for _ in range(100):
            with client.passive() as data:
                client.send("STOU")
                found = re.fullmatch(r"150 FILE: (ftp[A-Za-z0-9]{6})", client.reply())
                assert found is not None
                data.sendall(b"x")
            assert client.reply() == f"226-FILE: {found[1]}\n226 Transfer complete"
            names.add(found[1])
        assert len(names) == 100 == len(list(server.home.iterdir()))
        # no two begin alike more often than chance has it
        assert len({name[:5] for name in names}) > 90
    for path in server.home.iterdir():
        path.unlink()


def test_a_client_that_vanishes_before_its_unique_file_leaves_none(server: Daemon) -> None:
    client = Raw(server)
    client.login().port_for_data()
    client.send("STOU")
    reset(client.sock)
    until("the session has ended", lambda: list(server.home.iterdir()) == [])
