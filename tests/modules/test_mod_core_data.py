"""PASV, EPSV, PORT, EPRT: what is announced, what is accepted, and whose address may be named."""

from __future__ import annotations

import asyncio
import errno

import pytest
from core_ground import last, talk

from ftpd.module.session import Address
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryWire

REFUSED = "500 Illegal PORT command"
MALFORMED = "501 Illegal PORT command"


async def _from(remote: str, local: str, *lines: str, conf: str = "") -> tuple[list[str], object]:
    async with Bench(conf=conf, remote=remote) as ftp:
        assert ftp.session is not None
        ftp.session.local = Address(local, 21)
        return [await ftp(line) for line in lines], ftp.wire.listening


def client(remote: str, local: str, *lines: str, conf: str = "") -> list[str]:
    """The replies to a client from ``remote`` that has connected to ``local``."""
    return asyncio.run(_from(remote, local, *lines, conf=conf))[0]


def target(remote: str, local: str, line: str, conf: str = "") -> object:
    """What the data connection was told after the line."""
    return asyncio.run(_from(remote, local, line, conf=conf))[1]


def test_without_ipv6_an_ipv4_client_is_told_of_ipv4_only() -> None:
    async def story() -> list[str]:
        async with Bench() as ftp:
            ftp.wire.use_ipv6 = False
            return [await ftp(line) for line in ("EPSV 2", "EPRT |2|::ffff:127.0.0.1|51210|", "EPSV 1")]

    assert asyncio.run(story()) == [
        "522 Network protocol not supported, use (1)",
        "522 Network protocol not supported, use (1)",
        "229 Entering Extended Passive Mode (|||50000|)",
    ]


# -- passive -----------------------------------------------------------------------------------------


def test_pasv_announces_address_and_port() -> None:
    assert talk("PASV", "PASV x") == [
        "227 Entering Passive Mode (127,0,0,1,195,80).",
        "501 Invalid number of parameters",
    ]


def test_pasv_announces_the_masquerade_address_and_a_port_of_the_range() -> None:
    conf = "MasqueradeAddress 192.0.2.7\nPassivePorts 52000 52001\n"
    assert talk("PASV", "EPSV", conf=conf) == [
        "227 Entering Passive Mode (192,0,2,7,203,32).",
        "229 Entering Extended Passive Mode (|||52000|)",
    ]


def test_without_a_free_port_in_the_range_the_kernel_gives_one_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(wire: MemoryWire, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        if ports is not None:
            raise OSError(errno.EADDRINUSE, "no port is free")
        return "127.0.0.1", 40000

    monkeypatch.setattr(MemoryWire, "passive", full)
    assert last("PASV", conf="PassivePorts 52000 52001\n") == "227 Entering Passive Mode (127,0,0,1,156,64)."
    assert "unable to find open port in PassivePorts range 52000-52001" in caplog.text


def test_where_the_kernel_has_no_port_either_the_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(wire: MemoryWire, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        raise OSError(errno.EADDRINUSE, "no port is free")

    monkeypatch.setattr(MemoryWire, "passive", none)
    for conf in ("", "PassivePorts 52000 52001\n"):
        assert last("PASV", conf=conf) == "425 Unable to build data connection: Address already in use"


def test_an_ipv6_masquerade_address_has_no_room_in_pasv() -> None:
    assert last("PASV", conf="MasqueradeAddress 2001:db8::1\n") == "227 Entering Passive Mode (127,0,0,1,195,80)."


def test_pasv_over_ipv6_names_the_ipv4_address_that_clients_reach_the_server_by() -> None:
    conf = "MasqueradeAddress 192.0.2.7\n"
    assert client("2001:db8::2", "2001:db8::1", "PASV", conf=conf) == [
        "227 Entering Passive Mode (192,0,2,7,195,80).",
    ]


def test_pasv_over_ipv6_says_what_to_use() -> None:
    assert client("2001:db8::2", "2001:db8::1", "PASV", "EPSV", "EPSV 2", "EPSV 1") == [
        "425 PASV cannot name an IPv6 address, use EPSV",
        "229 Entering Extended Passive Mode (|||50000|)",
        "229 Entering Extended Passive Mode (|||50000|)",
        "522 Network protocol not supported, use (2)",
    ]


def test_a_full_range_of_ports_is_told() -> None:
    async def story() -> str:
        async with Bench() as ftp:

            def full(**unused: object) -> tuple[str, int]:
                raise OSError(98, "Address already in use")

            ftp.wire.passive = full  # type: ignore[method-assign]
            return await ftp("PASV")

    assert asyncio.run(story()) == "425 Unable to build data connection: Address already in use"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("EPSV 1", "229 Entering Extended Passive Mode (|||50000|)"),
        ("EPSV 2", "229 Entering Extended Passive Mode (|||50000|)"),
        ("EPSV 3", "522 Network protocol not supported, use (1,2)"),
        ("EPSV 0", "522 Network protocol not supported, use (1,2)"),
        ("EPSV 1x", "501 EPSV: unknown network protocol"),
        ("EPSV abc", "501 EPSV: unknown network protocol"),
        ("EPSV \u00b9", "501 EPSV: unknown network protocol"),
        ("EPSV -1", "501 EPSV: unknown network protocol"),
        ("EPSV 1 2", "501 Invalid number of parameters"),
    ],
)
def test_epsv_and_its_protocols(line: str, reply: str) -> None:
    assert last(line) == reply


def test_behind_epsv_all_a_listing_without_epsv_is_told_at_once() -> None:
    refused = "425 Unable to build data connection: Connection refused"
    assert talk("EPSV ALL", "LIST") == ["200 EPSV ALL command successful", refused]


@pytest.mark.parametrize("line", ["PASV x", "PORT", "PORT 1 2", "EPRT", "EPRT |1|127.0.0.1|51210| x"])
def test_behind_epsv_all_it_is_said_whatever_stands_in_the_line(line: str) -> None:
    verb = line.split()[0]
    assert talk(line, "EPSV ALL", line)[::2] == [
        "501 Invalid number of parameters",
        f"500 Illegal {verb} command, EPSV ALL in effect",
    ]


def test_epsv_all_is_a_promise() -> None:
    lines = ("EPSV all", "PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|", "EPSV")
    assert talk(*lines) == [
        "200 EPSV ALL command successful",
        "500 Illegal PASV command, EPSV ALL in effect",
        "500 Illegal PORT command, EPSV ALL in effect",
        "500 Illegal EPRT command, EPSV ALL in effect",
        "229 Entering Extended Passive Mode (|||50000|)",
    ]


# -- active ------------------------------------------------------------------------------------------


def test_port_to_the_client_itself() -> None:
    assert last("PORT 127,0,0,1,200,10") == "200 PORT command successful"
    assert target("127.0.0.1", "127.0.0.1", "PORT 127,0,0,1,200,10") == {"active": ("127.0.0.1", 51210)}


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("PORT 127,0,0,2,200,10", REFUSED),
        ("PORT 8,8,8,8,200,10", REFUSED),
        ("PORT 255,255,255,255,200,10", REFUSED),
        ("PORT 224,0,0,1,200,10", REFUSED),
        ("PORT 127,0,0,1,0,80", REFUSED),
        ("PORT 127,0,0,1,3,255", REFUSED),
        ("PORT 127,0,0,1,0,0", MALFORMED),
        ("PORT 0,0,0,0,10,10", MALFORMED),
        ("PORT 1,2,3", MALFORMED),
        ("PORT a,b,c,d,e,f", MALFORMED),
        ("PORT 127,0,0,1,256,1", MALFORMED),
        ("PORT 127,0,0,1,10,1,5", MALFORMED),
        ("PORT 127,0,0,1,10,-1", MALFORMED),
        ("PORT 127,0,0,1,+10,1", MALFORMED),
        ("PORT 127,0,0,1,1_0,1", MALFORMED),
        ("PORT 127,0,0,1,\u0661\u0662,1", MALFORMED),
        ("PORT 127,0,0,1,200,", MALFORMED),
        ("PORT 127,0,0,1,200," + "0" * 5000, MALFORMED),
        ("PORT 127,0,0,1, 10,10", "501 Invalid number of parameters"),
        ("PORT", "501 Invalid number of parameters"),
    ],
)
def test_port_knocks_at_nobody_elses_door(line: str, reply: str) -> None:
    assert last(line) == reply


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("EPRT |1|127.0.0.1|51210|", "200 EPRT command successful"),
        ("EPRT !1!127.0.0.1!51210!", "200 EPRT command successful"),
        ("EPRT |1|127.0.0.2|51210|", "500 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|80|", "500 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|0|", "500 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|70000|", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|65536|", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|abc|", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|-5|", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1||", "500 Illegal EPRT command"),
        ("EPRT |1|0.0.0.0|51210|", "501 Illegal EPRT command"),
        ("EPRT |1|foo|51210|", "501 Illegal EPRT command"),
        ("EPRT |1|300.0.0.1|51210|", "501 Illegal EPRT command"),
        ("EPRT |1|::1|51210|", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|51210", "501 Illegal EPRT command"),
        ("EPRT |1|127.0.0.1|", "501 Illegal EPRT command"),
        ("EPRT |1|", "501 Illegal EPRT command"),
        ("EPRT |2|::1|51210|", "500 Illegal EPRT command"),
        ("EPRT |2|::ffff:127.0.0.2|51210|", "500 Illegal EPRT command"),
        ("EPRT |2|::ffff:127.0.0.1|51210|", "200 EPRT command successful"),
        ("EPRT |3|127.0.0.1|51210|", "522 Network protocol not supported, use (1,2)"),
        ("EPRT |", "522 Network protocol not supported, use (1,2)"),
        ("EPRT x", "522 Network protocol not supported, use (1,2)"),
        ("EPRT", "501 Invalid number of parameters"),
        ("EPRT |1|127.0.0.1|51210| x", "501 Invalid number of parameters"),
    ],
)
def test_eprt_takes_the_clients_address_and_high_ports(line: str, reply: str) -> None:
    assert last(line) == reply


def test_eprt_over_ipv6() -> None:
    lines = (
        "EPRT |2|2001:db8::2|5000|",
        "EPRT |2|2001:db8::3|5000|",
        "EPRT |2|::ffff:127.0.0.1|5000|",
        "EPRT |1|127.0.0.1|5000|",
        "EPRT |2|2001:db8::2%eth0|5000|",
    )
    assert client("2001:db8::2", "2001:db8::1", *lines) == [
        "200 EPRT command successful",
        "500 Illegal EPRT command",
        "500 Illegal EPRT command",
        "522 Network protocol not supported, use (2)",
        "501 Illegal EPRT command",
    ]


def test_a_client_behind_nat_is_reached_at_its_outer_address() -> None:
    assert target("203.0.113.9", "198.51.100.1", "PORT 10,0,0,5,200,10") == {"active": ("203.0.113.9", 51210)}
    # where the server itself is inside, inner addresses are as good as any other: they must be the client's
    assert client("10.0.0.9", "10.0.0.1", "PORT 10,0,0,5,200,10") == [REFUSED]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("PORT 127,0,0,2,200,10", "address mismatch"),
        ("PORT 127,0,0,2,0,80", "address mismatch"),
        ("EPRT |1|127.0.0.1|80|", "port 80 below 1024, possible bounce attack"),
    ],
)
def test_a_refused_address_is_in_the_log_in_proftpds_words(
    caplog: pytest.LogCaptureFixture, line: str, why: str
) -> None:
    assert last(line).startswith("500 Illegal")
    assert f"Refused {line} ({why})" in caplog.text


def test_allowforeignaddress_lets_two_servers_talk() -> None:
    assert target("127.0.0.1", "127.0.0.1", "PORT 8,8,8,8,200,10", conf="AllowForeignAddress on\n") == {
        "active": ("8.8.8.8", 51210)
    }
    refused = ("PORT 8,8,8,8,0,25", "PORT 255,255,255,255,200,10")
    assert talk(*refused, conf="AllowForeignAddress on\n") == [REFUSED, REFUSED]
    assert last("PORT 8,8,8,8,200,10", conf="AllowForeignAddress friends\n") == REFUSED


def test_allowforeignaddress_for_a_class_of_servers() -> None:
    conf = "<Class friends>\nFrom 8.8.8.0/24\n</Class>\nAllowForeignAddress friends\n"
    assert talk("PORT 8,8,8,8,200,10", "PORT 8,8,9,8,200,10", "EPRT |1|8.8.8.9|51210|", conf=conf) == [
        "200 PORT command successful", REFUSED, "200 EPRT command successful",
    ]  # fmt: skip
    # it is not the client that has to be of the class
    client = "<Class friends>\nFrom 127.0.0.0/8\n</Class>\nAllowForeignAddress friends\n"
    assert talk("PORT 8,8,8,8,200,10", "PORT 127,0,0,9,200,10", conf=client) == [
        REFUSED, "200 PORT command successful",
    ]  # fmt: skip


def test_limit_by_name_refuses_a_way_to_connect() -> None:
    conf = "<Limit PORT EPRT>\nDenyAll\n</Limit>\n"
    assert talk("PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|", "PASV", conf=conf)[:2] == [
        "501 PORT: Operation not permitted",
        "501 EPRT: Operation not permitted",
    ]
