"""Data connections that the client makes (PASV, EPSV): who is let in, who is turned away, and who does not come."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from transfer_ground import (
    LOCAL,
    awaiting,
    dial,
    drain,
    hears,
    listen,
    loops,
    pair,
    reset,
    run,
    says_hello,
    until,
)

from ftpd.module.wire import TransferError
from ftpd.transfer import kernel
from ftpd.transfer.channel import Ground
from ftpd.transfer.ports import ActiveConnector, plain_host
from tests.listening import listens

pytestmark = pytest.mark.usefixtures("way_to_call")

PORTS = range(23700, 23705)


@loops
def test_a_client_that_is_there_already_is_served_at_once(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        client = dial(listener.port)
        data = await listener.open(timeout=5)
        assert data.local_port == listener.port
        assert listener.address == ("127.0.0.1", listener.port)
        await says_hello(data)
        assert hears(client) == b"hello"
        assert not listens(listener.port)

    run(loop, story)


@loops
def test_a_client_that_takes_its_time_is_waited_for(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        async with awaiting(listener.open(timeout=5)) as opening:
            client = dial(listener.port)
            await says_hello(await opening)
        assert hears(client) == b"hello"

    run(loop, story)


@loops
def test_a_thief_is_turned_away_and_the_client_still_served(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story(ground: Ground) -> None:
        for early in (True, False):
            listener = listen(ground, label="ftp.test (alice[127.0.0.1])")
            thief = dial(listener.port, "127.0.0.2") if early else None
            async with awaiting(listener.open(timeout=5)) as opening:
                thief = thief or dial(listener.port, "127.0.0.2")
                await asyncio.sleep(0.01)
                assert not opening.done()
                assert hears(thief) in (b"", b"reset")
                client = dial(listener.port)
                await says_hello(await opening)
            assert hears(client) == b"hello"
            assert f"from 127.0.0.2 to port {listener.port} was refused" in caplog.text
            assert caplog.records[-1].peer == "ftp.test (alice[127.0.0.1])"

    with caplog.at_level(logging.INFO, "ftpd"):
        run(loop, story)


@loops
def test_foreign_addresses_are_let_in_where_the_configuration_allows_them(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        client = dial(listener.port, "127.0.0.2")
        await says_hello(await listener.open(timeout=5, allow_foreign=True))
        assert hears(client) == b"hello"

    run(loop, story)


@loops
def test_those_foreign_addresses_are_let_in_that_the_configuration_allows(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        others = [dial(listener.port, source) for source in ("127.0.0.3", "127.0.0.2")]
        await says_hello(await listener.open(timeout=5, allow_foreign=lambda host: host == "127.0.0.2"))
        assert [hears(client) for client in others] == [b"", b"hello"]

    run(loop, story)


@loops
def test_of_fifty_connections_one_is_used_and_the_rest_are_reset(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        crowd = []
        for _ in range(50):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", listener.port))
            crowd.append(client)
        await says_hello(await listener.open(timeout=5))
        heard = []
        for client in crowd:
            client.settimeout(5)
            heard.append(hears(client))
        assert heard.count(b"hello") == 1
        assert heard.count(b"reset") == 49

    run(loop, story)


@loops
def test_a_client_that_does_not_come_is_425_in_time(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        with pytest.raises(TransferError) as failure:
            await listener.open(timeout=0.01)
        assert (failure.value.code, failure.value.text) == (
            425,
            "Unable to build data connection: Connection timed out",
        )

    run(loop, story)


@loops
def test_a_listener_that_is_given_up_tells_who_waits(loop: str) -> None:
    async def story(ground: Ground) -> None:
        for end, code, aborted in [
            (lambda port: port.close(), 425, False),
            (lambda port: port.abort(), 426, True),
        ]:
            listener = listen(ground)
            async with awaiting(listener.open(timeout=5)) as opening:
                end(listener)
                with pytest.raises(TransferError) as failure:
                    await opening
            assert (failure.value.code, failure.value.aborted) == (code, aborted)
            with pytest.raises(TransferError) as failure:
                await listener.open(timeout=5)
            assert failure.value.code == code

    run(loop, story)


@loops
def test_a_cancelled_wait_leaves_nothing_behind(loop: str) -> None:
    async def story(ground: Ground) -> None:
        for arrives in (False, True):
            listener = listen(ground)
            async with awaiting(listener.open(timeout=5)) as opening:
                if arrives:
                    client = dial(listener.port)
                    listener.handle_read_event()
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening
            if arrives:
                assert hears(client) in (b"", b"reset")
            assert not listens(listener.port)

    run(loop, story)


@loops
def test_a_client_that_went_before_we_looked_ends_the_transfer(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        reset(dial(listener.port))
        data = await listener.open(timeout=5)
        with pytest.raises(TransferError) as failure:
            await data.send([b"hello"])
        assert failure.value.code == 426

    run(loop, story)


@loops
def test_an_abort_between_the_arrival_and_our_turn_is_seen(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        async with awaiting(listener.open(timeout=5)) as opening:
            client = dial(listener.port)
            listener.handle_read_event()
            listener.abort()
            with pytest.raises(TransferError) as failure:
                await opening
        assert failure.value.code == 426
        assert hears(client) in (b"", b"reset")

        with socket.create_server(("127.0.0.1", 0)) as server:
            connector = ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=server.getsockname()[1])
            connector._start = lambda start=connector._start: start() or errno.EINPROGRESS
            async with awaiting(connector.open(timeout=5)) as opening:
                connector.handle_write_event()
                connector.abort()
                with pytest.raises(TransferError) as failure:
                    await opening
        assert failure.value.code == 426

    run(loop, story)


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@loops
def test_without_a_descriptor_the_client_is_told_so(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        client = dial(listener.port)
        with no_descriptors_left(), pytest.raises(TransferError) as failure:
            await listener.open(timeout=5)
        with no_descriptors_left(), pytest.raises(TransferError) as active:
            await ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=9).open(timeout=5)
        assert failure.value.code == active.value.code == 425
        assert failure.value.text == active.value.text == "Unable to build data connection: Too many open files"
        assert hears(client) == b"reset"

    run(loop, story)


@loops
def test_an_error_of_one_newcomer_does_not_end_the_wait(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(ground: Ground) -> None:
        listener = listen(ground)
        client = dial(listener.port)
        real, calls = kernel.accept, []

        def flaky(descriptor: int, no_delay: bool, service: int) -> tuple[int, str] | int:
            calls.append(1)
            return -errno.ECONNABORTED if len(calls) == 1 else real(descriptor, no_delay, service)

        monkeypatch.setattr(kernel, "accept", flaky)
        await says_hello(await listener.open(timeout=5))
        assert hears(client) == b"hello"

    run(loop, story)


@loops
def test_the_family_follows_the_control_connection_or_rfc_2428(loop: str) -> None:
    async def story(ground: Ground) -> None:
        cases = [
            (("127.0.0.1", 21), 0, "127.0.0.1"),
            (("127.0.0.1", 21), 1, "127.0.0.1"),
            (("127.0.0.1", 21), 2, "127.0.0.1"),
            (("::ffff:127.0.0.1", 21, 0, 0), 1, "127.0.0.1"),
            (("::1", 21, 0, 0), 0, "::1"),
            (("::1", 21, 0, 0), 2, "::1"),
        ]
        for local, extended, host in cases:
            peer = local[0]
            listener = listen(ground, local=local, peer=peer, extended=extended)
            assert listener.address[0] == host
            client = dial(listener.port, host, host)
            await says_hello(await listener.open(timeout=5))
            assert hears(client) == b"hello"
        with pytest.raises(OSError, match="needs an IPv4 control connection") as refusal:
            listen(ground, local=("::1", 21, 0, 0), peer="::1", extended=1)
        assert refusal.value.errno == errno.EAFNOSUPPORT

    run(loop, story)


def test_an_address_that_is_not_ours_is_the_systems_error() -> None:
    async def story(ground: Ground) -> None:
        for ports in (None, PORTS):
            with pytest.raises(OSError, match="assign") as refusal:
                listen(ground, local=("192.0.2.1", 21), ports=ports)
            assert refusal.value.errno == errno.EADDRNOTAVAIL

    run("asyncio", story)


def test_peers_are_compared_without_the_clothes_of_their_family() -> None:
    assert plain_host("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_host("::ffff:1") == "::ffff:1"
    assert plain_host("fe80::1%eth0") == "fe80::1"


@loops
def test_data_connections_of_a_test_are_real(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        assert data.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert data.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 8
        await says_hello(data)
        await until(lambda: data.moved == 5)
        assert await drain(client) == b"hello"

    run(loop, story)
