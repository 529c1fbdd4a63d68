"""Lines that no honest client sends: endless, cut, with NUL or telnet in them, thousands at once, never listened to."""

from __future__ import annotations

import select
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.wire.daemon import PATIENCE, Daemon, until
from tests.wire.hostile import Raw, answers_others, memory

pytestmark = pytest.mark.usefixtures("ends_alive")

MEGABYTE = 1024 * 1024
CONF = """\
<Limit SITE_CHMOD>
  DenyAll
</Limit>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon of this file; nobody may SITE CHMOD there."""
    with Daemon(tmp_path_factory.mktemp("daemon"), CONF) as daemon:
        yield daemon


# -- lines without an end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("logged_in", [False, True], ids=["before login", "after login"])
def test_twenty_megabytes_without_a_line_end_cost_one_reply_and_no_memory(server: Daemon, logged_in: bool) -> None:
    with Raw(server) as client:
        if logged_in:
            client.login()
        told = "client sent too-long command, ignoring"
        before, told_before = memory(server), server.log().count(told)
        for _ in range(20):
            client.send(b"x" * MEGABYTE)
        answers_others(server)
        assert client.ask(b"\r\n") == "500 Command line too long"
        until("the log tells of it once", lambda: server.log().count(told) == told_before + 1)
        assert memory(server) - before < 2 * MEGABYTE
        assert client.ask("NOOP") == "200 NOOP command successful"


def test_a_million_telnet_commands_without_a_line_end_do_not_hang_it(server: Daemon) -> None:
    with Raw(server) as client:
        client.send(b"\xff" * 1_000_000)
        assert client.reply() == "500 Command line too long"
        answers_others(server)
        client.send(b"\r\n")
        assert client.ask("NOOP") == "200 NOOP command successful"


def test_an_endless_login_name_or_password_is_refused(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.ask("USER " + "u" * 4000).startswith("501")
        assert client.ask(f"USER {server.user}").startswith("331")
        assert client.ask("PASS " + "p" * 4000).startswith("530")
        client.login()


# -- telnet in lines (RFC 959 3.1.1.5, RFC 854) ------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        (b"NO\xff", b"\xf4OP\r\n"),
        (b"\xff\xf4\xff", b"\xf2NOOP\r", b"\n"),
        (b"NOOP\xff", b"\xf4\r\n"),
        (b"\xff\xfd\x06NO\xff\xfb", b"\x01OP\r\n"),
    ],
    ids=["command", "synch", "at the end", "negotiation"],
)
def test_telnet_commands_are_taken_out_wherever_the_packets_split(server: Daemon, parts: tuple[bytes, ...]) -> None:
    with Raw(server) as client:
        for part in parts:
            client.send(part)
        assert client.reply().endswith("200 NOOP command successful")
        assert client.ask("NOOP") == "200 NOOP command successful"


def test_telnet_options_are_declined_with_the_reply(server: Daemon) -> None:
    with Raw(server) as client:
        declined = (b"\xff\xfe\x01" + b"\xff\xfc\x03").decode("utf-8", "surrogateescape")
        assert client.ask(b"\xff\xfb\x01\xff\xfd\x03NOOP\r\n") == declined + "200 NOOP command successful"


def test_a_doubled_telnet_escape_is_one_byte_of_the_name(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        assert client.ask(b"MKD a\xff\xffb\r\n").startswith("257")
        assert Path(server.home, "a\udcffb").is_dir()
        assert client.ask(b"RMD a\xff\xffb\r\n").startswith("250")


# -- the edges of lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"NOOP\n", "200"),
        (b"NOOP\r\r\n", "200"),
        (b"\n", "500"),
        (b"\r\n", "500"),
        (b"\r\r\r\n", "500"),
        (b'"\r\n', "500"),
        (b"\\\r\n", "500"),
        (b"NOOP\t\r\n", "200"),
        (b"NOOP\tx\r\n", "200"),
        (b"NOOP\x0bx\r\n", "200"),
        (b'MKD "\r\n', "530"),
        (b"\xff\r\n", "500"),
        (b"\x00\r\n", "500"),
        (b"\t \r\n", "500"),
        (b"\xc3\r\n", "500"),
        (b"NO\x00OP\r\n", "500"),
    ],
)
def test_an_odd_line_gets_one_answer(server: Daemon, sent: bytes, code: str) -> None:
    with Raw(server) as client:
        assert client.ask(sent)[:3] == code
        assert client.ask("NOOP") == "200 NOOP command successful"


@pytest.mark.parametrize("verb", [b"FOO\xe9", b"FOO\xc3\xa9", b"F/O"])
def test_a_verb_that_nobody_knows_is_named_as_it_came(server: Daemon, verb: bytes) -> None:
    with Raw(server) as client:
        assert client.ask(verb + b" x\r\n") == f"500 {verb.decode('utf-8', 'surrogateescape')} not understood"


@pytest.mark.parametrize("verb", [b"FO\x1b[1mO", b"FO\xc2\x85O", b"US\0ER", b"FO\x7fO"])
def test_a_verb_with_control_characters_is_not_echoed(server: Daemon, verb: bytes) -> None:
    with Raw(server) as client:
        assert client.ask(verb + b" x\r\n") == "500 Invalid command: try being more creative"


def test_a_lone_carriage_return_ends_no_line(server: Daemon) -> None:
    with Raw(server) as client:
        client.send(b"NOOP\rNOOP\r\nNOOP\r\n")
        assert client.reply()[:3] in ("200", "500")
        assert client.reply() == "200 NOOP command successful"
        client.send("QUIT")
        assert client.rest().count("\n") == 1, "there were more answers than lines"


def test_a_hundred_thousand_empty_lines_are_answered_one_by_one(server: Daemon) -> None:
    with Raw(server) as client:
        lines = client.flood(b"\r\n" * 100_000, replies=100_000)
        assert lines == ["500 Invalid command: try being more creative"] * 100_000
        assert client.ask("NOOP") == "200 NOOP command successful"


# -- NUL and letters that only look alike ------------------------------------------------------------------------


def test_a_nul_byte_is_refused_and_cuts_no_name(server: Daemon) -> None:
    server.give("kept.txt", b"kept")
    with Raw(server) as client:
        assert client.ask(b"USER ali\0ce\r\n").startswith("501")
        assert client.ask(f"USER {server.user}").startswith("331")
        assert client.ask(b"PASS secret\0more\r\n").startswith("501")
        client.login()
        assert client.ask(b"MKD folder\0more\r\n").startswith("501")
        assert client.ask("RNFR kept.txt").startswith("350")
        assert client.ask(b"RNTO renamed\0more\r\n").startswith("501")
        assert client.ask("RNTO whole name").startswith("250")
        assert client.transfer("RETR whole name") == ("226 Transfer complete", b"kept")
    assert not Path(server.home, "folder").exists()
    assert not Path(server.home, "renamed").exists()


@pytest.mark.parametrize("site", ["SITE CHMOD", "site chmod", "SITE  CHMOD", "SITE chMOD"])
def test_the_limit_that_shall_not_be_evaded_does_refuse(server: Daemon, site: str) -> None:
    path = server.give("mode.txt", b"")
    path.chmod(0o644)
    with Raw(server) as client:
        assert client.login().ask(f"{site} 777 mode.txt").startswith("5")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "site", ["ſITE CHMOD", "s\u0131te chmod", "SITE CHMOD\u00a0", "SITE chm\u00f6d", "\uff33ITE CHMOD"]
)
def test_letters_that_fold_to_ascii_are_no_way_past_a_limit(server: Daemon, site: str) -> None:
    path = server.give("mode.txt", b"")
    path.chmod(0o644)
    with Raw(server) as client:
        assert client.login().ask(f"{site} 777 mode.txt").startswith("500")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# -- many at once ----------------------------------------------------------------------------------------------------


def test_ten_thousand_commands_in_one_write_are_answered_in_their_order(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        sent = b"".join(b"SIZE none%d\r\n" % number for number in range(10_000))
        lines = client.flood(sent, replies=10_000)
        assert lines == [f"550 none{number}: No such file or directory" for number in range(10_000)]


def test_nothing_is_done_after_quit(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        client.send(b"MKD before\r\nQUIT\r\nMKD after\r\nNOOP\r\n")
        assert [line[:3] for line in client.rest().splitlines()] == ["257", "221"]
    assert Path(server.home, "before").is_dir()
    assert not Path(server.home, "after").exists()


def test_a_client_that_says_quit_and_no_more_gets_all_that_was_answered_before(server: Daemon) -> None:
    with Raw(server, window=4096) as client:
        client.send(b"HELP\r\n" * 2000 + b"QUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        lines = client.rest().splitlines()
    assert lines[-1] == "221 Goodbye."
    assert sum(line.startswith("214 ") for line in lines) == 2000


def test_guesses_that_are_sent_ahead_are_still_tried_one_by_one_and_counted(server: Daemon) -> None:
    with Raw(server) as client:
        client.send(b"".join(b"USER alice\r\nPASS guess%d\r\n" % number for number in range(10)))
        assert [line[:3] for line in client.rest().splitlines()] == ["331", "530"] * 3


def test_a_client_that_never_listens_is_not_listened_to_either(server: Daemon) -> None:
    with Raw(server, window=4096) as deaf:
        deaf.login()
        before = memory(server)
        deaf.sock.setblocking(False)
        commands, sent, end = b"STAT\r\n" * 1000, 0, monotonic() + PATIENCE
        # until neither side's buffers take any more
        while select.select([], [deaf.sock], [], 0.3)[1]:
            sent += deaf.sock.send(commands)
            assert monotonic() < end, f"it has taken {sent} bytes of commands without an answer read"
        answers_others(server)
        assert memory(server) - before < 2 * MEGABYTE
        deaf.reset()
    until("the deaf client's session has ended", lambda: not server._connections())


# -- numbers (S23) ---------------------------------------------------------------------------------------------------

ODD_NUMBERS = ["-1", "9223372036854775808", "18446744073709551615", "²", "١٢", "1_0", "+5", "0x10", "1e3", "9" * 2000]


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: number[:20])
def test_what_is_no_number_is_refused_and_leaves_no_offset_behind(server: Daemon, number: str) -> None:
    server.give("numbers.txt", b"0123456789")
    with Raw(server) as client:
        client.login()
        assert client.ask(f"REST {number}").startswith("501")
        assert client.ask(f"RANG {number} {number}").startswith("501")
        assert client.ask(f"RANG 1 {number}").startswith("501")
        assert client.ask(f"ALLO {number}")[:3] in ("501", "504", "552")
        assert client.ask(f"EPRT |1|127.0.0.1|{number}|")[:3] in ("500", "501", "522")
        assert client.ask(f"EPRT |{number}|127.0.0.1|2000|")[:3] in ("500", "501", "522")
        assert client.ask(f"PORT 127,0,0,1,{number},1")[:3] in ("500", "501")
        assert client.ask(f"MFMT {number} numbers.txt").startswith("501")
        assert client.ask(f"SITE CHMOD {number} numbers.txt").startswith("5")
        assert client.transfer("RETR numbers.txt") == ("226 Transfer complete", b"0123456789")


def test_a_number_longer_than_a_line_is_a_line_too_long(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.login().ask("REST " + "9" * 5000) == "500 Command line too long"
        assert client.ask("REST 5").startswith("350")
