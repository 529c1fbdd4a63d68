"""A timer that ends a session ends it whole: one 421, the connection closed, and no data connection left to use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.wire.daemon import PATIENCE, Daemon, until
from tests.wire.hostile import Raw, alive, everything, reset

WAITING = ("LIST", "NLST", "MLSD", "RETR file", "STOR new", "APPE file", "STOU")
TIMERS = {
    "TimeoutIdle 1": "421 Idle timeout (1 seconds): closing control connection",
    "TimeoutNoTransfer 1": "421 No transfer timeout (1 seconds): closing control connection",
    "TimeoutSession 1": "421 Session Timeout (1 seconds): closing control connection",
}


@pytest.fixture(scope="module", params=TIMERS)
def timed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, str]]:
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), f"{request.param}\n")
    daemon.start()
    daemon.give("file", b"x" * 100)
    yield daemon, TIMERS[request.param]
    daemon.stop()


def test_a_command_that_waits_for_its_data_connection_ends_with_the_session(timed: tuple[Daemon, str]) -> None:
    server, farewell = timed
    with ExitStack() as stack:
        clients = [(Raw(server).login(), command) for command in WAITING]
        ports = []
        for client, command in clients:
            stack.enter_context(client)
            ports.append(client.port_for_data())
            client.send(command)
        for (client, command), port in zip(clients, ports, strict=True):
            # nothing but the 421, and then the end; no 150, no 425, no second 421
            assert client.rest() == farewell + "\r\n", command
            assert not server.listens(port)
    assert sorted(entry.name for entry in server.home.iterdir()) == ["file"]
    assert (server.home / "file").read_bytes() == b"x" * 100


def test_a_session_that_is_served_before_its_timer_is_served_whole(timed: tuple[Daemon, str]) -> None:
    server, _ = timed
    alive(server)


def test_a_session_is_ended_in_the_middle_of_a_transfer_where_the_timer_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("daemon")
    log = folder / "ended"
    conf = f'LogFormat ended "%m|%s|%S|%E"\nExtendedLog {log} READ,EXIT ended\n'
    server = Daemon(folder, f"TimeoutSession 1\n{conf}")
    server.start()
    server.give_huge("huge")
    with Raw(server).login() as client, client.passive() as data:
        client.send("RETR huge")
        assert client.reply().startswith("150")
        # the client reads nothing, so that only the timer can end this
        assert client.rest() == TIMERS["TimeoutSession 1"] + "\r\n"
        everything(data)
    server.stop()
    assert f"notice: user {server.user}: aborting transfer: Data connection closed" in server.log()
    assert log.read_text().splitlines()[-2:] == [
        "RETR|426|Transfer aborted. Data connection closed|Timeout exceeded: TimeoutSession",
        "EXIT|-|-|Timeout exceeded: TimeoutSession",
    ]


def test_the_log_tells_of_a_download_whose_data_connection_the_client_closes_and_of_each_abor(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = Daemon(tmp_path_factory.mktemp("daemon"), "")
    server.start()
    server.give_huge("huge")
    told = f"notice: user {server.user}: aborting transfer: Data connection closed"
    with Raw(server).login() as client:
        with client.passive() as data:
            client.send("RETR huge")
            assert client.reply().startswith("150")
            client.send("ABOR")
            assert client.reply().startswith("426")
            assert client.reply().startswith("226")
            everything(data)
        # that of the transfer and, as in ProFTPD, one of ABOR itself, be there anything to end or not
        until("the log tells of both", lambda: server.log().count(told) == 2)
        assert client.ask("ABOR").startswith("226")
        until("the log tells of that, too", lambda: server.log().count(told) == 3)
        with client.passive() as data:
            client.send("RETR huge")
            assert client.reply().startswith("150")
            reset(data)
            assert client.reply() == "426 Transfer aborted. Data connection closed"
    until("the log tells", lambda: server.log().count(told) == 4)
    server.stop()


def test_the_log_tells_which_client_has_not_come_to_its_port(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Daemon(tmp_path_factory.mktemp("daemon"), "TimeoutNoTransfer 1\n")
    server.start()
    server.give("file", b"x")
    told = "Passive data transfer failed, possibly due to network issues"
    ended = "FTP no transfer timeout, disconnected"
    lines = (["NOOP"], ["EPSV"], ["EPSV", "RETR file"])
    for number, (said, times) in enumerate(zip(lines, (0, 1, 2), strict=True), 1):
        with Raw(server).login() as client:
            # twice, as what was answered before is answered in a shorter way
            for line in (said[0], *said):
                client.send(line)
            assert client.rest().endswith("421 No transfer timeout (1 seconds): closing control connection\r\n")
        until("the log tells", lambda number=number: server.log().count(ended) == number)  # type: ignore[misc]
        assert server.log().count(told) == times
    with Raw(server).login() as client, client.passive() as data:
        client.send("RETR file")
        assert client.reply().startswith("150")
        assert everything(data) == b"x"
        assert client.reply().startswith("226")
        assert client.rest().startswith("421 No transfer timeout")
    until("the log tells", lambda: server.log().count(ended) == 4)
    assert server.log().count(told) == 2
    server.stop()


def test_a_transfer_is_not_idleness(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Daemon(tmp_path_factory.mktemp("daemon"), "TimeoutIdle 1\n")
    server.start()
    with Raw(server).login() as client, client.passive() as data:
        client.send("STOR new")
        assert client.reply().startswith("150")
        # half a second past the timer: what goes on there is the transfer
        client.sock.settimeout(1.5)
        with pytest.raises(TimeoutError):
            client.line()
        client.sock.settimeout(PATIENCE)
        data.sendall(b"late")
        data.shutdown(socket.SHUT_WR)
        assert client.reply().startswith("226")
    assert (server.home / "new").read_bytes() == b"late"
    server.stop()


# -- the client's end of a download --------------------------------------------------------------------------


def lasting(tmp_path_factory: pytest.TempPathFactory, conf: str) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), conf)
    daemon.start()
    daemon.give("file", b"x" * 100)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module", params=["TimeoutStalled 1\n", "TimeoutStalled 1\nTimeoutLinger 1\n"])
def stalling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    yield from lasting(tmp_path_factory, request.param)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    yield from lasting(tmp_path_factory, "MaxTransfersPerHost RETR 1\n")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    yield from lasting(tmp_path_factory, "")


@pytest.mark.parametrize("command", ["RETR file", "LIST", "NLST", "MLSD"])
def test_a_client_that_takes_nothing_is_noticed_even_when_the_kernel_holds_it_all(
    stalling: Daemon, command: str
) -> None:
    with Raw(stalling).login() as client, client.passive():
        client.send(command)
        assert client.reply().startswith("150")
        # one true reply: no 226 that a 421 then takes back
        assert client.rest().startswith("421 ")
    alive(stalling)


@pytest.mark.parametrize("command", ["RETR file", "LIST", "NLST", "MLSD"])
def test_elsewhere_226_does_not_wait_for_the_client_to_close(plain: Daemon, command: str) -> None:
    with Raw(plain).login() as client, client.passive() as data:
        client.send(command)
        assert client.reply().startswith("150")
        assert client.reply() == "226 Transfer complete"
        assert everything(data)


def test_a_transfer_counts_until_the_client_has_everything(counting: Daemon) -> None:
    with Raw(counting).login() as first, Raw(counting).login() as second:
        data = first.passive()
        first.send("RETR file")
        assert first.reply().startswith("150")
        assert second.transfer("RETR file")[0].startswith("451 Sorry, the maximum number of data transfers (1)")
        # listings are not counted, and need not wait
        assert second.transfer("NLST") == ("226 Transfer complete", b"file\r\n")
        data.close()
        assert first.reply() == "226 Transfer complete"
        assert second.transfer("RETR file") == ("226 Transfer complete", b"x" * 100)


def test_timeoutlinger_says_how_long_it_is_waited(tmp_path_factory: pytest.TempPathFactory) -> None:
    for server in lasting(tmp_path_factory, "TimeoutLinger 1\n"):
        with Raw(server).login() as client, client.passive() as data:
            client.send("RETR file")
            assert client.reply().startswith("150")
            assert everything(data) == b"x" * 100
            client.sock.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.line()
            client.sock.settimeout(PATIENCE)
            # the client has not closed, and is told all the same
            assert client.reply() == "226 Transfer complete"
            with client.passive() as other:
                client.send("RETR file")
                assert client.reply().startswith("150")
                # everything is sent: ABOR finds nothing to take back, and need not wait for the client's end
                assert everything(other) == b"x" * 100
                client.send("ABOR")
                assert client.reply() == "226 Transfer complete"
                assert client.reply() == "226 Abort successful"
