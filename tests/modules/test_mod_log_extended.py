"""ExtendedLog: which commands are recorded where, in which format, and that no client can make a record of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest
from core_ground import HOME
from hypothesis import given
from hypothesis import strategies as st

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.core import logfile
from ftpd.core.syslog import syslog
from ftpd.core.vocab import Class
from ftpd.modules import _log_wtmp
from ftpd.modules._log_config import Filter
from ftpd.testing import Bench

ANON = "<Anonymous {root}>\n  User tom\n  UserAlias anonymous tom\n  AuthAliasOnly on\n  %s\n</Anonymous>\n"


def recorded(log: Path, conf: str, *lines: str, login: str | None = "tom") -> list[str]:
    """What stands in the log when these lines were sent, without what the bench's login and end wrote."""

    async def story() -> None:
        async with Bench(conf=f"{HOME}{conf}", files={"a.txt": b"abc", "sub/": b""}, login=login) as ftp:
            await ftp.open() if ftp.session is None else None
            if log.exists():
                os.truncate(log, 0)
            for line in lines:
                if line.startswith(("RETR", "STOR", "LIST")):
                    await ftp("PASV")
                    ftp.wire.incoming = b"xyz"
                await ftp(line)

    asyncio.run(story())
    return log.read_text().splitlines() if log.exists() else []


def verbs(log: Path, classes: str, *lines: str) -> list[str]:
    """The verbs recorded by an ExtendedLog of these classes."""
    return recorded(log, f'LogFormat verb "%m"\nExtendedLog {log} {classes} verb\n', *lines)


# -- classes -----------------------------------------------------------------------------------------------

SENT = ("NOOP", "PWD", "RETR a.txt", "DELE a.txt", "MKD new", "SITE CHMOD 700 sub", "XYZZY")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("READ", ["RETR"]),
        ("WRITE", ["DELE", "MKD"]),
        ("read|Write", ["RETR", "DELE", "MKD"]),
        ("DIRS,MISC", ["NOOP", "PWD", "PASV", "MKD", "SITE CHMOD"]),
        ("ALL", ["NOOP", "PWD", "PASV", "RETR", "DELE", "MKD", "SITE CHMOD", "XYZZY"]),
        ("ALL,!MISC", ["PWD", "RETR", "DELE", "MKD"]),
        ("!MISC,!READ", ["PWD", "DELE", "MKD"]),
        ("ALL,!READ,WRITE", ["NOOP", "PWD", "PASV", "DELE", "MKD", "SITE CHMOD"]),
        ("ALL,EXIT", ["NOOP", "PWD", "PASV", "RETR", "DELE", "MKD", "SITE CHMOD", "XYZZY", "EXIT"]),
        ("NONE", []),
        ("READ,NONE", []),
        ("READ,NONE,WRITE", ["DELE", "MKD"]),
        ("READ,,WRITE,", ["RETR", "DELE", "MKD"]),
        (",", []),
        # MKD is of WRITE and of DIRS
        ("ALL,!DIRS", ["NOOP", "PASV", "RETR", "DELE", "SITE CHMOD"]),
        ("READ+NOOP,SITE_CHMOD", ["NOOP", "RETR", "SITE CHMOD"]),
        ("WRITE+!MKD,SITE", ["DELE", "SITE CHMOD"]),
    ],
)
def test_classes_choose_the_commands(tmp_path: Path, classes: str, expected: list[str]) -> None:
    assert verbs(tmp_path / "log", classes, *SENT) == expected


def test_host_is_of_the_login_alone_also_where_it_is_refused(tmp_path: Path) -> None:
    assert verbs(tmp_path / "auth", "AUTH", "HOST x", "NOOP") == ["HOST"]
    assert verbs(tmp_path / "misc", "MISC", "HOST x", "NOOP") == ["NOOP"]


def test_without_classes_everything_is_recorded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert recorded(log, f"ExtendedLog {log}\n", "NOOP")[-1].endswith('] "" - -'), "the end of the session"

    async def story() -> None:
        async with Bench(conf=f"ExtendedLog {log}\n", login=None) as ftp:
            await ftp("QUIT")

    log.unlink()
    asyncio.run(story())
    assert [line.split('"')[1] for line in log.read_text().splitlines()] == ["", "QUIT", ""]


def test_a_word_behind_site_is_named_be_it_known_or_not(tmp_path: Path) -> None:
    sent = ("SITE CHMOD 700 sub", "site xyzzy a b", "SITE")
    assert verbs(tmp_path / "log", "MISC", *sent) == ["SITE CHMOD", "SITE XYZZY", "SITE"]


def test_moments_have_names(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def story() -> None:
        conf = f'LogFormat moment "%m|%r|%s|%E"\nExtendedLog {log} CONNECT,EXIT moment\n'
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.session is not None
            ftp.session.notes["core.disconnect-details"] = "Quit"

    asyncio.run(story())
    assert log.read_text().splitlines() == ["CONNECT||-|", "EXIT||-|Quit"]


def test_a_failure_is_recorded_as_well(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (line,) = recorded(log, f'LogFormat f "%m %s %{{transfer-status}}"\nExtendedLog {log} READ f\n', "RETR none")
    assert line == "RETR 550 failed"


def named(tmp_path: Path, conf: str, *lines: str) -> list[str]:
    """Verb, and the names that the log has for the client, for each line and the end."""
    log = tmp_path / "log"

    async def story() -> None:
        form = 'LogFormat f "%m|%U|%u|%g|%{note:mod_auth.orig-user}"\n'
        async with Bench(conf=f"{conf}{form}ExtendedLog {log} ALL,EXIT f\n", login=None) as ftp:
            for line in lines:
                await ftp(line)

    asyncio.run(story())
    return log.read_text().splitlines()


def test_a_name_stays_until_a_password_for_it_fails(tmp_path: Path) -> None:
    sent = ("USER tom", "PASS wrong", "NOOP", "USER nobody-such", "PASS x", "PASS y", "USER tom")
    assert named(tmp_path, "", *sent) == [
        "USER|tom|-|-|tom", "PASS|tom|-|-|tom", "NOOP|-|-|-|",
        "USER|nobody-such|-|-|nobody-such", "PASS|nobody-such|-|-|nobody-such", "PASS|-|-|-|",
        "USER|tom|-|-|tom", "EXIT|tom|-|-|tom",
    ]  # fmt: skip


def test_a_failed_login_leaves_the_end_without_a_name(tmp_path: Path) -> None:
    assert named(tmp_path, "", "USER tom", "PASS wrong")[-1] == "EXIT|-|-|-|"
    (tmp_path / "log").unlink()
    assert named(tmp_path, "<Limit LOGIN>\nDenyAll\n</Limit>\n", "USER tom", "PASS secret")[-1] == "EXIT|-|-|-|"


def test_who_is_logged_in_keeps_the_name_whatever_is_said_then(tmp_path: Path) -> None:
    said = named(tmp_path, "", "USER tom", "PASS secret", "PASS again", "USER other", "PASS again")
    assert [line.split("|")[0:3] for line in said[2:]] == [
        ["PASS", "tom", "tom"], ["USER", "tom", "tom"], ["PASS", "tom", "tom"], ["EXIT", "tom", "tom"]
    ]  # fmt: skip


def test_whom_the_password_lets_in_and_something_else_does_not_is_named_to_the_end(tmp_path: Path) -> None:
    assert named(tmp_path, "DefaultRoot /no/such\n", "USER tom", "PASS secret") == [
        "USER|tom|-|-|tom", "PASS|tom|tom|tom|tom", "EXIT|-|tom|tom|",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "told", "details"),
    [
        ("Quit", "Quit", ""), ("Timeout exceeded: TimeoutIdle", "Timeout exceeded: TimeoutIdle", "TimeoutIdle"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_reason_is_told_whole_and_its_details_are_a_note(
    tmp_path: Path, reason: str, told: str, details: str
) -> None:
    log = tmp_path / "log"

    async def story() -> None:
        conf = f'LogFormat f "%E|%{{note:core.disconnect-details}}"\nExtendedLog {log} EXIT f\n'
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.session is not None
            ftp.session.notes["core.disconnect-details"] = reason

    asyncio.run(story())
    assert log.read_text().splitlines() == [f"{told}|{details}"]


@given(st.text(alphabet="ALREDSNO,|!+_", max_size=20))
def test_any_list_of_classes_is_taken_or_refused(text: str) -> None:
    try:
        chosen = Filter(text)
    except ConfigError:
        return
    assert chosen.wants("NOOP", Class.MISC) in (True, False)


# -- several logs, and sections ------------------------------------------------------------------------------


def test_several_logs_have_each_their_own(tmp_path: Path) -> None:
    reads, all_ = tmp_path / "reads", tmp_path / "all"
    conf = f'LogFormat verb "%m"\nExtendedLog {reads} READ verb\nExtendedLog {all_} READ,MISC verb\n'
    assert recorded(all_, conf, "NOOP", "RETR a.txt") == ["NOOP", "PASV", "RETR"]
    assert reads.read_text().splitlines() == ["RETR"]


def test_one_file_may_have_lines_of_several_kinds(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = (
        f'LogFormat read "read %m"\nLogFormat write "write %m"\nExtendedLog {log} READ read\n'
        f"ExtendedLog {log} WRITE write\n<Global>\n  ExtendedLog {log} WRITE read\n</Global>\n"
    )
    # where a command is of several, the line that was written last comes first
    assert recorded(log, conf, "RETR a.txt", "DELE a.txt") == ["read RETR", "read DELE", "write DELE"]


@pytest.mark.parametrize(
    ("inside", "everywhere", "anonymous"),
    [
        ("ExtendedLog {inner} MISC verb", ["NOOP"], ["NOOP"]),
        ("ExtendedLog {outer} INFO verb\n  ExtendedLog {inner} MISC verb", ["SYST"], ["NOOP"]),
        ("ExtendedLog {outer} INFO verb\n  ExtendedLog {outer} MISC verb", ["NOOP", "SYST"], []),
        ("ExtendedLog none", [], []),
        ("ExtendedLog off\n  ExtendedLog {inner} ALL verb", [], []),
        ("ExtendedLog {inner} INFO verb\n  ExtendedLog none", [], ["SYST"]),
    ],
)
def test_an_anonymous_section_adds_replaces_or_ends(
    tmp_path: Path, inside: str, everywhere: list[str], anonymous: list[str]
) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    section = ANON % inside.format(outer=outer, inner=inner)

    async def story() -> None:
        conf = f'LogFormat verb "%m"\nExtendedLog {outer} MISC verb\n{section}'
        async with Bench(conf=conf, login=None) as ftp:
            await ftp("USER anonymous")
            assert (await ftp("PASS me@example.org")).startswith("230")
            await ftp("NOOP")
            await ftp("SYST")

    asyncio.run(story())
    assert (outer.read_text().split() if outer.exists() else []) == everywhere
    assert (inner.read_text().split() if inner.exists() else []) == anonymous


def test_the_first_format_of_a_name_counts_and_default_may_be_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = 'LogFormat a "1 %m"\nLogFormat a "2 %m"\nLogFormat default "d %m"\n'
    assert recorded(log, f"{conf}ExtendedLog {log} MISC a\n", "NOOP") == ["1 NOOP"]
    assert recorded(log, f"{conf}ExtendedLog {log} MISC default\n", "NOOP") == ["d NOOP"]


def test_the_default_format_is_the_common_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (line,) = recorded(log, f"ExtendedLog {log} MISC\n", "NOOP")
    assert line.startswith("127.0.0.1 UNKNOWN tom [")
    assert line.endswith('] "NOOP" 200 -')


def test_a_format_that_is_not_there_silences_its_log_only(tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    conf = f'LogFormat verb "%m"\nExtendedLog {log} ALL missing\nExtendedLog {other} MISC verb\n'
    assert recorded(other, conf, "NOOP") == ["NOOP"]
    assert not log.exists()


def test_classes_behind_an_excluded_one_are_warned_of() -> None:
    async def story() -> list[str]:
        async with Bench(conf="ExtendedLog /dev/null ALL,!READ,WRITE\n") as ftp:
            assert ftp.generation is not None
            return [warning.message for warning in ftp.generation.config.warnings]

    assert any("ProFTPD excludes them too" in message for message in asyncio.run(story()))


def test_a_command_pays_for_an_extendedlog_only_where_there_is_one() -> None:
    async def handlers(conf: str) -> int:
        async with Bench(conf=conf) as ftp:
            assert ftp.generation is not None
            return sum(len(chain) for _, chain in ftp.generation.table.plan("NOOP").after)

    assert asyncio.run(handlers("ExtendedLog /dev/null ALL\n")) == asyncio.run(handlers("")) + 1


# -- what clients cannot do ------------------------------------------------------------------------------------

HOSTILE = ["cr\rx", "esc\x1b[2K", "nel\u0085x", "ls\u2028x", "bidi\u202ex", "tab\tx", "del\x7f", "bytes\udcff\udcfe"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("line", ["DELE", "USER", "SITE", "XYZZY", "CLNT"])
def test_one_record_a_command_and_nothing_odd_in_it(tmp_path: Path, line: str, name: str) -> None:
    log = tmp_path / "log"
    form = 'LogFormat f "%m|%r|%J|%f|%F|%S|%U|%{note:clnt}|%{basename}"\n'
    lines = recorded(log, f"{form}ExtendedLog {log} ALL f\n", f"{line} {name}")
    assert len(lines) == 1
    assert lines[0].isprintable()


def test_quotation_marks_do_not_end_a_quoted_value(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (line,) = recorded(log, f"ExtendedLog {log} WRITE\n", 'DELE x" 250 99\\')
    assert line.endswith('"DELE x\\" 250 99\\\\" 550 -')
    form = f'LogFormat bare "%J"\nExtendedLog {log} WRITE bare\n'
    assert recorded(log, form, 'DELE x" \\') == ['x" \\']


@pytest.mark.parametrize("name", ["%n%s%m", "{0.__class__}", "${x}", "%{env:PATH}", "%(x)s", "%%", "\\x0a"])
def test_formats_of_clients_are_words(tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    form = 'LogFormat f "%m|%J|%F|%U|%{note:clnt}|%u|%d"\n'
    conf = f"{form}ExtendedLog {log} ALL f\n"
    deleted, told, site, login = recorded(log, conf, f"DELE {name}", f"CLNT {name}", f"SITE {name}", f"USER {name}")
    assert deleted == f"DELE|{name}|/{name}|tom||tom|/"
    assert told == f"CLNT|{name}|-|tom|{name}|tom|/"
    assert site.split("|")[1].upper() == name.upper()
    assert login.split("|")[1] == name


def test_secrets_stand_in_no_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = f'LogFormat f "%m|%r|%J|%S|%{{note:clnt}}"\nExtendedLog {log} ALL f\n'
    lines = recorded(
        log, conf, "USER tom", "PASS hunter2", "ACCT hunter2", "ADAT hunter2", "PASS hunter2 x", login=None
    )
    assert [line.split("|")[1] for line in lines] == [
        "USER tom", "PASS (hidden)", "ACCT (hidden)", "ADAT (hidden)", "PASS (hidden)"
    ]  # fmt: skip
    assert "hunter2" not in log.read_text()


def test_a_password_behind_a_verb_that_is_nearly_pass_stands_in_no_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = f'LogFormat f "%m|%r|%J|%S"\nExtendedLog {log} ALL f\nExtendedLog {log}2\n'
    sent = ["PASSS hunter2", "XPASS hunter2", "SITE CHPASS hunter2", "SITE PSWD old hunter2", "CHPASSWD hunter2"]
    recorded(log, conf, *sent)
    assert "hunter2" not in log.read_text() + Path(f"{log}2").read_text()
    assert "SITE PAST seen" in "".join(recorded(log, conf, "SITE PAST seen"))


# -- syslog, wtmp ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["syslog:warn", "SYSLOG:WARN"])
def test_syslog_may_be_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(syslog, "path", str(tmp_path / "devlog"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(syslog.path)
        listener.settimeout(5)
        recorded(tmp_path / "no", f'LogFormat verb "%m of %u"\nExtendedLog {word} MISC verb\n', "NOOP")
        text = listener.recv(1000).decode()
    assert text.startswith("<28>")
    assert text.endswith(f"proftpd[{os.getpid()}]: NOOP of tom")
    syslog.release()
    logfile.close()


@pytest.fixture
def wtmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wtmp = tmp_path / "wtmp"
    wtmp.touch()
    monkeypatch.setattr(_log_wtmp, "WTMP", str(wtmp))
    return wtmp


def visit(conf: str) -> None:
    async def story() -> None:
        async with Bench(conf=conf) as ftp:
            await ftp("NOOP")

    asyncio.run(story())


@pytest.mark.parametrize("word", ["off", "NONE"])
def test_wtmp_may_be_left_alone(wtmp: Path, word: str) -> None:
    visit(f"WtmpLog {word}\n")
    assert wtmp.read_bytes() == b""


def test_logins_and_their_ends_stand_in_wtmp(wtmp: Path) -> None:
    visit("WtmpLog on\n")
    size = _log_wtmp._LAYOUT.size
    records = [_log_wtmp._LAYOUT.unpack(wtmp.read_bytes()[at : at + size]) for at in (0, size)]
    assert wtmp.stat().st_size == 2 * size
    login, logout = ([part.rstrip(b"\0") if isinstance(part, bytes) else part for part in one] for one in records)
    assert (login[0], login[1], login[4], login[5]) == (7, os.getpid(), b"tom", b"127.0.0.1")
    assert (logout[0], logout[4], logout[2]) == (8, b"", login[2])
    assert socket.inet_ntoa(records[0][-1][:4]) == "127.0.0.1"
    if struct.calcsize("P") == 8 and os.uname().machine == "x86_64":
        assert size == 384


def test_a_wtmp_that_is_missing_is_told_and_not_made(wtmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    wtmp.unlink()
    visit("WtmpLog on\n")
    assert not wtmp.exists()
    assert f"unable to write WtmpLog '{wtmp}': No such file or directory" in caplog.text


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ExtendedLog /var/log/x READ,FOO", "invalid log class 'FOO'"),
        ("WtmpLog maybe", "WtmpLog"),
        ("Trace auth", "badly formatted parameter: 'auth'"),
        ("Trace auth:x", "error parsing level 'x' for channel 'auth'"),
        ("Trace auth:9-3", "the levels '9-3' of channel 'auth' are none"),
        ("TraceOptions ConnIPs", "bad option: 'ConnIPs'"),
        ("SyslogFacility LOUD", "SyslogFacility"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=line).open())
    assert complaint in wrong.value.render()


def test_a_format_that_is_not_there_is_told(tmp_path: Path) -> None:
    lines = ["a ALL late", "b ALL none", "c"]
    conf = "".join(f"ExtendedLog {tmp_path}/{line}\n" for line in lines) + "LogFormat late x\n"

    async def story() -> list[str]:
        async with Bench(conf=conf) as ftp:
            assert ftp.generation is not None
            return [fault.message for fault in ftp.generation.config.warnings]

    assert asyncio.run(story()) == ["no LogFormat is called 'none', so this log stays empty"]


def test_bytes_of_the_network_are_those_that_came_not_those_of_the_file(tmp_path: Path) -> None:
    """%I of a text has its CRs, as %O has; %b has the bytes of the file."""
    log = tmp_path / "log"

    async def story() -> None:
        conf = f'{HOME}LogFormat bytes "%I %b"\nExtendedLog {log} WRITE bytes\n'
        async with Bench(conf=conf, login="tom") as ftp:
            await ftp("TYPE A")
            await ftp("PASV")
            ftp.wire.incoming = b"a\r\nb\r\n"
            before = ftp.session.bytes_in
            await ftp("STOR text")
            assert ftp.session.bytes_in - before >= 6

    asyncio.run(story())
    assert log.read_text().endswith(" 4\n")
