"""Which server a connection to an address is for, where that is not one of this machine's own that a test could use."""

from __future__ import annotations

import pytest

from ftpd.conf.directive import SERVER, VHOST
from ftpd.conf.tree import Scope
from ftpd.daemon.listen import Bindings

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
