"""HideUser, HideGroup and HideNoAccess: what listings leave out for whose it is, and for what one may do with it."""

from __future__ import annotations

import os

import pytest
from hidden_ground import LISTINGS, TREE, at_home, listed, listings_of
from xfer_ground import run

from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


@pytest.mark.parametrize("line", LISTINGS)
@pytest.mark.parametrize(
    ("rule", "empty"),
    [
        ("HideUser ~", True),
        ("HideUser !~", False),
        ("HideUser tom", True),
        ("HideUser nobody-has-this-name", False),
        ("HideGroup ~", True),
        ("HideGroup !~", False),
        ("HideGroup nobody-has-this-name", False),
    ],
)
def test_files_of_an_owner_can_be_hidden(rule: str, empty: bool, line: str) -> None:
    assert listings_of(at_home(rule), line) == [[] if empty else ["a.txt", "b.key", "d", "k.key"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_others_can_be_hidden() -> None:
    async def tale(ftp: Bench) -> list[list[str]]:
        os.chown(f"{ftp.root}/a.txt", 12345, 12346)
        os.symlink("a.txt", f"{ftp.root}/link")
        return [await listed(ftp, line) for line in LISTINGS]

    for rule in ("HideUser !~", "HideGroup !~"):
        assert run(tale, files={"a.txt": b"", "own": b""}, conf=at_home(rule)) == [["own"]] * len(LISTINGS)


def test_an_entry_may_have_a_section_of_its_own() -> None:
    conf = "<Directory {root}/d>\nHideUser ~\n</Directory>\n"
    assert listings_of(conf, "NLST", "NLST d") == [["a.txt", "b.key", "k.key"], []]


def test_a_section_that_is_the_entry_hides_it_from_mlst_and_nlst_that_name_it_plainly() -> None:
    async def tale(ftp: Bench) -> list[str]:
        told = []
        for line in ("CWD d", "CWD /"):
            assert (await ftp(line))[:3] == "250"
            for name in ("in.key", "e", "d", "d/e", "../d/e"):
                told.append(f"{line} {name} {(await ftp(f'MLST {name}')).count(chr(10)) == 1}")
        await ftp("CWD d")
        for line in ("NLST in.key", "NLST ./in.key", "NLST ../d/in.key", "NLST *", "NLST ../d/*", "NLST", "NLST e"):
            told.append(f"{line}: {(await ftp.download(line)).decode().split()}")
        return [line for line in told if not line.endswith(" False")]

    conf = "".join(f"<Directory {{root}}/{name}>\nHideFiles ^(in|e|d)\n</Directory>\n" for name in ("d/in.key", "d/e"))
    files = {"d/in.key": b"", "d/other": b"", "d/e/x": b""}
    assert run(tale, files=files, conf=conf) == [
        "CWD d in.key True",
        "CWD d e True",
        "NLST in.key: []",
        "NLST ./in.key: []",
        "NLST ../d/in.key: ['../d/in.key']",
        "NLST *: ['other']",
        "NLST ../d/*: ['../d/e', '../d/in.key', '../d/other']",
        "NLST: ['e', 'in.key', 'other']",
        "NLST e: ['e/x']",
    ]


@pytest.mark.parametrize("line", LISTINGS)
def test_the_section_of_what_a_link_leads_to_hides_the_link_as_well(line: str) -> None:
    links = {"to-d": "d", "to-in": "d/in.key", "fine": "a.txt"}
    files = {"a.txt": b"", "d/in.key": b""}
    for section, more in (("d", set()), ("d/in.key", {"d", "to-d"})):
        conf = f"<Directory {{root}}/{section}>\nHideUser ~\n</Directory>\n"
        seen = listings_of(conf, line, files=files, links=links)[0]
        # the last word of a long line is where a link leads
        assert len(seen) == 2 + len(more) and set(seen) <= {"a.txt", "fine", *more}, seen


@pytest.mark.parametrize("line", ["LIST -1", "MLSD"])
def test_the_owner_of_a_link_that_leads_nowhere_hides_nothing(line: str) -> None:
    conf = at_home("HideUser ~\nHideGroup ~")
    assert listings_of(conf, line, files={"a": b""}, links={"bad": "gone", "good": "a"}) == [["bad"]]


@pytest.mark.parametrize(
    ("inner", "names"),
    [
        ("HideUser nobody-has-this-name", "a b"),
        ("HideUser nobody-has-this-name\nHideUser ~", ""),
        ("HideGroup nobody-has-this-name", ""),
        ("HideNoAccess on", ""),
        ("HideFiles ^b", ""),
    ],
)
def test_a_section_with_hideuser_has_none_of_those_around_it(inner: str, names: str) -> None:
    conf = at_home("HideUser ~") + f"<Directory {{root}}/d>\n{inner}\n</Directory>\n"
    assert listings_of(conf, "NLST -1 d", files={"d/a": b"", "d/b": b""}) == [names.split()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root has access to everything")
def test_what_cannot_be_read_or_entered_can_be_hidden() -> None:
    async def tale(ftp: Bench) -> list[list[str]]:
        os.chmod(f"{ftp.root}/a.txt", 0)
        os.chmod(f"{ftp.root}/d", 0o600)
        try:
            return [await listed(ftp, line) for line in LISTINGS]
        finally:
            os.chmod(f"{ftp.root}/d", 0o700)

    assert run(tale, files=TREE, conf=at_home("HideNoAccess on")) == [["b.key", "k.key"]] * len(LISTINGS)


@pytest.mark.parametrize("facl", ["", "LoadModule mod_facl.c\n"])
def test_nobody_lacks_access_to_what_a_link_leads_nowhere_for(facl: str) -> None:
    seen = listings_of(facl + at_home("HideNoAccess on"), "LIST -1", "MLSD", files={"a": b""}, links={"bad": "gone"})
    assert seen == [["a", "bad"]] * 2
