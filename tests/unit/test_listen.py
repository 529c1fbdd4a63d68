"""Which server a connection to an address is for, where that is not one of this machine's own that a test could use."""

from __future__ import annotations

import pytest

from ftpd.conf.directive import SERVER, VHOST
from ftpd.conf.tree import Scope
from ftpd.daemon.listen import Bindings, _apart, _named

MAIN = Scope(SERVER, "", [], "proftpd.conf", 1, None)
TWO, THREE, ALONE = (Scope(VHOST, "<VirtualHost>", [], "proftpd.conf", line, None) for line in (2, 3, 4))
SERVERS = (("192.0.2.2", 2121, TWO), ("192.0.2.3", 2121, THREE), ("198.51.100.4", 2222, ALONE))


@pytest.mark.parametrize(
    ("address", "port", "met"),
    [
        ("192.0.2.2", 2121, TWO),
        ("::ffff:192.0.2.3", 2121, THREE),
        ("192.0.2.9", 2121, None),
        ("2001:db8::1", 2121, None),
        ("127.0.0.1", 2121, MAIN),
        ("::1", 2121, MAIN),
        ("10.0.0.4", 2222, ALONE),
        ("192.0.2.9", 21, MAIN),
    ],
)
def test_among_several_servers_of_a_port_none_takes_what_is_nobodys(address: str, port: int, met: Scope | None) -> None:
    assert Bindings((), SERVERS, ((21, MAIN),), local=MAIN).server_of((address, port)) is met


@pytest.mark.parametrize(("address", "port", "met"), [("192.0.2.2", 2121, TWO), ("192.0.2.9", 2121, THREE)])
def test_a_default_server_does(address: str, port: int, met: Scope) -> None:
    assert Bindings((), SERVERS, ((2121, THREE),), elsewhere=THREE, local=MAIN).server_of((address, port)) is met


def test_the_default_server_of_another_port_does_where_the_port_has_none() -> None:
    assert Bindings((), SERVERS, ((21, MAIN),), elsewhere=MAIN).server_of(("192.0.2.9", 2121)) is MAIN


@pytest.mark.parametrize(
    ("address", "name", "met"),
    [
        ("192.0.2.2", "two.example", TWO),
        ("192.0.2.2", "three.example", None),
        # behind a router that translates addresses the server's own is not the one that clients come to
        ("10.0.0.4", "two.example", TWO),
        ("10.0.0.4", "x.three.example", THREE),
        ("10.0.0.4", "alone.example", None),
    ],
)
def test_a_name_is_known_at_its_servers_address_and_at_those_that_are_nobodys(
    address: str, name: str, met: Scope | None
) -> None:
    names = (
        _named("two.example", "192.0.2.2", 2121, TWO),
        _named("*.three.example", "192.0.2.3", 2121, THREE),
        _named("alone.example", "198.51.100.4", 2222, ALONE),
    )
    assert Bindings((), SERVERS, (), names=names).server_named((address, 2121), name) is met


def test_what_a_wildcard_listens_on_is_not_listened_on_twice() -> None:
    one, other = ("127.0.0.1", 2121), ("0.0.0.0", 2121)
    assert _apart([one, other, ("127.0.0.1", 2222), ("::1", 2121)]) == (other, ("127.0.0.1", 2222), ("::1", 2121))
    assert _apart([one, ("::", 2121), other, ("::1", 2121), ("::", 2222)]) == (("::", 2121), ("::", 2222))
