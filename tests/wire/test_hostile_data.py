"""Data connections that are not what they should be: to third hosts, from strangers, too many, taken back."""

from __future__ import annotations

import socket

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import PATIENCE, Raw, alive, connect, descriptors, everything, reset

pytestmark = pytest.mark.usefixtures("ends_alive")

STRANGER = "127.0.0.2"


# -- to third hosts (CVE-1999-0017) -------------------------------------------------------------------------------

BOUNCES = [
    "PORT 192,0,2,1,8,0",
    "PORT 127,0,0,2,8,0",
    "PORT 127,0,0,1,0,21",
    "PORT 127,0,0,1,3,255",
    "PORT 127,0,0,1,0,0",
    "PORT 127,0,0,1,256,0",
    "PORT 127,0,0,1,8",
    "PORT 127,0,0,1,8,0,1",
    "PORT 127.0.0.1,8,0",
    "PORT 0,0,0,0,8,0",
    "PORT 255,255,255,255,8,0",
    "PORT 224,0,0,1,8,0",
    "PORT -127,0,0,1,8,0",
    "PORT 0x7f,0,0,1,8,0",
    "EPRT |1|192.0.2.1|2048|",
    "EPRT |1|127.0.0.2|2048|",
    "EPRT |1|127.0.0.1|1023|",
    "EPRT |1|127.0.0.1|0|",
    "EPRT |1|127.0.0.1|65536|",
    "EPRT |1|0.0.0.0|2048|",
    "EPRT |1|255.255.255.255|2048|",
    "EPRT |1|::1|2048|",
    "EPRT |2|::1|2048|",
    "EPRT |2|::ffff:192.0.2.1|2048|",
    "EPRT |2|127.0.0.1|2048|",
    "EPRT |3|127.0.0.1|2048|",
    "EPRT |1|127.0.0.1|2048",
    "EPRT 127.0.0.1 2048",
    "EPRT |||",
    "EPRT |1|localhost|2048|",
]


@pytest.mark.parametrize("command", BOUNCES)
def test_no_data_connection_goes_to_another_host_or_to_a_service(server: Daemon, command: str) -> None:
    with Raw(server) as client:
        assert client.login().ask(command)[:3] in ("500", "501", "522"), "it would connect there"
        assert client.ask("NLST").startswith("425"), "a refused address must not be remembered"


@pytest.mark.parametrize("verb", ["PORT", "EPRT"])
def test_the_clients_own_high_port_is_connected_to(server: Daemon, verb: str) -> None:
    server.give("active.txt", b"active")
    with Raw(server) as client, socket.create_server(("127.0.0.1", 0)) as waiting:
        port = waiting.getsockname()[1]
        numbers = f"127,0,0,1,{port >> 8},{port & 255}" if verb == "PORT" else f"|1|127.0.0.1|{port}|"
        assert client.login().ask(f"{verb} {numbers}").startswith("200")
        client.send("RETR active.txt")
        waiting.settimeout(PATIENCE)
        data, peer = waiting.accept()
        with data:
            assert peer[0] == "127.0.0.1"
            assert client.reply().startswith("150")
            assert everything(data) == b"active"
        assert client.reply().startswith("226")


# -- from strangers and too many ----------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [True, False], ids=["before the command", "after the command"])
def test_a_stranger_at_the_passive_port_gets_nothing_and_keeps_nobody_out(server: Daemon, early: bool) -> None:
    server.give("for-alice.txt", b"for alice only")
    with Raw(server) as client:
        port = client.login().port_for_data()
        if not early:
            client.send("RETR for-alice.txt")
        with connect(server.host, port, source=STRANGER) as thief:
            if early:
                client.send("RETR for-alice.txt")
            assert everything(thief) == b""
        with connect(server.host, port) as data:
            assert client.reply().startswith("150")
            assert everything(data) == b"for alice only"
        assert client.reply().startswith("226")
    assert f"a data connection from {STRANGER}" in server.log()


def test_of_fifty_connections_to_one_port_one_is_served_and_the_others_end(server: Daemon) -> None:
    server.give("once.txt", b"only once")
    with Raw(server) as client:
        port = client.login().port_for_data()
        many = [connect(server.host, port) for _ in range(50)]
        try:
            client.send("RETR once.txt")
            assert client.reply().startswith("150")
            assert sorted(everything(one) for one in many) == [b""] * 49 + [b"only once"]
            assert client.reply().startswith("226")
            assert not server.listens(port)
        finally:
            for one in many:
                one.close()


def test_a_thousand_passive_ports_that_nobody_uses_leave_no_descriptor_behind(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        before = descriptors(server)
        ports = {client.port_for_data() for _ in range(1000)}
        assert len(ports) > 500, "the next port is easy to guess"
        assert descriptors(server) <= before + 1
        assert client.transfer("NLST")[0].startswith("226")


# -- ABOR -------------------------------------------------------------------------------------------------------------

SYNCH = b"\xff\xf4\xff\xf2"


def abort(client: Raw, *, synch: bool) -> None:
    """ABOR as RFC 959 4.1.3 wants it, the Synch as urgent data, or as most clients send it."""
    if synch:
        client.sock.send(SYNCH[:3], socket.MSG_OOB)
        client.send(SYNCH[3:])
    client.send("ABOR")


@pytest.mark.parametrize("synch", [True, False], ids=["with Synch", "plain"])
def test_abor_before_the_data_connection_ends_the_wait(server: Daemon, synch: bool) -> None:
    server.give("aborted.txt", b"aborted")
    with Raw(server) as client:
        client.login().port_for_data()
        client.send("RETR aborted.txt")
        abort(client, synch=synch)
        assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
        assert client.transfer("RETR aborted.txt") == ("226 Transfer complete", b"aborted")


@pytest.mark.parametrize("synch", [True, False], ids=["with Synch", "plain"])
def test_abor_in_the_middle_of_a_download(server: Daemon, synch: bool) -> None:
    server.give_huge("huge.bin")
    server.give("next.txt", b"next")
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096) as data:
            client.send("RETR huge.bin")
            assert client.reply().startswith("150")
            data.recv(1)
            abort(client, synch=synch)
            assert client.reply() == "426 Transfer aborted. Data connection closed."
            assert client.reply() == "226 Abort successful"
            assert len(everything(data)) < 200 * 1024 * 1024
        assert client.transfer("RETR next.txt") == ("226 Transfer complete", b"next")


@pytest.mark.parametrize("synch", [True, False], ids=["with Synch", "plain"])
def test_abor_in_the_middle_of_an_upload(server: Daemon, synch: bool) -> None:
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR torn.bin")
            assert client.reply().startswith("150")
            data.sendall(b"x" * 100_000)
            until("some of it has come", lambda: (server.home / "torn.bin").stat().st_size > 0)
            abort(client, synch=synch)
            assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
        assert client.transfer("STOR torn.bin", b"whole")[0].startswith("226")
    assert (server.home / "torn.bin").read_bytes() == b"whole"


def test_a_download_closed_behind_its_abor_was_taken_back_and_not_lost(server: Daemon) -> None:
    server.give_huge("huge.bin")
    with Raw(server) as client:
        client.login()
        for _ in range(20):
            with client.passive(window=4096) as data:
                client.send("RETR huge.bin")
                assert client.reply().startswith("150")
                data.recv(1)
                client.send("ABOR")
            assert client.reply() == "426 Transfer aborted. Data connection closed."
            assert client.reply() == "226 Abort successful"


@pytest.mark.parametrize("synch", [True, False], ids=["with Synch", "plain"])
def test_abor_counts_before_the_end_of_the_upload_that_came_after_it(server: Daemon, synch: bool) -> None:
    with Raw(server) as client:
        client.login()
        for _ in range(20):
            with client.passive() as data:
                client.send("STOR taken-back.bin")
                assert client.reply().startswith("150")
                data.sendall(b"x" * 1000)
                abort(client, synch=synch)
            assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
            # of an upload that was taken back before its first byte was read, no empty file is left
            assert client.ask("DELE taken-back.bin")[:3] in ("250", "550")
        # and what else is said meanwhile is answered afterwards, once
        with client.passive() as data:
            client.send("STOR kept.bin")
            assert client.reply().startswith("150")
            client.send(b"NOOP\r\nPWD\r\n")
        assert [client.reply()[:3], client.reply()[:3], client.reply()[:3]] == ["226", "200", "257"]


def test_a_download_that_the_client_does_not_read_is_not_told_as_complete(server: Daemon) -> None:
    server.give("some.bin", b"x" * 1_500_000)
    with Raw(server) as client:
        client.login()
        with client.passive(window=65536):
            client.send("RETR some.bin")
            assert client.reply().startswith("150")
            # the kernel alone would have taken in all of it
            client.sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.line()
            client.sock.settimeout(PATIENCE)
            client.send("ABOR")
            assert client.reply() == "426 Transfer aborted. Data connection closed."
            assert client.reply() == "226 Abort successful"


def test_abor_of_an_upload_under_a_hidden_name_leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    hiding = Daemon(tmp_path_factory.mktemp("hiding"), "HiddenStores on\n")
    hiding.start()
    try:
        with Raw(hiding) as client:
            client.login()
            with client.passive() as data:
                client.send("STOR hidden.bin")
                assert client.reply().startswith("150")
                data.sendall(b"x" * 100_000)
                until("it is being written", lambda: any(one.stat().st_size for one in hiding.home.iterdir()))
                abort(client, synch=False)
                assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
            assert list(hiding.home.iterdir()) == []
            with client.passive() as data:
                client.send("STOR hidden.bin")
                assert client.reply().startswith("150")
                data.sendall(b"x" * 100_000)
                until("it is being written", lambda: any(one.stat().st_size for one in hiding.home.iterdir()))
                reset(data)
                assert client.reply().startswith("426")
            assert list(hiding.home.iterdir()) == [], "what was torn off has been published"
            assert client.transfer("STOR hidden.bin", b"whole")[0].startswith("226")
        assert [(one.name, one.read_bytes()) for one in hiding.home.iterdir()] == [("hidden.bin", b"whole")]
        alive(hiding)
    finally:
        hiding.stop()


@pytest.mark.parametrize("when", ["with the command", "with the data", "after the data"])
def test_abor_near_the_end_is_answered_either_way_a_hundred_times(server: Daemon, when: str) -> None:
    server.give("short.txt", b"short")
    with Raw(server) as client:
        client.login()
        for _ in range(100):
            with client.passive() as data:
                client.send(b"RETR short.txt\r\n" + (b"ABOR\r\n" if when == "with the command" else b""))
                if when == "with the data":
                    client.send("ABOR")
                everything(data)
                if when == "after the data":
                    client.send("ABOR")
                answers = [client.reply()[:3] for _ in range(2)]
                if answers[0] == "150":
                    answers.append(client.reply()[:3])
            assert answers in (["150", "226", "226"], ["150", "426", "226"], ["426", "226"])
        assert client.ask("NOOP") == "200 NOOP command successful", "there was an answer too many"
        assert client.transfer("RETR short.txt") == ("226 Transfer complete", b"short")


def test_abor_without_a_transfer_forgets_the_passive_port(server: Daemon) -> None:
    with Raw(server) as client:
        port = client.login().port_for_data()
        assert client.ask("ABOR") == "226 Abort successful"
        assert not server.listens(port)
