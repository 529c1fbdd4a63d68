"""HOST: which server a client means by a name, and what goes with the session to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from core_ground import last, talk

from ftpd.api import SESSION_REINIT, Module, Refuse, Session
from ftpd.testing import Bench

MINE = "ServerName mine\nServerAlias ftp.example.org\n"
OTHER = """\
<Global>
  RootLogin on
  DefaultRoot ~
</Global>
<VirtualHost other.example.org>
  ServerName other
  ServerAlias o.example.org
  {more}
</VirtualHost>
"""
TO_MINE = "220 ProFTPD Server (mine) [127.0.0.1]"
TO_OTHER = "220 ProFTPD Server (other) [127.0.0.1]"


def at_two(*lines: str, other: str = "", more: str = "") -> list[str]:
    """The replies to lines of a client that has not logged in, where there is another server."""
    return talk(*lines, login=None, conf=MINE + more + OTHER.replace("{more}", other))


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("HOST", "500 'HOST' not understood"),
        ("HOST a b", "500 'HOST' not understood"),
        ("HOST foo.example", "504 foo.example: Unknown hostname provided"),
        ("HOST [127.0.0.1]", "501 [127.0.0.1]: Invalid IPv6 address provided"),
        ("HOST [foo]", "501 [foo]: Invalid IPv6 address provided"),
        ("HOST ::1", "501 ::1: Invalid IPv6 address provided"),
        ("HOST [::1]:21", "501 [::1]:21: Invalid IPv6 address provided"),
        ("HOST [::1]", "504 [::1]: Unknown hostname provided"),
        ("HOST foo:21", "501 foo:21: Invalid hostname provided"),
        ("HOST 127.0.0.1:21", "501 127.0.0.1:21: Invalid hostname provided"),
        ("HOST 127.0.0.999", "504 127.0.0.999: Unknown hostname provided"),
        ("HOST 127.0.0.1", "220 HOST command successful"),
        ("HOST [::ffff:127.0.0.1]", "220 HOST command successful"),
        ("HOST 127.0.0.2", "504 127.0.0.2: Unknown hostname provided"),
        ("HOST FTP.example.org", TO_MINE),
        ("HOST o.example.org", TO_OTHER),
        ("HOST OTHER.example.org", TO_OTHER),
    ],
)
def test_host_finds_the_server_that_is_meant(line: str, reply: str) -> None:
    assert at_two(line) == [reply]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["HOST foo.example"], "Unknown host 'foo.example' requested on 127.0.0.1#2121, refusing HOST command"),
        (
            ["HOST 127.0.0.2"],
            "HOST '127.0.0.2' requested, but client connected to IPv4 address '127.0.0.1', refusing HOST command",
        ),
        (["HOST [foo]"], "Client-sent hostname 'foo' is not a valid IPv6 address, refusing HOST command"),
        (
            ["HOST ::1"],
            "Client-sent hostname '::1' is an IPv6 address, but did not have required [] notation, "
            "refusing HOST command",
        ),
        (
            ["USER tom", "PASS secret", "HOST o.example.org"],
            "HOST 'o.example.org' command received after login, refusing HOST command",
        ),
        (["HOST o.example.org"], ""),
    ],
)
def test_the_log_says_why_a_host_is_refused_in_proftpds_words(
    lines: list[str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    at_two(*lines)
    said = [record.getMessage() for record in caplog.records if "HOST" in record.getMessage()]
    assert said == ([told] if told else [])


def test_host_may_be_said_until_the_login_and_not_after_it() -> None:
    assert at_two("HOST ftp.example.org", "HOST o.example.org", "USER tom", "HOST o.example.org", "PASS secret") == [
        TO_MINE,
        TO_OTHER,
        "331 Password required for tom",
        TO_OTHER,
        "230 User tom logged in",
    ]
    assert last("HOST 127.0.0.1") == "503 Bad sequence of commands"


def test_the_other_servers_settings_are_in_force_at_once() -> None:
    asked = ("HOST o.example.org", "HELP", "USER tom", "PASS secret", "STAT")
    replies = at_two(*asked, other='ServerAdmin me@other\nAccessGrantMsg "Hello at the other"')
    assert "Direct comments to me@other" in replies[1]
    assert replies[3] == "230 Hello at the other"
    assert replies[4].startswith("211-Status of 'other'")


def test_who_comes_by_host_is_shown_the_message_of_that_server(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("Welcome to %V\n")
    assert at_two("HOST o.example.org", other=f"DisplayConnect {tmp_path}/hello") == [
        "220-Welcome to other\n220 ProFTPD Server (other) [127.0.0.1]"
    ]


def test_limit_login_of_the_other_server_holds_and_the_session_stays_where_it_was() -> None:
    closed = "<Limit LOGIN>\n DenyAll\n</Limit>"
    assert at_two("HOST o.example.org", "HOST ftp.example.org", other=closed) == [
        "504 o.example.org: Unknown hostname provided",
        TO_MINE,
    ]


def test_the_other_servers_cap_of_connections_holds() -> None:
    assert at_two("HOST o.example.org", other="MaxConnectionsPerHost 1")[0] == TO_OTHER

    async def story() -> list[str]:
        conf = MINE + OTHER.replace("{more}", "MaxConnectionsPerHost 1 full")
        async with Bench(conf=conf, login=None) as first, Bench(conf=conf, login=None) as second:
            return [await first("HOST o.example.org"), await second("HOST o.example.org"), await second("STAT")]

    replies = asyncio.run(story())
    assert replies[:2] == [TO_OTHER, "530 full"]


def test_failed_passwords_are_not_forgotten() -> None:
    async def story() -> str | None:
        async with Bench(conf=MINE + OTHER.replace("{more}", "MaxLoginAttempts 2"), login=None) as ftp:
            for line in ("USER tom", "PASS wrong", "HOST o.example.org", "USER tom", "PASS wrong"):
                await ftp(line)
            return ftp.wire.closed_for

    assert asyncio.run(story()) is not None


@pytest.mark.parametrize("seconds", [5, 900])
def test_the_other_servers_login_timeout_counts_from_the_connect(seconds: int) -> None:
    async def story() -> tuple[str, str | None]:
        async with Bench(conf=MINE + OTHER.replace("{more}", f"TimeoutLogin {seconds}"), login=None) as ftp:
            await ftp("HOST o.example.org")
            ftp.wire.pass_time(5)
            return "\n".join(str(reply) for reply in ftp.wire.written), ftp.wire.closed_for

    said, closed = asyncio.run(story())
    assert (closed is not None) == (seconds == 5)
    assert ("Login timeout (5 seconds)" in said) == (seconds == 5)


def test_limit_can_forbid_host() -> None:
    closed = "<Limit HOST>\n DenyAll\n</Limit>\n"
    assert at_two("HOST o.example.org", more=closed) == ["504 o.example.org: Permission denied"]


def test_modules_hear_of_it_and_may_refuse() -> None:
    module, heard = Module("listener", version="1"), []

    @module.on(SESSION_REINIT)
    def listen(session: Session) -> None:
        heard.append(session.server.title)
        if session.server.args:
            raise Refuse(530, "not there")

    async def story() -> list[str]:
        async with Bench(module, conf=MINE + OTHER.replace("{more}", ""), login=None) as ftp:
            return [await ftp("HOST o.example.org"), await ftp("HOST ftp.example.org")]

    assert asyncio.run(story()) == ["530 not there", TO_MINE]
    assert heard == ["<VirtualHost other.example.org>", "server config", "server config"]
