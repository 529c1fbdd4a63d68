"""mod_auth_pam: PAM checks the password, refuses accounts, and opens and closes its session; root's daemon only."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.modules import mod_auth_pam
from ftpd.testing import Bench

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/etc/pam.d").is_dir(), reason="only root can lay a PAM service"
)

CHECK = """#!/bin/sh
# what PAM tells of a transaction, and the password on standard input
read -r password
echo "$PAM_TYPE $PAM_USER $PAM_RUSER@$PAM_RHOST $PAM_TTY" >>{log}
case "$PAM_TYPE" in
auth) test "$password" = swordfish ;;
account) test ! -e {barred} ;;
esac
"""


class Service:
    """A service of PAM that lives as long as a test."""

    def __init__(self, folder: Path) -> None:
        self.name = f"ftpd-test-{os.getpid()}"
        self.log = folder / "log"
        self.log.touch()
        self.barred = folder / "barred"
        script = folder / "check"
        script.write_text(CHECK.format(log=self.log, barred=self.barred))
        script.chmod(0o755)
        self.path = Path("/etc/pam.d", self.name)
        self.path.write_text(
            "".join(
                f"{kind} required pam_exec.so quiet {expose}{script}\n{kind} required pam_permit.so\n"
                for kind, expose in (("auth", "expose_authtok "), ("account", ""), ("session", ""))
            )
        )

    def phases(self) -> list[str]:
        return [line.split()[0] for line in self.log.read_text().splitlines()]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.path.unlink()


def login(service: Service, password: str, conf: str = "AuthOrder mod_auth_pam.c* mod_bench.c\n") -> str:
    async def story() -> str:
        async with Bench(conf=conf + f"AuthPAMConfig {service.name}\n", login=None) as ftp:
            await ftp("USER tom")
            reply = await ftp(f"PASS {password}")
        # the session's end is told to PAM off the loop
        while mod_auth_pam._closing:
            await asyncio.sleep(0.01)
        return reply

    return asyncio.run(story())


def test_pam_lets_in_and_hears_of_the_whole_session(service: Service) -> None:
    assert login(service, "swordfish") == "230 User tom logged in"
    assert service.phases() == ["auth", "account", "open_session", "close_session"]
    assert service.log.read_text().splitlines()[0] == f"auth tom tom@127.0.0.1 /dev/ftpd{os.getpid()}"


def test_the_backend_that_knows_the_user_has_no_say_behind_the_last_word(service: Service) -> None:
    assert login(service, "secret") == "530 Login incorrect."


def test_without_the_last_word_the_next_one_is_asked(service: Service) -> None:
    assert login(service, "secret", "AuthOrder mod_auth_pam.c mod_bench.c\n") == "230 User tom logged in"


def test_the_log_tells_what_pam_has_against_an_account_and_nothing_of_its_own_of_a_wrong_password(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)

    def said() -> list[str]:
        return [record.getMessage().split("): ", 1)[1] for record in caplog.records if "PAM(" in record.getMessage()]

    assert login(service, "wrong") == "530 Login incorrect."
    assert said() == []
    service.barred.touch()
    assert login(service, "swordfish") == "530 Login incorrect."
    # pam_exec cannot say more than that its script has failed
    assert said() == ["System error"]
    assert "mod_auth_pam/1.2: PAM(tom): System error" in caplog.text


DEBUG = """\
auth required pam_debug.so auth={auth} cred={cred}
account required pam_debug.so acct={acct}
session required pam_debug.so open_session={session}
"""
"""A service each of whose stages says what it is told to."""


@pytest.mark.parametrize(
    ("stage", "word", "line", "told"),
    [
        ("auth", "auth_err", "", "Incorrect password"),
        ("auth", "perm_denied", "", "Incorrect password"),
        ("auth", "acct_expired", "", "Incorrect password"),
        ("auth", "user_unknown", "", "No such user found"),
        ("auth", "maxtries", "", "Max authentication service attempts reached"),
        ("auth", "authinfo_unavail", "", "Unavailable authentication service"),
        ("auth", "cred_insufficient", "", "Insufficient credentials"),
        ("acct", "acct_expired", "User account has expired", "Account disabled"),
        ("acct", "user_unknown", "User not known to the underlying authentication module", "No such user found"),
        ("acct", "system_err", "System error", "Incorrect password"),
        # these two are what 1.3.8 means to say, and has an Incorrect password instead
        ("acct", "new_authtok_reqd", "Authentication token is no longer valid; new one required", "Password expired"),
        ("acct", "perm_denied", "Permission denied", "Account disabled"),
        ("cred", "cred_err", "Failure setting user credentials", "Failure setting credentials"),
        (
            "cred",
            "cred_unavail",
            "Authentication service cannot retrieve user credentials",
            "Unavailable credentials",
        ),
        ("cred", "cred_expired", "User credentials expired", "Password expired"),
        ("cred", "perm_denied", "Permission denied", "Incorrect password"),
        (
            "session",
            "session_err",
            "Cannot make/remove an entry for the specified session",
            "Failed initializing authentication service",
        ),
        ("session", "system_err", "System error", "Account disabled"),
    ],
)
def test_each_stage_of_pam_has_proftpds_words_in_the_log(
    service: Service, stage: str, word: str, line: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    says = dict.fromkeys(("auth", "cred", "acct", "session"), "success") | {stage: word}
    service.path.write_text(DEBUG.format(**says))
    assert login(service, "x") == "530 Login incorrect."
    said = [record.getMessage() for record in caplog.records if "tom" in record.getMessage()]
    pams = [f"mod_auth_pam/1.2: PAM(tom): {line}"] if line else []
    assert said == [*pams, f"USER tom (Login failed): {told}"]


@pytest.mark.parametrize(
    ("stage", "word", "lets_in"),
    [
        ("auth", "user_unknown", True), ("auth", "maxtries", True), ("auth", "perm_denied", False),
        ("acct", "user_unknown", True), ("acct", "acct_expired", False), ("acct", "new_authtok_reqd", False),
        ("session", "session_err", True), ("cred", "cred_err", True),
    ],
)  # fmt: skip
def test_without_the_last_word_it_keeps_out_only_whom_it_bars(
    service: Service, stage: str, word: str, lets_in: bool
) -> None:
    says = dict.fromkeys(("auth", "cred", "acct", "session"), "success") | {stage: word}
    service.path.write_text(DEBUG.format(**says))
    reply = login(service, "secret", "AuthOrder mod_auth_pam.c mod_bench.c\n")
    assert reply.startswith("230" if lets_in else "530")


def test_an_account_that_pam_bars_stays_out_whoever_knows_the_password(service: Service) -> None:
    service.barred.touch()
    for order in ("AuthOrder mod_auth_pam.c* mod_bench.c\n", "AuthOrder mod_bench.c mod_auth_pam.c*\n"):
        assert login(service, "swordfish", order) == "530 Login incorrect."
    assert "open_session" not in service.phases()


@pytest.mark.parametrize("entry", ["mod_auth_pam.c", "mod_auth_pam.c*"])
def test_switched_off_it_is_not_asked_and_has_no_last_word(service: Service, entry: str) -> None:
    assert login(service, "secret", f"AuthOrder {entry} mod_bench.c\nAuthPAM off\n").startswith("230")
    assert service.phases() == []


def test_without_authorder_users_of_other_backends_do_not_meet_it(service: Service) -> None:
    assert login(service, "secret", "").startswith("230")
    assert service.phases() == []


def test_no_terminal_where_none_is_wanted(service: Service) -> None:
    conf = "AuthOrder mod_auth_pam.c* mod_bench.c\nAuthPAMOptions NoTTY\n"
    assert login(service, "swordfish", conf).startswith("230")
    assert "/dev/ftpd" not in service.log.read_text()


def test_named_but_not_installed_it_denies(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mod_auth_pam, "available", lambda: False)
    assert login(service, "secret", "AuthOrder mod_auth_pam.c mod_bench.c\n") == "530 Login incorrect."


def test_a_pam_module_that_sleeps_holds_its_own_session_alone(service: Service) -> None:
    service.path.write_text(
        service.path.read_text().replace("auth required", "auth required pam_exec.so /bin/sleep 1\nauth required", 1)
    )
    beats = []

    async def story() -> None:
        async def beat() -> None:
            while True:
                beats.append(time.perf_counter())
                await asyncio.sleep(0.01)

        other = asyncio.ensure_future(beat())
        conf = f"AuthOrder mod_auth_pam.c* mod_bench.c\nAuthPAMConfig {service.name}\n"
        async with Bench(conf=conf, login=None) as ftp:
            await ftp("USER tom")
            assert (await ftp("PASS swordfish")).startswith("230")
        while mod_auth_pam._closing:
            await asyncio.sleep(0.01)
        other.cancel()

    asyncio.run(story())
    assert beats[-1] - beats[0] > 1
    assert max(after - before for before, after in itertools.pairwise(beats)) < 0.5
