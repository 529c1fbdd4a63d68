"""UserOwner and GroupOwner: new files and folders get the owner that the configuration names, others' keep theirs."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from xfer_ground import run

from ftpd.core.identity import privileged
from ftpd.testing import Bench

as_root = pytest.mark.skipif(not privileged(), reason="only root can give files away")
DAEMON = pwd.getpwnam("daemon").pw_uid
GAMES = grp.getgrnam("games").gr_gid
OVERWRITE = "AllowOverwrite on\nAllowStoreRestart on\n"


def place(text: str) -> str:
    return OVERWRITE + "<Directory {root}/in>\n" + text + "\n</Directory>\n"


async def tale(ftp: Bench) -> list[tuple[int, int]]:
    """The owners of what was uploaded, made and replaced there, and of what was uploaded beside it."""
    ids = []
    for line, name in (
        ("STOR in/new", "in/new"),
        ("APPE in/appended", "in/appended"),
        ("MKD in/folder", "in/folder"),
        ("STOR in/old", "in/old"),
        ("STOR beside", "beside"),
    ):
        reply = await ftp.upload(line, b"x")
        assert reply.splitlines()[-1][:3] in ("226", "257"), reply
        known = os.lstat(f"{ftp.root}/{name}")
        ids.append((known.st_uid, known.st_gid))
    reply = await ftp.upload("STOU", b"x")
    return ids


FILES = {"in/old": b"old"}
MINE = (os.geteuid(), os.getegid())


@as_root
def test_userowner_and_groupowner_hold_for_all_that_is_made_there() -> None:
    given = (DAEMON, GAMES)
    conf = place("UserOwner daemon\nGroupOwner games")
    assert run(tale, files=FILES, conf=conf) == [given, given, given, given, MINE]
    assert run(tale, files=FILES, conf=conf + "HiddenStores on\n") == [given, given, given, given, MINE]
    assert run(tale, files=FILES, conf=place("UserOwner daemon"))[:3] == [(DAEMON, MINE[1])] * 3


@as_root
def test_stou_gives_its_file_away_too() -> None:
    async def unique(ftp: Bench) -> int:
        await ftp("CWD in")
        reply = await ftp.upload("STOU", b"x")
        return os.stat(f"{ftp.root}/in/{reply.splitlines()[0].rpartition(' ')[2]}").st_uid

    assert run(unique, files=FILES, conf=place("UserOwner daemon")) == DAEMON


@as_root
def test_groupowner_alone_gives_to_any_group() -> None:
    given = (MINE[0], GAMES)
    assert run(tale, files=FILES, conf=place("GroupOwner games")) == [given, given, given, given, MINE]


def test_in_a_ftpaccess_groupowner_gives_to_no_group_that_the_user_is_not_in() -> None:
    def with_file(line: bytes) -> list[tuple[int, int]]:
        return run(tale, files={**FILES, "in/.ftpaccess": line}, conf=OVERWRITE)

    assert with_file(b"GroupOwner games\n") == [MINE] * 5
    assert with_file(b"GroupOwner ~\n") == [MINE] * 5


def test_groupowner_tilde_is_the_users_own_group() -> None:
    assert run(tale, files=FILES, conf=place("GroupOwner ~")) == [MINE] * 5


def test_a_name_that_nobody_knows_changes_nothing() -> None:
    assert run(tale, files=FILES, conf=place("UserOwner no-such-user\nGroupOwner no-such-group")) == [MINE] * 5


@as_root
def test_anothers_file_is_not_given_away() -> None:
    async def append(ftp: Bench) -> int:
        os.chown(f"{ftp.root}/in/old", 4711, 4711)
        assert (await ftp.upload("APPE in/old", b"x")).endswith("226 Transfer complete")
        return os.stat(f"{ftp.root}/in/old").st_uid

    assert run(append, files=FILES, conf=place("UserOwner daemon")) == 4711


@pytest.mark.skipif(privileged(), reason="root may give files away")
def test_without_root_the_upload_stays_the_users_own() -> None:
    assert run(tale, files=FILES, conf=place("UserOwner daemon\nGroupOwner games")) == [MINE] * 5
