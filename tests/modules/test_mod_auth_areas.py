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


def test_the_group_of_an_area_is_asked_of_the_areas_own_limit_once_its_folder_was_open(
    area: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(20)
    limit = "<Limit LOGIN>\nDenyGroup guests\n</Limit>"
    lines = "User ftp\nGroup guests\nUserAlias guest ftp"
    assert came_as(area, f"{lines}\n{limit}") == [OUT]
    assert "ANON guest: Limit access denies login" in [record.getMessage() for record in caplog.records]
    assert came_as(area / "gone", f"{lines}\n{limit}") == [SHUT], "the folder comes first"
    if ROOT:
        assert came_as(area, lines, before=limit) == [IN, "ftp"], "the server's is about who comes, not what he becomes"


@as_root
def test_what_is_open_to_the_account_of_an_alias_alone_stays_shut(area: Path) -> None:
    area.chmod(0o700)
    os.chown(area, 2502, 2602)
    lines = "User ftp\nUserAlias guest alice"
    assert came_as(area, lines) == [IN, "alice"]
    assert came_as(area, f"{lines}\nAuthAliasOnly on") == [SHUT]
    assert came_as(area, lines, before="AuthAliasOnly on") == [SHUT]


# -- AuthAliasOnly: whom it keeps out ------------------------------------------------------------------------------

REAL = "230 User alice logged in"


def test_off_takes_the_aliases_of_an_area_away(area: Path) -> None:
    lines = "User ftp\nUserAlias guest ftp\nUserAlias * ftp"
    assert came_as(area, lines) == [IN, "ftp"]
    assert came_as(area, f"{lines}\nAuthAliasOnly off") == [OUT]
    assert came_as(area, lines, before="AuthAliasOnly off") == [OUT]
    assert came_as(area, f"{lines}\nAuthAliasOnly off", "ftp") == [IN, "ftp"], "its User is no alias"
    assert came_as(area, f"{lines}\nAuthAliasOnly off", "alice", "alice") == [REAL, "alice"]


def test_off_takes_the_aliases_of_the_server_away_where_there_is_an_area(area: Path) -> None:
    aliases = "UserAlias guest ftp\nUserAlias known alice"
    assert came_as(area, "User ftp", before=aliases) == [IN, "ftp"]
    assert came_as(area, "User ftp", "known", "alice", before=aliases) == ["230 User known logged in", "alice"]
    for lines, before in (("User ftp\nAuthAliasOnly off", aliases), ("User ftp", f"{aliases}\nAuthAliasOnly off")):
        assert came_as(area, lines, before=before) == [OUT]
        assert came_as(area, lines, "known", "alice", before=before) == [OUT]
        assert came_as(area, lines, "known", "known", before=before) == ["230 User known logged in", "known"]


def test_on_in_the_last_area_keeps_real_names_out_of_the_server(area: Path) -> None:
    lines = "User ftp\nUserAlias guest ftp\nAuthAliasOnly on"
    assert came_as(area, lines) == [IN, "ftp"]
    assert came_as(area, lines, "alice", "alice") == [OUT]
    assert came_as(area, lines, "ftp", "ftp") == [OUT]
    other = f"<Anonymous {area}>\n{lines}\n</Anonymous>"
    assert came_as(area, "User known", "alice", "alice", before=other) == [REAL, "alice"], "written before another"
    assert came_as(area, "User known", "ftp", "me@home", before=other) == [OUT], "the area is closed to its User"
    assert came_as(area, "User known", before=other) == [IN, "ftp"]


def test_off_in_an_area_opens_it_to_its_user_and_not_the_server(area: Path) -> None:
    assert came_as(area, "User ftp", "ftp", before="AuthAliasOnly on") == [OUT]
    assert came_as(area, "User ftp\nAuthAliasOnly off", "ftp", before="AuthAliasOnly on") == [IN, "ftp"]
    assert came_as(area, "User ftp\nAuthAliasOnly off", "alice", "alice", before="AuthAliasOnly on") == [OUT]


def test_an_alias_of_the_server_comes_before_those_of_all_areas_but_the_last(area: Path) -> None:
    other = f"UserAlias guest ftp\n<Anonymous {area}>\nUser alice\nUserAlias guest alice\n</Anonymous>"
    assert came_as(area, "User ftp", before=other) == [IN, "ftp"]
    assert came_as(area, "User ftp\nUserAlias guest known", before=other) == [IN, "known"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("UserAlias guest ftp\nAuthAliasOnly off", "no UserAlias leads to"),
        ("UserAlias guest ftp\nAuthAliasOnly on", "keeps all real names out of the server"),
        ("UserAlias guest ftp", ""),
        ("AuthAliasOnly off", ""),
    ],
)
def test_what_authaliasonly_does_beside_what_it_says_is_told_as_it_is_read(area: Path, lines: str, told: str) -> None:
    async def warnings() -> list[str]:
        async with Bench(conf=f"<Anonymous {area}>\nUser ftp\n{lines}\n</Anonymous>", login=None) as bench:
            return [
                fault.message
                for fault in bench.generation.config.warnings
                if "alias" in fault.message.lower() or "real names" in fault.message
            ]

    heard = asyncio.run(warnings())
    assert len(heard) == bool(told)
    assert told in "".join(heard)


def test_the_password_of_an_alias_that_is_the_user_in_other_letters_is_that_of_the_user(area: Path) -> None:
    lines = "User ftp\nUserAlias FTP ftp\nAnonRequirePassword on\nAuthUsingAlias on"
    assert came_as(area, lines, "FTP", "ftp") == [IN, "ftp"]


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


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "mode", "welcome"),
    [
        (0, 0, 0o700, True), (2501, 0, 0o710, True), (2501, 2601, 0o711, True), (2501, 2601, 0o700, False),
        (2501, 2700, 0o770, False), (0, 0, 0o600, False),
    ],
)  # fmt: skip
def test_the_modes_of_an_area_count_for_root_as_for_others(
    area: Path, owner: int, group: int, mode: int, welcome: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setitem(ACCOUNTS, "known", (0, 0))
    area.chmod(mode)
    os.chown(area, owner, group)
    answer = [IN, "known"] if welcome else [SHUT]
    assert came_as(area, "User known\nRootLogin on", "known") == answer
    assert came_as(area, "User known\nGroup guests\nRootLogin on", "known") == answer, "its Group opens it to nobody"
    assert came_as(area, "User ftp\nUserAlias guest known\nRootLogin on") == answer
