"""Data connections that the server makes (PORT, EPRT): from which address and port, and what ends the attempt."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest
from transfer_ground import LOCAL, awaiting, hears, loops, run, says_hello

from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.ports import ActiveConnector

pytestmark = pytest.mark.usefixtures("way_to_call")

BEFORE = 23710
"""The port before that of a server."""


def sources(loop: str, local: tuple[str, int], count: int = 1, *, from_before: bool = True) -> list[int]:
    """The ports that connections to one client come from, all open at once, all to one port of the client's."""
    found: list[int] = []

    async def story(ground: Ground) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as left:
            for _ in range(count):
                there = server.getsockname()[1]
                data = await ActiveConnector(
                    ground, local=local, address="127.0.0.1", port=there, from_before=from_before
                ).open(timeout=5)
                client, source = server.accept()
                left.enter_context(client)
                left.callback(data.abort)
                found.append(source[1])

    run(loop, story)
    return found


@loops
def test_an_active_connection_leaves_from_the_port_before_the_server_s(loop: str) -> None:
    assert sources(loop, ("127.0.0.1", BEFORE + 1)) == [BEFORE]
    assert sources(loop, ("127.0.0.1", BEFORE + 1), from_before=False) != [BEFORE]
    if os.geteuid() == 0:
        assert sources(loop, LOCAL) == [LOCAL[1] - 1]


@loops
def test_where_that_port_is_taken_it_leaves_from_another(loop: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert taken not in sources(loop, ("127.0.0.1", taken + 1))
    # two connections between the same two ends there cannot be
    first, second = sources(loop, ("127.0.0.1", BEFORE + 1), count=2)
    assert first == BEFORE != second


@loops
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_server_connects_from_the_address_of_the_control_connection(loop: str, host: str) -> None:
    async def story(ground: Ground) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        source = "::1" if ":" in host else "127.0.0.3"
        with socket.create_server((host, 0), family=family) as server:
            connector = ActiveConnector(
                ground, local=(source, 21, 0, 0)[: 4 if ":" in host else 2], address=host, port=server.getsockname()[1]
            )
            data = await connector.open(timeout=5)
            client, address = server.accept()
        assert address[0] == source
        assert data.local_port == address[1]
        await says_hello(data)
        assert hears(client) == b"hello"

    run(loop, story)


@loops
def test_a_client_that_does_not_listen_is_425_with_the_cause(loop: str) -> None:
    async def story(ground: Ground) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(TransferError) as failure:
            await ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=port).open(timeout=5)
        assert (failure.value.code, failure.value.text) == (425, "Unable to build data connection: Connection refused")

    run(loop, story)


async def busy_port(story: Callable[[int], Awaitable[None]]) -> None:
    """Run the story with a port whose queue is full: connections to it hang."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        crowd = [socket.socket() for _ in range(3)]
        for client in crowd:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        await story(server.getsockname()[1])
        for client in crowd:
            client.close()


@loops
def test_a_client_that_does_not_answer_is_425_in_time(loop: str) -> None:
    async def story(ground: Ground) -> None:
        async def connects(port: int) -> None:
            with pytest.raises(TransferError) as failure:
                await ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=port).open(timeout=0.01)
            assert (failure.value.code, failure.value.text) == (
                425,
                "Unable to build data connection: Connection timed out",
            )

        await busy_port(connects)

    run(loop, story)


@loops
def test_connecting_can_be_aborted_given_up_or_cancelled(loop: str) -> None:
    async def story(ground: Ground) -> None:
        async def connects(port: int) -> None:
            for end, code in [(lambda port: port.abort(), 426), (lambda port: port.close(), 425)]:
                connector = ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=port)
                async with awaiting(connector.open(timeout=5)) as opening:
                    end(connector)
                    with pytest.raises(TransferError) as failure:
                        await opening
                assert failure.value.code == code
            connector = ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=port)
            async with awaiting(connector.open(timeout=5)) as opening:
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening

        await busy_port(connects)

    run(loop, story)


@loops
def test_a_connection_that_comes_late_is_used(loop: str) -> None:
    async def story(ground: Ground) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            connector = ActiveConnector(ground, local=LOCAL, address="127.0.0.1", port=server.getsockname()[1])
            start = connector._start

            def slowly() -> int:
                start()
                return errno.EINPROGRESS  # as over a real network

            connector._start = slowly
            await says_hello(await connector.open(timeout=5))
            client, _ = server.accept()
        assert hears(client) == b"hello"

    run(loop, story)
