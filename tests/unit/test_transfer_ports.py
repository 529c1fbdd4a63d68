"""Data connections come from the client and nobody else, once, in time, on ports that cannot be guessed."""

from __future__ import annotations

import asyncio
import collections
import errno
import itertools
import logging
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from transfer_ground import LOCAL, LOOPS, awaiting, drain, pair, reset, run, until

from ftpd.module.wire import TransferError
from ftpd.transfer import kernel
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.portrange import drawn, of_system
from ftpd.transfer.ports import ActiveConnector, PassiveListener, plain_host

loops = pytest.mark.parametrize("loop", LOOPS)
pytestmark = pytest.mark.usefixtures("way_to_call")
PORTS = range(23700, 23705)
BEFORE = 23710
"""The port before that of a server."""


def listen(ground: Ground, **options: object) -> PassiveListener:
    return PassiveListener(ground, **{"local": LOCAL, "peer": "127.0.0.1", **options})


def dial(port: int, source: str = "127.0.0.1", to: str = "127.0.0.1") -> socket.socket:
    """A client that has connected, though nobody may have accepted yet."""
    return socket.create_connection((to, port), timeout=5, source_address=(source, 0))


async def says_hello(data: DataChannel) -> None:
    await data.send([b"hello"])
    await data.finish()


def hears(client: socket.socket) -> bytes:
    """What comes to the end of the connection; ``reset`` when there was no orderly one."""
    with client:
        try:
            return client.recv(100) + client.recv(100)
        except ConnectionError:
            return b"reset"


# -- PASV, EPSV --------------------------------------------------------------------------------------------


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
        with pytest.raises(ConnectionRefusedError):
            dial(listener.port)

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
def test_a_range_that_is_full_is_refused_until_a_port_is_free(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listeners = [listen(ground, ports=PORTS) for _ in PORTS]
        assert sorted(listener.port for listener in listeners) == list(PORTS)
        with pytest.raises(OSError, match="no port from 23700 to 23704 is free") as refusal:
            listen(ground, ports=PORTS)
        assert refusal.value.errno == errno.EADDRINUSE
        freed = listeners.pop()
        freed.close()
        listeners.append(listen(ground, ports=PORTS))
        assert listeners[-1].port == freed.port
        for listener in listeners:
            listener.close()

    run(loop, story)


@loops
def test_a_port_can_be_used_again_right_after_a_transfer(loop: str) -> None:
    async def story(ground: Ground) -> None:
        for _ in range(3):
            listener = listen(ground, ports=range(23710, 23711))
            client = dial(listener.port)
            await says_hello(await listener.open(timeout=5))
            assert hears(client) == b"hello"

    run(loop, story)


def test_the_next_port_cannot_be_guessed() -> None:
    async def story(ground: Ground) -> None:
        picks = []
        for _ in range(1000):
            listener = listen(ground, ports=range(23720, 23730))
            picks.append(listener.port - 23720)
            listener.close()
        counts = collections.Counter(picks)
        assert sum((counts[port] - 100) ** 2 / 100 for port in range(10)) < 52, "chi-squared, p = 1 in 2 million"
        mean = sum(picks) / 1000
        spread = sum((pick - mean) ** 2 for pick in picks)
        follows = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(picks))
        assert abs(follows / spread) < 0.165, "correlation with the pick before, p = 1 in 5 million"

    run("asyncio", story)


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
            with pytest.raises(ConnectionRefusedError):
                dial(listener.port)

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


# below those that other tests take for their daemons, which run beside this
FEW = range(11720, 11724)


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system with few ports for whoever does not mind which, one of them reserved."""
    monkeypatch.setattr("ftpd.transfer.ports.of_system", lambda: (FEW, frozenset({FEW[0]})))
    # each is found, if it is free: of four, sixteen draws miss the last one in every hundredth run
    monkeypatch.setattr("ftpd.transfer.ports.FEW_TRIES", 1000)


@loops
@pytest.mark.usefixtures("few_ports")
def test_ports_that_transfers_have_used_a_moment_ago_are_used_again(loop: str) -> None:
    async def story(ground: Ground) -> None:
        for _ in range(3 * len(FEW)):
            listener = listen(ground)
            assert listener.port in FEW[1:]
            client = dial(listener.port)
            # it is our side that ends first, which leaves the port in TIME_WAIT for a minute
            await says_hello(await listener.open(timeout=5))
            assert hears(client) == b"hello"

    run(loop, story)


@loops
@pytest.mark.usefixtures("few_ports")
def test_where_they_are_all_taken_the_kernel_finds_one(loop: str) -> None:
    async def story(ground: Ground) -> None:
        listeners = [listen(ground) for _ in FEW]
        assert {listener.port for listener in listeners[:-1]} == set(FEW[1:])
        assert listeners[-1].port not in FEW
        for listener in listeners:
            listener.close()

    run(loop, story)


def test_the_ports_are_those_that_the_kernel_would_choose_from() -> None:
    ports, reserved = of_system()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in ports
        assert server.getsockname()[1] not in reserved


def test_what_a_worker_draws_tells_nothing_of_another_that_was_forked_beside_it() -> None:
    def drawn_by_a_child() -> bytes:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, repr(list(drawn(range(1024, 65536), 20))).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            text = told.read()
        os.waitpid(child, 0)
        return text

    list(drawn(range(1024, 65536), 1))  # there is some left in store
    assert drawn_by_a_child() != drawn_by_a_child()


def test_ports_are_drawn_once_each_and_in_another_order_each_time() -> None:
    ports = range(1000, 1200)
    assert sorted(drawn(ports, 500)) == list(ports)
    assert len(list(drawn(ports, 10))) == 10
    assert list(drawn(ports, 200)) != list(drawn(ports, 200))


# -- PORT, EPRT ----------------------------------------------------------------------------------------------


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
