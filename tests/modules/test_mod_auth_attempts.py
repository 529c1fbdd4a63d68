"""How often and how long a client may try to log in, and which passwords are refused before they are tried."""

from __future__ import annotations

import asyncio

from auth_ground import INCORRECT, fresh, login, talk

from ftpd.testing import Bench


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
