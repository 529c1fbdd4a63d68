"""A password that was right is known for a while: that one alone, for that hash alone, and not a moment longer."""

from __future__ import annotations

import pytest

from ftpd.core import crypt, proofs
from ftpd.core.proofs import Proofs


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(proofs, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_what_was_right_is_known_for_its_time(clock: Clock) -> None:
    known = Proofs(60)
    assert not known.holds(b"$1$a", b"secret")
    known.keep(b"$1$a", b"secret")
    assert known.holds(b"$1$a", b"secret")
    clock.now += 59.9
    assert known.holds(b"$1$a", b"secret")
    clock.now += 0.1
    assert not known.holds(b"$1$a", b"secret")


def test_being_asked_for_lengthens_nothing(clock: Clock) -> None:
    known = Proofs(60)
    known.keep(b"$1$a", b"secret")
    for _ in range(6):
        clock.now += 9.0
        assert known.holds(b"$1$a", b"secret")
    clock.now += 6.0
    assert not known.holds(b"$1$a", b"secret")


@pytest.mark.parametrize(
    ("stored", "password"),
    [(b"$1$a", b"secreT"), (b"$1$a", b""), (b"$1$b", b"secret"), (b"$1$as", b"ecret"), (b"$1$a\0s", b"ecret")],
)
def test_nothing_else_is_known_by_it(stored: bytes, password: bytes) -> None:
    known = Proofs(60)
    known.keep(b"$1$a", b"secret")
    assert not known.holds(stored, password)


def test_neither_password_nor_hash_lies_in_what_is_kept_and_each_process_has_its_own_marks() -> None:
    one, other = Proofs(60), Proofs(60)
    one.keep(b"$1$a", b"secret")
    other.keep(b"$1$a", b"secret")
    (mark,), (others,) = one._until, other._until
    assert b"secret" not in mark
    assert b"$1$a" not in mark
    assert mark != others


def test_what_is_of_no_use_any_more_is_taken_out_of_memory(clock: Clock) -> None:
    known = Proofs(60)
    known.keep(b"$1$a", b"first")
    clock.now += 30
    known.keep(b"$1$a", b"second")
    known.keep(b"$1$a", b"third")
    clock.now += 31
    known.forget_old()
    assert len(known._until) == 2
    # said again and hashed anew, it is the youngest
    known.keep(b"$1$a", b"second")
    clock.now += 30
    known.forget_old()
    assert (len(known._until), known.holds(b"$1$a", b"second")) == (1, True)


def test_no_more_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "_MOST", 3)
    known = Proofs(60)
    for number in range(10):
        known.keep(b"$1$a", b"%d" % number)
        assert 1 <= len(known._until) <= 3
        assert known.holds(b"$1$a", b"%d" % number)


def test_off_keeps_nothing_and_forgets_what_was_kept() -> None:
    known = Proofs(60)
    known.keep(b"$1$a", b"secret")
    known.last(60)
    assert known.holds(b"$1$a", b"secret")
    known.last(0)
    known.keep(b"$1$a", b"other")
    assert not known._until
    known.last(5)
    assert not known.holds(b"$1$a", b"secret")


def test_of_a_password_that_is_set_aside_nothing_is_known_or_learnt_meanwhile() -> None:
    known = Proofs(60)
    known.keep(b"$1$a", b"secret")
    with known.aside(b"secret"), known.aside(b"other"):
        with known.aside(b"secret"):
            known.keep(b"$1$a", b"other")
        assert not known.holds(b"$1$a", b"secret")
    assert known.holds(b"$1$a", b"secret")
    assert not known.holds(b"$1$a", b"other")
    known.keep(b"$1$a", b"other")
    assert known.holds(b"$1$a", b"other")


def test_a_password_that_is_hashed_while_all_are_forgotten_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Proofs(3600)

    def turned_off() -> float:
        known.last(0)
        return 1000.0

    monkeypatch.setattr(proofs, "monotonic", turned_off)
    known.keep(b"$1$a", b"secret")
    assert not known._until


@pytest.mark.parametrize("prefix", ["$1$", "$6$", "$y$"])
def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []
    plain = crypt._hashed

    def counted(password: bytes, setting: bytes) -> bytes | None:
        hashed.append(password)
        return plain(password, setting)

    stored, other = crypt.hash("secret", prefix), crypt.hash("secret", prefix)
    monkeypatch.setattr(crypt, "_hashed", counted)
    assert crypt.at_once("secret", stored) is (prefix == "$1$")
    for _ in range(3):
        assert crypt.verify("secret", stored)
        assert not crypt.verify("wrong", stored)
    assert hashed == [b"secret", b"wrong", b"wrong", b"wrong"]
    assert crypt.at_once("secret", stored)
    assert crypt.at_once("wrong", stored) is (prefix == "$1$")
    # the same under another salt is another hash
    assert crypt.verify("secret", other)
    assert len(hashed) == 5


def test_a_locked_hash_is_never_known() -> None:
    stored = crypt.hash("secret", "$1$")
    assert crypt.verify("secret", stored)
    for locked in (f"!{stored}", f"*{stored}", ""):
        assert not crypt.at_once("secret", locked)
        assert not crypt.verify("secret", locked)
