"""mod_ifversion: what stands in <IfVersion> counts when the version of the configuration's language, 1.3.8, fits."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

LOAD = "LoadModule mod_ifversion.c\n"


def banner(conf: str) -> str:
    """The first line of a server with this configuration, which shows whether a ServerIdent in it counted."""

    async def story() -> str:
        ftp = Bench(conf=conf, login=None)
        try:
            return await ftp.open()
        finally:
            await ftp.close()

    return asyncio.run(story())


def counts(condition: str) -> bool:
    return banner(f'{LOAD}<IfVersion {condition}>\nServerIdent on "It fits"\n</IfVersion>\n') == "220 It fits"


def fault(condition: str) -> str:
    with pytest.raises(ConfigFaults) as wrong:
        counts(condition)
    return wrong.value.render()


@pytest.mark.parametrize(
    "condition",
    [
        "1.3.8", "= 1.3.8", "== 1.3.8", "1.3.08", "!= 1.3.7", "!== 1.3",
        "> 1.3.7", "> 1.3", "> 1", ">= 1.3.8", "< 1.3.9", "< 2", "<= 1.3.8", "!< 1.3.8", "!> 1.3.8", "!>= 1.4", "!<= 1",
    ],
)  # fmt: skip
def test_a_number_that_fits(condition: str) -> None:
    assert counts(condition)


@pytest.mark.parametrize(
    "condition",
    ["1.3.7", "= 1.3", "== 1", "!= 1.3.8", "> 1.3.8", ">= 1.3.9", ">= 1.10", "< 1.3.8", "<= 1.3.7", "!<= 1.3.8"],
)
def test_a_number_that_does_not(condition: str) -> None:
    assert not counts(condition)


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ("> 1.3.8rc4", True), ("> 1.3.8RC", True), ("1.3.8rc1", False), ("< 1.3.9rc1", True),
        ("< 1.3.8a", True), (">= 1.3.8b", False), ("1.3.8a", False), ("> 1.3.7e", True),
    ],
)  # fmt: skip
def test_candidates_come_before_a_release_and_letters_after_it(condition: str, fits: bool) -> None:
    assert counts(condition) is fits


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (r"~ ^1\.3", True), ("~ /^1.3/", True), ("= /^1.3.8$/", True), ("== /8/", True), ("!~ ^1.3.[012]$", True),
        (r"~ ^1\.2", False), ("= /^1.2/", False), ("!= /8$/", False), ("!~ 1.3", False),
        ("= /^rc[[:digit:]]$/", False), ("= /^1.3.[[:digit:]]$/", True),
    ],
)  # fmt: skip
def test_regular_expressions(condition: str, fits: bool) -> None:
    assert counts(condition) is fits


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("?? 1.3", "unknown comparison operator '??'"),
        ("=! 1.3", "unknown comparison operator '=!'"),
        ("! 1.3.8", "unknown comparison operator '!'"),
        ("three", "'three' is not a version"),
        ("=1.3.8", "'=1.3.8' is not a version"),
        ("1.3.", "'1.3.' is not a version"),
        ("1.3.8.1", "'1.3.8.1' is not a version"),
        ("> 1.3.8xyz", "'1.3.8xyz' is not a version"),
        ("> /1.3/", "'/1.3/' is not a version"),
        ("= /1.3", "Missing terminating '/' of regular expression"),
        ("= /", "Missing terminating '/' of regular expression"),
        ("~ (", "("),
        ("> 1.3.8 x", "wrong number of parameters"),
        ("", "missing parameters"),
    ],
)
def test_what_is_no_condition_ends_the_start(condition: str, message: str) -> None:
    assert message in fault(condition)


def test_sections_nest_and_stand_within_others() -> None:
    inner = '<IfVersion {}>\nServerIdent on "inner"\n</IfVersion>\n'
    conf = LOAD + "<IfModule mod_ifversion.c>\n<IfVersion {}>\n{}</IfVersion>\n</IfModule>\n"
    assert banner(conf.format("> 1", inner.format("< 2"))) == "220 inner"
    assert banner(conf.format("> 2", inner.format("< 2"))) != "220 inner"
    assert banner(conf.format("> 1", inner.format("> 2"))) != "220 inner"


def test_what_is_left_out_need_not_be_known() -> None:
    assert banner(LOAD + "<IfVersion > 9>\nWarpDrive on\n</IfVersion>\n").startswith("220 ")


def test_without_its_module_the_section_is_unknown() -> None:
    with pytest.raises(ConfigFaults) as wrong:
        banner("<IfVersion 1.3.8>\n</IfVersion>\n")
    assert "right: a line 'LoadModule mod_ifversion.c' above this one" in wrong.value.render()
