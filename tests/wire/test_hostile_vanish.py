"""Clients that vanish: with FIN, with RST or in silence, on the control or the data connection or both."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import PATIENCE, Raw, descriptors, reset, until_descriptors

CONF = """\
TimeoutLogin 2
TimeoutIdle 3
TimeoutStalled 1
TimeoutNoTransfer 4
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon of this file, which waits for nobody longer than some seconds."""
    folder = tmp_path_factory.mktemp("daemon")
    daemon = Daemon(folder, CONF + f"TransferLog {folder}/run/xferlog\n")
    daemon.start()
    daemon.give_huge("huge.bin")
    daemon.give("small.txt", b"small")
    try:
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(autouse=True)
def no_descriptor_is_left(server: Daemon, ends_alive: None) -> Iterator[None]:
    before = descriptors(server)
    yield
    until_descriptors(server, before)


def xferlog(server: Daemon) -> list[list[str]]:
    return [line.split() for line in Path(server.home.parent, "run", "xferlog").read_text().splitlines()]


End = Callable[[socket.socket], None]


def fin(sock: socket.socket) -> None:
    sock.close()


ENDS = pytest.mark.parametrize("end", [fin, reset], ids=["FIN", "RST"])


# -- the control connection ----------------------------------------------------------------------------------------


@ENDS
@pytest.mark.parametrize("state", ["at connect", "after USER", "in PASS", "logged in", "in a line", "after PASV"])
def test_a_client_that_goes_is_let_go(server: Daemon, state: str, end: End) -> None:
    client = Raw(server, greeted=state != "at connect")
    match state:
        case "after USER":
            client.ask(f"USER {server.user}")
        case "in PASS":
            client.send(f"USER {server.user}\r\nPASS {server.password}")
        case "logged in":
            client.login()
        case "in a line":
            client.login().send(b"RETR sma")
        case "after PASV":
            client.login().port_for_data()
    end(client.sock)
    until("the session has ended", lambda: not server._connections())


@ENDS
@pytest.mark.parametrize("command", ["RETR huge.bin", "STOR torn.bin"])
def test_a_client_that_goes_in_the_middle_of_a_transfer_is_let_go(server: Daemon, command: str, end: End) -> None:
    client = Raw(server).login()
    data = client.passive(window=4096)
    client.send(command)
    assert client.reply().startswith("150")
    if command.startswith("STOR"):
        data.sendall(b"x" * 1000)
    end(client.sock)
    end(data)
    until("the session has ended", lambda: not server._connections())


def test_a_reset_ends_the_wait_for_a_data_connection(server: Daemon) -> None:
    client = Raw(server).login()
    client.port_for_data()
    client.send("RETR small.txt")
    client.reset()
    until("the session has ended", lambda: not server._connections())


# -- the data connection -------------------------------------------------------------------------------------------


def test_a_reset_in_the_middle_of_an_upload_is_an_abort_and_logged_as_one(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR reset.bin")
            assert client.reply().startswith("150")
            data.sendall(b"x" * 50_000)
            reset(data)
            assert client.reply() == "426 Transfer aborted. Data connection closed"
        assert client.transfer("STOR whole.bin", b"whole")[0].startswith("226")

    def logged() -> dict[str, str]:
        return {line[8].rpartition("/")[2]: line[-1] for line in xferlog(server)}

    until("both uploads are in the log", lambda: {"reset.bin", "whole.bin"} <= logged().keys())
    statuses = logged()
    assert (statuses["reset.bin"], statuses["whole.bin"]) == ("i", "c")


def test_a_reset_before_the_first_byte_leaves_no_empty_file(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR nothing.bin")
            assert client.reply().startswith("150")
            reset(data)
            assert client.reply() == "426 Transfer aborted. Data connection closed"
        assert client.ask("SIZE nothing.bin").startswith("550")
        assert client.transfer("STOR empty.bin", b"")[0].startswith("226")
        assert client.ask("SIZE empty.bin") == "213 0"


@ENDS
def test_a_download_that_the_client_breaks_off_is_no_success(server: Daemon, end: End) -> None:
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096) as data:
            client.send("RETR huge.bin")
            assert client.reply().startswith("150")
            data.recv(1)
            end(data)
        assert client.reply() == "426 Transfer aborted. Data connection closed"
        assert client.transfer("RETR small.txt") == ("226 Transfer complete", b"small")


def test_an_upload_that_ends_with_fin_is_whole(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR half-closed.bin")
            assert client.reply().startswith("150")
            data.sendall(b"x" * 50_000)
            data.shutdown(socket.SHUT_WR)
            assert client.reply() == "226 Transfer complete"
    assert (server.home / "half-closed.bin").stat().st_size == 50_000


# -- silence ----------------------------------------------------------------------------------------------------------


def deafen(client: Raw) -> None:
    """Send commands and read no answers until neither side's buffers take any more."""
    client.sock.setblocking(False)
    while select.select([], [client.sock], [], 0.3)[1]:
        client.sock.send(b"HELP\r\n" * 1000)


def test_whoever_is_silent_is_told_why_and_sent_away(server: Daemon) -> None:
    """All at once, as each is to wait for its own timer only."""
    with ExitStack() as left:
        deaf, strange, idle, waiting = (left.enter_context(Raw(server, window=4096)) for _ in range(4))
        for client in (deaf, idle, waiting):
            client.login()
        deafen(deaf)
        waiting.port_for_data()
        waiting.send("RETR small.txt")
        half_closed = left.enter_context(Raw(server)).login()
        half_closed.port_for_data()
        half_closed.send("RETR small.txt")
        half_closed.sock.shutdown(socket.SHUT_WR)
        stalled = []
        for command in ("RETR huge.bin", "STOR stalled.bin"):
            client = left.enter_context(Raw(server)).login()
            left.enter_context(client.passive(window=4096))
            client.send(command)
            assert client.reply().startswith("150")
            stalled.append(client)
        assert strange.rest() == "421 Login timeout (2 seconds): closing control connection\r\n"
        assert idle.rest() == "421 Idle timeout (3 seconds): closing control connection\r\n"
        for client in stalled:
            assert client.rest().startswith("421 Data transfer stall timeout (1 seconds)")
        for client in (waiting, half_closed):
            assert client.rest()[:3] in ("425", "421")
        until("the deaf client's session has ended", lambda: not server._connections())


# -- a storm ----------------------------------------------------------------------------------------------------------


def test_a_thousand_connections_that_reset_at_once_do_no_harm(server: Daemon) -> None:
    for _ in range(1000):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((server.host, server.port))
        reset(sock)
    for _ in range(200):
        client = socket.create_connection((server.host, server.port), PATIENCE)
        client.sendall(b"USER alice\r\nPASS secret\r\nPASV\r\nRETR huge.bin\r\n")
        reset(client)
    until("all those sessions have ended", lambda: not server._connections())
