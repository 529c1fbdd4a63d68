"""Names of clients: believed both ways only, for a bounded time, off the loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from time import monotonic

import pytest

from ftpd.core import trace
from ftpd.core.log import Route, main_route, set_main_route
from ftpd.engine import names
from ftpd.engine.names import Names, look_up
from ftpd.engine.pool import Pools

HERE = "192.0.2.1"


def resolver(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """A name server that gives the address this name, and the name these addresses."""

    def getaddrinfo(asked: bytes, port: None, type: int) -> list[tuple[object, ...]]:
        if asked != name.removesuffix(".").encode() or not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(names.socket, "getnameinfo", lambda address, flags: (name, "0"))
    monkeypatch.setattr(names.socket, "getaddrinfo", getaddrinfo)


def test_a_name_that_has_the_address_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, "client.example.org.", "192.0.2.7", HERE)
    assert look_up(HERE) == "client.example.org"


@pytest.mark.parametrize("addresses", [(), ("192.0.2.7",)])
def test_a_name_without_the_address_is_a_lie(monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]) -> None:
    resolver(monkeypatch, "trusted.example.org", *addresses)
    assert look_up(HERE) == HERE


@pytest.mark.parametrize("name", ["a b", "x'; DROP", "a\r\nb", "%s", "", ".", "a\N{LATIN SMALL LETTER LONG S}"])
def test_a_name_that_is_none_is_not_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    resolver(monkeypatch, name, HERE)
    assert look_up(HERE) == HERE


def test_an_address_without_a_name_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(address: tuple[str, int], flags: int) -> tuple[str, str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(names.socket, "getnameinfo", nobody)
    assert look_up(HERE) == HERE


def asked(look_up: Callable[[str], str], *hosts: str, patience: float = 5.0) -> tuple[list[str], float]:
    """The answers for hosts that ask at the same time, and how long that took."""

    async def story() -> tuple[list[str], float]:
        pools = Pools()
        try:
            wanted = Names(pools, look_up, patience)
            began = monotonic()
            answers = await asyncio.gather(*(wanted.of(host) for host in hosts))
            spent = monotonic() - began
            assert all(wanted.known(host) in (None, answer) for host, answer in zip(hosts, answers, strict=True))
            wanted.close()
            return answers, spent
        finally:
            pools.close()

    return asyncio.run(story())


def test_many_from_one_address_ask_once() -> None:
    calls: list[str] = []

    def look_up(host: str) -> str:
        calls.append(host)
        return "one.example.org"

    assert asked(look_up, *[HERE] * 50)[0] == ["one.example.org"] * 50
    assert calls == [HERE]


def test_what_takes_too_long_or_fails_leaves_the_address() -> None:
    answer = threading.Event()

    def hangs(host: str) -> str:
        answer.wait(20)
        return "late.example.org"

    try:
        hosts = [f"192.0.2.{number}" for number in range(200)]
        answers, spent = asked(hangs, *hosts, patience=0.1)
        assert answers == hosts
        assert spent < 2
    finally:
        answer.set()

    def fails(host: str) -> str:
        raise RuntimeError("no")

    assert asked(fails, HERE)[0] == [HERE]


def test_an_answer_is_known_for_some_time() -> None:
    async def story() -> tuple[str | None, str, str | None]:
        pools = Pools()
        try:
            names = Names(pools, lambda host: "one.example.org")
            return names.known(HERE), await names.of(HERE), names.known(HERE)
        finally:
            pools.close()

    assert asyncio.run(story()) == (None, "one.example.org", "one.example.org")


@pytest.mark.parametrize(
    ("found", "told"), [("client.example.org", "client.example.org"), (HERE, "none that has the address, too")]
)
def test_what_was_found_is_traced(found: str, told: str) -> None:
    lines: list[str] = []
    before = main_route()

    async def story() -> None:
        pools = Pools()
        try:
            assert await Names(pools, look_up=lambda host: found).of(HERE) == found
        finally:
            pools.close()

    trace.configure(lines.append)
    set_main_route(Route(own_channels={"dns": range(1, 5)}))
    try:
        asyncio.run(story())
    finally:
        trace.configure(None)
        set_main_route(before)
    (line,) = lines
    assert line.endswith(f"<dns:4>: the name of {HERE}: {told}")
