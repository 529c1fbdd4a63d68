"""Thousands of lines in one <Limit>: they say what each would say alone, and cost a client what one costs."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from time import process_time

import pytest
from conf_host import configured
from hypothesis import given
from hypothesis import strategies as st

from ftpd.conf.acl import Who
from ftpd.conf.addresses import AddressIndex, AddressList
from ftpd.conf.expr import Expression, ExpressionIndex, group_expression, user_expression
from ftpd.conf.resolve import limit
from ftpd.conf.tree import Scope
from ftpd.core.vocab import Group

HERE = Who("anna", ("users", "staff"), "office", ip_address("192.168.2.3"), "pc.example.com")
MANY = 2000

PARTS = [
    "all", "none", "10.1.2.3", "10.1.2.4", "10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.1.",
    "10.1.2.", "10.", "11.", "10.1.*", "pc.example.com", "PC.Example.com.", "example.com", ".example.com", ".com",
    ".EXAMPLE.com", "*.example.com", "p?.example.com", "!10.1.2.3", "!10.1.2.4", "!.example.com", "!11.0.0.0/8",
]  # fmt: skip
ADDRESSES = ["10.1.2.3", "10.1.2.4", "10.1.20.3", "11.0.0.1", "::ffff:10.1.2.3", "2001:db8::1", "::1", None]
HOSTS = ["pc.example.com", "PC.EXAMPLE.COM.", "example.com", "a.pc.example.com", "pc.example.org", "localhost", None]
LINES = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3), max_size=6)


@given(LINES, st.sampled_from(ADDRESSES), st.sampled_from(HOSTS))
def test_many_address_lines_answer_as_each_of_them_does(
    written: list[list[str]], address: str | None, host: str | None
) -> None:
    lines = [AddressList(words) for words in written]
    where = None if address is None else ip_address(address)
    alone = [at for at, line in enumerate(lines) if line.matches(where, host)]
    assert AddressIndex(lines).first(where, host) == (alone[0] if alone else None)


NAMES = st.sampled_from(["anna", "bert", "!anna", "!bert", "users", "staff", "!staff"])
WORDS = st.one_of(
    st.lists(NAMES, min_size=1, max_size=3),
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ["OR", *names]),
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ["AND", *names]),
    st.sampled_from(["^a", "ff$", "b"]).map(lambda pattern: ["regex", pattern]),
)


@pytest.mark.parametrize("parse", [user_expression, group_expression])
@given(st.lists(WORDS, max_size=6), st.sampled_from([None, ("anna",), ("bert",), ("users", "staff"), ()]))
def test_many_name_lines_answer_as_each_of_them_does(
    parse: Callable[[list[str]], Expression], written: list[list[str]], names: tuple[str, ...] | None
) -> None:
    lines = [parse(words) for words in written]
    alone = [at for at, line in enumerate(lines) if line.matches(names)]
    assert ExpressionIndex(lines).first(names) == (alone[0] if alone else None)


KINDS = {
    "addresses": "Deny from 10.{high}.{low}.77",
    "networks": "Deny from 10.{high}.{low}.0/24",
    "names": "Deny from h{number}.example.org",
    "domains": "Deny from .h{number}.example.org",
    "patterns": "Deny from h{number}-*.example.org",
    "users": "DenyUser u{number}",
    "groups": "DenyGroup g{number}",
    "classes": "DenyClass c{number}",
    "expressions": "DenyUser regex ^u{number}$",
}

FOURTH = {"domains": "pc.h3.example.org", "patterns": "h3-1.example.org"}
"""What the host is called that the fourth line of a kind means."""


def section(lines: list[str]) -> str:
    return "<Directory /srv>\n<Limit ALL>\n" + "\n".join(lines) + "\n</Limit>\n</Directory>\n"


def cost(main: Scope, who: Who) -> float:
    """Seconds of CPU that a question takes, the least of many; each is of another file in the folder."""
    best = 1.0
    for _ in range(30):
        began = process_time()
        for number in range(50):
            limit(main, None, f"/srv/{number}", "CWD", Group.DIRS, who)
        best = min(best, (process_time() - began) / 50)
    return best


@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_lines_cost_what_ten_cost(tmp_path: Path, kind: str) -> None:
    lines = [KINDS[kind].format(number=at, high=at >> 8, low=at & 255) for at in range(MANY)]
    few, many = (configured(tmp_path, section(text)).main for text in (lines[:10], lines))
    fourth = Who("u3", ("g3",), "c3", ip_address("10.0.3.77"), FOURTH.get(kind, "h3.example.org"))
    assert not limit(few, None, "/srv", "CWD", Group.DIRS, fourth).allowed
    assert limit(many, None, "/srv", "CWD", Group.DIRS, HERE).allowed
    # a walk through all lines takes a hundred times as long
    assert cost(many, HERE) < 3 * cost(few, HERE)


def test_a_filter_among_two_thousand_lines_sees_each_argument(tmp_path: Path) -> None:
    lines = [f"Deny from 10.{at >> 8}.{at & 255}.77" for at in range(MANY)]
    main = configured(tmp_path, section([*lines, "DenyFilter exe$"])).main
    answers = [
        limit(main, None, "/srv", "STOR", Group.WRITE, HERE, argument=name).allowed for name in ("a", "a.exe", "b")
    ]
    assert answers == [True, False, True]
    # whoever is denied for where he comes from is not asked for a name
    elsewhere = Who("anna", address=ip_address("10.7.9.77"))
    assert not limit(main, None, "/srv", "STOR", Group.WRITE, elsewhere, argument="a").allowed
