"""A ledger: what is counted arrives in the file, whoever writes to it, and whatever the disk makes of it."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.module import ledger
from ftpd.module.ledger import Ledger, Ledgers, exchange

T = TypeVar("T")


class Form:
    """``name one two``"""

    width = 2

    def read(self, line: bytes) -> tuple[str, tuple[int, ...]] | None:
        found = re.fullmatch(rb"(\S+) (\d+) (\d+)", line)
        return found and (found[1].decode(), (int(found[2]), int(found[3])))

    def write(self, name: str, counts: tuple[int, ...]) -> bytes:
        return f"{name} {counts[0]} {counts[1]}\n".encode()


async def _offload(work: Callable[[], T], kind: str) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "counts"


def put(path: Path, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return exchange(str(path), f"{path}.new", Form(), more)[0]


def play(path: Path, story: Callable[[Ledger], Awaitable[None]]) -> None:
    async def run() -> None:
        ledgers = Ledgers(Form())
        async with ledgers.in_service():
            await story(ledgers.at("Counts", str(path), f"{path}.new", _offload))

    asyncio.run(run())


# -- the file --------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_empty_and_made_when_there_is_something_to_write(path: Path) -> None:
    assert put(path) == {}
    assert not path.exists()
    assert put(path, tom=(1, 2)) == {"tom": (1, 2)}
    assert path.read_text() == "tom 1 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["counts"]


def test_counts_are_added_and_what_makes_no_sense_stays(path: Path) -> None:
    path.write_text("tom 1 2\n# the first of May\n\nann 3 4\ntom 10 20\nhalf a li")
    assert put(path, tom=(100, 200)) == {"tom": (111, 222), "ann": (3, 4)}
    assert path.read_text() == "# the first of May\nhalf a li\ntom 111 222\nann 3 4\n"
    assert exchange(str(path), f"{path}.new", Form(), {})[2] == 2


def test_who_may_read_it_goes_on_reading_and_nobody_else_writes(path: Path) -> None:
    path.write_text("")
    path.chmod(0o666)
    put(path, tom=(1, 1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("where", ["counts", "counts.new"])
def test_no_link_is_written_through(path: Path, where: str) -> None:
    other = path.parent / "other"
    other.write_text("tom 5 5\n")
    (path.parent / where).symlink_to(other)
    if where == "counts":
        with pytest.raises(OSError, match="symbolic"):
            put(path, tom=(1, 1))
        with pytest.raises(OSError, match="symbolic"):
            put(path)
    else:
        assert put(path, tom=(1, 1)) == {"tom": (1, 1)}
    assert other.read_text() == "tom 5 5\n"
    assert path.is_symlink() is (where == "counts")


def test_another_name_of_the_file_keeps_what_it_had(path: Path) -> None:
    path.write_text("tom 1 1\n")
    (path.parent / "old").hardlink_to(path)
    put(path, tom=(1, 1))
    assert (path.parent / "old").read_text() == "tom 1 1\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    for more in ({}, {"tom": (1, 1)}):
        with pytest.raises(OSError):
            put(path, **more)


def test_a_folder_that_everybody_writes_to_is_no_place_for_it(path: Path) -> None:
    path.parent.chmod(0o1777)
    with pytest.raises(OSError, match="world-writable"):
        put(path, tom=(1, 1))
    assert not path.exists()


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_on_a_full_disk_the_old_file_stays(path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("tom 1 1\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space"):
        put(path, tom=(1, 1))
    monkeypatch.undo()
    assert path.read_text() == "tom 1 1\n"
    assert os.listdir(path.parent) == ["counts"]


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    program = (
        "import sys; sys.path[:0] = ['tests/unit']; from test_ledger import put; from pathlib import Path\n"
        "for _ in range(25): put(Path(sys.argv[1]), tom=(1, 2), **{f'user{sys.argv[2]}': (1, 0)})"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, path, str(number)]) for number in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert put(path) == {"tom": (100, 200), **{f"user{number}": (25, 0) for number in range(4)}}


def test_a_lock_that_is_never_given_back_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(ledger, "_PATIENCE", 0.02)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="locked"):
            put(path, tom=(1, 1))
        assert put(path) == {}
    assert put(path, tom=(1, 1)) == {"tom": (1, 1)}


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_file_nothing_of_it_is_lost(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts"
        path.write_bytes(data)
        put(path, tom=(1, 1))
        lines = path.read_bytes().split(b"\n")
        for line in data.splitlines():
            assert not line.strip() or line in lines or Form().read(line)


# -- what a process knows of it ------------------------------------------------------------------------------


def test_what_is_counted_is_known_at_once_and_written_a_moment_later(path: Path) -> None:
    async def story(counts: Ledger) -> None:
        await counts.refresh()
        counts.add("tom", (1, 2))
        counts.add("tom", (3, 4))
        assert counts["tom"] == (4, 6)
        assert "tom" in counts and "ann" not in counts and counts["ann"] == (0, 0)

    path.write_text("")
    play(path, story)
    assert path.read_text() == "tom 4 6\n"


def test_what_others_wrote_is_heard_of(path: Path) -> None:
    async def story(counts: Ledger) -> None:
        counts.add("tom", (1, 1))
        while not path.exists():
            await asyncio.sleep(0.001)
        await asyncio.to_thread(put, path, tom=(10, 0), ann=(5, 5))
        counts.add("tom", (100, 0))
        await counts.refresh()
        assert (counts["tom"], counts["ann"], len(counts) >= 2) == ((111, 1), (5, 5), True)
        path.write_text("tom 0 0\n")
        await counts.refresh()
        assert counts["ann"] == (0, 0)

    play(path, story)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    caplog.set_level("DEBUG")
    yield lambda: [record.getMessage() for record in caplog.records if "Counts" in record.getMessage()]


def test_what_cannot_be_written_waits_and_is_told_once(
    path: Path, told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(counts: Ledger) -> None:
        full = OSError(28, "No space left on device")

        def refuse(descriptor: int) -> None:
            raise full

        monkeypatch.setattr(os, "fsync", refuse)
        for _ in range(3):
            counts.add("tom", (1, 1))
            await asyncio.sleep(0.02)
            counts.begin()
            await asyncio.sleep(0.02)
        assert counts["tom"] == (3, 3)
        assert told() == ["Counts: No space left on device; what is counted waits in memory"]
        monkeypatch.undo()

    path.write_text("")
    play(path, story)
    assert path.read_text() == "tom 3 3\n"
    assert told()[-1] == "Counts: all is well again"


def test_what_the_disk_does_not_take_to_the_end_the_log_has(path: Path, told: Callable[[], list[str]]) -> None:
    async def story(counts: Ledger) -> None:
        counts.add("tom", (1, 2))

    path.mkdir()
    play(path, story)
    assert told()[-1] == "Counts lacks, of 'tom': 1 2"


def test_a_name_that_no_file_can_hold_costs_nobody_elses_counts(path: Path, told: Callable[[], list[str]]) -> None:
    async def story(counts: Ledger) -> None:
        counts.add("tom", (1, 2))
        counts.add("\ud800", (1, 2))
        await asyncio.sleep(0.02)
        assert counts["tom"] == (1, 2)

    play(path, story)
    assert "Counts lacks, of 'tom': 1 2" in told()
