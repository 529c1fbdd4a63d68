"""Tracing: which channel is heard at which level, for which session, and how a line looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from ftpd.core import trace
from ftpd.core.log import Peer, Route, TraceStyle, main_route, set_main_route

PEER = Peer(
    "ftp.test", "h[192.0.2.7]", Route(channels={"auth": range(1, 6)}), "(client 192.0.2.7, server 192.0.2.1:21)"
)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    before = main_route()
    trace.configure(written.append)
    yield written
    trace.configure(None)
    set_main_route(before)


def test_a_line_has_time_process_channel_and_level(lines: list[str]) -> None:
    trace.say("auth", 5, "user '%s'", "tom", peer=PEER)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    assert re.fullmatch(rf"{stamp} \[{os.getpid()}\] <auth:5>: user 'tom'", lines[0])


def test_other_levels_and_channels_are_silent(lines: list[str]) -> None:
    trace.say("auth", 6, "too much", peer=PEER)
    trace.say("xfer", 1, "another channel", peer=PEER)
    trace.say("auth", 1, "not of a session")
    assert lines == []


def test_the_daemons_own_work_has_channels_of_its_own(lines: list[str]) -> None:
    set_main_route(Route(own_channels={"config": range(1, 4)}))
    trace.say("config", 3, "read")
    assert lines[0].endswith("<config:3>: read")


@pytest.mark.parametrize(
    ("style", "shape"),
    [
        (TraceStyle(millis=False), r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[\d+\] <auth:1>: x"),
        (TraceStyle(timestamp=False), r"\[\d+\] <auth:1>: x"),
        (
            TraceStyle(timestamp=False, ends=True),
            r"\[\d+\] \(client 192\.0\.2\.7, server 192\.0\.2\.1:21\) <auth:1>: x",
        ),
    ],
)
def test_traceoptions(lines: list[str], style: TraceStyle, shape: str) -> None:
    route = Route(channels={"auth": range(1, 2)}, trace_style=style)
    trace.say("auth", 1, "x", peer=Peer("ftp.test", "h[192.0.2.7]", route, PEER.ends))
    assert re.fullmatch(shape, lines[0])


def test_a_line_stays_one_line(lines: list[str]) -> None:
    trace.say("auth", 1, "user '%s'", "a\r\nb\x1b[2K", peer=PEER)
    assert lines[0].endswith("user 'a\\x0d\\x0ab\\x1b[2K'")


def test_off_is_off() -> None:
    trace.configure(None)
    assert not (trace.active or trace.loud)
    trace.say("auth", 1, "nobody hears this", peer=PEER)
    trace.configure(None, commands=True)
    assert trace.loud and not trace.active
    trace.configure(None)
