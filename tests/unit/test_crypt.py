"""Password hashes: every scheme checks its own, and nothing that is no hash lets anybody in."""

from __future__ import annotations

import threading

import pytest

from ftpd.core import crypt

SCHEMES = ["$6$", "$5$", "$1$", "$2b$", "$y$"]


@pytest.mark.parametrize("prefix", SCHEMES)
def test_a_hash_holds_for_its_password_alone(prefix: str) -> None:
    stored = crypt.hash("secret", prefix)
    assert stored.startswith(prefix)
    assert crypt.verify("secret", stored)
    assert not crypt.verify("secreT", stored)
    assert not crypt.verify("", stored)


def test_the_old_hash_of_thirteen_letters_still_holds() -> None:
    stored = crypt.hash("secret", "")
    assert len(stored) == 13
    assert crypt.verify("secret", stored)
    assert not crypt.verify("other", stored)


@pytest.mark.parametrize(
    "stored",
    ["", "*", "!", "!!", "x", "*0", "*1", "**************", "!$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
     "$5$", "$5$abcdefgh$", "$9$unknown$0123456789abcdef", "$5$ab cdefg$gruCpC7VkOTspMQ", "plain-text-password",
     "ä" * 20],
)  # fmt: skip
def test_what_is_no_hash_lets_nobody_in(stored: str) -> None:
    for password in ("", "x", "*", "*0", "*1", stored):
        assert not crypt.verify(password, stored)


def test_a_password_is_never_cut_at_a_nul() -> None:
    stored = crypt.hash("secret")
    assert not crypt.verify("secret\0more", stored)


@pytest.mark.parametrize("password", ["ä€😀", "\udcff\udcfe", "b" * 73, "b" * 511])
def test_odd_passwords_are_hashed_as_they_came(password: str) -> None:
    assert crypt.verify(password, crypt.hash(password))


def test_a_password_beyond_what_libcrypt_takes_is_wrong_and_cannot_be_set() -> None:
    assert not crypt.verify("a" * 1_000_000, crypt.hash("secret"))
    with pytest.raises(crypt.CryptError, match="511 bytes"):
        crypt.hash("a" * 1_000_000)
    with pytest.raises(crypt.CryptError, match="NUL"):
        crypt.hash("secret\0more")


def test_an_unknown_scheme_is_named_in_the_error() -> None:
    with pytest.raises(crypt.CryptError, match="'\\$nope\\$'"):
        crypt.salt("$nope$")


def test_the_cost_is_in_the_salt() -> None:
    assert crypt.salt("$6$", 5000 * 2).startswith("$6$rounds=10000$")


def test_a_salt_is_fresh_each_time() -> None:
    assert crypt.salt() != crypt.salt()


def test_nobody_s_password_is_hashed_as_dearly_as_the_last_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = crypt.hash("secret", "$1$")
    hashed = []
    monkeypatch.setattr(crypt, "_hashed", lambda password, setting: hashed.append(setting))
    crypt.verify("guess", stored)
    crypt.spend("guess")
    assert hashed == [stored.encode(), stored.encode()]


def test_a_locked_account_costs_what_an_open_one_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    monkeypatch.setattr(crypt, "_hashed", lambda password, setting: hashed.append(password))
    assert not crypt.verify("guess", "!")
    assert hashed == [b"guess"]


def test_threads_do_not_share_their_work_space() -> None:
    hashes = {word: crypt.hash(word, "$5$") for word in ("one", "two", "three", "four")}
    wrong: list[str] = []

    def check(word: str) -> None:
        for _ in range(5):
            if not crypt.verify(word, hashes[word]) or crypt.verify(word, hashes["one" if word != "one" else "two"]):
                wrong.append(word)

    workers = [threading.Thread(target=check, args=(word,)) for word in hashes]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
