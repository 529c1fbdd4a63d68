"""The TransferLog: one line of fourteen fields for each transfer, whatever the names in it."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from core_ground import HOME

from ftpd.conf.faults import ConfigFaults
from ftpd.module.wire import TransferError
from ftpd.modules import _log_transfer
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

LINE = re.compile(
    r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} (\d+) (\S+) (\d+) (\S+) ([ab]) _ ([oid]) ([ar]) (\S+) ftp 0 \* ([ci])"
)


def logged(log: Path) -> list[tuple[str, ...]]:
    """The fields of each line: seconds, host, size, path, type, direction, access, user, completion."""
    lines = log.read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [one.groups() for one in found if one]


def test_transfers_and_deletions_are_recorded(tmp_path: Path) -> None:
    log = tmp_path / "xferlog"

    async def story() -> str:
        async with Bench(conf=f"{HOME}TransferLog {log}\n", files={"two words.txt": b"hello"}) as ftp:
            await ftp("TYPE I")
            await ftp("PASV")
            await ftp.download("RETR two words.txt")
            await ftp("PASV")
            await ftp.upload("STOR up.bin", b"0123456789")
            await ftp("DELE up.bin")
            await ftp("DELE up.bin")
            return ftp.root

    root = asyncio.run(story()).replace(" ", "_")
    assert logged(log) == [
        ("0", "127.0.0.1", "5", f"{root}/two_words.txt", "b", "o", "r", "tom", "c"),
        ("0", "127.0.0.1", "10", f"{root}/up.bin", "b", "i", "r", "tom", "c"),
        ("0", "127.0.0.1", "10", f"{root}/up.bin", "b", "d", "r", "tom", "c"),
    ]
    assert log.stat().st_mode & 0o777 == 0o644 & ~_umask()


def test_files_that_are_noted_together_are_records_of_their_own(tmp_path: Path) -> None:
    """Small ones of one direction are noted some at a time, where there is much to do."""
    log = tmp_path / "xferlog"

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\n") as ftp:
            assert ftp.session is not None
            note = _log_transfer._in_brief(ftp.session, "i")
            assert note is not None
            note([("/srv/one", 1, 0.1), ("/srv/two words", 2, 2.5), ("/srv/three", 3, 0.0)])
            note([])

    asyncio.run(story())
    assert [fields[:6] for fields in logged(log)] == [
        ("0", "127.0.0.1", "1", "/srv/one", "b", "i"),
        ("2", "127.0.0.1", "2", "/srv/two_words", "b", "i"),
        ("0", "127.0.0.1", "3", "/srv/three", "b", "i"),
    ]


def test_of_a_text_the_bytes_of_the_file_are_recorded(tmp_path: Path) -> None:
    log = tmp_path / "xferlog"

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\n", files={"text": b"one\ntwo\n"}) as ftp:
            await ftp("TYPE A")
            await ftp("PASV")
            assert await ftp.download("RETR text") == b"one\r\ntwo\r\n"
            await ftp("PASV")
            await ftp.upload("STOR up", b"one\r\n")

    asyncio.run(story())
    assert [(line[2], line[4]) for line in logged(log)] == [("8", "a"), ("4", "a")]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_broken_transfer_is_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "xferlog"

    async def broken(self: MemoryData, *unused: object, **options: object) -> int:
        self.moved = 3
        raise TransferError(426, "Transfer aborted. Data connection closed", aborted=True, moved=3)

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\n", files={"a": b"hello"}) as ftp:
            await ftp("TYPE I")
            # without a data connection nothing of it moves
            assert (await ftp("RETR a")).startswith("425")
            monkeypatch.setattr(MemoryData, "send_file", broken)
            await ftp("PASV")
            await ftp.download("RETR a")

    asyncio.run(story())
    assert [(line[2], line[5], line[8]) for line in logged(log)] == [("0", "o", "i"), ("3", "o", "i")]


def test_what_is_appended_counts_with_the_bytes_that_came(tmp_path: Path) -> None:
    log = tmp_path / "xferlog"

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\nAllowStoreRestart on\n", files={"a": b"hello"}) as ftp:
            await ftp("PASV")
            assert "226" in await ftp.upload("APPE a", b"you")

    asyncio.run(story())
    assert [line[2:3] + line[4:] for line in logged(log)] == [("3", "a", "i", "r", "tom", "c")]


def logged_of_a_visitor(log: Path, user: str, password: str, section: str) -> list[tuple[str, ...]]:
    """What the log has of who comes to an anonymous area with these lines, and fetches a file there."""
    area = f"<Anonymous {{root}}>\n  User tom\n{section}</Anonymous>\n"

    async def story() -> None:
        async with Bench(conf=f"TransferLog {log}\n{area}", files={"a": b"hello"}, login=None) as ftp:
            await ftp(f"USER {user}")
            assert (await ftp(f"PASS {password}")).startswith("230")
            await ftp("PASV")
            await ftp.download("RETR a")

    asyncio.run(story())
    return logged(log)


def test_visitors_are_known_by_what_they_gave_as_password(tmp_path: Path) -> None:
    lines = logged_of_a_visitor(tmp_path / "xferlog", "anonymous", "me too@example.org", "  UserAlias anonymous tom\n")
    assert [line[6:] for line in lines] == [("a", "me_too@example.org", "c")]


def test_visitors_with_a_password_are_known_by_the_name_that_they_sent(tmp_path: Path) -> None:
    section = "  UserAlias guest tom\n  AnonRequirePassword on\n"
    lines = logged_of_a_visitor(tmp_path / "xferlog", "guest", "secret", section)
    assert [line[6:] for line in lines] == [("a", "guest", "c")]


def test_an_identity_that_was_vouched_for_stands_behind_a_1(tmp_path: Path) -> None:
    log = tmp_path / "xferlog"

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\n", files={"a": b"hello"}) as ftp:
            assert ftp.session is not None
            ftp.session.notes["mod_ident.rfc1413-ident"] = "t o\nm"
            await ftp("DELE a")

    asyncio.run(story())
    assert log.read_text().split()[-3:] == ["1", "t_o_m", "c"]


def test_names_cannot_forge_a_line(tmp_path: Path) -> None:
    log = tmp_path / "xferlog"
    names = ["a\x1b[31mb", "c\u0085d", "e\u2028f", "g\u202eh", "i\udcffj"]

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {log}\n") as ftp:
            for name in names:
                await ftp("PASV")
                assert (await ftp.upload(f"STOR {name}", b"")).endswith("226 Transfer complete")

    asyncio.run(story())
    assert [os.path.basename(line[3]) for line in logged(log)] == ["a_[31mb", "c_d", "e_f", "g_h", "i_j"]


@pytest.mark.parametrize("where", ["none", "/nowhere/xferlog", "{link}", "{fifo}", "{open}/xferlog"])
def test_a_log_that_cannot_be_written_does_not_stop_a_transfer(tmp_path: Path, where: str) -> None:
    link, fifo, opened, victim = tmp_path / "link", tmp_path / "fifo", tmp_path / "open", tmp_path / "victim"
    victim.write_text("")
    link.symlink_to(victim)
    os.mkfifo(fifo)
    opened.mkdir()
    opened.chmod(0o777)

    async def story() -> str:
        target = where.format(link=link, fifo=fifo, open=opened)
        async with Bench(conf=f"{HOME}TransferLog {target}\n") as ftp:
            await ftp("PASV")
            return await ftp.upload("STOR a", b"x")

    assert asyncio.run(story()).endswith("226 Transfer complete")
    assert victim.read_text() == ""
    assert not (opened / "xferlog").exists()


def test_allowlogsymlinks_lets_a_log_be_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)

    async def story() -> None:
        async with Bench(conf=f"{HOME}TransferLog {link}\nAllowLogSymlinks on\n") as ftp:
            await ftp("PASV")
            await ftp.upload("STOR a", b"x")

    asyncio.run(story())
    assert len(logged(real)) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("SystemLog log", "absolute pathname required"),
        ("ExtendedLog log", "relative paths not allowed: 'log'"),
        ("ExtendedLog /var/log/x FOO", "invalid log class 'FOO' in 'FOO'"),
        ("ExtendedLog syslog:loud", "names no level of syslog"),
        ("LogFormat name", "missing parameters"),
        ('LogFormat "" "%h"', "missing required name parameter"),
        ("LogOptions Hostname", "bad LogOption: 'Hostname'"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=line).open())
    assert complaint in wrong.value.render()


def test_lines_that_are_taken(tmp_path: Path) -> None:
    conf = f"""
    SystemLog {tmp_path}/system
    ServerLog none
    LogOptions -Hostname +RoleBasedProcessLabels
    LogFormat short "%h %r"
    ExtendedLog {tmp_path}/all ALL,!AUTH|MISC+!STOR short
    ExtendedLog syslog:info AUTH
    """

    async def story() -> str:
        async with Bench(conf=conf) as ftp:
            return await ftp("NOOP")

    assert asyncio.run(story()) == "200 NOOP command successful"
