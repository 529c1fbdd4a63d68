"""mod_readme: who comes to a folder hears which files to read, and how old they are."""

from __future__ import annotations

import os
import time

import pytest
from xfer_ground import run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

LOAD = "LoadModule mod_readme.c\n"
TREE = {"README": b"", "sub/README.txt": b"", "sub/x": b"", "empty/": b""}


def _aged(conf: str, *lines: str) -> list[str]:
    async def tale(ftp: Bench) -> list[str]:
        for name in ("README", "sub/README.txt"):
            moment = time.time() - 86400 * (1 if name == "README" else 10)
            os.utime(os.path.join(ftp.root, name), (moment, moment))
        return [await ftp(line) for line in lines]

    return run(tale, files=TREE, conf=LOAD + conf)


def test_the_folder_that_is_entered_tells_of_its_readme() -> None:
    entered, up, empty = _aged("DisplayReadme README*\n", "CWD sub", "CDUP", "CWD empty")
    first, please, age = entered.split("\n")
    assert (first, please) == ("250-CWD command successful", " Please read the file README.txt")
    when = time.ctime(time.time() - 10 * 86400)
    assert age.startswith(f"250    it was last modified on {when[:10]}")
    assert age.endswith(" - 10 days ago")
    assert up.split("\n")[1] == " Please read the file README"
    assert up.endswith(" - 1 day ago")
    assert empty == "250 CWD command successful"


def test_several_lines_and_absolute_paths() -> None:
    entered = _aged("DisplayReadme README*\nDisplayReadme /README\n", "CWD sub")[0]
    assert [line.strip() for line in entered.split("\n")[1::2]] == [
        "Please read the file README.txt",
        "Please read the file /README",
    ]


def test_a_login_tells_of_what_lies_at_home() -> None:
    async def tale(ftp: Bench) -> str:
        await ftp("USER tom")
        return await ftp("PASS secret")

    reply = run(tale, files=TREE, login=None, conf=LOAD + "DisplayReadme README\n")
    first, blank, please, _ = reply.split("\n")
    assert (first, blank, please) == ("230-User tom logged in", " ", " Please read the file README")


def test_without_the_directive_nothing_is_told() -> None:
    assert talk("CWD sub", files=TREE, conf=LOAD) == ["250 CWD command successful"]


def test_a_name_cannot_forge_a_reply() -> None:
    reply = talk("CWD sub", files={"sub/README\r\n530 Get out": b""}, conf=LOAD + "DisplayReadme README*\n")[0]
    assert reply.split("\n")[1] == " Please read the file README??530 Get out"


def test_a_pattern_that_finds_too_much_stops() -> None:
    files = {f"sub/README{number}": b"" for number in range(50)}
    reply = talk("CWD sub", files=files, conf=LOAD + "DisplayReadme README*\n")[0]
    assert reply.count("Please read the file") == 20


def test_the_directive_needs_a_name() -> None:
    with pytest.raises(ConfigFaults, match="empty name"):
        talk("NOOP", conf=LOAD + 'DisplayReadme " "\n')
