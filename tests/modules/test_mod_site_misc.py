"""mod_site_misc: whole paths, whole trees, links and times, under the same rules as MKD, RMD, STOR and MFMT."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from xfer_ground import names, run, talk

from ftpd.api import Command, Module
from ftpd.testing import Bench

LOAD = "LoadModule mod_site_misc.c\n"
TREE = {"a.txt": b"a", "two words": b"2", "sub/x": b"x", "tree/r": b"r", "tree/in/deep": b"deep", "tree/e/": b""}
MADE = "200 SITE MKDIR command successful"
GONE = "200 SITE RMDIR command successful"
LINKED = "200 SITE SYMLINK command successful"
TIMED = "200 SITE UTIME command successful"
ALL = ("SITE MKDIR x", "SITE RMDIR sub", "SITE SYMLINK a.txt l", "SITE UTIME 20200101010101 a.txt")


def after(*lines: str, conf: str = LOAD, look: Callable[[Bench], Any]) -> Any:
    """Say the lines, and look at what lies on the disk then."""

    async def tale(ftp: Bench) -> Any:
        for line in lines:
            await ftp(line)
        return look(ftp)

    return run(tale, conf=conf, files=TREE)


def limits(*verbs: str, place: str = "") -> str:
    limit = f"<Limit {' '.join(verbs)}>\n DenyAll\n</Limit>\n"
    return LOAD + (f"<Directory {{root}}/{place}>\n{limit}</Directory>\n" if place else limit)


def test_the_commands_stand_in_feat_while_the_engine_is_on() -> None:
    lines = {" SITE MKDIR", " SITE RMDIR", " SITE SYMLINK", " SITE UTIME"}
    assert lines <= set(talk("FEAT", conf=LOAD)[0].split("\n"))
    assert not lines & set(talk("FEAT", conf=LOAD + "SiteMiscEngine off\n")[0].split("\n"))


def test_the_engine_can_be_off() -> None:
    replies = talk(*ALL, conf=LOAD + "SiteMiscEngine off\n", files=TREE)
    assert replies == [f"500 'SITE {verb}' not understood" for verb in ("MKDIR", "RMDIR", "SYMLINK", "UTIME")]


def test_before_login_nobody_changes_anything() -> None:
    assert talk(*ALL, conf=LOAD, files=TREE, login=None) == ["530 Please login with USER and PASS"] * 4


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("SITE MKDIR", "500 'SITE MKDIR' not understood"),
        ("SITE RMDIR", "500 'SITE RMDIR' not understood"),
        ("SITE SYMLINK", "500 'SITE SYMLINK' not understood"),
        ("SITE SYMLINK a.txt", "500 'SITE SYMLINK' not understood"),
        ("SITE UTIME", "500 'SITE UTIME' not understood"),
        ("SITE UTIME 20200101010101", "500 'SITE UTIME' not understood"),
    ],
)
def test_too_few_words_are_not_understood(line: str, reply: str) -> None:
    assert talk(line, conf=LOAD, files=TREE) == [reply]
    # SITE UTIME alone asks who that is first, as in ProFTPD
    expected = "530 Please login with USER and PASS" if "UTIME" in line else reply
    assert talk(line, conf=LOAD, files=TREE, login=None) == [expected]


# -- MKDIR -------------------------------------------------------------------------------------------------


def test_a_whole_path_is_made_at_once() -> None:
    assert talk("SITE MKDIR r/s/t u", "CWD r/s/t u", conf=LOAD)[0] == MADE
    assert after("SITE MKDIR r/s/t u", look=lambda ftp: os.path.isdir(f"{ftp.root}/r/s/t u"))


def test_what_is_there_is_as_good_as_made() -> None:
    assert talk("SITE MKDIR sub", "SITE MKDIR /", "SITE MKDIR tree/../sub", conf=LOAD, files=TREE) == [MADE] * 3


def test_no_folder_is_made_where_a_file_is() -> None:
    assert talk("SITE MKDIR a.txt/x", "SITE MKDIR a.txt", conf=LOAD, files=TREE) == [
        "550 MKDIR a.txt/x: Not a directory",
        "550 MKDIR a.txt: Not a directory",
    ]


def test_no_path_leads_out_of_the_root() -> None:
    async def tale(ftp: Bench) -> None:
        above = os.path.dirname(ftp.root)
        os.symlink(above, f"{ftp.root}/up")
        assert await ftp("SITE MKDIR ../../evil") == MADE
        assert ftp.exists("evil")
        assert (await ftp("SITE MKDIR up/evil")).startswith("550 MKDIR up/evil: ")
        assert (await ftp("SITE RMDIR up")).startswith("550 RMDIR up: ")
        assert sorted(os.listdir(above)) == ["proftpd.conf", "root"]

    run(tale, conf=LOAD)


# -- RMDIR -------------------------------------------------------------------------------------------------


def test_a_tree_is_removed_with_all_that_is_in_it() -> None:
    async def tale(ftp: Bench) -> None:
        os.symlink("../sub", f"{ftp.root}/tree/to sub")
        os.symlink("nowhere", f"{ftp.root}/tree/in/broken")
        os.mkfifo(f"{ftp.root}/tree/pipe")
        assert await ftp("SITE RMDIR tree") == GONE
        assert names(ftp) == ["a.txt", "sub", "two words"]
        # a link goes, what it led to stays
        assert names(ftp, "sub") == ["x"]

    run(tale, conf=LOAD, files=TREE)


def test_a_large_tree_is_removed() -> None:
    files = {f"big/{folder}/{number}": b"" for folder in range(5) for number in range(60)}
    assert talk("SITE RMDIR big", "CWD big", conf=LOAD, files=files) == [GONE, "550 big: No such file or directory"]


def test_what_is_no_folder_is_not_removed() -> None:
    async def tale(ftp: Bench) -> None:
        os.symlink("sub", f"{ftp.root}/dlink")
        assert await ftp("SITE RMDIR dlink") == "550 RMDIR dlink: Not a directory"
        assert names(ftp, "sub") == ["x"]
        assert await ftp("SITE RMDIR a.txt") == "550 RMDIR a.txt: Invalid argument"
        assert await ftp("SITE RMDIR nope") == "550 RMDIR nope: No such file or directory"
        assert await ftp("SITE RMDIR /") == "550 RMDIR /: Device or resource busy"
        assert len(names(ftp)) == 5

    run(tale, conf=LOAD, files=TREE)


def test_removing_ends_when_the_client_goes() -> None:
    async def tale(ftp: Bench) -> list[str]:
        ftp.wire.end("Read EOF from client")
        await ftp("SITE RMDIR tree")
        return names(ftp, "tree")

    assert run(tale, conf=LOAD, files=TREE) == ["e", "in", "r"]


def test_a_hostile_name_forges_no_reply() -> None:
    files = {"tree/x\r\n230 Welcome": b""}
    reply = talk("SITE RMDIR tree", conf=limits("DELE"), files=files)[0]
    assert reply == "550 RMDIR tree: Operation not permitted"


def test_abor_ends_the_removal_of_a_tree() -> None:
    module = Module("mod_impatient", version="1")

    @module.post("DELE")
    def abort(cmd: Command) -> None:
        assert cmd.session.wire.abort_transfer()

    async def story() -> tuple[str, int]:
        files = {f"tree/{number}": b"" for number in range(5)}
        async with Bench(module, conf=f"DefaultRoot ~\n{LOAD}", files=files) as ftp:
            return await ftp("SITE RMDIR tree"), len(names(ftp, "tree"))

    assert asyncio.run(story()) == ("426 RMDIR tree: aborted", 4)


# -- SYMLINK -----------------------------------------------------------------------------------------------


def test_a_link_leads_to_its_source_wherever_it_lies() -> None:
    async def tale(ftp: Bench) -> None:
        assert await ftp("SITE SYMLINK a.txt sub/l") == LINKED
        assert os.readlink(f"{ftp.root}/sub/l") == "/a.txt"
        assert await ftp.download("RETR sub/l") == b"a"

    run(tale, conf=LOAD, files=TREE)


def test_a_link_needs_something_to_lead_to_and_a_free_name() -> None:
    assert talk(
        "SITE SYMLINK nope l", "SITE SYMLINK a.txt sub", "SITE SYMLINK a.txt no/l", "SITE SYMLINK ../../etc l",
        conf=LOAD, files=TREE,
    ) == [
        "550 SYMLINK nope l: No such file or directory",
        "550 SYMLINK a.txt sub: File exists",
        "550 SYMLINK a.txt no/l: No such file or directory",
        "550 SYMLINK ../../etc l: No such file or directory",
    ]  # fmt: skip


# -- UTIME -------------------------------------------------------------------------------------------------


def _times(ftp: Bench) -> tuple[int, int]:
    known = os.stat(f"{ftp.root}/a.txt")
    return int(known.st_atime), int(known.st_mtime)


def test_times_are_set_to_the_minute_or_the_second_in_utc() -> None:
    assert after("SITE UTIME 202001010101 a.txt", look=_times) == (1577840460, 1577840460)
    assert after("SITE UTIME 20200101010101 a.txt", look=_times) == (1577840461, 1577840461)
    assert after("SITE UTIME 20191231240101 a.txt", look=_times) == (1577836861, 1577836861)
    assert talk("SITE UTIME 20200101010101 two words", conf=LOAD, files=TREE) == [TIMED]


def test_the_other_form_has_times_of_access_change_and_creation() -> None:
    three = "20200101010101 202102240836 20220224083655 UTC"
    assert after(f"SITE UTIME a.txt {three}", look=_times) == (1577840461, 1614155760)
    assert talk(f"SITE UTIME two words {three}", f"SITE UTIME a.txt {three.lower()}", conf=LOAD, files=TREE) == [
        TIMED,
        TIMED,
    ]


@pytest.mark.parametrize(
    "argument",
    [
        "2021 a.txt",
        "2021xx01010101 a.txt",
        "20211301010101 a.txt",
        "20210232010101 a.txt",
        "20210101250101 a.txt",
        "00010101000000 a.txt",
        "30000101000000 a.txt",
        "\u0662020010101010\u0661 a.txt",
        "a.txt 2020 20210224083655 20220224083655 UTC",
        "a.txt 20200224083655 20210224083655 2022 UTC",
        "a.txt 20200224083655 20210224083655 20220224083655 GMT",
        "a.txt 20200224083655 20210224083655 UTC",
    ],
)
def test_what_is_no_time_changes_nothing(argument: str) -> None:
    assert talk(f"SITE UTIME {argument}", conf=LOAD, files=TREE) == [f"500 UTIME {argument}: Invalid argument"]
    assert after(f"SITE UTIME {argument}", look=lambda ftp: _times(ftp)[1]) > 1_700_000_000


def test_what_is_not_there_has_no_times() -> None:
    assert talk("SITE UTIME 20200101010101 nope", conf=LOAD, files=TREE) == [
        "550 UTIME 20200101010101 nope: No such file or directory"
    ]


# -- the same rules as for the verbs they stand for (S59) --------------------------------------------------------


DENIED = [
    "550 MKDIR x: Operation not permitted",
    "550 RMDIR sub: Operation not permitted",
    "550 l: Operation not permitted",
    "550 UTIME 20200101010101 a.txt: Operation not permitted",
]


def test_s59_limit_write_holds() -> None:
    assert talk(*ALL, conf=limits("WRITE"), files=TREE) == DENIED


def test_s59_limits_by_name_hold() -> None:
    verbs = ("SITE_MKDIR", "SITE_RMDIR", "SITE_SYMLINK", "SITE_UTIME")
    assert talk(*ALL, conf=limits(*verbs), files=TREE) == [*DENIED[:2], "550 a.txt: Operation not permitted", DENIED[3]]
    for verb, line in zip(verbs, ALL, strict=True):
        others = [other for other in verbs if other != verb]
        assert talk(line, conf=limits(*others), files=TREE)[0].startswith("200 ")


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("MKD", "SITE MKDIR sub/a/b"),
        ("RMD", "SITE RMDIR tree"),
        ("DELE", "SITE RMDIR tree"),
        ("STOR", "SITE SYMLINK a.txt l"),
        ("MFMT", "SITE UTIME 20200101010101 a.txt"),
    ],
)
def test_s59_what_the_standard_verb_may_not_do_site_may_not_do(verb: str, line: str) -> None:
    assert talk(line, conf=limits(verb), files=TREE)[0].startswith("550 ")
    assert after(line, conf=limits(verb), look=lambda ftp: (names(ftp, "sub"), ftp.exists("l"))) == (["x"], False)
    assert talk(line, conf=limits("RETR"), files=TREE)[0].startswith("200 ")


def test_s59_a_source_that_may_not_be_read_is_not_linked_to() -> None:
    conf = limits("READ", place="sub")
    assert talk("SITE SYMLINK sub/x l", "SITE SYMLINK a.txt l", conf=conf, files=TREE) == [
        "550 sub/x: Operation not permitted",
        LINKED,
    ]


def test_s59_a_protected_folder_survives_the_removal_of_the_tree_around_it() -> None:
    conf = limits("DELE", place="tree/in")
    assert talk("SITE RMDIR tree", conf=conf, files=TREE) == ["550 RMDIR tree: Operation not permitted"]
    assert after("SITE RMDIR tree", conf=conf, look=lambda ftp: ftp.read("tree/in/deep")) == b"deep"


def test_s59_filters_hold_for_every_folder_of_a_path() -> None:
    conf = LOAD + "PathDenyFilter \\.bad$\n"
    lines = (
        "SITE MKDIR x.bad", "SITE MKDIR x.bad/y", "SITE RMDIR sub.bad", "SITE SYMLINK a.txt l.bad",
        "SITE UTIME 20200101010101 a.bad", "SITE MKDIR good/y",
    )  # fmt: skip
    assert talk(*lines, conf=conf, files=TREE) == [
        "550 MKDIR x.bad: Operation not permitted",
        "550 MKDIR x.bad/y: Forbidden filename",
        "550 RMDIR sub.bad: Operation not permitted",
        "550 SYMLINK a.txt l.bad: Operation not permitted",
        "550 UTIME 20200101010101 a.bad: Operation not permitted",
        MADE,
    ]
    allowed = LOAD + "PathAllowFilter ^[a-z.]+$\n"
    assert talk("SITE UTIME 20200101010101 A", "SITE UTIME 20200101010101 a.txt", conf=allowed, files=TREE) == [
        "550 UTIME 20200101010101 A: Operation not permitted",
        TIMED,
    ]


def test_other_modules_hear_of_every_folder_and_file() -> None:
    """A quota counts what SITE RMDIR removes as it counts what DELE and RMD do."""
    heard: list[str] = []
    watcher = Module("watcher", version="1.0")

    @watcher.post("MKD", "DELE", "RMD")
    def hear(cmd: Command) -> None:
        heard.append(f"{cmd.name} {cmd.argument}")

    async def main() -> None:
        async with Bench(watcher, conf="DefaultRoot ~\n" + LOAD, files=TREE) as ftp:
            await ftp("SITE MKDIR p/q")
            await ftp("SITE RMDIR tree/in")

    asyncio.run(main())
    assert heard == ["MKD /p", "MKD /p/q", "DELE /tree/in/deep", "RMD /tree/in"]
