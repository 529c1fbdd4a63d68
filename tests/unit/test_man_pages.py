"""The manual pages: they name every option, and man has nothing to say about how they are written."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ftpd.cli import ftpasswd, ftpcount, ftpscrub, ftpshut, ftptop, ftpwho, prxs
from ftpd.cli.options import OPTIONS

MAN = Path(__file__).parents[2] / "doc" / "man"
PAGES = sorted(MAN.glob("*.[1-8]"))


def options(page: str) -> set[str]:
    """The options on the page, as a reader sees them."""
    text = (MAN / page).read_text().replace("\\-", "-").replace("\\fI", " ").replace("\\fR", "")
    return set(re.findall(r"(?<![\w-])--?[A-Za-z0-9][A-Za-z0-9-]*", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_well_made(page: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], cwd=MAN, capture_output=True, text=True)
    # the other page of a ".so" is found where pages are installed
    assert not [line for line in done.stderr.splitlines() if "can't open" not in line]


def test_the_page_of_ftpd_names_every_option() -> None:
    wanted = {f"-{option.letter}" for option in OPTIONS if option.letter}
    wanted |= {f"--{option.long}" for option in OPTIONS if option.long}
    assert wanted - options("ftpd.8") == set()


def test_the_page_of_prxs_and_its_help_name_the_same_options() -> None:
    named = set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", prxs.USAGE))
    assert named - options("prxs.1") == set()


def test_the_page_of_ftpshut_and_its_help_name_the_same_options() -> None:
    assert set(re.findall(r"(?<![\w-])-[A-Za-z]\b", ftpshut.USAGE)) - options("ftpshut.8") == set()


def test_the_page_of_ftpasswd_and_its_help_name_the_same_options() -> None:
    named = set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z0-9-]*", ftpasswd.USAGE))
    assert named - {"--"} == options("ftpasswd.8")


def test_proftpd_has_the_page_of_ftpd() -> None:
    assert (MAN / "proftpd.8").read_text() == ".so man8/ftpd.8\n"


@pytest.mark.parametrize(
    ("page", "usage"),
    [
        ("ftpwho.1", ftpwho.USAGE),
        ("ftpcount.1", ftpcount.USAGE),
        ("ftpscrub.8", ftpscrub.USAGE),
        ("ftptop.1", ftptop.USAGE),
    ],
)
def test_the_pages_of_those_who_read_the_scoreboard_name_their_options(page: str, usage: str) -> None:
    assert set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", usage)) - options(page) == set()
