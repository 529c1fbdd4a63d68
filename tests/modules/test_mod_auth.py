"""Logging in: what a client reads at each step, and what the session then is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from auth_ground import GRANTED, INCORRECT, OneAccount, ann, fresh, login, talk

from ftpd.api import LOGGED_IN, Account, Module, Refuse, Session
from ftpd.modules import mod_auth
from ftpd.testing import Bench

PASSWORD = "331 Password required for tom"


# -- the two verbs -------------------------------------------------------------------------------------


def test_a_name_and_its_password_let_a_client_in() -> None:
    assert talk(fresh(), "USER tom", "PASS secret", "NOOP") == [
        PASSWORD, "230 User tom logged in", "200 NOOP command successful"
    ]  # fmt: skip


def test_a_wrong_password_and_an_unknown_user_are_told_the_same() -> None:
    assert talk(fresh(), "USER tom", "PASS wrong") == [PASSWORD, INCORRECT]
    assert talk(fresh(), "USER nobody-here", "PASS wrong") == ["331 Password required for nobody-here", INCORRECT]


def test_a_password_without_a_name_is_out_of_order() -> None:
    assert talk(fresh(), "PASS secret") == ["503 Login with USER first"]


def test_after_a_failure_the_name_is_wanted_again() -> None:
    assert talk(fresh(), "USER tom", "PASS wrong", "PASS secret")[2] == "503 Login with USER first"


def test_the_last_name_sent_counts() -> None:
    assert talk(fresh(), "USER nosuch", "USER tom", "PASS secret")[2] == "230 User tom logged in"
    assert talk(fresh(), "USER tom", "USER nosuch", "PASS secret")[2] == INCORRECT


def test_nobody_logs_in_twice() -> None:
    assert login(fresh(), "tom", "secret", "USER tom", "USER bob", "PASS secret", "PASS") == [
        "230 User tom logged in", "230 User tom logged in", "501 Reauthentication not supported",
        "503 You are already logged in", "503 You are already logged in",
    ]  # fmt: skip


def test_user_wants_a_name() -> None:
    assert talk(fresh(), "USER") == ["500 USER: command requires a parameter"]


def test_a_name_may_be_long_but_not_too_long() -> None:
    assert talk(fresh(), "USER " + "a" * 256)[0] == "331 Password required for " + "a" * 256
    assert talk(fresh(), "USER tom", "USER " + "a" * 257, "PASS secret")[1:] == [
        "501 Login incorrect.", "503 Login with USER first"
    ]  # fmt: skip


def test_a_nul_is_refused_and_never_ends_a_name_or_a_password() -> None:
    assert talk(fresh(), "USER tom\0x", "PASS secret") == [
        "501 USER: a NUL byte cannot be part of a user name", "503 Login with USER first"
    ]  # fmt: skip
    assert login(fresh(), "tom", "secret\0x") == ["501 Login incorrect."]


@pytest.mark.parametrize("line", ["USER tom ", "USER  tom", 'USER "tom"', "USER tom x", "USER TOM"])
def test_the_whole_argument_is_the_name(line: str) -> None:
    asked, answer = talk(fresh(), line, "PASS secret")
    assert asked.startswith("331 Password required for ")
    assert answer == INCORRECT


@pytest.mark.parametrize("sent", [" secret", "secret ", "-secret", "Secret", ""])
def test_the_whole_argument_is_the_password(sent: str) -> None:
    assert login(fresh(), "tom", sent) == [INCORRECT]


@pytest.mark.parametrize("verb", ["ACCT", "REIN"])
def test_verbs_that_are_not_there_say_so_before_and_after_login(verb: str) -> None:
    said = f"502 {verb} command not implemented"
    assert talk(fresh(), verb, "USER tom", "PASS secret", f"{verb} x") == [
        said,
        PASSWORD,
        "230 User tom logged in",
        said,
    ]


def test_before_login_nothing_else_works() -> None:
    assert talk(fresh(), "PWD") == ["530 Please login with USER and PASS"]


# -- what is said --------------------------------------------------------------------------------------


def test_the_words_of_welcome_and_refusal_may_be_one_s_own() -> None:
    conf = 'AccessGrantMsg "Hi %u"\nAccessDenyMsg "No %u"'
    assert login(fresh(conf)) == ["230 Hi tom"]
    assert login(fresh(conf), "tom", "x") == ["530 No tom"]
    assert login(fresh(conf), "nosuch", "x") == ["530 No nosuch"]


def test_who_is_sent_away_with_his_password_in_order_hears_no_words_of_one_s_own() -> None:
    assert login(fresh('AccessDenyMsg "No %u"\nDefaultRoot /no/such/folder')) == ["530 Login incorrect."]


def test_the_last_refusal_is_that_alone() -> None:
    area = "<Anonymous /no/such/area>\nUser tom\nRequireValidShell off\n</Anonymous>"

    async def run() -> list[str]:
        async with Bench(conf=f"MaxLoginAttempts 2\n{area}", login=None) as bench:
            return [await bench(line) for line in ("USER tom", "PASS x", "USER tom", "PASS x")]

    shut = "530-Unable to set anonymous privileges.\n530 Login incorrect."
    assert asyncio.run(run())[1::2] == [shut, "530 Login incorrect."]


def test_a_welcome_text_stands_before_the_reply() -> None:
    bench = fresh("DisplayLogin {root}/hello", files={"hello": b"Dear %U,\n\nyou are in %C (%N of %M).\n"})
    assert login(bench) == [f"230-Dear tom,\n \n you are in {bench.root} (1 of 0).\n230 User tom logged in"]


def test_a_welcome_text_may_lie_where_the_session_begins() -> None:
    bench = fresh("DisplayLogin hello\nDefaultRoot ~", files={"hello": b"in %C"})
    assert login(bench) == ["230-in /\n230 User tom logged in"]


def test_a_welcome_text_that_is_not_there_keeps_nobody_out() -> None:
    assert login(fresh("DisplayLogin /nowhere/at/all")) == ["230 User tom logged in"]


# -- what the session then is --------------------------------------------------------------------------


async def _session(bench: Bench, user: str, look: Callable[[Session], Awaitable[None] | None]) -> str:
    async with bench:
        await bench(f"USER {user}")
        answer = await bench("PASS secret")
        assert bench.session is not None
        look(bench.session)
        return answer


def test_the_session_has_the_account_s_groups_and_none_of_the_daemon_s() -> None:
    def look(session: Session) -> None:
        account = session.account
        assert account is not None and session.identity is not None
        assert session.identity.uid == account.uid
        assert session.identity.groups == (account.gid, 7001)
        assert session.groups == ((account.gid, "ann"), (7001, "staff"))
        assert session.user == "ann"
        assert session.notes["mod_auth.orig-user"] == "ann"

    assert asyncio.run(_session(fresh("", ann()), "ann", look)) == GRANTED[0]


def test_a_user_without_groups_has_the_primary_one_alone() -> None:
    class Groupless(OneAccount):
        def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
            return ()

    module = Module("groupless", version="1.0")
    module.auth(Groupless())

    def look(session: Session) -> None:
        assert session.account is not None and session.identity is not None
        assert session.identity.groups == (session.account.gid,)

    assert asyncio.run(_session(fresh("", module), "ann", look)) == GRANTED[0]


def test_a_module_that_hears_of_the_login_may_refuse_it() -> None:
    module = Module("bouncer", version="1.0")

    @module.on(LOGGED_IN)
    def not_today(session: Session) -> None:
        raise Refuse(530, "Not today")

    assert login(fresh("", module), "tom", "secret", "PWD") == ["530 Not today", "530 Please login with USER and PASS"]


def test_a_module_that_breaks_at_the_login_denies_it() -> None:
    module = Module("breaks", version="1.0")

    @module.on(LOGGED_IN)
    def boom(session: Session) -> None:
        raise RuntimeError("no quota table")

    bench = fresh("", module)
    assert login(bench, "tom", "secret", "PWD") == [INCORRECT, "530 Please login with USER and PASS"]
    assert bench.wire.closed_for == "Application error"


def test_a_login_that_breaks_off_is_told_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_way(*given: object, **named: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(mod_auth, "enter", no_way)
    assert login(fresh(), "tom", "secret", "PWD") == [INCORRECT, "530 Please login with USER and PASS"]
