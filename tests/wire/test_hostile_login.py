"""Who tries to get in: by guessing, by timing, by force, by what was said before; and nobody else waits for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from time import perf_counter

import pytest

from tests.wire.daemon import HASH, Daemon
from tests.wire.hostile import Raw

pytestmark = pytest.mark.usefixtures("ends_alive")

INCORRECT = "530 Login incorrect."
# 50 ms and more of hashing on any machine
SLOW = "$6$rounds=200000$login$ehHTdlOQmY4sgnWneD2kDBjpuwMYAiEF1V8zBtXRMNxE4luGLtc1Vsi63T4yqSRV5onqMC8uKisZUVIHb4aHZ."
# what is timed here are the logins themselves; and mod_delay would learn from the slow ones to be slow with all
NO_DELAY = "<IfModule mod_delay.c>\nDelayEngine off\n</IfModule>\n"
STRANGE = {
    "empty": "",
    "star": "*",
    "bang": "!",
    "x": "x",
    "locked": f"!{HASH}",
    "short": HASH[:-20],
    "unknown": "$99$what$ever",
    "des-like": "ab",
    "plain": "secret",
}
"""Hashes that let nobody in, by the name of the account that has them (S35)."""


def accounts(daemon: Daemon, server_uid: int) -> str:
    rows = [
        f"alice:{HASH}:{server_uid}:{server_uid}::{daemon.home}:/bin/sh",
        f"ftp:*:{server_uid}:{server_uid}::{daemon.anonymous}:/bin/sh",
        f"root:{HASH}:0:0::/:/bin/sh",
        f"toor:{HASH}:0:{server_uid}::/:/bin/sh",
        f"noshell:{HASH}:{server_uid}:{server_uid}::{daemon.home}:/nosuch/shell",
        f"nohome:{HASH}:{server_uid}:{server_uid}::/nosuch/home:/bin/sh",
        f"slow:{SLOW}:{server_uid}:{server_uid}::{daemon.home}:/bin/sh",
        *(f"{name}:{hashed}:{server_uid}:{server_uid}::{daemon.home}:/bin/sh" for name, hashed in STRANGE.items()),
    ]
    return "".join(f"{row}\n" for row in rows)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    users = folder.with_name(folder.name + "-users")
    daemon = Daemon(folder, f"AuthUserFile {users}\nRequireValidShell on\nMaxLoginAttempts 3\n{NO_DELAY}")
    users.write_text(accounts(daemon, daemon.home.stat().st_uid))
    users.chmod(0o600)
    (daemon.anonymous / "pub").mkdir()
    with daemon:
        yield daemon


def answer(server: Daemon, user: str, password: str) -> tuple[str, float]:
    with Raw(server) as client:
        client.ask(f"USER {user}")
        began = perf_counter()
        return client.ask(f"PASS {password}"), perf_counter() - began


# -- S32: which names there are ------------------------------------------------------------------------


def test_neither_the_words_nor_the_time_of_a_refusal_tell_which_names_there_are(server: Daemon) -> None:
    """S32. Root, a locked account and a bad shell are refused like a wrong password, after as much hashing."""
    names = ["alice", "nobody-here", "locked", "noshell", "root", "another"]
    # a busy machine may keep one of them waiting for longer than the others, but not the same one each time
    for _ in range(5):
        took: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(15):
            for name in names:
                told, seconds = answer(server, name, "wrong")
                assert told == INCORRECT
                took[name].append(seconds)
        typical = {name: median(times) for name, times in took.items()}
        if max(typical.values()) - min(typical.values()) < 0.005:
            return
    raise AssertionError(f"a refusal takes as long as its name tells: {typical}")


# -- S33: guessing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["NOOP", "USER alice", "REIN", "HOST 127.0.0.1", "FEAT", "PASS again"])
def test_no_command_forgives_a_failure(server: Daemon, between: str) -> None:
    with Raw(server) as client:
        for _ in range(2):
            assert client.codes("USER alice", "PASS wrong") == [331, 530]
            client.ask(between)
        client.ask("USER alice")
        assert client.ask("PASS wrong") == INCORRECT
        assert client.rest() == ""


def test_guesses_sent_in_one_go_are_counted_one_by_one(server: Daemon) -> None:
    with Raw(server) as client:
        client.send(b"USER alice\r\nPASS wrong\r\n" * 20)
        replies = re.findall(r"^(\d{3}) ", client.rest(), re.M)
    assert replies == ["331", "530"] * 3


# -- S34: passwords that cost --------------------------------------------------------------------------


def test_while_many_hash_the_others_are_served(server: Daemon) -> None:
    with ExitStack() as left:
        guessers = [left.enter_context(Raw(server)) for _ in range(40)]
        other = left.enter_context(Raw(server)).login()
        for guesser in guessers:
            guesser.ask("USER slow")
        for guesser in guessers:
            guesser.send("PASS wrong")
        waits = []
        for _ in range(50):
            began = perf_counter()
            assert other.ask("NOOP").startswith("200")
            waits.append(perf_counter() - began)
        assert median(waits) < 0.05, waits
        assert {guesser.reply() for guesser in guessers} == {INCORRECT}


@pytest.mark.parametrize(
    "password",
    [b"a" * 1025, b"a" * 4000, b"\xff\xfe\x80", b"secret" + b"\xc3\xa9" * 40, b"%s%n{0}", b" secret", b"secret "],
    ids=["1025", "4000", "no-utf-8", "long-utf-8", "format", "blank-before", "blank-behind"],
)
def test_an_odd_password_is_a_wrong_one(server: Daemon, password: bytes) -> None:
    with Raw(server) as client:
        client.ask("USER alice")
        assert client.ask(b"PASS " + password.replace(b"\xff", b"\xff\xff") + b"\r\n") == INCORRECT


def test_a_password_with_a_nul_is_never_cut_there(server: Daemon) -> None:
    with Raw(server) as client:
        client.ask("USER alice")
        assert client.ask(b"PASS secret\0more\r\n")[:3] in ("500", "501", "530")
        assert client.ask("PWD").startswith("530")


# -- S35, S43: accounts that are for nobody ------------------------------------------------------------


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_hash_lets_nobody_in(server: Daemon, name: str) -> None:
    for password in ("", "*", "!", "x", "secret", STRANGE[name]):
        assert answer(server, name, password)[0] == INCORRECT


@pytest.mark.parametrize("name", ["root", "toor", "noshell", "nohome"])
def test_the_right_password_does_not_help_a_forbidden_account(server: Daemon, name: str) -> None:
    assert answer(server, name, "secret")[0] == INCORRECT


# -- S44: logging in again -----------------------------------------------------------------------------


def test_a_session_stays_who_it_is(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        client.codes("REST 5", "EPSV ALL", "TYPE I")
        assert client.codes("REIN", "USER ftp", "PASS x", "ACCT x") == [502, 501, 503, 502]
        assert client.ask("PWD").startswith('257 "/"')
        assert client.codes("USER alice", "PASS secret") == [230, 503]


def test_nothing_that_was_asked_for_before_the_login_holds_after_it(server: Daemon) -> None:
    (server.home / "file").write_bytes(b"0123456789")
    with Raw(server) as client:
        assert client.codes("REST 5", "RNFR file", "CWD /") == [530, 530, 530]
        client.login()
        assert client.ask("RNTO other").startswith("503")
        assert client.transfer("RETR file") == ("226 Transfer complete", b"0123456789")


# -- S45: anonymous areas ------------------------------------------------------------------------------


def test_who_failed_as_a_guest_is_no_guest(server: Daemon) -> None:
    """The limits of an area hold for its guests only, and for all of them."""
    with Raw(server) as client:
        assert client.codes("USER ftp", "USER alice", "PASS wrong") == [331, 331, 530]
        assert client.codes("USER alice", "PASS secret") == [331, 230]
        assert client.transfer("STOR mine", b"x")[0].startswith("226")
    with Raw(server) as guest:
        assert guest.codes("USER alice", "PASS wrong", "USER anonymous", "PASS me@here") == [331, 530, 331, 230]
        assert guest.codes("MKD x", "DELE pub", "RNFR pub", "SITE CHMOD 777 pub") == [550, 550, 550, 550]
        assert guest.transfer("STOR x", b"x")[0].startswith("550")
    assert [path.name for path in server.anonymous.iterdir()] == ["pub"]


# -- S46: before the login -----------------------------------------------------------------------------

NEEDS_LOGIN = [
    "ABOR", "ALLO 1", "APPE x", "CDUP", "CWD /", "DELE x", "EPRT |1|127.0.0.1|4000|", "EPSV", "LIST", "MDTM x",
    "MFMT 20200101000000 x", "MKD x", "MLSD", "MLST", "NLST", "PASV", "PORT 127,0,0,1,20,20", "PWD", "REST 1", "RETR x",
    "RMD x", "RNFR x", "RNTO x", "SITE CHMOD 777 x", "SITE CHGRP 0 x", "SIZE x", "STAT", "STAT /",
    "STOR x", "STOU",
]  # fmt: skip


def test_before_the_login_a_client_learns_and_does_nothing(server: Daemon) -> None:
    with Raw(server) as client:
        for line in NEEDS_LOGIN:
            assert client.ask(line) == "530 Please login with USER and PASS", line
        assert "ftpd" not in client.ask("FEAT")


def test_a_name_cannot_forge_the_log(server: Daemon) -> None:
    with Raw(server) as client:
        client.ask("USER x\x1b[31m: Login successful.")
        client.ask("PASS \x1b")
    assert "\x1b" not in server.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon has groups to leave behind")
def test_the_daemon_s_groups_are_not_the_session_s(server: Daemon) -> None:
    """S40: what only root's group may read stays unread."""
    secret = server.home / "wheel"
    secret.write_bytes(b"secret")
    os.chown(secret, 0, 0)
    secret.chmod(0o640)
    with Raw(server) as client:
        assert client.login().transfer("RETR wheel")[0] == "550 wheel: Permission denied"
