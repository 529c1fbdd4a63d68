"""The things that are done to a server, and what each costs it."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from scripts.benchmark.account import Account
from scripts.benchmark.client import Client
from scripts.benchmark.ground import ROOT


class Scenario(NamedTuple):
    """``run`` is done ``times`` for one figure; it may give another number of operations than one."""

    run: Callable[[int, Client], int | None]
    times: int
    unit: str
    scale: float
    """From seconds to the unit."""
    crowd: int
    """So many do it at the same time."""


class Cost(NamedTuple):
    """Of one operation: processor time of the server, and how long it took; or memory, or a latency."""

    cpu: float
    wall: float
    unit: str
    served: float = 1.0
    """The part of a crowd that came to its operation at all."""


SCENARIOS: dict[str, Scenario] = {}
_MIB = 1 << 20
_FEW = 10
"""The largest crowd of a short round."""
BURST_PATIENCE = 10
"""Seconds that each of a burst waits: of those that come at once a server takes so many, and the rest is dropped."""


def scenario(
    times: int, unit: str = "us", scale: float = 1e6, crowd: int = 1
) -> Callable[[Callable[[int, Client], int | None]], Callable[[int, Client], int | None]]:
    def keep(function: Callable[[int, Client], int | None]) -> Callable[[int, Client], int | None]:
        SCENARIOS[function.__name__] = Scenario(function, times, unit, scale, crowd)
        return function

    return keep


@scenario(100)
def login(port: int, client: Client) -> None:
    Client(port).quit()


@scenario(3000)
def noop(port: int, client: Client) -> None:
    client.command("NOOP")


@scenario(2000)
def pwd(port: int, client: Client) -> None:
    client.command("PWD")


@scenario(2000)
def size(port: int, client: Client) -> None:
    client.command("SIZE small.bin")


@scenario(500)
def retr_1k(port: int, client: Client) -> None:
    assert client.get("RETR small.bin") == 1024


@scenario(500)
def stor_1k(port: int, client: Client) -> None:
    client.put("STOR up/small", b"y" * 1024)


@scenario(40, "ms", 1e3)
def session_mix(port: int, client: Client) -> None:
    with Client(port) as one:
        for text in ("FEAT", "PWD", "CWD d100"):
            one.command(text)
        one.get("LIST")
        for number in range(3):
            one.get(f"RETR file-{number:06d}.dat")
        one.command("CWD ../up")
        one.put("STOR mix", b"m" * 65536)
        one.command("QUIT")


@scenario(20, "ms", 1e3)
def list_1000(port: int, client: Client) -> None:
    client.get("LIST d1000")


@scenario(4, "ms", 1e3)
def list_10000(port: int, client: Client) -> None:
    client.get("LIST d10000")


@scenario(20, "ms", 1e3)
def mlsd_1000(port: int, client: Client) -> None:
    client.get("MLSD d1000")


@scenario(2, "s", 1)
def retr_1g(port: int, client: Client) -> None:
    assert client.get("RETR big.bin") == 1 << 30


@scenario(2, "s", 1)
def stor_1g(port: int, client: Client) -> None:
    client.put("STOR up/big", b"z" * _MIB, 1024)


@scenario(10, "ms", 1e3)
def ascii_retr_10m(port: int, client: Client) -> None:
    client.command("TYPE A")
    try:
        client.get("RETR text.txt")
    finally:
        client.command("TYPE I")


@scenario(10, "ms", 1e3)
def ascii_stor_10m(port: int, client: Client) -> None:
    text = (ROOT / "text.txt").read_bytes().replace(b"\n", b"\r\n")
    client.command("TYPE A")
    try:
        client.put("STOR up/text", text)
    finally:
        client.command("TYPE I")


@scenario(2, crowd=50)
def parallel_50(port: int, client: Client) -> int:
    """Fifty clients, each of which fetches 64 KiB twenty times: what one such file costs."""
    with Client(port) as one:
        for _ in range(20):
            assert one.get("RETR middle.bin") == 65536
    return 20


@scenario(1, crowd=300)
def burst_300(port: int, client: Client) -> int:
    """Three hundred clients log in at once: what it costs for each that comes in."""
    try:
        Client(port, BURST_PATIENCE).quit()
    except (AssertionError, EOFError, OSError):
        return 0
    return 1


def _at_once(many: int, work: Callable[[], int]) -> list[int]:
    """The results of as many threads; one that fails fails all."""
    if many == 1:
        return [work()]
    results: list[int] = []
    failures: list[BaseException] = []
    gate = threading.Barrier(many)

    def run() -> None:
        try:
            gate.wait()
            results.append(work())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


# -- what is no processor time for an operation ----------------------------------------------------------------------


def idle(account: Account, port: int, sessions: int) -> Cost:
    """Memory of a session that is logged in and does nothing, KiB."""
    warm = [Client(port) for _ in range(20)]
    before = account.rss()
    held: list[Client] = []
    try:
        held.extend(Client(port) for _ in range(sessions))
        time.sleep(0.5)
        return Cost((account.rss() - before) / sessions / 1024, 0.0, "KiB")
    finally:
        for one in warm + held:
            one.sock.close()


def noop_p99(port: int, transfers: int = 50, seconds: float = 3.0) -> Cost:
    """How long 99 of 100 NOOPs wait at most, beside transfers that take all they can get, ms."""
    with Client(port) as client, _taking_all(port, transfers):
        waited = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            client.command("NOOP")
            waited.append(time.perf_counter() - began)
            time.sleep(0.002)
    return Cost(statistics.quantiles(waited, n=100)[98] * 1e3, max(waited) * 1e3, "ms")


@contextmanager
def _taking_all(port: int, transfers: int) -> Iterator[None]:
    """So many downloads under way, taken by a process of their own: what it waits for, nobody else waits for."""
    begun, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _take_all(port, transfers, tell)
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(begun, 1), "the downloads could not begin"
        yield
    finally:
        os.close(begun)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _take_all(port: int, transfers: int, tell: int) -> None:
    clients = [Client(port) for _ in range(transfers)]
    buffer = bytearray(1 << 20)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            data = client.open_data("RETR big.bin")
            data.setblocking(False)
            selector.register(data, selectors.EVENT_READ, client)
        os.write(tell, b".")
        while True:
            for key, _ in selector.select():
                # what is thrown away at once costs the client no copy, and the server has to bring more of it (tcp(7))
                if not key.fileobj.recv_into(buffer, len(buffer), socket.MSG_TRUNC):  # type: ignore[union-attr]
                    selector.unregister(key.fileobj)
                    key.data.reply()
                    data = key.data.open_data("RETR big.bin")
                    data.setblocking(False)
                    selector.register(data, selectors.EVENT_READ, key.data)


def measure(account: Account, port: int, only: set[str], sessions: int, shorter: int = 1) -> dict[str, Cost]:
    """All scenarios, or those that are asked for, against the server on that port; what it cannot do is left out."""
    client, out = Client(port), {}
    for name, (run, times, unit, scale, crowd) in SCENARIOS.items():
        if only and name not in only:
            continue
        times = max(1, times // shorter)
        crowd = crowd if shorter == 1 else min(crowd, _FEW)

        def once(run: Callable[[int, Client], int | None] = run, one: Client = client) -> int:
            return 1 if (many := run(port, one)) is None else many

        try:
            # what a process does but once is no part of an operation, and of several workers each has to have done it
            for _ in range(min(times, 100)):
                _at_once(crowd, once)
            time.sleep(0.05)
            cpu, wall = account.cpu(), time.perf_counter()
            each = [one for _ in range(times) for one in _at_once(crowd, once)]
            wall, done = time.perf_counter() - wall, sum(each)
            assert done, "nobody was served"
            # what the server has to do behind its last reply is its work as well
            time.sleep(0.1)
            served = sum(one > 0 for one in each) / len(each)
            out[name] = Cost((account.cpu() - cpu) / done * scale, wall / done * scale, unit, served)
        except (AssertionError, EOFError, OSError) as error:
            print(f"  {name}: {type(error).__name__} {error}", file=sys.stderr)
            client = Client(port)
    client.sock.close()
    if not only or "idle" in only:
        out["idle"] = idle(account, port, sessions)
    if not only or "noop_p99" in only:
        out["noop_p99"] = noop_p99(port)
    return out
