"""The greeting, small talk, HELP and FEAT, the idle time and the goodbye."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from core_ground import banner, last, talk

from ftpd.module.events import TIMEOUT_IDLE
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

# -- the banner --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "text"),
    [
        ("", "220 ProFTPD Server (ProFTPD) [127.0.0.1]"),
        ('ServerName "Our files"', "220 ProFTPD Server (Our files) [127.0.0.1]"),
        ("ServerIdent on", "220 ProFTPD Server (ProFTPD) [127.0.0.1]"),
        ("ServerIdent off", "220 127.0.0.1 FTP server ready"),
        ('ServerIdent on "My FTP %L %V %v %{version}"', "220 My FTP 127.0.0.1 127.0.0.1 ProFTPD 1.3.8"),
        ("DeferWelcome on", "220 ProFTPD Server ready."),
        ('DeferWelcome on\nServerIdent on "Secret text"', "220 Secret text"),
        ("DeferWelcome on\nServerIdent off", "220 127.0.0.1 FTP server ready"),
        ("MasqueradeAddress 192.0.2.7", "220 ProFTPD Server (ProFTPD) [192.0.2.7]"),
        ("MasqueradeAddress 192.0.2.7\nServerIdent off", "220 192.0.2.7 FTP server ready"),
        ('MasqueradeAddress 192.0.2.7\nServerIdent on "at %L"', "220 at 192.0.2.7"),
        ("MasqueradeAddress nowhere.invalid", "220 ProFTPD Server (ProFTPD) [127.0.0.1]"),
    ],
)
def test_the_banner_says_what_serverident_wants(conf: str, text: str) -> None:
    assert banner(conf) == text


def test_displayconnect_comes_before_the_banner(tmp_path: Path) -> None:
    message = tmp_path / "welcome"
    message.write_text("Hello %R\nyou are %C, 100%% sure, %q\n")
    greeting = "220 ProFTPD Server (ProFTPD) [127.0.0.1]"
    assert banner(f"DisplayConnect {message}") == f"220-Hello 127.0.0.1\n you are (none), 100%% sure, %q\n{greeting}"
    assert banner("DisplayConnect /nowhere/welcome") == greeting
    assert banner(f"DisplayConnect {tmp_path}") == greeting


# -- QUIT --------------------------------------------------------------------------------------------


def test_quit_ends_the_session_and_says_so(tmp_path: Path) -> None:
    message = tmp_path / "bye"
    message.write_text("Bye %U\nsecond\n")

    async def story(conf: str, line: str = "QUIT") -> tuple[str, str | None]:
        async with Bench(conf=conf) as ftp:
            return await ftp(line), ftp.wire.closed_for

    assert asyncio.run(story("")) == ("221 Goodbye.", "Quit")
    assert asyncio.run(story("", "QUIT now please")) == ("221 Goodbye.", "Quit")
    assert asyncio.run(story(f"DisplayQuit {message}\n")) == ("221-Bye tom\n221 second", "Quit")
    assert asyncio.run(story("DisplayQuit nowhere\n")) == ("221 Goodbye.", "Quit")
    # whoever may not even say QUIT so is let go all the same
    refused, reason = asyncio.run(story("DenyFilter now\n", "QUIT now"))
    assert (refused, reason) == ("550 now: Forbidden command argument", "Quit")


def test_displayquit_may_lie_with_the_users_files() -> None:
    assert last("QUIT", files={"bye.txt": b"from %C\n"}, conf="DisplayQuit bye.txt\n") == "221 from /"


# -- TimeoutIdle -------------------------------------------------------------------------------------


def test_a_silent_client_is_told_and_let_go() -> None:
    heard: list[str] = []
    listener = Module("listener", version="1")

    @listener.on(TIMEOUT_IDLE)
    def note(session: Session) -> None:
        heard.append(session.remote.host)

    async def story() -> tuple[list[str], str | None]:
        async with Bench(listener, conf="TimeoutIdle 5\n") as ftp:
            await ftp("NOOP")
            ftp.wire.pass_time(4)
            assert ftp.wire.closed_for is None
            ftp.wire.pass_time(5)
            return [f"{reply.code} {reply.lines[0]}" for reply in ftp.wire.written], ftp.wire.closed_for

    written, reason = asyncio.run(story())
    assert written == ["421 Idle timeout (5 seconds): closing control connection"]
    assert reason == "Timeout exceeded: TimeoutIdle"
    assert heard == ["127.0.0.1"]


def test_a_command_starts_the_count_again() -> None:
    async def story() -> bool:
        async with Bench(conf="TimeoutIdle 5\n") as ftp:
            assert ftp.session is not None
            timer = next(one for one in ftp.wire._timers if one.seconds == 5)
            timer._deadline = 0
            await ftp("NOOP")
            return timer._deadline > 0

    assert asyncio.run(story())


def test_a_transfer_is_no_idleness(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[str | None, str | None]:
        async with Bench(conf="TimeoutIdle 5\n") as ftp:
            monkeypatch.setattr(type(ftp.wire), "data", MemoryData())
            ftp.wire.pass_time(5)
            meanwhile = ftp.wire.closed_for
            monkeypatch.undo()
            ftp.wire.pass_time(5)
            return meanwhile, ftp.wire.closed_for

    assert asyncio.run(story()) == (None, "Timeout exceeded: TimeoutIdle")


@pytest.mark.parametrize(("ago", "left"), [(None, 5), (0, 5), (3, 2), (5, 5), (12, 3)])
def test_the_count_goes_round_from_the_last_byte_of_a_transfer(
    ago: float | None, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftpd.modules._core_greeting.monotonic", lambda: 1000.0)
    monkeypatch.setattr("ftpd.core.clock.monotonic", lambda: 1000.0)
    monkeypatch.setattr(MemoryData, "last_moved", None if ago is None else 1000.0 - ago)

    async def story() -> float:
        async with Bench(conf="TimeoutIdle 5\n") as ftp:
            assert ftp.session is not None
            timer = next(one for one in ftp.wire._timers if one.seconds == 5)
            assert "226" in await ftp.upload("STOR new", b"x")
            return timer._deadline - 1000.0

    assert asyncio.run(story()) == left


def test_timeoutidle_0_waits_for_ever() -> None:
    async def story() -> str | None:
        async with Bench(conf="TimeoutIdle 0\nTimeoutLogin 0\nTimeoutNoTransfer 0\nTimeoutSession 0\n") as ftp:
            ftp.wire.pass_time(10**9)
            return ftp.wire.closed_for

    assert asyncio.run(story()) is None


# -- small talk --------------------------------------------------------------------------------------


def test_small_talk_needs_no_login() -> None:
    lines = ("NOOP", "NOOP x y", "SYST", "CLNT foo 1.0", "CSID x", "FOO x", "PWD", "PASV")
    assert talk(*lines, login=None) == [
        "200 NOOP command successful",
        "200 NOOP command successful",
        "215 UNIX Type: L8",
        "200 OK",
        "530 Please login with USER and PASS",
        "500 FOO not understood",
        "530 Please login with USER and PASS",
        "530 Please login with USER and PASS",
    ]


def test_csid_names_the_release_that_the_replies_are_of() -> None:
    assert last("CSID Name=x;") == "200 name=ProFTPD;version=1.3.8;casesensitive=1;"


def test_csid_tells_no_name_where_serverident_tells_none() -> None:
    assert last("CSID", conf="ServerIdent off\n") == "200 casesensitive=1;"


def test_the_log_names_the_facts_of_csid_that_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    assert last("CSID x;Name=a; Colour=red;").startswith("200 ")
    told = [record.getMessage() for record in caplog.records if "CSID fact" in record.getMessage()]
    assert told == [
        "ignoring invalid client-sent CSID fact 'x'",
        "ignoring unknown client-sent CSID fact 'Colour=red'",
    ]


def test_what_a_client_says_of_itself_is_kept_for_the_logs_and_not_without_bounds() -> None:
    async def story() -> dict[str, str]:
        async with Bench() as ftp:
            await ftp("CLNT Some Client 1.0 " + "x" * 4000)
            await ftp("CSID name=Other; Version=2.0;Vendor=%n%s;Colour=red; ;=;")
            assert ftp.session is not None
            return {key: value for key, value in ftp.session.notes.items() if key.startswith(("clnt", "csid"))}

    notes = asyncio.run(story())
    assert notes.pop("clnt") == ("Some Client 1.0 " + "x" * 4000)[:256]
    assert notes == {"csid.name": "Other", "csid.version": "2.0", "csid.vendor": "%n%s"}


def test_feat_leaves_out_what_limit_forbids() -> None:
    free, bound = last("FEAT"), last("FEAT", conf="<Limit EPRT EPSV>\nDenyAll\n</Limit>\n")
    assert set(free.splitlines()) - set(bound.splitlines()) == {" EPRT", " EPSV"}


def test_limit_on_all_reaches_small_talk() -> None:
    conf = "<Limit ALL>\nDenyAll\n</Limit>\n"
    assert talk("NOOP", "FEAT", "HELP", "SYST", "CLNT", "QUIT", conf=conf) == [
        "550 Operation not permitted",
        "550 FEAT: Operation not permitted",
        "501 HELP: Permission denied",
        "215 UNIX Type: L8",
        "200 OK",
        "221 Goodbye.",
    ]


# -- FEAT, HELP, OPTS ----------------------------------------------------------------------------------


def test_feat_lists_what_there_is_in_order() -> None:
    lines = last("FEAT", login=None).split("\n")
    assert lines[0] == "211-Features:"
    assert lines[-1] == "211 End"
    middle = lines[1:-1]
    assert {" CLNT", " CSID", " EPRT", " EPSV", " HOST", " MDTM", " REST STREAM", " SIZE", " TVFS", " UTF8"} <= set(
        middle
    )
    assert middle == sorted(middle, key=str.lower)
    assert len(middle) == len(set(middle))
    assert last("FEAT x") == "501 Invalid number of parameters"


def test_help_lists_the_verbs_and_whom_to_write_to() -> None:
    lines = last("HELP", login=None, conf="ServerAdmin admin@example.org\n").split("\n")
    assert lines[0] == "214-The following commands are recognized (* =>'s unimplemented):"
    assert lines[1] == " CWD     XCWD    CDUP    XCUP    SMNT*   QUIT    PORT    PASV    "
    assert "AUTH*" in lines[4]
    assert lines[-1] == "214 Direct comments to admin@example.org"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("HELP RNTO", "214 Syntax: RNTO <sp> pathname"),
        ("HELP pasv", "214 Syntax: PASV (returns address/port)"),
        ("HELP ACCT", "214 Syntax: ACCT is not implemented"),
        ("HELP PROT", "214 Syntax: PROT <sp> protection code"),
        ("HELP FOO", "502 Unknown command 'FOO'"),
        ("HELP a b c", "502 Unknown command 'A'"),
        ("HELP SITE", "214-HELP\n CHGRP\n214 CHMOD"),
        ("HELP SITE chmod", "214 Syntax: SITE CHMOD <sp> mode <sp> pathname"),
        ("HELP SITE FOO", "502 Unknown command 'SITE SITE FOO'"),
        ("HELP HOST", "214 Syntax: HOST <cp> hostname"),
        ("HELP ACIDBITCHEZ", "502 Unknown command 'ACIDBITCHEZ'"),
    ],
)
def test_help_with_one_verb(line: str, reply: str) -> None:
    assert last(line) == reply


def test_a_modules_verb_is_in_help() -> None:
    module = Module("hello", version="1")

    @module.cmd("XHLO", auth=False, usage="<sp> name")
    def greet(cmd: object) -> None:
        """Never said here."""

    async def story() -> tuple[str, str]:
        async with Bench(module, login=None) as ftp:
            return await ftp("HELP"), await ftp("HELP XHLO")

    table, one = asyncio.run(story())
    assert " XHLO    \n" in table
    assert one == "214 Syntax: XHLO <sp> name"


def test_opts_of_something_unknown() -> None:
    nine = "OPTS " + "a " * 9
    assert talk(nine, "OPTS UTF8 " + "a " * 8, login=None) == ["550 OPTS: Invalid argument"] * 2
    assert talk("OPTS", "OPTS FOO BAR", "OPTS utf8 on", "OPTS \u0131x", login=None) == [
        "501 Invalid number of parameters",
        "500 OPTS FOO not understood",
        "200 UTF8 set to on",
        "500 OPTS \u0131x not understood",
    ]
