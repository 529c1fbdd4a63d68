"""Listings of much: what is large or takes long is listed whole and in order, and holds up nobody."""

from __future__ import annotations

import asyncio
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from xfer_ground import fetch, run

from ftpd import native
from ftpd.fs import folder
from ftpd.module import globbing
from ftpd.modules import _facts_walk, _folders, _ls_walk, _slices
from ftpd.modules._slices import PIECE, Turn, in_order, sliced
from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


def test_a_large_folder_is_listed_whole_and_in_order() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        for number in range(2500):
            os.close(os.open(f"{ftp.root}/f{number:05}", os.O_CREAT))
        long = await ftp.download("LIST")
        return [*long.split(b"\r\n")[:-1], await ftp.download("NLST"), await ftp.download("LIST -1t")]

    *lines, names, by_time = run(tale)
    assert [line[-6:] for line in lines] == [b"f%05d" % number for number in range(2500)]
    assert len(names.split()) == len(by_time.split()) == 2500


_HERE = "<Directory {{root}}>\n{}\n</Directory>\n"
_RULES = ("", _HERE.format("HideFiles ^f1"), _HERE.format("HideUser nobody"), 'ListOptions "" maxfiles 33\n')
_FLAGS = ("-a", "-r", "-ar", "-t", "-atr", "-S", "-Sr", "-U", "-aU", "-R", "-1", "-F", "-h")


@pytest.mark.usefixtures("way_to_list")
@pytest.mark.parametrize(
    ("line", "conf"),
    [
        *((line, conf) for line in ("LIST", "NLST", "MLSD", "STAT .") for conf in _RULES),
        *((f"LIST {flags}", conf) for flags in _FLAGS for conf in _RULES),
        *((f"NLST {flags}", "") for flags in ("-a", "-1", "-U")),
    ],
)
def test_no_flag_or_rule_is_lost_where_a_folder_is_too_large_to_be_sorted_at_once(
    monkeypatch: pytest.MonkeyPatch, line: str, conf: str
) -> None:
    async def tale(ftp: Bench) -> tuple[bytes | str, bytes | str]:
        for number in (*range(60), 10_000):
            with open(f"{ftp.root}/f{number:02}", "w") as file:
                file.write("x" * (number % 7))
            os.utime(file.name, (1709618828, 1709618828 + number // 9))
        os.mkdir(f"{ftp.root}/folder")
        os.symlink("f12", f"{ftp.root}/link")
        os.symlink("nowhere", f"{ftp.root}/vain")
        say = ftp if line.startswith("STAT") else ftp.download
        whole = await say(line)
        monkeypatch.setattr(_slices, "AT_ONCE", 10)
        monkeypatch.setattr(_slices, "_PATIENCE", 0)
        return whole, await say(line)

    at_once, in_parts = run(tale, conf=conf)
    assert in_parts == at_once
    assert len(at_once.splitlines()) >= 33


@pytest.mark.parametrize("patience", [1, 0])
@pytest.mark.parametrize(
    ("line", "conf"),
    [
        *((line, conf) for line in ("LIST", "MLSD", "LIST folder/", "MLSD folder", "LIST link") for conf in _RULES),
        *((f"LIST {flags}", "") for flags in (*_FLAGS, "-A", "-l", "-n", "-L", "-lc")),
        ("LIST", "ShowSymlinks off\n"),
        ("MLSD", "ShowSymlinks off\n"),
        ("LIST", "DirFakeUser on ~\nDirFakeMode 444\n"),
        ("LIST", "ListStyle Windows\n"),
        ("LIST", 'ListOptions "-r"\n'),
    ],
)
def test_a_folder_is_listed_alike_at_once_in_short_steps_and_as_any_listing(
    monkeypatch: pytest.MonkeyPatch, line: str, conf: str, patience: float
) -> None:
    """Also where it takes so long that the others have to have their turn in between."""

    async def nothing(*_: object) -> None:
        pass

    async def tale(ftp: Bench) -> tuple[bytes, bytes, bytes]:
        os.mkdir(f"{ftp.root}/folder")
        for name in ("b", "a\nb", "\x1b[2K", "é", "Ж", ".hidden", "f10", "folder/f11", "folder/seen"):
            os.close(os.open(f"{ftp.root}/{name}", os.O_CREAT))
            os.utime(f"{ftp.root}/{name}", (2**40, 2**40))
        os.truncate(f"{ftp.root}/b", 2**40 + 1)
        for name, target in (("link", "folder"), ("vain", "nowhere"), ("up", ".."), ("f12", "b")):
            os.symlink(target, f"{ftp.root}/{name}")
        monkeypatch.setattr(_slices, "_PATIENCE", patience)
        at_once = await ftp.download(line)
        monkeypatch.setattr(_folders, "SMALL", -1)
        in_steps = await ftp.download(line)
        for module in (_ls_walk, _facts_walk):
            monkeypatch.setattr(module, "lines_as_they_are", nothing)
        return at_once, in_steps, await ftp.download(line)

    at_once, in_steps, as_any = run(tale, conf=conf)
    assert at_once == in_steps == as_any
    assert (b"seen" if "folder" in line or "link" in line else "Ж".encode()) in at_once


@pytest.mark.parametrize("line", ["LIST", "MLSD"])
def test_no_entry_is_looked_at_twice_however_long_it_takes(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    if native.lines is None:
        pytest.skip("what is not compiled takes another road")
    looked: list[int] = []

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(native.lines, name)

        def survey(self, *given: Any) -> Any:
            return self._kept(native.lines.survey(*given), 1)

        def look(self, *given: Any) -> Any:
            return self._kept(native.lines.look(*given), 0)

        def _kept(self, found: Any, place: int) -> Any:
            looked.append(len(found[place]) // native.lines.ENTRY)
            return found

    async def tale(ftp: Bench) -> bytes:
        for number in range(100):
            os.close(os.open(f"{ftp.root}/f{number}", os.O_CREAT))
        monkeypatch.setattr(folder, "native", SimpleNamespace(lines=Counted()))
        # every stay is over at once, and every turn
        monkeypatch.setattr(folder, "_PATIENCE", -1)
        monkeypatch.setattr(folder, "_ALL_AT_ONCE", -1)
        monkeypatch.setattr(_slices, "_PATIENCE", 0)
        return await ftp.download(line)

    lines = run(tale).splitlines()
    assert sum(looked) == sum(b"; f" in text or b" f" in text for text in lines) == 100
    assert len(looked) > 5


@pytest.mark.parametrize("last_first", [False, True])
def test_others_have_their_turn_while_a_hundred_thousand_names_are_sorted(last_first: bool) -> None:
    """Never more than a few are sorted or compared in one go, and the first are there long before the last."""

    async def tale() -> tuple[list[list[str]], list[int]]:
        names = [f"{number * 7919 % 100_003:06}" for number in range(100_003)]
        turns = 0

        class Counted(Turn):
            over = True

            async def give(self) -> None:
                nonlocal turns
                turns += 1

        parts, when = [], []
        async for part in in_order([*sliced(names, PIECE)], Counted(), last_first=last_first):
            parts.append(part)
            when.append(turns)
        return parts, when

    parts, when = asyncio.run(tale())
    in_order_ = range(100_003)
    assert [name for part in parts for name in part] == [
        f"{number:06}" for number in (reversed(in_order_) if last_first else in_order_)
    ]
    assert max(map(len, parts)) <= _slices.AT_ONCE
    assert when[0] >= 100_003 // PIECE
    assert when[0] < when[-1] / 2


def test_times_before_1970_and_of_equal_files_are_in_their_order() -> None:
    async def tale(ftp: Bench) -> tuple[str, str]:
        for name, when in (("b", -86400), ("a", 0), ("d", 2**33), ("c", 2**33), ("e", -1)):
            with open(f"{ftp.root}/{name}", "w"):
                os.utime(f"{ftp.root}/{name}", (when, when))
        return (await ftp.download("LIST -1t")).decode(), (await ftp.download("LIST -1tr")).decode()

    newest_first, oldest_first = run(tale)
    assert newest_first.split() == ["c", "d", "a", "e", "b"]
    assert oldest_first.split() == ["b", "e", "a", "c", "d"]


def test_flags_by_the_thousand_are_just_flags() -> None:
    began = time.perf_counter()
    assert fetch("LIST -" + "CRBlaF1" * 10_000 + "1 a.txt", files={"a.txt": b""}) == b"a.txt\r\n"
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("pattern", ["*/../" * 40 + "*", "{a,b}" * 20, "[" * 4000, "a*" * 20 + "b"])
def test_a_costly_pattern_ends_soon(pattern: str) -> None:
    async def tale(ftp: Bench) -> str:
        began = time.perf_counter()
        await ftp.download(f"NLST {pattern}")
        assert time.perf_counter() - began < 1
        return ftp.replies[:3]

    # "x/.." is where it began, whatever x is: the first pattern is a plain one
    assert run(tale, files={"a" * 100: b"", "d/e/": b"", "x/y/": b""}) == ("150" if ".." in pattern else "450")


def test_of_too_many_matches_the_first_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = globbing.glob
    monkeypatch.setattr(globbing, "glob", lambda *args: real(*args, globbing.Limits(matches=2)))
    assert fetch("NLST *", files={"a": b"", "b": b"", "c": b""}) == b"a\r\nb\r\n"


def test_slices_cover_all() -> None:
    assert [len(some) for some in sliced(list(range(1001)))] == [500, 500, 1]
