"""Log files and the scribe: what may be opened, what is lost when, and that nobody waits for a disk."""

from __future__ import annotations

import fcntl
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from ftpd.core import logfile, scribe
from ftpd.core.logfile import LogFile
from ftpd.core.scribe import HELD, Outlet


@pytest.fixture(autouse=True)
def no_log_is_left() -> Iterator[None]:
    yield
    logfile.close()


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_records_are_appended_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(5000):
        logfile.append(str(path), f"record {number}", "TestLog")
    assert logfile.flush()
    assert lines_of(path) == [f"record {number}" for number in range(5000)]


def test_threads_may_write_to_one_log(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def write(name: str) -> None:
        for number in range(500):
            logfile.append(str(path), f"{name} {number}", "TestLog")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert logfile.flush()
    for name in "abcd":
        assert [line for line in lines_of(path) if line[0] == name] == [f"{name} {number}" for number in range(500)]


def test_with_the_last_session_its_records_are_written_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert logfile.flush()
    monkeypatch.setattr(scribe, "GATHER", 3600.0)
    path = tmp_path / "log"
    logfile.append(str(path), "QUIT", "TestLog")
    monkeypatch.setattr(scribe, "_PRESSED", 0.0)
    end = monotonic() + 30
    while not path.exists() and monotonic() < end:
        scribe.press()
        time.sleep(0.001)
    assert lines_of(path) == ["QUIT"]


def test_a_row_of_short_sessions_presses_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logfile.flush()
    busy = scribe.Scribe()
    monkeypatch.setattr(busy, "_look", lambda: None)
    monkeypatch.setattr(scribe, "_PRESSED", 3600.0)
    busy.wake(Outlet("a log"))
    busy.press()
    busy._pressed = False
    busy.press()
    assert not busy._pressed


# -- what may be opened ----------------------------------------------------------------------------------


def plant_link(log: Path) -> None:
    (log.parent / "victim").touch()
    log.symlink_to(log.parent / "victim")


def plant_hard_link(log: Path) -> None:
    (log.parent / "victim").touch()
    log.hardlink_to(log.parent / "victim")


def open_folder(log: Path) -> None:
    log.parent.chmod(0o777)


def open_folder_with_the_sticky_bit(log: Path) -> None:
    log.parent.chmod(0o1777)


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (plant_link, "log is a symbolic link"),
        (plant_hard_link, "it has 2 names"),
        (open_folder, "logs is a world-writable directory"),
        (open_folder_with_the_sticky_bit, "logs is a world-writable directory"),
        (os.mkfifo, "FIFO reader process must be running first"),
        (Path.mkdir, "Is a directory"),
        (lambda log: log.parent.rmdir(), "No such file or directory"),
    ],
)
def test_an_unsafe_log_is_refused_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, plant: object, reason: str
) -> None:
    log = tmp_path / "logs" / "log"
    log.parent.mkdir()
    assert callable(plant)
    plant(log)
    for _ in range(3):
        logfile.append(str(log), "a secret", "TestLog")
        assert logfile.flush()
    assert len(told(caplog)) == 1
    assert told(caplog)[0].startswith(f"unable to write TestLog '{log}': ")
    assert reason in told(caplog)[0]
    victim = log.parent / "victim"
    assert not victim.exists() or victim.read_text() == ""


def test_a_link_may_be_allowed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    plant_link(log)
    logfile.append(str(log), "through the link", "TestLog", follow=True)
    assert logfile.flush()
    assert (tmp_path / "victim").read_text() == "through the link\n"


def test_what_was_wrong_may_be_set_right(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "logs" / "log"
    logfile.append(str(log), "early", "TestLog")
    assert logfile.flush()
    log.parent.mkdir()
    logfile.append(str(log), "late", "TestLog")
    assert logfile.flush()
    assert lines_of(log) == ["early", "late"]
    assert told(caplog)[-1] == f"TestLog '{log}' is written again; none of its records were lost"


# -- moved away ------------------------------------------------------------------------------------------


def test_a_log_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    logfile.append(str(log), "one", "TestLog")
    assert logfile.flush()
    log.rename(tmp_path / "log.1")
    logfile.append(str(log), "two", "TestLog")
    assert logfile.flush()
    assert (lines_of(tmp_path / "log.1"), lines_of(log)) == (["one"], ["two"])


def test_a_log_that_was_truncated_begins_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    logfile.append(str(log), "one", "TestLog")
    assert logfile.flush()
    os.truncate(log, 0)
    logfile.append(str(log), "two", "TestLog")
    assert logfile.flush()
    assert log.read_bytes() == b"two\n"


def test_where_no_new_one_can_be_made_the_old_one_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "log"
    logfile.append(str(log), "one", "TestLog")
    assert logfile.flush()
    log.rename(tmp_path / "log.1")
    log.mkdir()
    logfile.append(str(log), "two", "TestLog")
    assert logfile.flush()
    assert lines_of(tmp_path / "log.1") == ["one", "two"]
    assert "the file from before goes on" in told(caplog)[0]
    logfile.reopen()
    logfile.append(str(log), "three", "TestLog")
    assert logfile.flush()
    assert lines_of(tmp_path / "log.1") == ["one", "two", "three"], "SIGHUP finds no other place, either"
    log.rmdir()
    logfile.append(str(log), "four", "TestLog")
    assert logfile.flush()
    assert lines_of(log) == ["four"]


# -- nobody waits ----------------------------------------------------------------------------------------


def test_a_full_disk_costs_records_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    line = "x" * 1023
    log = logfile.at("/dev/full", "TestLog")
    for _ in range(HELD // 1024 + 1000):
        log.put(logfile.encoded(line))
    assert logfile.flush()
    for _ in range(HELD // 1024 + 1000):
        log.put(logfile.encoded(line))
    assert log.lost > 0
    complaints = [text for text in told(caplog) if "No space left on device" in text and "unable to write" in text]
    assert complaints == ["unable to write TestLog '/dev/full': No space left on device"]
    assert sum("loses records" in text for text in told(caplog)) == 1


def test_a_reader_that_does_not_read_holds_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fifo, other = tmp_path / "fifo", tmp_path / "other"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    began = monotonic()
    for number in range(3 * HELD // 1000):
        logfile.append(str(fifo), f"{number:06} {'x' * 992}", "TestLog")
        if number % 100 == 0:
            logfile.append(str(other), "on time", "TestLog")
    assert monotonic() - began < 1
    scribe.flush(0.3)
    assert lines_of(other).count("on time") >= 30
    assert any("loses records: they are taken too slowly" in text for text in told(caplog))
    os.set_blocking(reader, True)
    got = b""
    while got.count(b"\n") < 100:
        got += os.read(reader, 65536)
    os.close(reader)
    # what comes over is whole and in order
    assert [int(line[:6]) for line in got.split(b"\n")[:100]] == list(range(100))


class Hanging(Outlet):
    """A file on a server that does not answer."""

    def __init__(self) -> None:
        super().__init__("Hanging")
        self.answer = threading.Event()
        self.sent = 0

    def _send(self) -> None:
        self.answer.wait()
        self.sent += len(self._batch)
        self._batch.clear()


def test_a_write_that_hangs_holds_no_other_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe, "_HANGS", 0.05)
    hanging, other = Hanging(), LogFile(str(tmp_path / "log"), "TestLog")
    hanging.put(b"1\n")
    # somebody has to have begun with it
    assert not scribe.flush(0.2)
    other.put(b"a\n")
    scribe.look()
    assert not scribe.flush(0.2)
    assert lines_of(tmp_path / "log") == ["a"]
    hanging.put(b"2\n")
    hanging.answer.set()
    assert scribe.flush(2)
    assert hanging.sent == 2
    other.forget()


def test_a_fault_in_an_outlet_is_told_and_ends_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Outlet):
        def _send(self) -> None:
            raise ZeroDivisionError("by design")

    faulty = Faulty("Faulty")
    faulty.put(b"x\n")
    logfile.append(str(tmp_path / "log"), "fine", "TestLog")
    assert logfile.flush()
    assert lines_of(tmp_path / "log") == ["fine"]
    assert "Faulty: a fault in its delivery: ZeroDivisionError('by design')" in told(caplog)


def test_a_child_writes_its_own_records_and_not_its_parents(tmp_path: Path) -> None:
    log = tmp_path / "log"
    logfile.append(str(log), "parent", "TestLog")
    child = os.fork()
    if not child:
        logfile.append(str(log), "child", "TestLog")
        logfile.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert logfile.flush()
    assert sorted(lines_of(log)) == ["child", "parent"]


def test_records_of_several_processes_do_not_come_apart_in_a_pipe() -> None:
    # a pipe in packet mode shows what was written together
    reader, writer = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    records = [b"%d %s\n" % (number, b"x" * (number * 37 % 300)) for number in range(200)]
    batch = list(records)
    found = []
    while batch:
        with suppress(BlockingIOError):
            scribe.write(writer, batch, scribe.PIPE)
        with suppress(BlockingIOError):
            while True:
                found.append(os.read(reader, 1 << 16))
    os.close(reader)
    os.close(writer)
    assert b"".join(found) == b"".join(records)
    assert all(piece.endswith(b"\n") and len(piece) <= select.PIPE_BUF for piece in found)
    assert len(found) < 20
