"""mod_delay: a clock does not tell which users there are, and an administrator may add delays of his own."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_mod_ctrls import desk_of

from ftpd.conf.faults import ConfigFaults
from ftpd.module.control import Asker
from ftpd.module.events import SHUTDOWN, STARTUP
from ftpd.modules import mod_delay
from ftpd.modules._delay_table import KEPT, Times
from ftpd.modules.mod_delay import table
from ftpd.testing import Bench

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
SERVER = "127.0.0.1#2121"
ROOT = Asker(0, 0, "root", "root")


@pytest.fixture(autouse=True)
def nothing_learnt_yet() -> Iterator[None]:
    table.reset()
    table.path = None
    yield
    table.reset()
    table.path = None


def took(conf: str, *lines: str, usual_ms: int = 0) -> list[tuple[float, str]]:
    """Seconds and reply of each line, where USER and PASS usually take so long."""

    async def story() -> list[tuple[float, str]]:
        for verb in ("USER", "PASS"):
            for _ in range(20 if usual_ms else 0):
                table.times(SERVER, verb).add(usual_ms * 1000)
        answers = []
        async with Bench(conf=conf, login=None) as ftp:
            for line in lines:
                began = time.perf_counter()
                reply = await ftp(line)
                answers.append((time.perf_counter() - began, reply))
        return answers

    return asyncio.run(story())


def test_an_answer_that_is_quick_is_held_back_to_the_usual_time() -> None:
    for user in ("tom", "nobody-of-that-name"):
        (spent, reply), (refused, no) = took("", f"USER {user}", "PASS wrong", usual_ms=80)
        assert reply.startswith("331")
        assert no == "530 Login incorrect."
        assert 0.08 <= spent < 0.5
        assert 0.08 <= refused < 0.5


@pytest.mark.parametrize("conf", ["DelayEngine off\n", "DelayTable none\n"])
def test_nothing_is_held_back_where_it_is_switched_off(conf: str) -> None:
    assert all(spent < 0.2 for spent, _ in took(conf, "USER tom", "PASS secret", usual_ms=400))


def test_only_the_first_of_each_session_is_learnt() -> None:
    took("", "USER tom", "USER tom", "PASS secret")
    assert [len(table.times(SERVER, verb).values) for verb in ("USER", "PASS")] == [1, 1]


def test_wrong_passwords_teach_nothing() -> None:
    took("", "USER tom", "PASS wrong")
    assert not table.times(SERVER, "PASS").values


def test_delays_that_are_asked_for() -> None:
    conf = "DelayOnEvent FailedLogin 90ms\nDelayOnEvent USER 60\n"
    user, wrong = took(conf, "USER tom", "PASS wrong")
    assert user[0] >= 0.06
    assert wrong[0] >= 0.09
    assert took(conf, "USER tom", "PASS secret")[1][0] < 0.09


@pytest.mark.parametrize(
    ("conf", "line", "seconds"),
    [
        ("DelayOnEvent USER 900\nDelayOnEvent USER 300\n", "USER tom", 0.3),
        ("DelayOnEvent USER 300\nDelayOnEvent USER 900\n", "USER tom", 0.9),
        ("<Global>\nDelayOnEvent USER 300\n</Global>\nDelayOnEvent USER 900\n", "USER tom", 0.3),
        ("DelayOnEvent PASS 900\nDelayOnEvent FailedLogin 300\n", "PASS wrong", 0.9),
        ("DelayOnEvent PASS 300\nDelayOnEvent FailedLogin 900\n", "PASS wrong", 0.9),
        ("DelayOnEvent PASS 300\nDelayOnEvent FailedLogin 900\n", "PASS secret", 0.3),
    ],
)
def test_of_several_lines_the_last_counts_and_of_two_events_the_longer_one(
    monkeypatch: pytest.MonkeyPatch, conf: str, line: str, seconds: float
) -> None:
    waited = []

    async def rest(asked: float) -> None:
        waited.append(asked)

    monkeypatch.setattr(mod_delay, "_rest", rest)
    took(f"DelayTable none\n{conf}", *dict.fromkeys(["USER tom", line]))
    assert waited == [seconds]


def test_a_connection_waits_for_its_greeting() -> None:
    async def story() -> float:
        began = time.perf_counter()
        async with Bench(conf="DelayOnEvent Connect 70-90ms\n", login=None):
            return time.perf_counter() - began

    assert asyncio.run(story()) >= 0.07


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("DelayOnEvent QUIT 5", "unknown/unsupported event 'QUIT'"),
        ("DelayOnEvent USER soon", "error parsing delay 'soon'"),
        ("DelayOnEvent Connect 300-100ms", "ends before it begins"),
        ("DelayEngine maybe", "DelayEngine"),
        ("DelayTable relative/path", "DelayTable"),
    ],
)
def test_faulty_lines_are_named(line: str, fault: str) -> None:
    with pytest.raises(ConfigFaults) as told:
        took(f"{line}\n")
    assert fault in str(told.value)


# -- the table ---------------------------------------------------------------------------------------


def test_what_is_usual_is_what_nineteen_of_twenty_did_not_exceed() -> None:
    times = Times()
    for value in range(7):
        times.add(value)
    assert times.usual == 0
    times.add(7)
    assert times.usual == 7
    for value in range(1000, 1000 + KEPT):
        times.add(value)
    assert len(times.values) == KEPT
    assert times.usual == 1000 + KEPT * 95 // 100


def test_the_times_outlive_the_daemon(tmp_path: Path) -> None:
    kept = tmp_path / "delay"

    async def life() -> None:
        async with Bench(conf=f"DelayTable {kept}\n", login=None) as ftp:
            assert ftp.generation is not None
            ftp.generation.emit(STARTUP, None)
            await ftp("USER tom")
            ftp.generation.emit(SHUTDOWN, None)

    asyncio.run(life())
    table.reset()
    asyncio.run(life())
    assert len(table.times(SERVER, "USER").values) == 2
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_table_without_a_folder_is_told_when_the_daemon_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def begin(kept: Path) -> None:
        async with Bench(conf=f"DelayTable {kept}\n", login=None) as ftp:
            assert ftp.generation is not None
            ftp.generation.emit(STARTUP, None)

    asyncio.run(begin(tmp_path / "delay"))
    assert "DelayTable" not in caplog.text
    asyncio.run(begin(tmp_path / "none" / "delay"))
    assert f"DelayTable {tmp_path}/none/delay is not kept: its folder is not there" in caplog.text


@root_only
def test_a_device_for_a_table_stays_a_device(tmp_path: Path) -> None:
    place = tmp_path / "null"
    os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 3))

    async def story() -> list[str]:
        async with Bench(conf=f"DelayTable {place}\n", login=None) as ftp:
            assert ftp.generation is not None
            ftp.generation.emit(SHUTDOWN, None)
            return [fault.message for fault in ftp.generation.config.warnings]

    assert asyncio.run(story()) == ["what is learnt is not kept over a restart: it is not a regular file"]
    assert stat.S_ISCHR(place.stat().st_mode)


def test_a_table_that_holds_something_else_is_told_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "delay"
    kept.write_text('{"127.0.0.1#21 USER": ["x"]}')

    async def life() -> None:
        async with Bench(conf=f"DelayTable {kept}\n", login=None) as ftp:
            assert ftp.generation is not None
            ftp.generation.emit(STARTUP, None)

    asyncio.run(life())
    assert f"DelayTable {kept} is not used" in caplog.text
    assert not list(table.lines())


def test_ftpdctl_shows_and_clears_it() -> None:
    allowed = "ControlsSocketACL allow user root\nDelayControlsACLs info allow user root\n"

    async def story(conf: str, request: str) -> tuple[int, list[str]]:
        async with Bench(conf=conf, login=None) as ftp:
            await ftp("USER tom")
            answer = await desk_of(ftp).answer(ROOT, request.split())
            return answer.status, answer.lines

    def ask(conf: str, request: str) -> tuple[int, list[str]]:
        return asyncio.run(story(conf, request))

    status, lines = ask(allowed, "delay info")
    assert (status, lines[:2]) == (0, [f"Address {SERVER}: USER values (usecs):", " + Protocol ftp, 1 values:"])
    assert ask(allowed, "delay reset") == (-2, ["access denied"])
    assert ask(allowed, "delay") == (-3, ["delay: missing required parameters"])
    assert ask(allowed, "delay please") == (-7, ["unknown delay action: 'please'"])
    assert ask(allowed + "DelayTable none\n", "delay info") == (-5, ["delay: DelayTable disabled"])
    everything = allowed.replace("info allow", "all allow")
    assert ask(everything, "delay reset") == (0, ["DelayTable 'in memory' reset"])
    assert ask(allowed + "DelayEngine off\n", "delay info") == (0, ["no times have been learnt yet"])


def test_times_are_shown_as_proftpd_shows_them() -> None:
    for verb, values in (("PASS", (7,)), ("USER", (18, 30, 25, 17, 20, 123456))):
        for value in values:
            table.times("192.0.2.1#21", verb).add(value)
    assert list(table.lines()) == [
        "Address 192.0.2.1#21: USER values (usecs):",
        " + Protocol ftp, 6 values:",
        "             18         30         25         17         20",
        "         123456",
        "",
        "Address 192.0.2.1#21: PASS values (usecs):",
        " + Protocol ftp, 1 values:",
        "              7",
        "",
    ]
