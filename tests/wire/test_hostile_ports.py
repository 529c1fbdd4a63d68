"""Passive ports as an attacker sees them: none can be guessed from those before it (S78), and none run out (S79)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw, alive, descriptors, until_descriptors

SESSIONS = 20


def passive_range(size: int) -> int:
    """The first of so many ports that this machine does not hand out by itself."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as ports:
        lowest = int(ports.read().split()[0])
    return random.randrange(12000, min(20000, lowest) - size)


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


def start(running: ExitStack, folder: Path, conf: str) -> Daemon:
    server = Daemon(folder, conf)
    server.start()
    running.callback(server.stop)
    return server


def ports(client: Raw, count: int) -> list[int]:
    """The ports of so many PASV, said in one go."""
    told = client.flood(b"PASV\r\n" * count, count)
    found = [re.fullmatch(r"227 Entering Passive Mode \((?:\d+,){4}(\d+),(\d+)\)\.", line) for line in told]
    assert len(found) == count and all(found), told
    return [int(one[1]) * 256 + int(one[2]) for one in found if one]


def test_ports_are_spread_evenly_and_tell_nothing_of_the_next(
    starts: ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    size, count = 50, 2000
    first = passive_range(size)
    server = start(starts, tmp_path_factory.mktemp("daemon"), f"PassivePorts {first} {first + size - 1}\n")
    with Raw(server) as client:
        seen = ports(client.login(), count)
    assert set(seen) == set(range(first, first + size))
    expected = count / size
    spread = sum((number - expected) ** 2 / expected for number in Counter(seen).values())
    assert spread < 125, f"chi-squared of {spread:.0f} with {size - 1} degrees of freedom: once in a hundred million"
    # the distance to the port before is as likely to be anything as anything else
    steps = Counter((one - before) % size for before, one in pairwise(seen))
    # one's own port is not free yet when the next is chosen
    steps.pop(0, None)
    expected = sum(steps.values()) / (size - 1)
    spread = sum((steps[step] - expected) ** 2 / expected for step in range(1, size))
    assert spread < 125, f"chi-squared of {spread:.0f}: the next port follows from the one before"
    alive(server)


def test_five_ports_for_twenty_sessions_that_ask_without_end_run_out_for_nobody(
    starts: ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = passive_range(5)
    server = start(starts, tmp_path_factory.mktemp("daemon"), f"PassivePorts {first} {first + 4}\n")
    with Raw(server) as client:
        client.login()
    unused = descriptors(server)
    with ExitStack() as left:
        clients = [left.enter_context(Raw(server)).login() for _ in range(SESSIONS)]
        for client in clients:
            seen = ports(client, 300)
            # with the range taken by the others the kernel gives a port, as in ProFTPD
            assert min(seen) >= 1024
        # connection and root folder, and one port each
        assert descriptors(server) - unused <= 3 * SESSIONS
        for client in clients:
            assert client.transfer("NLST")[0].startswith("226")
            client.ask("ABOR")
    until_descriptors(server, unused)
    alive(server)
