"""The machine's own users: found, grouped, and let in by their shadow entry alone."""

from __future__ import annotations

import asyncio
import os
import pwd
import time

import pytest

from ftpd.api import Account, AuthAnswer, crypt
from ftpd.modules import mod_auth_unix
from ftpd.modules._auth_unix_nss import Shadow, group_ids, shadow_of
from ftpd.modules.mod_auth_unix import AuthUnix, Fresh
from ftpd.testing import Bench

HASH = crypt.hash("secret", "$5$")
ME = pwd.getpwuid(os.geteuid()).pw_name
TODAY = int(time.time() // 86400)


def ask(question: str, *args: object) -> object:
    """Put a question to the backend as the dispatcher would."""

    async def run() -> object:
        async with Bench(login=None) as bench:
            backend = AuthUnix()
            assert bench.session is not None
            account = await backend.getpwnam(bench.session, ME)
            assert account is not None
            if question == "getpwnam":
                return await backend.getpwnam(bench.session, str(args[0]))
            own = Account(account.name, account.uid, account.gid, account.home, source=backend)
            asked = account if "foreign" in args else own
            if question == "getgroups":
                return await backend.getgroups(bench.session, asked)
            return await backend.authenticate(bench.session, asked, str(args[0]))

    return asyncio.run(run())


def test_a_user_of_the_machine_is_found_and_nobody_else() -> None:
    found = ask("getpwnam", ME)
    assert isinstance(found, Account)
    assert (found.uid, found.password) == (os.geteuid(), None)
    assert ask("getpwnam", "no-such-user-here") is None
    assert ask("getpwnam", "nul\0name") is None


def test_groups_are_those_of_the_machine() -> None:
    entry = pwd.getpwnam(ME)
    found = ask("getgroups")
    assert isinstance(found, tuple)
    assert {gid for gid, _ in found} == set(os.getgrouplist(ME, entry.pw_gid))
    assert found[0][0] == entry.pw_gid


def test_an_account_of_another_backend_gets_neither_groups_nor_a_password() -> None:
    assert ask("getgroups", "foreign") is None
    assert ask("authenticate", "secret", "foreign") is None


def answer(monkeypatch: pytest.MonkeyPatch, shadow: Shadow | OSError | None, password: str = "secret") -> object:
    def look(name: str) -> Shadow | None:
        if isinstance(shadow, OSError):
            raise shadow
        return shadow

    monkeypatch.setattr(mod_auth_unix, "shadow_of", look)
    return ask("authenticate", password)


@pytest.mark.parametrize(
    ("shadow", "expected"),
    [
        (Shadow(HASH), AuthAnswer.OK),
        (Shadow(HASH, changed=TODAY - 10, longest=99999), AuthAnswer.OK),
        (Shadow(HASH, changed=TODAY - 10, longest=5), AuthAnswer.EXPIRED),
        (Shadow(HASH, changed=TODAY - 10, longest=5, inactive=30), AuthAnswer.OK),
        (Shadow(HASH, changed=0), AuthAnswer.EXPIRED),
        (Shadow(HASH, expires=TODAY + 1), AuthAnswer.OK),
        (Shadow(HASH, expires=TODAY - 1), AuthAnswer.DISABLED),
        (Shadow(f"!{HASH}"), AuthAnswer.BAD_PASSWORD),
        (Shadow("*"), AuthAnswer.BAD_PASSWORD),
        (Shadow(""), AuthAnswer.BAD_PASSWORD),
        (PermissionError(13, "Permission denied"), AuthAnswer.ERROR),
    ],
)
def test_the_shadow_entry_decides(
    monkeypatch: pytest.MonkeyPatch, shadow: Shadow | OSError, expected: AuthAnswer
) -> None:
    assert answer(monkeypatch, shadow) is expected


def test_only_who_has_the_password_learns_that_it_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    expired = Shadow(HASH, changed=0)
    assert answer(monkeypatch, expired, "wrong") is AuthAnswer.BAD_PASSWORD


@pytest.mark.parametrize(
    ("aged", "expected"),
    [
        (Shadow(HASH, changed=0), AuthAnswer.EXPIRED),
        (Shadow(HASH, expires=TODAY - 1), AuthAnswer.DISABLED),
    ],
)
def test_a_right_password_of_an_account_past_its_last_day_costs_a_hash_each_time(
    monkeypatch: pytest.MonkeyPatch, aged: Shadow, expected: AuthAnswer
) -> None:
    assert answer(monkeypatch, Shadow(HASH)) is AuthAnswer.OK
    hashed: list[bytes] = []
    plain = crypt._hashed  # type: ignore[attr-defined]

    def counted(password: bytes, setting: bytes) -> bytes | None:
        hashed.append(password)
        found: bytes | None = plain(password, setting)
        return found

    monkeypatch.setattr(crypt, "_hashed", counted)
    for _ in range(2):
        assert answer(monkeypatch, aged) is expected
        assert answer(monkeypatch, aged, "wrong") is AuthAnswer.BAD_PASSWORD
    assert hashed == [b"secret", b"wrong"] * 2
    # and of one who may come in, none
    assert answer(monkeypatch, Shadow(HASH)) is AuthAnswer.OK
    assert len(hashed) == 4


def test_a_user_without_a_shadow_entry_goes_by_the_passwd_line(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.getpwnam(ME)
    line = pwd.struct_passwd((entry.pw_name, HASH, *entry[2:]))
    monkeypatch.setattr(mod_auth_unix.pwd, "getpwnam", lambda name: line)
    assert answer(monkeypatch, None) is AuthAnswer.OK
    shadowed = pwd.struct_passwd((entry.pw_name, "x", *entry[2:]))
    monkeypatch.setattr(mod_auth_unix.pwd, "getpwnam", lambda name: shadowed)
    assert answer(monkeypatch, None, "x") is AuthAnswer.BAD_PASSWORD


def test_the_c_library_is_asked_in_its_own_terms() -> None:
    entry = pwd.getpwnam(ME)
    assert group_ids(ME, entry.pw_gid)[0] == entry.pw_gid
    assert group_ids("no-such-user-here", 7000) == (7000,)
    if os.geteuid() == 0:
        assert shadow_of("no-such-user-here") is None
        found = shadow_of("root")
        assert found is None or found.expires == -1


def test_names_of_ids_are_kept_for_a_while() -> None:
    asked: list[int] = []

    def ask_system(number: int) -> str:
        asked.append(number)
        return f"user{number}"

    names = Fresh(ask_system)
    assert [names[1], names[1], names[2]] == ["user1", "user1", "user2"]
    assert asked == [1, 2]


def test_the_machine_s_ids_have_names() -> None:
    async def run() -> None:
        async with Bench(login=None) as bench:
            backend, session = AuthUnix(), bench.session
            assert session is not None
            assert backend.uid_name(session, os.geteuid()) == ME
            assert backend.uid_name(session, 2**32 - 3) is None
            assert backend.name_uid(session, ME) == os.geteuid()
            assert backend.name_gid(session, "no-such-group-here") is None

    asyncio.run(run())
