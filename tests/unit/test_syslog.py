"""syslog: the datagrams that leave, and what becomes of them when nobody takes them."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.core import scribe
from ftpd.core import syslog as module
from ftpd.core.log import Level, Peer, Route
from ftpd.core.syslog import FACILITIES, Syslog, SyslogHandler

WHEN = r"\w{3} [ \d]\d \d\d:\d\d:\d\d"


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.settimeout(5)
        yield listener


@pytest.fixture
def syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syslog]:
    syslog = Syslog(str(tmp_path / "log"))
    monkeypatch.setattr(module, "syslog", syslog)
    yield syslog
    scribe.flush()
    syslog.release()
    scribe.flush()
    scribe.rest()


def handled(message: str, peer: str = "", *, level: Level = Level.NOTICE, auth: bool = False) -> None:
    record = logging.LogRecord("ftpd", level, "", 0, message, (), None)
    record.peer, record.auth = peer, auth
    SyslogHandler().emit(record)


def test_a_record_has_priority_time_and_name(syslog: Syslog, listener: socket.socket) -> None:
    handled("hello")
    assert re.fullmatch(rf"<29>{WHEN} proftpd\[{os.getpid()}\]: hello", listener.recv(1000).decode())


@pytest.mark.parametrize(("level", "severity"), [(Level.EMERG, 0), (Level.ERROR, 3), (Level.WARN, 4), (Level.DEBUG, 7)])
def test_levels_are_severities(syslog: Syslog, listener: socket.socket, level: Level, severity: int) -> None:
    syslog.record(level, "x")
    assert listener.recv(1000).startswith(b"<%d>" % (3 * 8 + severity))


@pytest.mark.parametrize(
    ("name", "number"), [("AUTH", 10), ("AUTHPRIV", 10), ("KERN", 3), ("DAEMON", 3), ("FTP", 11), ("LOCAL7", 23)]
)
def test_a_facility_has_the_number_that_proftpd_gives_it(
    syslog: Syslog, listener: socket.socket, name: str, number: int
) -> None:
    syslog.facility = FACILITIES[name]
    syslog.record(Level.NOTICE, "x")
    assert listener.recv(1000).startswith(b"<%d>" % (number * 8 + 5))


def test_a_session_is_named_and_logins_are_kept_apart(syslog: Syslog, listener: socket.socket) -> None:
    handled("USER tom: Login successful.", Peer("ftp.test", "h[192.0.2.7]"), level=Level.INFO, auth=True)
    text = listener.recv(1000).decode()
    assert text.startswith("<86>")
    assert text.endswith("]: ftp.test (h[192.0.2.7]) - USER tom: Login successful.")


def test_the_facility_may_be_another_for_all(syslog: Syslog, listener: socket.socket) -> None:
    syslog.facility = FACILITIES["LOCAL3"]
    handled("x", auth=True)
    assert listener.recv(1000).startswith(b"<157>")


def test_logoptions_leave_out_the_server(syslog: Syslog, listener: socket.socket) -> None:
    route = Route(hidden=frozenset({"virtualhost"}))
    handled("x", Peer("ftp.test", "h[192.0.2.7]", route))
    assert listener.recv(1000).decode().endswith("]: (h[192.0.2.7]) - x")


def test_what_a_client_sent_cannot_begin_a_record(syslog: Syslog, listener: socket.socket) -> None:
    handled("USER a\n<0>b\0\x1b: no such user")
    assert listener.recv(1000).decode().endswith("USER a\\x0a<0>b\\x00\\x1b: no such user")


def test_records_wait_for_a_daemon_that_is_started_anew(
    syslog: Syslog, listener: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    syslog.record(Level.INFO, "one")
    assert listener.recv(1000).endswith(b"one")
    listener.close()
    os.unlink(tmp_path / "log")
    syslog.record(Level.INFO, "two")
    scribe.flush()
    assert "unable to write syslog: Connection refused" in caplog.text
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "log"))
        again.settimeout(5)
        syslog.record(Level.INFO, "three")
        scribe.flush()
        assert [again.recv(1000).rpartition(b" ")[2] for _ in range(2)] == [b"two", b"three"]


def test_a_daemon_that_does_not_read_holds_nobody(syslog: Syslog, listener: socket.socket) -> None:
    began = time.monotonic()
    for _ in range(5000):
        syslog.record(Level.INFO, "x" * 500)
    assert time.monotonic() - began < 1
    assert syslog.lost > 0
    syslog.forget()


def test_a_stream_is_spoken_to_where_that_is_what_there_is(tmp_path: Path, syslog: Syslog) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.listen()
        syslog.record(Level.INFO, "one")
        syslog.record(Level.INFO, "two")
        assert scribe.flush()
        link, _ = listener.accept()
        with link:
            records = link.recv(1000).split(b"\0")
    assert [record[-3:] for record in records] == [b"one", b"two", b""]
