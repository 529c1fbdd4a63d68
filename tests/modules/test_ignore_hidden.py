"""IgnoreHidden: what is hidden answers like what is not there, and NLST has no names that begin with a dot."""

from __future__ import annotations

import os
import stat

import pytest
from hidden_ground import IGNORE, TREE, at_home, listings_of
from xfer_ground import run, talk

from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


@pytest.mark.parametrize("rule", ["HideFiles key", "HideFiles !(txt|d)$"])
@pytest.mark.parametrize(
    "line",
    [
        "SIZE {}", "MDTM {}", "MLST {}", "DELE {}", "RNFR {}", "CWD {}", "RMD {}", "STAT {}", "SITE CHMOD 600 {}",
        "MFMT 20200101000000 {}", "MFF UNIX.mode=600; {}",
    ],
)  # fmt: skip
def test_s70_a_hidden_file_answers_like_one_that_is_not_there(line: str, rule: str) -> None:
    hidden, absent = talk(
        "TYPE I", line.format("b.key"), line.format("c.nope"), files=TREE, conf=at_home(rule + "\n" + IGNORE)
    )[1:]
    assert hidden.replace("b.key", "c.nope") == absent
    assert hidden[0] in "45"


@pytest.mark.parametrize("line", ["RETR {}", "LIST {}", "NLST {}", "MLSD {}", "NLST {}*", "LIST {}*"])
def test_s70_so_do_transfers_of_it(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        said = []
        for name in ("b.key", "c.nope"):
            assert await ftp.download(line.format(name)) == b""
            said.append(ftp.replies.replace(name, "x"))
        return said

    hidden, absent = run(tale, files=TREE, conf=at_home("HideFiles key\n" + IGNORE))
    assert hidden == absent


@pytest.mark.parametrize("line", ["STOR {}", "APPE {}", "MKD {}", "RNTO {}"])
def test_s70_nothing_is_made_in_its_place_and_nobody_learns_whether_it_is_there(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        said = []
        for name in ("b.key", "new.key"):
            if line.startswith("RNTO"):
                await ftp("RNFR a.txt")
            said.append((await ftp(line.format(name))).replace(name, "x"))
        with open(f"{ftp.root}/b.key", "rb") as file:
            assert file.read() == b"2"
        assert not os.path.lexists(f"{ftp.root}/new.key")
        return said

    assert run(tale, files=TREE, conf=at_home("HideFiles key\n" + IGNORE)) == ["550 x: No such file or directory"] * 2


@pytest.mark.parametrize("verbs", ["ALL", "DIRS", "NLST", "STOR NLST"])
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("NLST -a", "a.txt d"),
        ("NLST -A", "a.txt d"),
        ("NLST -a d", "d/in"),
        ("NLST -aR *", "a.txt d/in"),
        ("NLST -a .h", ".h/x"),
        ("NLST .h*", ".h"),
        ("LIST -1A", ".h a.txt d"),
        ("MLSD", ".h a.txt d"),
    ],
)
def test_nlst_has_no_dotted_names_under_ignorehidden_whatever_flags_ask_for_them(
    line: str, names: str, verbs: str
) -> None:
    files = {"a.txt": b"", ".h/x": b"", "d/in": b"", "d/.in": b""}
    conf = at_home(f"<Limit {verbs}>\nIgnoreHidden on\n</Limit>")
    assert listings_of(conf, line, files=files) == [names.split()]


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        (at_home("<Limit LIST STAT READ MLSD>\nIgnoreHidden on\n</Limit>"), ".h a"),
        (at_home("<Limit NLST>\nIgnoreHidden off\n</Limit>"), ".h a"),
        # outside of all folders it is about what HideFiles hides and nothing else
        (IGNORE, ".h a"),
        # of two in one section the last decides, and of two sections the inner
        (at_home(IGNORE + "<Limit NLST>\nIgnoreHidden off\n</Limit>"), ".h a"),
        (at_home("<Limit NLST>\nIgnoreHidden off\n</Limit>\n" + IGNORE), "a"),
        (at_home(IGNORE + "<Limit READ>\nAllowAll\n</Limit>"), "a"),
        (at_home("HideFiles ^a\n" + IGNORE), ""),
        ("<Directory />\n" + IGNORE + "</Directory>\n" + at_home("<Limit NLST>\nAllowAll\n</Limit>"), ".h a"),
        ("<Directory />\n" + IGNORE + "</Directory>\n" + at_home("<Limit READ>\nAllowAll\n</Limit>"), "a"),
    ],
)
def test_it_does_so_for_the_commands_of_the_innermost_limit_in_a_folder(conf: str, names: str) -> None:
    assert listings_of(conf, "NLST -A", files={"a": b"", ".h": b""}) == [names.split()]


def test_a_ftpaccess_file_with_ignorehidden_keeps_dotted_names_from_nlst() -> None:
    files = {"d/a": b"", "d/.ftpaccess": IGNORE.encode(), "e/.b": b""}
    assert listings_of("", "NLST -A d", "NLST -A e", files=files) == [["d/a"], ["e/.b"]]


def test_a_link_to_what_is_hidden_leads_nowhere() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("b.key", f"{ftp.root}/link")
        await ftp("TYPE I")
        return [await ftp("SIZE link"), await ftp("SIZE a.txt")]

    assert run(tale, files=TREE, conf=at_home("HideFiles key\n" + IGNORE)) == [
        "550 link: No such file or directory",
        "213 1",
    ]


def test_ignorehidden_is_for_the_commands_it_names_and_inner_folders_can_end_it() -> None:
    conf = at_home("HideFiles key\n<Limit DELE>\nIgnoreHidden on\n</Limit>\n")
    assert talk("TYPE I", "SIZE b.key", "DELE b.key", files=TREE, conf=conf)[1:] == [
        "213 1",
        "550 b.key: No such file or directory",
    ]
    inner = "<Directory {root}/d>\n<Limit DELE>\nIgnoreHidden off\n</Limit>\n</Directory>\n"
    assert talk("DELE d/in.key", files=TREE, conf=conf + inner) == ["250 DELE command successful"]


def test_a_ftpaccess_file_can_hide_and_ignore_what_is_hidden() -> None:
    files = {**TREE, "d/.ftpaccess": b"HideFiles key\n" + IGNORE.encode()}
    replies = talk("TYPE I", "SIZE d/in.key", "SIZE d/in.txt", "DELE d/in.key", "SIZE b.key", files=files)
    assert replies[1:] == [
        "550 d/in.key: No such file or directory",
        "213 1",
        "550 d/in.key: No such file or directory",
        "213 1",
    ]


def test_a_ftpaccess_file_ends_an_ignorehidden_further_out() -> None:
    files = {**TREE, "d/.ftpaccess": b"<Limit DELE>\nIgnoreHidden off\n</Limit>\n"}
    conf = at_home("HideFiles key\n<Limit DELE>\nIgnoreHidden on\n</Limit>\n")
    assert talk("DELE b.key", "DELE d/in.key", files=files, conf=conf) == [
        "550 b.key: No such file or directory",
        "250 DELE command successful",
    ]


def test_what_is_not_hidden_is_used_as_ever() -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("TYPE I")
        said = [await ftp(line) for line in ("SIZE a.txt", "SITE CHMOD 600 a.txt", "MKD new", "CWD d")]
        assert stat.S_IMODE(os.stat(f"{ftp.root}/a.txt").st_mode) == 0o600
        return [reply[:3] for reply in said]

    assert run(tale, files=TREE, conf=at_home("HideFiles key\n" + IGNORE)) == ["213", "200", "257", "250"]
