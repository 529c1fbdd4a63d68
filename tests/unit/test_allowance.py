"""What a session may hold: each kind counts once in a command, and what waits takes of the room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftpd import native
from ftpd.core.allowance import Allowance, Excess
from ftpd.core.identity import Identity
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path as Virtual


def told(files: int | None = None, memory: int | None = None) -> tuple[Allowance, list[str]]:
    said: list[str] = []
    return Allowance(files, memory, said.append), said


def test_each_kind_counts_once_until_another_command_begins() -> None:
    allowance, said = told(files=11)
    allowance.opens("read", "a")
    allowance.opens("read", "b")
    with pytest.raises(Excess) as refused:
        allowance.opens("write", "c")
    assert (refused.value.code, refused.value.during, refused.value.lines) == (550, 426, ("c: Too many open files",))
    assert said == ["RLimitOpenFiles (11) reached: 'c' is not opened"]
    allowance.begin(lambda: 0)
    allowance.opens("write", "c")


def test_sockets_take_of_what_files_may() -> None:
    allowance, said = told(files=12)
    allowance.sockets = lambda: 1
    allowance.opens("list", "a")
    with pytest.raises(OSError, match="Too many open files"):
        allowance.connects("connection for data")
    assert said == ["RLimitOpenFiles (12) reached: no connection for data"]
    allowance.begin(lambda: 0)
    allowance.connects("connection for data")


def test_what_waits_takes_of_the_room() -> None:
    allowance, said = told(memory=100)
    allowance.room(100, "x")
    allowance.begin(lambda: 30)
    assert allowance.left() == 70
    with pytest.raises(Excess) as refused:
        allowance.room(71, "x")
    assert (refused.value.code, refused.value.during) == (450, 451)
    assert said == ["RLimitMemory (100 bytes) reached: 'x' takes more than that"]


def test_names_that_are_sorted_are_there_twice() -> None:
    allowance, _ = told(memory=1000)
    allowance.twice(["name"] * 5, "x")
    with pytest.raises(Excess):
        allowance.twice(["name"] * 6, "x")


def test_no_limit_refuses_nothing() -> None:
    allowance, said = told()
    allowance.sockets = lambda: 1000
    allowance.opens("read", "a")
    allowance.connects("port for data")
    allowance.room(1 << 40, "x")
    assert allowance.admits()
    assert allowance.left() is None
    assert said == []


@pytest.mark.parametrize("compiled", [True, False])
def test_names_are_read_as_long_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    if not compiled:
        monkeypatch.setattr(native, "lines", None)
    elif native.lines is None:
        pytest.skip("nothing is compiled here")
    for number in range(100):
        (tmp_path / f"{number}").touch()
    files = LocalFiles(Identity(os.geteuid(), os.getegid(), ()), str(tmp_path), 0)
    for memory, fits in ((100 * 200, True), (100 * 90, False)):
        files.allowance, _ = told(memory=memory)
        with files.open_folder(Virtual("/")) as folder:
            for read in (folder.names, folder.links):
                if fits:
                    assert len(read()) in (0, 100)
                else:
                    with pytest.raises(Excess):
                        read()
        with files.open_folder(Virtual("/")) as folder:
            assert len(folder.names() if fits else ()) in (0, 100)
    files.close()


def test_a_file_too_many_is_neither_made_nor_left_open(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    files = LocalFiles(Identity(os.geteuid(), os.getegid(), ()), str(tmp_path), 0)
    assert files.enter()
    files.allowance, _ = told(files=10)
    before = os.listdir("/proc/self/fd")
    for use in ("read", "write", "list"):
        with pytest.raises(Excess):
            {"read": files.open_read, "write": files.open_write, "list": files.open_folder}[use](
                Virtual("/" if use == "list" else "/there" if use == "read" else "/new")
            )
    assert os.listdir("/proc/self/fd") == before
    assert os.listdir(tmp_path) == ["there"]
    files.close()
