"""Whom an anonymous area takes a guest for, and by whose right he gets through its door."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ftpd.api import Account, AuthAnswer, AuthBackend, Module, Session
from ftpd.testing import Bench

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root, to be one guest and another")

IN = "230 Anonymous access granted, restrictions apply"
OUT = "530 Login incorrect."
SHUT = "530-Unable to set anonymous privileges.\n530 Login incorrect."

ACCOUNTS = {"ftp": (2501, 2601), "alice": (2502, 2602), "known": (2503, 2603)} if ROOT else {}
GROUPS = {"ftps": 2601, "alices": 2602, "knowns": 2603, "guests": 2700}


class Family(AuthBackend):
    """Three accounts with a group each, and each with its own name as its password."""

    def getpwnam(self, session: Session, user: str) -> Account | None:
        uid, gid = ACCOUNTS.get(user, (os.geteuid(), os.getegid()))
        return Account(user, uid, gid, "/", "/bin/sh") if user in ("ftp", "alice", "known") else None

    def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        return ((account.gid, f"{account.name}s"),)

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        return AuthAnswer.OK if password == account.name else AuthAnswer.BAD_PASSWORD

    def name_gid(self, session: Session, name: str) -> int | None:
        return GROUPS.get(name)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """An area that everybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == tmp_path.owner() and folder.stat().st_uid == os.geteuid() and str(folder) != "/":
            folder.chmod(folder.stat().st_mode | 0o011)
    place = tmp_path / "area"
    place.mkdir(mode=0o755)
    place.chmod(0o755)
    return place


def came_as(area: Path, lines: str, user: str = "guest", password: str = "me@home", before: str = "") -> list[str]:
    """The answer to PASS; behind it as whom the guest is in the area, or ``closed`` when that was the end."""

    async def run() -> list[str]:
        family = Module("family", version="1.0")
        family.auth(Family())
        conf = f"AuthOrder mod_family.c\n{before}\n<Anonymous {area}>\n{lines}\n</Anonymous>"
        async with Bench(family, conf=conf, login=None) as bench:
            await bench(f"USER {user}")
            replies = [await bench(f"PASS {password}")]
            session = bench.session
            if session is not None and session.logged_in:
                replies.append(str(session.user))
            return [*replies, "closed"] if bench.wire.closed_for is not None else replies

    return asyncio.run(run())


# -- AuthAliasOnly: a guest is the area's User ---------------------------------------------------------------------


def test_an_alias_leads_to_the_account_that_its_line_names(area: Path) -> None:
    assert came_as(area, "User ftp\nUserAlias guest alice") == [IN, "alice"]


@pytest.mark.parametrize("named", ["alice", "nobody-at-all", "ftp"])
@pytest.mark.parametrize("alias", ["guest", "known", "*"])
def test_where_only_aliases_may_log_in_all_of_them_are_the_user_of_the_area(area: Path, named: str, alias: str) -> None:
    lines = f"User ftp\nUserAlias {alias} {named}"
    for name in ("guest", "known", "alice") if alias == "*" else (alias,):
        assert came_as(area, f"{lines}\nAuthAliasOnly on", name) == [IN, "ftp"]
        assert came_as(area, lines, name, before="AuthAliasOnly on") == [IN, "ftp"]


def test_an_area_for_aliases_that_has_no_user_is_closed(area: Path) -> None:
    assert came_as(area, "UserAlias guest alice") == [IN, "alice"]
    assert came_as(area, "UserAlias guest alice\nAuthAliasOnly on") == [OUT]


def test_the_password_is_that_of_the_user_then(area: Path) -> None:
    lines = "User ftp\nUserAlias guest alice\nAnonRequirePassword on"
    assert came_as(area, lines, password="alice") == [IN, "alice"]
    assert came_as(area, f"{lines}\nAuthAliasOnly on", password="alice") == [OUT]
    assert came_as(area, f"{lines}\nAuthAliasOnly on", password="ftp") == [IN, "ftp"]


def test_limits_are_about_the_user_then(area: Path) -> None:
    lines = "User ftp\nUserAlias guest alice\n<Limit LOGIN>\nAllowUser alice\nDenyAll\n</Limit>"
    assert came_as(area, lines) == [IN, "alice"]
    assert came_as(area, f"{lines}\nAuthAliasOnly on") == [OUT]


@as_root
def test_what_is_open_to_the_account_of_an_alias_alone_stays_shut(area: Path) -> None:
    area.chmod(0o700)
    os.chown(area, 2502, 2602)
    lines = "User ftp\nUserAlias guest alice"
    assert came_as(area, lines) == [IN, "alice"]
    assert came_as(area, f"{lines}\nAuthAliasOnly on") == [SHUT]
    assert came_as(area, lines, before="AuthAliasOnly on") == [SHUT]


# -- the door ------------------------------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(0, 0, 0o700), (2501, 2601, 0o077), (0, 2602, 0o750), (0, 2601, 0o740)]
)  # fmt: skip
def test_a_guest_whom_the_area_is_shut_to_hears_so_and_may_try_again(
    area: Path, owner: int, group: int, mode: int
) -> None:  # fmt: skip
    area.chmod(mode)
    os.chown(area, owner, group)
    assert came_as(area, "User ftp", "ftp") == [SHUT]


@as_root
@pytest.mark.parametrize(("owner", "group", "mode"), [(2501, 0, 0o100), (0, 2601, 0o710), (0, 0, 0o711)])
def test_a_guest_needs_the_right_to_search_the_area(area: Path, owner: int, group: int, mode: int) -> None:
    area.chmod(mode)
    os.chown(area, owner, group)
    assert came_as(area, "User ftp", "ftp") == [IN, "ftp"]
    assert came_as(area, "User ftp\nGroup guests", "ftp") == [IN, "ftp"], "with another group he keeps his own"


@as_root
def test_the_group_of_an_area_opens_nothing_but_what_lies_in_it(area: Path) -> None:
    area.chmod(0o750)
    os.chown(area, 0, 2700)
    assert came_as(area, "User ftp\nGroup guests", "ftp") == [SHUT]


@as_root
def test_whom_the_group_of_an_area_shuts_out_is_sent_away(area: Path) -> None:
    area.chmod(0o705)
    os.chown(area, 0, 2700)
    assert came_as(area, "User ftp", "ftp") == [IN, "ftp"]
    assert came_as(area, "User ftp\nGroup guests", "ftp") == [OUT, "closed"]


@as_root
def test_the_group_of_an_area_lets_nobody_through_a_limit_and_keeps_some_out(area: Path) -> None:
    lines = "User ftp\nGroup guests\n<Limit LOGIN>\n{}\n</Limit>"
    assert came_as(area, lines.format("AllowGroup guests\nDenyAll"), "ftp") == [OUT]
    assert came_as(area, lines.format("AllowGroup ftps\nDenyAll"), "ftp") == [IN, "ftp"]
    assert came_as(area, lines.format("DenyGroup guests"), "ftp") == [OUT]
    assert came_as(area, lines.format("DenyGroup ftps"), "ftp") == [OUT]
    assert came_as(area, lines.format("DenyGroup alices"), "ftp") == [IN, "ftp"]
