"""DirFakeMode of sections that an entry of a listing has for itself."""

from __future__ import annotations

import os

import pytest
from xfer_ground import run

from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")

FILES = {"a.txt": b"", "b.txt": b"", "d/in": b"", "d/e/deep": b""}
LINKS = {"to-d": "d", "to-in": "d/in", "to-a": "a.txt", "bad": "d/gone"}


def _section(path: str, mode: str) -> str:
    return f"<Directory {{root}}/{path}>\nDirFakeMode {mode}\n</Directory>\n"


def _modes(conf: str, line: str) -> dict[str, str]:
    async def tale(ftp: Bench) -> dict[str, str]:
        for name, target in LINKS.items():
            os.symlink(target, f"{ftp.root}/{name}")
        for path in FILES:
            os.chmod(f"{ftp.root}/{path}", 0o644)
        for path in ("d", "d/e"):
            os.chmod(f"{ftp.root}/{path}", 0o755)
        text = await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode()
        long = [entry.strip() for entry in text.splitlines() if entry.strip()[10:11] == " "]
        return {entry.split(" -> ")[0].split()[-1]: entry[:10] for entry in long}

    return run(tale, files=FILES, conf=conf)


@pytest.mark.parametrize("line", ["LIST", "LIST *", "LIST -F", "LIST -t", "STAT ."])
def test_an_entry_has_the_mode_of_its_own_section(line: str) -> None:
    seen = _modes(_section("d", "0444") + _section("b.txt", "0400"), line)
    name = "d/" if line == "LIST -F" else "d"
    assert (seen[name], seen["b.txt"], seen["a.txt"]) == ("dr-xr-xr-x", "-r--------", "-rw-r--r--")


def test_what_its_section_does_not_say_holds_as_around_it() -> None:
    conf = _section("", "0600") + _section("d", "0444") + "<Directory {root}/b.txt>\nUmask 022\n</Directory>\n"
    seen = _modes(conf, "LIST -a")
    assert (seen["."], seen["a.txt"], seen["b.txt"], seen["d"]) == (
        "drwx------",
        "-rw-------",
        "-rw-------",
        "dr-xr-xr-x",
    )


def test_a_link_has_the_mode_of_where_it_leads() -> None:
    seen = _modes(_section("d", "0444") + _section("to-a", "0600"), "LIST")
    assert [seen[name] for name in ("to-d", "to-in", "bad")] == ["lr--r--r--"] * 3
    followed = _modes(_section("d", "0440"), "LIST -L")
    assert (followed["to-d"], followed["to-in"], followed["to-a"]) == ("dr-xr-x---", "-r--r-----", "-rw-r--r--")


def test_each_folder_of_a_recursive_listing_has_its_own() -> None:
    seen = _modes(_section("d", "0440") + _section("d/e", "0400") + _section("*/in", "0004"), "LIST -R")
    assert {name: seen[name] for name in ("d", "in", "e", "deep", "a.txt")} == {
        "d": "dr-xr-x---",
        "in": "-------r--",
        "e": "dr-x------",
        "deep": "-r--------",
        "a.txt": "-rw-r--r--",
    }


def test_the_folder_that_is_listed_has_the_mode_of_its_entries_without_sections() -> None:
    conf = _section("d", "0440") + _section("b.txt", "0400")
    assert _modes(conf, "LIST d") == {"e": "dr-xr-x---", "in": "-r--r-----"}
    assert _modes(conf, "LIST -d d") == {"d": "dr-xr-x---"}
    assert _modes(conf, "LIST b.txt") == {"b.txt": "-r--------"}
    assert _modes(conf, "LIST d/*") == {"d/e": "dr-xr-x---", "d/in": "-r--r-----"}


def test_mlsd_and_mlst_have_that_of_the_folder_and_of_the_entry() -> None:
    async def tale(ftp: Bench) -> list[str]:
        listed = (await ftp.download("MLSD")).decode().splitlines()
        # a large folder is told of as the file system has it
        lines = [text for end in (" b.txt", " d") for text in listed if text.endswith(end)] + [await ftp("MLST d")]
        return [text.partition("UNIX.mode=")[2][:4] for text in lines]

    conf = _section("", "0600") + _section("d", "0440")
    assert run(tale, files=FILES, conf=conf) == ["0600", "0700", "0550"]
