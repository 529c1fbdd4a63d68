"""Whoever comes again has to have the password, which is hashed where that is no wait, and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house_ground import WELCOME, WRONG, House, Told, hashes, stories

from ftpd.api import MAX_LOGIN_ATTEMPTS
from ftpd.core import crypt
from ftpd.core.proofs import Proofs
from ftpd.module.table import Module
from ftpd.modules import _auth_lists

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


@pytest.fixture
def story(tmp_path: Path) -> Callable[..., Callable[[Told], None]]:
    return stories(tmp_path)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    return hashes(monkeypatch)


def test_each_password_is_hashed_once_and_a_wrong_one_is_refused(
    story: Any, hashed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypt, "proofs", Proofs(0))

    @story()
    async def told(house: House) -> None:
        await house.met()
        for _ in range(2):
            hashed.clear()
            assert await house.come("PASS wrong", "PASS secret") == [WRONG, "503 Login with USER first"]
            assert (await house.come(), house.roads) == ([WELCOME], 0)
            assert hashed == [b"wrong", b"secret"]
            assert await house.come("PASS wrong", "USER ann", "PASS secret") == [
                WRONG, "331 Password required for ann", WELCOME,
            ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["$1$", "$6$", "$y$"])
def test_a_password_that_was_right_a_moment_ago_is_not_hashed_again(
    story: Any, hashed: list[bytes], prefix: str
) -> None:
    stored, changed = crypt.hash("secret", prefix), crypt.hash("other", prefix)
    hashed.clear()

    @story()
    async def told(house: House) -> None:
        house.write(hashed=stored)
        await house.met()
        assert hashed == [b"secret"]
        for _ in range(2):
            assert await house.come("PASS wrong") == [WRONG]
            assert (await house.come(), house.roads) == ([WELCOME], 0)
        assert hashed == [b"secret", b"wrong", b"wrong"]
        house.write(hashed=changed)
        assert await house.come() == [WRONG]
        assert await house.come("PASS other") == [WELCOME]
        house.write(hashed=f"!{stored}")
        assert await house.come() == [WRONG]
        hashed.clear()
        # with the hash of before, what was known of it counts again
        house.write(hashed=stored)
        assert (await house.come(), hashed) == ([WELCOME], [])


@pytest.mark.parametrize("prefix", ["$1$", "$6$"])
def test_who_is_refused_for_the_shell_or_the_name_is_not_told_by_the_time_taken_that_the_password_is_right(
    story: Any, hashed: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    shells = tmp_path / "shells"
    shells.write_text("/bin/sh\n")
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    stored = crypt.hash("secret", prefix)

    @story("RequireValidShell on")
    async def told(house: House) -> None:
        house.write(hashed=stored)
        await house.met()
        house.write(hashed=stored, shell="/bin/other")
        hashed.clear()
        for _ in range(2):
            # known to be right a moment ago, and said once more
            assert await house.come("PASS secret") == [WRONG]
            assert await house.come("PASS wrong") == [WRONG]
        assert hashed == [b"secret", b"wrong"] * 2
        fresh = crypt.hash("other", prefix)
        house.write(hashed=fresh, shell="/bin/other")
        hashed.clear()
        for _ in range(2):
            assert await house.come("PASS other") == [WRONG]
        assert hashed == [b"other"] * 2
        # nothing was learnt of it by the way
        house.write(hashed=fresh)
        for _ in range(2):
            assert await house.come("PASS other") == [WELCOME]
        assert hashed == [b"other"] * 3
        # a list that cannot be read refuses everybody, and tells as little
        shells.unlink()
        shells.mkdir()
        for _ in range(2):
            assert await house.come("PASS other") == [WRONG]
        assert hashed == [b"other"] * 5


@pytest.mark.parametrize("prefix", ["$6$", "$y$"])
def test_a_slow_hash_is_never_waited_for_on_the_short_road(story: Any, hashed: list[bytes], prefix: str) -> None:
    stored = crypt.hash("secret", prefix)

    @story()
    async def told(house: House) -> None:
        house.write(hashed=stored)
        await house.met()
        crypt.proofs.last(0)
        try:
            for _ in range(2):
                hashed.clear()
                assert (await house.come(), house.roads) == ([WELCOME], 1)
                assert hashed == [b"secret"]
        finally:
            crypt.proofs.last(crypt.RIGHT_FOR)


def test_attempts_are_counted(story: Any) -> None:
    told_of: list[str] = []
    watcher = Module("watcher", version="1.0")
    watcher.on(MAX_LOGIN_ATTEMPTS)(lambda session: told_of.append(session.login))

    @story("MaxLoginAttempts 2", watcher)
    async def told(house: House) -> None:
        await house.met()
        assert await house.come("PASS wrong", "USER ann", "PASS wrong") == [
            WRONG,
            "331 Password required for ann",
            WRONG,
        ]
        assert told_of == ["ann"]
        async with house.place.client(login=False) as client:
            for _ in range(2):
                await client.ask("USER ann")
                await client.ask("PASS wrong")
            assert await client.rest() == ""


@pytest.mark.parametrize("password", ["", " secret", "secret ", "sec\0ret", "s" * 2000, "SECRET", "a/secret"])
def test_what_is_no_password_of_hers_lets_nobody_in(story: Any, password: str) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        for _ in range(2):
            (answer,) = await house.come(f"PASS {password}")
            assert answer[0] == "5"
            assert (await house.come(), house.roads) == ([WELCOME], 0)


@pytest.mark.parametrize("password", ["zwölf", "a b", "a/b", "x" * 100])
def test_passwords_are_what_they_are(story: Any, password: str) -> None:
    @story()
    async def told(house: House) -> None:
        house.write(hashed=crypt.hash(password, "$1$"))
        for _ in range(3):
            assert await house.come(f"PASS {password}") == [WELCOME]
            assert await house.come() == [WRONG]


# -- what has changed since counts at once ---------------------------------------------------------------
