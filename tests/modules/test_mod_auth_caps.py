"""How many at once: MaxClients and its kin count who is on, and forget who has left."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.api import tally
from ftpd.module.logformat import Format
from ftpd.testing import Bench

TOM = "230 User tom logged in"
USERS = {"tom": "secret", "bob": "secret"}


async def enter(conf: str, user: str = "tom", remote: str = "10.0.0.1") -> tuple[Bench, str]:
    bench = Bench(conf=conf, login=None, users=USERS, remote=remote)
    await bench.open()
    await bench(f"USER {user}")
    return bench, await bench("PASS secret")


def second(conf: str, user: str = "tom", remote: str = "10.0.0.1") -> str:
    """What the second client is told; the third finds the place of the first again when that has left."""

    async def run() -> str:
        first, answer = await enter(conf)
        assert answer == TOM
        other, told = await enter(conf, user, remote)
        if not told.startswith("230"):
            assert other.wire.closed_for == f"Configured policy: Denied by {conf.split()[0]}"
            assert Format("%u|%g|%E").fill(other.session) == f"{user}|{user}|"
        await first.close()
        await other.close()
        again, answer = await enter(conf)
        assert answer == TOM
        await again.close()
        return told

    told = asyncio.run(run())
    assert len(tally()) == 0, "somebody who left is still counted"
    return told


SORRY = "530 Sorry, the maximum number of "


@pytest.mark.parametrize(
    ("conf", "user", "remote", "told"),
    [
        ("MaxClients 1", "bob", "10.0.0.2", SORRY + "allowed clients (1) are already connected."),
        ("MaxClients 2", "bob", "10.0.0.2", "230 User bob logged in"),
        ("MaxClients none", "bob", "10.0.0.2", "230 User bob logged in"),
        ("MaxClientsPerHost 1", "bob", "10.0.0.1", SORRY + "clients (1) from your host are already connected."),
        ("MaxClientsPerHost 1", "bob", "10.0.0.2", "230 User bob logged in"),
        ('MaxClientsPerHost 1 "Only %m of you"', "bob", "10.0.0.1", "530 Only 1 of you"),
        ('MaxClientsPerHost 1 ""', "bob", "10.0.0.1", "530 "),
        ("MaxClientsPerUser 1", "tom", "10.0.0.2", SORRY + "clients (1) for this user are already connected."),
        ("MaxClientsPerUser 1", "bob", "10.0.0.1", "230 User bob logged in"),
        ("MaxHostsPerUser 1", "tom", "10.0.0.2", SORRY + "hosts (1) for this user are already connected."),
        ("MaxHostsPerUser 1", "tom", "10.0.0.1", TOM),
    ],
)
def test_the_one_too_many_is_sent_away(conf: str, user: str, remote: str, told: str) -> None:
    assert second(conf, user, remote) == told


def test_connections_count_before_anybody_logs_in() -> None:
    async def run() -> tuple[str, str | None, str | None]:
        conf = "MaxConnectionsPerHost 1"
        benches = [Bench(conf=conf, login=None, remote=f"10.0.0.{last}") for last in (1, 1, 2)]
        said = [await bench.open() for bench in benches]
        closed = [bench.wire.closed_for for bench in benches]
        for bench in benches:
            await bench.close()
        return said[1], closed[1], closed[2]

    said, refused, other = asyncio.run(run())
    assert said.endswith("Sorry, the maximum number of connections (1) for your host are already connected.")
    assert refused is not None
    assert other is None
    assert len(tally()) == 0


def test_a_failed_login_takes_nobody_s_place() -> None:
    async def run() -> str:
        conf = "MaxClients 1"
        first, told = await enter(conf, "nosuch")
        assert told == "530 Login incorrect."
        other, told = await enter(conf)
        await first.close()
        await other.close()
        return told

    assert asyncio.run(run()) == TOM


@pytest.mark.parametrize(
    ("cap", "remote", "let_in"),
    [
        ("MaxClientsPerHost 1", "10.0.0.1", False),
        ("MaxClientsPerHost 1", "10.0.0.2", True),
        ("MaxClientsPerHost 2", "10.0.0.1", True),
        ("MaxClients 1", "10.0.0.2", False),
        ("MaxClientsPerUser 1", "10.0.0.1", True),
    ],
)
def test_a_guest_is_one_of_the_servers_clients_and_of_its_hosts(cap: str, remote: str, let_in: bool) -> None:
    async def run() -> str:
        conf = f"{cap}\n<Anonymous {{root}}>\nUser bob\nUserAlias anonymous bob\nRequireValidShell off\n</Anonymous>\n"
        guest, told = await enter(conf, "anonymous")
        assert told == "230 Anonymous access granted, restrictions apply"
        other, told = await enter(conf, "tom", remote)
        await guest.close()
        await other.close()
        again, said = await enter(conf, "tom", remote)
        assert said == TOM
        await again.close()
        return told

    assert asyncio.run(run()).startswith("230" if let_in else "530")
    assert len(tally()) == 0
