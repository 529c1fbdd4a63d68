"""How clients may come and talk: rates, names, protocols, and the lines they may send."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from time import monotonic

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import Raw, answers_others, connect, everything, pid

HELLO = bytes.fromhex("16030100c8010000c40303") + b"\n" * 190


@pytest.fixture(autouse=True)
def configured_as_before(server: Daemon, ends_alive: None) -> Iterator[None]:
    plain = server._conf.read_text()
    yield
    if server._conf.read_text() != plain:
        configure(server, plain)


def configure(server: Daemon, conf: str) -> None:
    """Have the daemon take over another configuration."""
    before = server.log().count("the new configuration is in force")
    server._conf.write_text(conf)
    os.kill(pid(server), signal.SIGHUP)
    until("it is in force", lambda: server.log().count("the new configuration is in force") > before)


def put(server: Daemon, *lines: str) -> None:
    """Have the daemon take over these lines as well; they come first, so that they win."""
    configure(server, "\n".join([*lines, server._conf.read_text()]))


# -- rates ---------------------------------------------------------------------------------------------------------


def test_who_is_faster_than_the_rate_is_slowed_down_to_it(server: Daemon) -> None:
    put(server, "MaxCommandRate 10 1")
    with Raw(server) as client:
        began = monotonic()
        assert client.flood(b"NOOP\r\n" * 25, replies=25) == ["200 NOOP command successful"] * 25
        # two pauses of a second; a loop that counts whole milliseconds may end each a little early
        assert 1.9 < monotonic() - began < 20
        answers_others(server)
    assert server.log().count("MaxCommandRate (10/1 secs) reached, slowing down") == 2


def test_a_flood_ends_when_its_client_does(server: Daemon) -> None:
    put(server, "MaxCommandRate 1 600")
    with Raw(server) as client:
        client.send(b"NOOP\r\n" * 100_000)
        assert client.reply() == "200 NOOP command successful"
        client.reset()


def test_who_keeps_within_the_rate_notices_nothing(server: Daemon) -> None:
    put(server, "MaxCommandRate 30 60")
    with Raw(server) as client:
        began = monotonic()
        assert client.codes(*["NOOP"] * 25) == [200] * 25
        assert monotonic() - began < 10


def test_connections_beyond_the_rate_are_closed_without_a_word(server: Daemon) -> None:
    put(server, "MaxConnectionRate 5 600")
    came = []
    for _ in range(8):
        with connect(server.host, server.port) as sock:
            sock.shutdown(socket.SHUT_WR)
            came.append(everything(sock)[:3])
    assert came == [b"220"] * 5 + [b""] * 3
    assert server.log().count("MaxConnectionRate (5/600 secs) reached, new connection denied") == 3


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["UseReverseDNS on\n", ""], ids=["on", "by default"])
def test_the_clients_name_is_in_the_log_and_counts_for_limit(server: Daemon, line: str) -> None:
    if socket.getnameinfo(("127.0.0.1", 0), 0)[0] != "localhost":
        pytest.skip("127.0.0.1 has another name here")
    put(server, "<Limit PWD>", "Deny from localhost", "</Limit>")
    configure(server, server._conf.read_text().replace("UseReverseDNS off\n", line))
    with Raw(server) as client:
        client.login()
        assert client.ask("PWD") == "550 PWD: Permission denied"
        assert "Connected from localhost (127.0.0.1)" in client.ask("STAT")
    # asked once and known for a while: the second is served as if there were no question
    with Raw(server) as client:
        assert client.login().ask("PWD").startswith("550")


def test_without_reverse_dns_a_rule_for_a_name_meets_nobody(server: Daemon) -> None:
    put(server, "<Limit PWD>", "Deny from localhost", "</Limit>")
    with Raw(server) as client:
        client.login()
        assert client.ask("PWD").startswith("257")
        assert "Connected from 127.0.0.1 (127.0.0.1)" in client.ask("STAT")


# -- protocols and lines (S28) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hello",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"EHLO x\r\nMAIL FROM:<x>\r\n", b"SSH-2.0-OpenSSH_9.7\r\n", HELLO],
    ids=["HTTP", "SMTP", "SSH", "TLS"],
)
def test_another_protocol_is_closed_and_nothing_of_it_is_answered(server: Daemon, hello: bytes) -> None:
    with Raw(server) as client:
        client.send(hello)
        assert client.rest() == ""


def test_a_login_must_come_by_one_of_the_protocols(server: Daemon) -> None:
    put(server, "Protocols ftps sftp")
    with Raw(server) as client:
        assert client.ask("USER alice").startswith("331")
        assert client.ask("PASS secret") == "530 Login incorrect."
        assert client.rest() == ""
    configure(server, server._conf.read_text().replace("Protocols ftps sftp", "Protocols ftp sftp"))
    with Raw(server) as client:
        client.login()


def test_the_buffer_of_command_lines_may_be_small(server: Daemon) -> None:
    put(server, "CommandBufferSize 32")
    with Raw(server) as client:
        assert client.ask("NOOP " + "x" * 24) == "200 NOOP command successful"
        assert client.ask("NOOP " + "x" * 25) == "500 Command line too long"
        assert client.ask("NOOP") == "200 NOOP command successful"


def test_a_buffer_without_room_lets_nobody_in(server: Daemon) -> None:
    put(server, "CommandBufferSize 0")
    with Raw(server) as client:
        assert client.ask("USER alice") == "500 Command line too long"
        assert client.ask("QUIT") == "500 Command line too long"


def test_transfers_go_well_with_small_buffers(server: Daemon) -> None:
    put(server, "SocketOptions sndbuf 4096 rcvbuf 4096 maxseg 536 keepalive 60:3:10", "TCPNoDelay off")
    content = os.urandom(300_000)
    with Raw(server) as client:
        client.login()
        assert client.transfer("STOR small.bin", content)[0] == "226 Transfer complete"
        assert client.transfer("RETR small.bin") == ("226 Transfer complete", content)
