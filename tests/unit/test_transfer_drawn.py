"""Which ports are listened at: drawn from a range or from the kernel's, and by nobody to be foreseen."""

from __future__ import annotations

import collections
import errno
import itertools
import os
import socket

import pytest
from transfer_ground import dial, hears, listen, loops, run, says_hello

from ftpd.transfer.channel import Ground
from ftpd.transfer.portrange import drawn, of_system

pytestmark = pytest.mark.usefixtures("way_to_call")

PORTS = range(23700, 23705)


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
