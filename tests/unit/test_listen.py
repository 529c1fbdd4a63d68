"""Which server a connection to an address is for, where that is not one of this machine's own that a test could use."""

from __future__ import annotations

import pytest

from ftpd.conf.directive import SERVER, VHOST
from ftpd.conf.tree import Scope
from ftpd.daemon.listen import EVERY, Bindings, _apart, _named

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
    ("address", "met"), [("192.0.2.9", TWO), ("::ffff:192.0.2.9", TWO), ("2001:db8::9", THREE), ("192.0.2.4", ALONE)]
)
def test_a_server_of_all_addresses_of_a_family_comes_before_that_of_the_other(address: str, met: Scope) -> None:
    exact = ("192.0.2.4", 2121, ALONE)
    both = (("::", 2121, THREE), ("0.0.0.0", 2121, TWO), exact)
    assert Bindings((), both, ((21, MAIN),), elsewhere=MAIN).server_of((address, 2121)) is met
    assert Bindings((), (both[0], exact), ((21, MAIN),), elsewhere=MAIN).server_of((address, 2121)) in (THREE, ALONE)


def test_a_single_server_with_several_addresses_leaves_others_to_the_default_server_of_another_port() -> None:
    several = (("192.0.2.2", 2121, TWO), ("192.0.2.3", 2121, TWO))
    assert Bindings((), several, ((21, MAIN),), elsewhere=MAIN).server_of(("192.0.2.9", 2121)) is MAIN
    assert Bindings((), several, ()).server_of(("192.0.2.9", 2121)) is None
    assert Bindings((), several[:1], ((21, MAIN),), elsewhere=MAIN).server_of(("192.0.2.9", 2121)) is TWO


NAMES = (
    _named("two.example", "192.0.2.2", 2121, TWO),
    _named("*.three.example", "192.0.2.3", 2121, THREE),
    _named("alone.example", "198.51.100.4", 2222, ALONE),
    _named("main.example", None, 2121, MAIN),
)


@pytest.mark.parametrize(
    ("address", "met", "name", "found"),
    [
        ("192.0.2.2", TWO, "two.example", TWO),
        ("192.0.2.2", TWO, "a.three.example", None),
        ("192.0.2.2", TWO, "main.example", None),
        # behind a router that translates addresses the server's own is not the one that clients come to
        ("10.0.0.4", TWO, "two.example", TWO),
        ("10.0.0.4", TWO, "a.three.example", None),
        ("10.0.0.4", TWO, "alone.example", None),
        # a second address may have names of its own
        ("192.0.2.3", TWO, "a.three.example", THREE),
        ("192.0.2.3", TWO, "two.example", TWO),
        # a server by name has led on to its own address
        ("10.0.0.4", THREE, "a.three.example", THREE),
        ("10.0.0.4", THREE, "two.example", None),
    ],
)
def test_a_name_is_known_at_the_address_of_the_server_that_the_client_has_met(
    address: str, met: Scope, name: str, found: Scope | None
) -> None:
    homes = {TWO: "192.0.2.2", THREE: "192.0.2.3", ALONE: "198.51.100.4"}
    routes = Bindings((), SERVERS, (), names=NAMES, homes=homes)
    assert routes.server_named((address, 2121), name, met) is found


@pytest.mark.parametrize(
    ("port", "name", "found"), [(2121, "two.example", None), (2121, "main.example", MAIN), (2222, "main.example", None)]
)
def test_who_has_met_the_default_server_knows_the_names_of_all_addresses(
    port: int, name: str, found: Scope | None
) -> None:
    routes = Bindings((), SERVERS, (), names=NAMES, homes={MAIN: EVERY})
    assert routes.server_named(("10.0.0.4", port), name, MAIN) is found


def test_who_has_met_a_server_without_an_address_knows_all_names_of_the_port() -> None:
    routes = Bindings((), SERVERS, ((2121, MAIN),), names=NAMES, homes={TWO: "192.0.2.2"})
    assert routes.server_named(("10.0.0.4", 2121), "a.three.example", MAIN) is THREE
    assert routes.server_named(("10.0.0.4", 2121), "alone.example", MAIN) is None


def test_what_a_wildcard_listens_on_is_not_listened_on_twice() -> None:
    one, other = ("127.0.0.1", 2121), ("0.0.0.0", 2121)
    assert _apart([one, other, ("127.0.0.1", 2222), ("::1", 2121)]) == (other, ("127.0.0.1", 2222), ("::1", 2121))
    assert _apart([one, ("::", 2121), other, ("::1", 2121), ("::", 2222)]) == (("::", 2121), ("::", 2222))
