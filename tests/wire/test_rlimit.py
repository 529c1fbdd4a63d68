"""RLimitCPU of sessions: who has used up the processor time is told so and goes, and nobody else does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw

SPENT = "421 CPU limit exceeded: closing control connection"
SOME = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon"), "RLimitCPU 1\n") as daemon:
        yield daemon


def until_told(client: Raw, command: str) -> list[str]:
    """Have the command done until there is no time left for it; the last replies."""
    while True:
        with suppress(OSError):
            client.send(f"{command}\r\n".encode() * SOME)
        replies: list[str] = []
        for _ in range(SOME):
            replies = [*replies[-1:], client.reply()]
            if replies[-1].startswith("421"):
                return replies


def test_commands_use_it_up_of_their_own_session_alone(server: Daemon) -> None:
    with Raw(server).login() as other, Raw(server).login() as client:
        assert until_told(client, "HELP")[-1] == SPENT
        assert client.sock.recv(1) == b""
        assert other.ask("NOOP").startswith("200")
    assert "CPU limit exceeded (RLimitCPU, 1 seconds)" in server.log()
    server.assert_well()


def test_a_transfer_that_uses_it_up_ends(server: Daemon) -> None:
    os.truncate(server.give_huge("endless"), 1 << 38)
    with Raw(server).login() as client, client.passive() as data:
        client.send("RETR endless")
        assert client.reply().startswith("150")
        with suppress(ConnectionResetError):
            while data.recv(1 << 20):
                pass
        assert client.reply() == SPENT
        assert client.sock.recv(1) == b""
    server.assert_well()
