"""Log formats: what each variable stands for, and what is written where it stands for nothing."""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from ftpd.dispatch.phases import run
from ftpd.module.logformat import Format
from ftpd.testing import Bench


def _after(line: str, *texts: str, blank: bool = False, upload: bytes | None = None) -> list[str]:
    """The texts filled in after this line."""

    async def story() -> list[str]:
        async with Bench(conf="DefaultRoot ~\nServerName Here\n", files={"a.txt": b"abc", "sub/": b""}) as ftp:
            assert ftp.session is not None and ftp.generation is not None
            verb, _, argument = line.partition(" ")
            command, plan = ftp.generation.command(ftp.session, verb, argument)
            ftp.wire.incoming = upload
            ftp.session.data_type = "I"
            await run(command, plan)
            return [Format(text).fill(ftp.session, command, blank=blank).replace(ftp.root, "ROOT") for text in texts]

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("line", "text", "shown"),
    [
        ("NOOP", "%m %s %S", "NOOP 200 NOOP command successful"),
        ("NOOP", "%a %L %p %v", "127.0.0.1 127.0.0.1 2121 Here"),
        ("NOOP", "%u %U %{protocol} %{uid}", f"tom tom ftp {os.geteuid()}"),
        ("NOOP", "%f|%F|%b|%T|%w|%c", "-|-|-|-|-|-"),
        ("NOOP", "%A %l %E", "UNKNOWN UNKNOWN "),
        ("NOOP", "%d|%D", "/|"),
        ("NOOP", "100%% %q %{unknown} %{note:none}", "100% %q unknown "),
        ("PASS secret", "%r|%J", "PASS (hidden)|(hidden)"),
        ("CWD sub", "%d %D %r", "/sub ROOT/sub CWD sub"),
        ("RETR a.txt", "%f %F %{basename}", "ROOT/a.txt /a.txt a.txt"),
        ("RETR a.txt", "%b %{transfer-status} %{transfer-type} %{file-offset}", "3 success binary 0"),
        ("DELE a.txt", "%f", "ROOT/a.txt"),
        ("SITE CHMOD 600 a.txt", "%m %F %J", "SITE CHMOD /a.txt CHMOD 600 a.txt"),
        ("RETR none", "%s %f", "550 ROOT/none"),
        ("ABOR", "%{transfer-status}", "cancelled"),
        ("SITE CHMOD 600 b ", "<%J>", "<CHMOD 600 b >"),
        ("SITE HELP", "<%J>", "<HELP>"),
    ],
)
def test_variables(line: str, text: str, shown: str) -> None:
    assert _after(line, text, upload=b"" if line.startswith("RETR") else None) == [shown]


def test_blank_leaves_out_what_is_unknown() -> None:
    assert _after("NOOP", "<%f>", "<%A>", "<%u>", blank=True) == ["<>", "<>", "<tom>"]


def test_times_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGFORMAT_WORD", "word")
    stamp, iso, year, same_year, word = _after(
        "NOOP", "%t", "%{iso8601}", "%{time:%Y}", "%{%Y}t", "%{env:LOGFORMAT_WORD}"
    )
    assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", stamp)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", iso)
    form = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    assert all(re.fullmatch(form, moment) for moment in _after("NOOP", "%{}t", "%{time:}"))
    assert year == same_year and year.isdigit()
    assert word == "word"


def test_what_a_client_sends_is_not_a_format() -> None:
    assert _after("MKD %u%{env:PATH}", "%J") == ["%u%{env:PATH}"]


def test_without_a_session_the_daemon_has_values_still() -> None:
    assert Format("%P|%u|%m|%D|%{note:x}").fill(None, blank=True) == f"{os.getpid()}||||"
