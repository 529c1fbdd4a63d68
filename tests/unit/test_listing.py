"""Listings: every column and fact stands where ProFTPD puts it, whether Python writes it or what is compiled."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from ftpd import native
from ftpd.core import listing, mlsx
from ftpd.core.listing import Columns, CompiledColumns, shown, windows_line
from ftpd.core.mlsx import kind, permissions
from ftpd.core.mlsx import line as facts_line

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC


def st(
    mode: int = 0o100644, *, links: int = 1, size: int = 0, at: int = NOW, uid: int = 2500, gid: int = 2501
) -> os.stat_result:
    return os.stat_result((mode, 0x20C711, 0xFE00, links, uid, gid, size, at, at, at))


Way = type[Columns]
Written = Callable[[Way], str]


@pytest.fixture(
    params=[
        pytest.param(Columns, id="python"),
        pytest.param(
            CompiledColumns, marks=pytest.mark.skipif(native.lines is None, reason="not compiled here"), id="compiled"
        ),
    ]
)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


def line(
    known: os.stat_result, name: str = "x", *, user: str = "alice", group: str = "alice", now: float = NOW,
    gmt: bool = True, mode: int | None = None,
) -> Written:  # fmt: skip
    def written(way: Way) -> str:
        users, groups = defaultdict(lambda: user), defaultdict(lambda: group)
        return way(users, groups, now=now, gmt=gmt, mode=mode).line(name, known)

    return written


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (line(st(size=6), "a.txt"), "-rw-r--r--   1 alice    alice           6 Jan 15 08:00 a.txt"),
        (line(st(), "a b "), "-rw-r--r--   1 alice    alice           0 Jan 15 08:00 a b "),
        (line(st(0o040755, links=11, size=4096), "."), "drwxr-xr-x  11 alice    alice        4096 Jan 15 08:00 ."),
        (line(st(0o040755, links=1234)), "drwxr-xr-x 1234 alice    alice           0 Jan 15 08:00 x"),
        (
            line(st(size=12345678901234), "huge"),
            "-rw-r--r--   1 alice    alice    12345678901234 Jan 15 08:00 huge",
        ),
        (
            line(st(), "n1", user="averylongusername", group="alongishgroup"),
            "-rw-r--r--   1 averylongusername alongishgroup        0 Jan 15 08:00 n1",
        ),
        (line(st(), "n2", user="2777", group="0"), "-rw-r--r--   1 2777     0               0 Jan 15 08:00 n2"),
        (
            line(st(0o120777, size=5), "link -> a.txt"),
            "lrwxrwxrwx   1 alice    alice           5 Jan 15 08:00 link -> a.txt",
        ),
        (
            line(st(0o040755), mode=0o640, user="ftp", group="xx"),
            "drwxr-x---   1 ftp      xx              0 Jan 15 08:00 x",
        ),
        (line(st(), mode=0o640), "-rw-r-----   1 alice    alice           0 Jan 15 08:00 x"),
    ],
)
def test_a_line_of_list_is_that_of_proftpd(way: Way, written: Written, expected: str) -> None:
    assert written(way) == expected


@pytest.mark.parametrize(
    ("mode", "letters"),
    [
        (0o060644, "brw-r--r--"),
        (0o020644, "crw-r--r--"),
        (0o010644, "prw-r--r--"),
        (0o140755, "srwxr-xr-x"),
        (0o104755, "-rwsr-xr-x"),
        (0o104644, "-rwSr--r--"),
        (0o102755, "-rwxr-sr-x"),
        (0o102644, "-rw-r-Sr--"),
        (0o041777, "drwxrwxrwt"),
        (0o041776, "drwxrwxrwT"),
        (0o107000, "---S--S--T"),
    ],
)
def test_kinds_and_special_bits_have_the_letters_of_ls(way: Way, mode: int, letters: str) -> None:
    assert line(st(mode))(way).startswith(f"{letters} ")


@pytest.mark.parametrize(
    ("at", "when"),
    [
        (NOW - 180 * 86400, "Jul 19 08:00"),
        (NOW - 180 * 86400 - 1, "Jul 19  2026"),
        (1577934245, "Jan  2  2020"),
        (NOW + 3600, "Jan 15 09:00"),
        # a file from the future keeps its time of day, as in ProFTPD
        (1925089445, "Jan  2 03:04"),
        (0, "Jan  1  1970"),
        (-1, "Dec 31  1969"),
        (2**62, "Jan  1 00:00"),
    ],
)
def test_half_a_year_back_the_time_gives_way_to_the_year(way: Way, at: int, when: str) -> None:
    assert line(st(at=at))(way) == f"-rw-r--r--   1 alice    alice           0 {when} x"


@pytest.fixture
def half_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()
    for cache in (*listing._MINUTES, *listing._DAYS, *listing._DOS):
        cache.clear()
    yield
    monkeypatch.undo()
    time.tzset()
    for cache in (*listing._MINUTES, *listing._DAYS, *listing._DOS):
        cache.clear()


def test_local_time_is_shown_when_times_gmt_is_off(way: Way, half_hours_east: None) -> None:
    assert " Jan 15 13:30 " in line(st(), gmt=False)(way)
    assert " Jan 15 08:00 " in line(st(), gmt=True)(way)
    midnight_there = 1577903400  # 2020-01-01 18:30 UTC
    assert " Jan  2  2020 " in line(st(at=midnight_there), gmt=False)(way)
    assert " Jan  1  2020 " in line(st(at=midnight_there - 1), gmt=False)(way)


def test_a_line_end_in_a_name_cannot_forge_an_entry(way: Way) -> None:
    forged = "x\r\n-rw-r--r--   1 root     root            0 Jan 15 08:00 passwd"
    assert len(line(st(), forged)(way).splitlines()) == 1
    assert len(facts_line(forged, st(), perm="").splitlines()) == 1
    assert len(line(st(), user="a\nb", group="c\rd")(way).splitlines()) == 1
    assert shown("l\udce9 \t ü") == "l\udce9 \t ü"


def test_an_escape_sequence_is_for_programs_only(way: Way) -> None:
    """People's terminals would obey it; a program that got another name could not fetch the file."""
    assert line(st(), "x\x1b[2K")(way).endswith(" x?[2K")
    assert windows_line("x\x9b2K", st()).endswith(" x?2K")
    assert facts_line("x\x1b[2K", st(), perm="").endswith("; x\x1b[2K")


def test_a_windows_listing_is_that_of_iis() -> None:
    assert windows_line("dir one", st(0o040755)) == "01-15-27  08:00AM       <DIR>          dir one"
    assert windows_line("a.txt", st(size=1024, at=NOW + 43200)) == "01-15-27  08:00PM                 1024 a.txt"
    assert windows_line("n", st(at=0)).startswith("01-01-70  12:00AM ")
    assert len(windows_line("", st())) == len(windows_line("", st(0o040755)))


def test_the_caches_do_not_grow_with_what_clients_upload() -> None:
    for number in range(10_000):
        line(st(at=NOW - number * 60))(Columns)
        facts_line("x", st(at=number), perm="")
    assert len(listing._MINUTES[True]) <= 4096
    assert len(mlsx._SECONDS) <= 4096


def test_a_line_of_mlsd_is_that_of_proftpd() -> None:
    assert facts_line("a.txt", st(size=12), perm="adfrw", user="alice", group="staff") == (
        "modify=20270115080000;perm=adfrw;size=12;type=file;unique=FE00U20C711;UNIX.group=2501;"
        "UNIX.groupname=staff;UNIX.mode=0644;UNIX.owner=2500;UNIX.ownername=alice; a.txt"
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (facts_line("/x y", st(), perm="", facts=()), " /x y"),
        (facts_line("x", st(size=3), perm="", facts={"type", "size"}), "size=3;type=file; x"),
        (facts_line("d", st(0o040755, size=4096), perm="fle", facts={"perm", "size", "type"}), "perm=fle;type=dir; d"),
        (facts_line(".", st(0o040755), perm="", type="cdir", facts={"type"}), "type=cdir; ."),
        (facts_line("l", st(0o120777), perm="", facts={"type"}), "type=OS.unix=symlink; l"),
        (
            facts_line("l", st(0o120777), perm="", type="OS.unix=slink:/a.txt", facts={"type"}),
            "type=OS.unix=slink:/a.txt; l",
        ),
        (facts_line("f", st(0o010644), perm="", facts={"type"}), "type=file; f"),
        (facts_line("m", st(0o100000), perm="", facts={"UNIX.mode"}), "UNIX.mode=00; m"),
        (facts_line("m", st(0o107777), perm="", facts={"UNIX.mode"}), "UNIX.mode=07777; m"),
        (facts_line("m", st(), perm="", mode=0o600, facts={"UNIX.mode"}), "UNIX.mode=0600; m"),
        (facts_line("t", st(at=-62135596800), perm="", facts={"modify"}), "modify=00010101000000; t"),
        (facts_line("t", st(at=2**62), perm="", facts={"modify"}), "modify=19700101000000; t"),
    ],
)
def test_facts_are_shown_as_asked_for(written: str, expected: str) -> None:
    assert written == expected


def test_a_link_is_the_same_object_as_what_it_leads_to() -> None:
    target = os.stat_result((0o100644, 0xABC, 0x1, 1, 0, 0, 0, 0, 0, 0))
    assert facts_line("l", st(0o120777), perm="", unique=target, facts={"unique"}) == "unique=1UABC; l"


@pytest.mark.parametrize(
    ("given", "letters"),
    [
        ({"folder": True, "readable": True, "writable": True, "searchable": True, "removable": True}, "flcdmpe"),
        ({"folder": True, "readable": True, "writable": False, "searchable": True}, "le"),
        ({"folder": True, "readable": False, "writable": True, "searchable": False}, ""),
        ({"folder": False, "readable": True, "writable": True, "removable": True}, "adfrw"),
        ({"folder": False, "readable": True, "writable": False}, "ar"),
        ({"folder": False, "readable": False, "writable": True, "removable": False}, "aw"),
    ],
)
def test_perm_promises_what_can_be_done(given: dict[str, bool], letters: str) -> None:
    assert permissions(**given) == letters  # type: ignore[arg-type]


def test_kinds() -> None:
    assert [kind(mode) for mode in (0o040755, 0o100644, 0o120777, 0o140755)] == [
        "dir",
        "file",
        "OS.unix=symlink",
        "file",
    ]
