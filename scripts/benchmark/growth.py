"""How the cost of our daemon grows: with the sessions that are on, the entries of a folder, the size of a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scripts.benchmark.account import Account
from scripts.benchmark.client import Client
from scripts.benchmark.ground import file_of, folder_of

SESSIONS = (1, 10, 100, 1000, 10000)
ENTRIES = (10, 100, 1000, 10000, 50000, 200000)
SIZES = tuple(1 << power for power in (10, 15, 20, 25, 30, 32))


class Point(NamedTuple):
    """Of one series: how much of it there was, what it cost, and the memory of the daemon then."""

    amount: int
    cpu: float
    unit: str
    rss: float
    """MiB."""
    first: float = 0.0
    """ms to the first byte."""


def sessions(account: Account, port: int, amounts: Sequence[int] = SESSIONS, shorter: int = 1) -> Iterator[Point]:
    """Processor time of a NOOP beside so many sessions, us."""
    held: list[Client] = []
    try:
        for amount in amounts:
            held.extend(Client(port) for _ in range(amount - len(held)))
            time.sleep(0.5)
            best = min(_noops(account, held[len(held) // 2], 2000 // shorter) for _ in range(5))
            yield Point(amount, best, "us", account.rss() / (1 << 20))
    finally:
        for one in held:
            one.sock.close()


def _noops(account: Account, client: Client, times: int) -> float:
    before = account.cpu()
    for _ in range(times):
        client.command("NOOP")
    time.sleep(0.05)
    return (account.cpu() - before) / times * 1e6


def entries(account: Account, port: int, amounts: Sequence[int] = ENTRIES, shorter: int = 1) -> Iterator[Point]:
    """Processor time of LIST for each entry, us; and when its first byte comes."""
    with Client(port) as client:
        for amount in amounts:
            name = folder_of(amount)
            times = max(1, 2000 // shorter // amount)
            client.get(f"LIST {name}")
            before = account.cpu()
            for _ in range(times):
                client.get(f"LIST {name}")
            time.sleep(0.05)
            cost = (account.cpu() - before) / times / amount * 1e6
            yield Point(amount, cost, "us/entry", account.rss() / (1 << 20), _first_byte(client, f"LIST {name}"))


def _first_byte(client: Client, text: str) -> float:
    began = time.perf_counter()
    with client.open_data(text) as data:
        data.recv(1)
        came = time.perf_counter() - began
        while data.recv(1 << 20):
            pass
    client.reply()
    return came * 1e3


def sizes(account: Account, port: int, amounts: Sequence[int] = SIZES, shorter: int = 1) -> Iterator[Point]:
    """Processor time of RETR, us for a file of that size."""
    with Client(port) as client:
        for amount in amounts:
            name = file_of(amount)
            times = max(1, min(500, (1 << 30) // amount) // shorter)
            client.get(f"RETR {name}")
            before = account.cpu()
            for _ in range(times):
                assert client.get(f"RETR {name}") == amount
            time.sleep(0.05)
            yield Point(amount, (account.cpu() - before) / times * 1e6, "us", account.rss() / (1 << 20))


SERIES = {"sessions": sessions, "entries": entries, "sizes": sizes}
