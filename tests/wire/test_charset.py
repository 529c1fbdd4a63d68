"""A client whose names are in CP1251 at a disk with UTF-8: its letters hold what telnet takes for commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw

pytestmark = pytest.mark.usefixtures("ends_alive")

NAME = "\u044f\u044e\u044f\u044f \u044d\u044e\u0451"
"""Yu, ya and their like are the bytes from 253 to 255 in CP1251: telnet's DO, DONT and IAC."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon"), "UseEncoding utf-8 cp1251\nAllowOverwrite on\n") as daemon:
        yield daemon


def line(verb: str) -> bytes:
    return f"{verb} {NAME}\r\n".encode("cp1251")


def listed(client: Raw) -> bytes:
    with client.passive() as data:
        client.send("NLST")
        assert client.reply().startswith("150")
        came = b""
        while more := data.recv(65536):
            came += more
    assert client.reply().startswith("226")
    return came


def test_every_letter_comes_through(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        client.send(line("MKD"))
        assert client.reply().startswith("257 ")
        assert [path.name for path in server.home.iterdir()] == [NAME]
        assert listed(client) == f"{NAME}\r\n".encode("cp1251")
        client.send(line("CWD"))
        assert client.reply().startswith("250")
        client.send("PWD")
        assert client.reply().encode("utf-8", "surrogateescape") == (
            f'257 "/{NAME}" is the current directory'.encode("cp1251")
        )
        client.ask("CDUP")
        client.send("OPTS UTF8 ON")
        assert client.reply() == "200 UTF8 set to on"
        assert listed(client) == f"{NAME}\r\n".encode()
        assert client.ask(f"RMD {NAME}").startswith("250")


def test_abor_with_telnet_before_it_is_still_understood(server: Daemon) -> None:
    server.give_huge("huge.bin")
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096) as data:
            client.send("RETR huge.bin")
            assert client.reply().startswith("150")
            data.recv(1)
            client.send(b"\xff\xf4\xff\xf2ABOR\r\n")
            assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
