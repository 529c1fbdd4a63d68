"""Logging in: what a client reads at each step, who is let in, and where it then is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ftpd.api import LOGGED_IN, Account, AuthAnswer, AuthBackend, Module, Refuse, Session, crypt
from ftpd.core.log import Level
from ftpd.modules import _auth_lists, _auth_login, mod_auth
from ftpd.modules._auth_denied import Denied
from ftpd.testing import Bench

INCORRECT = "530 Login incorrect."
PASSWORD = "331 Password required for tom"


def talk(bench: Bench, *lines: str) -> list[str]:
    """Send the lines in turn; gives each line's reply."""

    async def run() -> list[str]:
        async with bench:
            return [await bench(line) for line in lines]

    return asyncio.run(run())


def login(bench: Bench, user: str = "tom", password: str = "secret", *then: str) -> list[str]:
    """Log in and send what follows; gives the replies from that to PASS on."""
    return talk(bench, f"USER {user}", f"PASS {password}", *then)[1:]


def fresh(conf: str = "", *modules: Module, **kind: object) -> Bench:
    return Bench(*modules, conf=conf, login=None, **kind)  # type: ignore[arg-type]


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


# -- how often, how long -------------------------------------------------------------------------------


def attempts(conf: str, *lines: str) -> tuple[list[str], str | None]:
    bench = fresh(conf)
    return talk(bench, *lines), bench.wire.closed_for


def test_the_third_failure_ends_the_connection_whatever_was_said_between() -> None:
    once = ("USER tom", "PASS wrong")
    replies, closed = attempts("", *once, "REIN", *once, "NOOP", "USER nosuch", "PASS x")
    assert replies[-1] == INCORRECT
    assert closed == "Configured policy: Denied by MaxLoginAttempts"


def test_two_failures_do_not_end_it() -> None:
    replies, closed = attempts("", "USER tom", "PASS wrong", "USER tom", "PASS wrong", "USER tom", "PASS secret")
    assert replies[-1] == "230 User tom logged in"
    assert closed is None


def test_max_login_attempts_may_be_one_or_none() -> None:
    assert attempts("MaxLoginAttempts 1", "USER tom", "PASS x")[1] is not None
    assert attempts("MaxLoginAttempts none", *["USER tom", "PASS x"] * 6)[1] is None


def test_a_long_password_is_refused_before_any_account_is_looked_up() -> None:
    assert login(fresh("MaxPasswordSize 5"), "tom", "secret") == [INCORRECT]
    assert login(fresh("MaxPasswordSize 6"), "tom", "secret") == ["230 User tom logged in"]
    assert login(fresh(), "tom", "x" * 1_000_000) == [INCORRECT]


def test_an_empty_password_may_be_refused_out_of_hand() -> None:
    users = {"tom": ""}
    assert login(fresh(users=users), "tom", "") == ["230 User tom logged in"]
    assert login(fresh("AllowEmptyPasswords off", users=users), "tom", "") == ["501 Login incorrect."]


def test_an_empty_password_that_is_refused_is_no_attempt() -> None:
    conf = "AllowEmptyPasswords off\nMaxLoginAttempts 2"
    assert attempts(conf, *["USER tom", "PASS"] * 4, "USER tom", "PASS x")[1] is None
    assert attempts(conf, "USER tom", "PASS x", "USER tom", "PASS", "USER tom", "PASS x")[1] is not None


def test_an_empty_password_of_a_guest_may_be_refused_as_well() -> None:
    area = "<Anonymous {root}>\nUser tom\n%s</Anonymous>\n"
    assert login(fresh(area % ""), "tom", "") == ["230 Anonymous access granted, restrictions apply"]
    for conf in ("AllowEmptyPasswords off\n" + area % "", area % "AllowEmptyPasswords off\n"):
        assert login(fresh(conf), "tom", "") == ["501 Login incorrect."]


def test_an_empty_password_that_is_refused_has_the_usual_words() -> None:
    conf = 'AllowEmptyPasswords off\nAccessDenyMsg "Not you, %u"'
    assert login(fresh(conf), "tom", "") == ["501 Login incorrect."]
    assert login(fresh(conf), "tom", "x") == ["530 Not you, tom"]


def test_no_area_allows_the_empty_password_that_the_server_refuses() -> None:
    area = "<Anonymous {root}>\nUser tom\nAllowEmptyPasswords %s\n</Anonymous>\n"
    assert login(fresh("AllowEmptyPasswords off\n" + area % "on"), "tom", "") == ["501 Login incorrect."]
    assert login(fresh("AllowEmptyPasswords on\n" + area % "off"), "tom", "") == ["501 Login incorrect."]


def test_what_a_guest_says_as_his_password_may_be_of_any_length() -> None:
    area = "MaxPasswordSize 5\n<Anonymous {root}>\nUser tom\n%s</Anonymous>\n"
    assert login(fresh(area % ""), "tom", "me@example") == ["230 Anonymous access granted, restrictions apply"]
    assert login(fresh(area % "AnonRequirePassword on\n"), "tom", "secret") == [INCORRECT]


async def _wait(bench: Bench, seconds: int, *lines: str) -> tuple[str, str | None]:
    async with bench:
        for line in lines:
            await bench(line)
        bench.wire.pass_time(seconds)
        said = "".join(reply.encode().decode() for reply in bench.wire.written)
        return said, bench.wire.closed_for


def test_who_does_not_log_in_in_time_is_sent_away() -> None:
    said, closed = asyncio.run(_wait(fresh("TimeoutLogin 7"), 7, "USER tom"))
    assert said == "421 Login timeout (7 seconds): closing control connection\r\n"
    assert closed == "Timeout exceeded: TimeoutLogin"


def test_who_is_logged_in_has_time() -> None:
    assert asyncio.run(_wait(fresh("TimeoutLogin 7"), 7, "USER tom", "PASS secret")) == ("", None)
    assert asyncio.run(_wait(fresh("TimeoutLogin 0\nTimeoutIdle 0"), 100_000))[1] is None


def test_a_session_may_be_limited_as_a_whole_or_for_some() -> None:
    lines = ("USER tom", "PASS secret")
    said, closed = asyncio.run(_wait(fresh("TimeoutSession 9"), 9, *lines))
    assert said == "421 Session Timeout (9 seconds): closing control connection\r\n"
    assert closed == "Timeout exceeded: TimeoutSession"
    assert asyncio.run(_wait(fresh("TimeoutSession 9 user bob"), 9, *lines)) == ("", None)
    assert asyncio.run(_wait(fresh("TimeoutSession 9 user tom"), 9, *lines))[1] == "Timeout exceeded: TimeoutSession"


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


# -- who is let in -------------------------------------------------------------------------------------


class OneAccount(AuthBackend):
    """A backend with one account made to measure."""

    def __init__(self, home: str = "/", **fields: object) -> None:
        known = {"uid": os.geteuid() or 4711, "gid": os.getegid() or 4711, "shell": "/bin/sh", **fields}
        self.account = Account("ann", home=home, **known)  # type: ignore[arg-type]

    def getpwnam(self, session: Session, user: str) -> Account | None:
        return self.account if user == "ann" else None

    def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        return ((account.gid, "ann"), (7001, "staff")) if account.name == "ann" else None

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        if account.name != "ann":
            return None
        if password == "break":
            raise RuntimeError("the database is gone")
        return AuthAnswer.OK if password == "secret" else AuthAnswer.BAD_PASSWORD


def ann(home: str = "/", **fields: object) -> Module:
    module = Module("ann", version="1.0")
    module.auth(OneAccount(home, **fields))
    return module


GRANTED = ["230 User ann logged in"]


def test_root_is_kept_out_unless_it_is_let_in() -> None:
    assert login(fresh("RootLogin off", ann(uid=0)), "ann") == [INCORRECT]
    if os.geteuid() == 0:
        assert login(fresh("RootLogin on", ann(uid=0)), "ann") == GRANTED


def test_a_refused_root_and_a_last_attempt_are_told_as_logins_at_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The level and the facility (AUTHPRIV) of ProFTPD, which alarms and filters of syslog go by."""
    told: list[tuple[Level, str]] = []

    def log_login(session: Session, level: Level, message: str, *args: object) -> None:
        told.append((level, message % args))

    monkeypatch.setattr(Session, "log_login", log_login)
    login(fresh("RootLogin off\nMaxLoginAttempts 1", ann(uid=0)), "ann")
    assert told == [
        (Level.NOTICE, "SECURITY VIOLATION: Root login attempted"),
        (Level.NOTICE, "Maximum login attempts (1) exceeded, connection refused"),
    ]


def test_a_shell_must_be_a_valid_one(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    shells = os.path.join(tmp_path, "shells")
    with open(shells, "w") as out:
        out.write("# shells\n/bin/fine\n")
    monkeypatch.setattr(_auth_lists, "SHELLS", shells)
    assert login(fresh("", ann(shell="/bin/fine")), "ann") == GRANTED
    for shell in ("/bin/other", "", "# shells", "/usr/sbin/nologin"):
        assert login(fresh("", ann(shell=shell)), "ann") == [INCORRECT]
    assert login(fresh("RequireValidShell off", ann(shell="/bin/other")), "ann") == GRANTED


def test_without_etc_shells_the_two_oldest_shells_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_auth_lists, "SHELLS", "/nowhere/shells")
    assert login(fresh("", ann(shell="/bin/sh")), "ann") == GRANTED
    assert login(fresh("", ann(shell="/bin/bash")), "ann") == [INCORRECT]


def test_a_file_of_shells_that_cannot_be_read_keeps_everybody_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setattr(_auth_lists, "SHELLS", str(tmp_path))
    assert login(fresh("", ann()), "ann") == [INCORRECT]


def test_whom_etc_ftpusers_names_is_kept_out(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "ftpusers")
    monkeypatch.setattr(_auth_lists, "FTPUSERS", path)
    assert login(fresh("", ann()), "ann") == GRANTED
    with open(path, "w") as out:
        out.write("#bob\nann # on leave\n")
    assert login(fresh("", ann()), "ann") == [INCORRECT]
    assert login(fresh("UseFtpUsers off", ann()), "ann") == GRANTED


@pytest.mark.parametrize("old", [1.0, -1.0])
def test_the_lists_of_shells_and_names_count_as_they_are_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: float
) -> None:
    """Whether they have just been written or are known from before."""
    shells, users = tmp_path / "shells", tmp_path / "ftpusers"
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    monkeypatch.setattr(_auth_lists, "FTPUSERS", str(users))
    monkeypatch.setattr(_auth_lists, "_OLD", old)
    account = Account("ann", 1000, 1000, "/", "/bin/fine")
    for words, names, objection in (
        ("/bin/fine", "bob", ""), ("/bin/sore", "bob", "Invalid shell: '/bin/fine'"), ("/bin/fine", "bob", ""),
        ("/bin/fine", "ann", f"User in {users}"), ("/bin/fine", "bob", ""),
    ):  # fmt: skip
        for path, text in (shells, words), (users, names):
            fresh_file = path.with_suffix(".new")
            fresh_file.write_text(f"{text}\n")
            fresh_file.rename(path)
        for _ in range(2):
            assert _auth_lists.objection(account, True, True) == objection
    users.unlink()
    assert not _auth_lists.objection(account, True, True)
    shells.unlink()
    assert _auth_lists.objection(account, True, True)
    shells.mkdir()
    with pytest.raises(Denied):
        _auth_lists.objection(account, True, True)


def test_a_list_that_has_not_changed_is_not_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shells, opened = tmp_path / "shells", []
    shells.write_text("/bin/fine\n")
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    account = Account("ann", 1000, 1000, "/", "/bin/fine")

    def counted(path: str, **how: Any) -> Any:
        opened.append(path)
        return open(path, **how)

    monkeypatch.setattr(_auth_lists, "open", counted, raising=False)
    for old, reads in (1e9, 3), (-1.0, 1):
        monkeypatch.setattr(_auth_lists, "_OLD", old)
        opened.clear()
        for _ in range(3):
            assert not _auth_lists.objection(account, True, False)
        assert len(opened) == reads


def test_limit_login_lets_in_and_keeps_out() -> None:
    deny = "<Limit LOGIN>\nDenyUser ann\n</Limit>"
    assert login(fresh(deny, ann()), "ann") == [INCORRECT]
    assert login(fresh(deny)) == ["230 User tom logged in"]
    only = "<Limit LOGIN>\nAllowGroup staff\nDenyAll\n</Limit>"
    assert login(fresh(only, ann()), "ann") == GRANTED
    assert login(fresh(only)) == [INCORRECT]


def test_a_backend_that_breaks_denies() -> None:
    assert login(fresh("", ann()), "ann", "break") == [INCORRECT]


def test_a_backend_that_breaks_while_it_looks_for_the_name_denies() -> None:
    class Broken(AuthBackend):
        async def getpwnam(self, session: Session, user: str) -> Account | None:
            raise OSError("the directory server is gone")

    module = Module("broken", version="1.0")
    module.auth(Broken())
    assert login(fresh("AuthOrder mod_broken.c", module)) == [INCORRECT]


def test_a_module_is_in_authorder_by_its_whole_name_alone() -> None:
    assert login(fresh("AuthOrder mod_bench.c")) == ["230 User tom logged in"]
    for entry in ("mod_bench", "mod_bench*", "MOD_BENCH.C", "*", "mod_bench.c**"):
        assert login(fresh(f"AuthOrder {entry}")) == [INCORRECT]


def test_an_alias_stands_for_its_user() -> None:
    conf = "UserAlias bob tom\nUserAlias tim nosuch"
    assert login(fresh(conf), "bob") == ["230 User bob logged in"]
    assert login(fresh(conf), "tim") == [INCORRECT]
    assert login(fresh("UserAlias * tom"), "whoever") == ["230 User whoever logged in"]


def test_names_may_be_for_aliases_only() -> None:
    conf = "UserAlias bob tom\nAuthAliasOnly on"
    assert login(fresh(conf), "bob") == ["230 User bob logged in"]
    assert login(fresh(conf), "tom") == [INCORRECT]


def test_the_configuration_may_give_a_password_of_its_own() -> None:
    conf = f"UserPassword tom {crypt.hash('other', '$5$')}"
    assert login(fresh(conf), "tom", "other") == ["230 User tom logged in"]
    assert login(fresh(conf), "tom", "secret") == [INCORRECT]
    assert login(fresh("UserPassword tom !"), "tom", "!") == [INCORRECT]


@pytest.mark.parametrize(
    ("conf", "user"),
    [
        ("", "nosuch"),
        ("RootLogin off", "tom"),
        ("<Limit LOGIN>\nDenyAll\n</Limit>", "tom"),
        ("AuthAliasOnly on", "tom"),
    ],
)
def test_a_refusal_before_the_password_costs_a_hash_all_the_same(
    conf: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if conf == "RootLogin off" and os.geteuid() != 0:
        pytest.skip("the bench's user is no root here")
    spent: list[str] = []
    monkeypatch.setattr(_auth_login.crypt, "spend", spent.append)
    assert login(fresh(conf), user, "guess") == [INCORRECT]
    assert spent == ["guess"]


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
