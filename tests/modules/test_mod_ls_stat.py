"""STAT: a listing on the control connection, and what it tells of the session."""

from __future__ import annotations

import asyncio
import os

import pytest
from ls_ground import FAKES, TREE, dated
from xfer_ground import run, talk, upload_over

from ftpd.dispatch.phases import run as dispatch
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData, MemoryWire

pytestmark = pytest.mark.usefixtures("way_to_list")


def test_stat_of_a_path_lists_it_on_the_control_connection() -> None:
    async def tale(ftp: Bench) -> list[str]:
        dated(ftp, "d", "d/e", "d/in.txt", "a.txt")
        os.utime(ftp.root, (1709618828, 1709618828))
        return [await ftp(line) for line in ("STAT d", "STAT -l a.txt", "STAT nope", "STAT *.txt", "STAT -CR d")]

    folder, file, absent, pattern, flags = run(tale, files=TREE, conf=FAKES)
    first, *lines, end = folder.splitlines()
    assert (first, end) == ("212-Status of d:", "212 End of status")
    assert [line[56:] for line in lines] == [".", "..", "e", "in.txt"]
    assert lines[3] == " -rw-r--r--   1 ann      staff           1 Mar  5  2024 in.txt"
    assert file.splitlines() == [
        "213-Status of a.txt:",
        " -rw-r--r--   1 ann      staff           1 Mar  5  2024 a.txt",
        "213 End of status",
    ]
    assert absent == "450 nope: No such file or directory"
    assert pattern == "450 *.txt: No such file or directory"
    assert flags == folder


def test_stat_shows_dots_unless_listoptions_deny_them() -> None:
    assert [line.split()[-1] for line in talk("STAT d", files=TREE, conf='ListOptions "+a"\n')[0].splitlines()] == [
        "d:", "e", "in.txt", "status",
    ]  # fmt: skip


def test_stat_has_names_alone_where_listoptions_deny_long_lines() -> None:
    assert talk("STAT d", files=TREE, conf='ListOptions "+l"\n')[0].splitlines()[1:-1] == [" .", " ..", " e", " in.txt"]


def test_stat_has_no_marks() -> None:
    reply = talk("STAT -F d", files=TREE)[0]
    assert [line.split()[-1] for line in reply.splitlines()[1:-1]] == [".", "..", "e", "in.txt"]


def test_stat_has_the_marks_of_listoptions() -> None:
    reply = talk("STAT d", files=TREE, conf='ListOptions "-F"\n')[0]
    assert [line.split()[-1] for line in reply.splitlines()[1:-1]] == ["./", "../", "e/", "in.txt"]


def test_stat_tells_of_the_session() -> None:
    async def tale(ftp: Bench) -> tuple[str, str]:
        before = await ftp("STAT")
        await ftp("TYPE I")
        await ftp.download("RETR a.txt")
        return before, await ftp("STAT")

    before, after = run(tale, files={"a.txt": b"hello"}, conf='ServerName "Our house"\n')
    assert before.splitlines() == [
        "211-Status of 'Our house'",
        " Connected from 127.0.0.1 (127.0.0.1)",
        " Logged in as tom",
        " TYPE: ASCII, STRUcture: File, Mode: Stream",
        " No data connection",
        "211 End of status",
    ]
    assert " TYPE: BINARY, STRUcture: File, Mode: Stream\n Total bytes transferred for session: 5\n" in after


def test_stat_tells_of_the_transfer_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryWire, "data", property(lambda wire: wire.last))

    async def tale(ftp: Bench) -> str:
        told = asyncio.get_running_loop().create_future()

        class Asking(MemoryData):
            async def receive_file(self, descriptor: int, **how: object) -> int:
                self.moved = 7
                ftp.wire.last = self
                command, plan = ftp.generation.command(ftp.session, "STAT", "")  # type: ignore[union-attr, arg-type]
                await dispatch(command, plan)
                told.set_result(command.reply)
                return 7

        await upload_over(ftp, "STOR x", Asking())
        return "\n".join((await told).lines)

    assert "\nTotal bytes transferred for session: 7\nData connection established\n7 bytes transferred\n" in run(tale)


@pytest.mark.parametrize(("limit", "allowed"), [("STAT", False), ("DIRS", False), ("ALL", False), ("LIST", True)])
def test_limit_on_stat_covers_the_session_as_well(limit: str, allowed: bool) -> None:
    reply = talk("STAT", conf=f"<Limit {limit}>\nDenyAll\n</Limit>\n")[0]
    assert reply.startswith("211-Status") if allowed else reply == "500 STAT: Operation not permitted"


def test_stat_of_a_denied_folder_says_that_it_is_one() -> None:
    conf = "<Limit DIRS>\nDenyAll\n</Limit>\n<Limit CWD>\nAllowAll\n</Limit>\n"
    lines = ("STAT .", "STAT /", "STAT ..", "STAT -l", "STAT d", "STAT d/", "STAT missing", "STAT a.txt")
    said = talk("CWD d", *lines, files={"d/d/": b"", "d/a.txt": b""}, conf=conf)
    assert [reply[:3] for reply in said] == ["250", *["212"] * 6, "450", "213"]


@pytest.mark.parametrize(("conf", "code"), [("", "213"), ("ShowSymlinks on\n", "213"), ("ShowSymlinks off\n", "212")])
def test_a_link_that_is_shown_as_one_is_no_folder(conf: str, code: str) -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("d", f"{ftp.root}/link")
        return await ftp("STAT link")

    reply = run(tale, files={"d/in.txt": b""}, conf=conf)
    assert reply.startswith(f"{code}-Status of link:") and reply.split("\n")[-2].endswith(" in.txt")
