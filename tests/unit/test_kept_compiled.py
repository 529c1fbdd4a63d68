"""Names of folders are kept by what is compiled too, and are read again once something has changed in them."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ftpd import native
from ftpd.core.nearness import tells_changes

pytestmark = pytest.mark.skipif(native.lines is None, reason="the compiled part is not there")

_OLD = 2.1
"""Seconds after which a folder that has not changed is an old one."""


@contextmanager
def opened(folder: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(folder, flags | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def ground(tmp_path: Path) -> None:
    with opened(tmp_path, os.O_RDONLY) as descriptor:
        if not tells_changes(descriptor):
            pytest.skip("the folders of the tests lie where none is kept")


def survey(folder: Path, flags: int = os.O_RDONLY, *, dotted: bool = False, order: int = 1, most: int = 4000) -> Any:
    with opened(folder, flags) as descriptor:
        names, attributes, odd = native.lines.survey(descriptor, dotted, order, most, 1_000_000_000)
    assert not odd
    assert len(attributes) == len(names) * native.lines.ENTRY
    return list(names)


def known(folder: Path, **how: Any) -> bool:
    """Whether its names are: a descriptor that cannot be read from is as good then."""
    try:
        survey(folder, os.O_PATH, **how)
    except OSError as error:
        assert error.errno == errno.EBADF
        return False
    return True


def furnish(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_what_has_not_changed_is_known_and_what_has_is_read(tmp_path: Path) -> None:
    ways = ("made", "removed", "renamed", "linked", "another")
    folders = {way: furnish(tmp_path / way, "b", "a", ".c") for way in ways}
    for folder in folders.values():
        assert survey(folder) == ["a", "b"]
        assert not known(folder), "it may yet change at the same time"
    time.sleep(_OLD)
    for folder in folders.values():
        assert survey(folder, order=-1) == ["b", "a"]
        assert not known(folder)
        for _ in range(2):
            assert survey(folder) == ["a", "b"]
            assert known(folder)
            assert not known(folder, most=1)
            assert not known(folder, order=-1)
        assert not known(folder, dotted=True)
        assert survey(folder, dotted=True) == [".c", "a", "b"]
        assert known(folder, dotted=True)
        assert known(folder)
    # what is said of an entry is always asked for
    (folders["made"] / "a").write_bytes(b"12345")
    assert known(folders["made"])
    with opened(folders["made"], os.O_RDONLY) as descriptor:
        names, attributes, _ = native.lines.survey(descriptor, False, 1, 9, 1_000_000_000)
        assert attributes == native.lines.look(descriptor, list(names), 0, 2, 1_000_000_000)[0]
    (folders["made"] / "d").touch()
    (folders["removed"] / "b").unlink()
    (folders["renamed"] / "b").rename(folders["renamed"] / "e")
    os.link(folders["linked"] / "a", folders["linked"] / "f")
    folders["another"].rename(tmp_path / "before")
    furnish(folders["another"], "g")
    os.utime(folders["made"], (0, 0))
    for way, now in zip(ways, (["a", "b", "d"], ["a"], ["a", "e"], ["a", "b", "f"], ["g"]), strict=True):
        assert not known(folders[way])
        assert survey(folders[way]) == now
    assert known(tmp_path / "before") is False, "its own time of change is another one"


def test_longer_folders_find_them_too_and_may_sort_what_they_are_given(tmp_path: Path) -> None:
    folder, odd = furnish(tmp_path / "plain", "b", "a", ".c"), furnish(tmp_path / "odd")
    os.close(os.open(os.fsencode(odd / "\udcff"), os.O_CREAT))
    time.sleep(_OLD)
    for flags in (os.O_RDONLY, os.O_PATH, os.O_PATH):
        with opened(folder, flags) as descriptor:
            names = native.lines.read(descriptor, False, True)
            assert list(names) == ["a", "b"]
            names.sort(reverse=True)
            assert list(names) == ["b", "a"]
    assert known(folder)
    assert survey(folder) == ["a", "b"]
    for flags in (os.O_RDONLY, os.O_PATH):
        with opened(odd, flags) as descriptor:
            assert native.lines.read(descriptor, False, True).odd()
    with opened(odd, os.O_RDONLY) as descriptor:
        assert native.lines.survey(descriptor, False, 1, 9, 1_000_000_000) is None
    with opened(folder, os.O_PATH) as descriptor, pytest.raises(OSError, match="descriptor"):
        # what a session may hold is weighed as it is read
        native.lines.read(descriptor, False, True, 1 << 20, 1)


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    """Of folders and of bytes: what was used last stays."""
    small = [furnish(tmp_path / f"s{n}", "a") for n in range(80)]
    large = [furnish(tmp_path / f"l{n}", *(f"{n:0250}" for n in range(1500))) for n in range(12)]
    huge = furnish(tmp_path / "huge", *(f"{n:0250}" for n in range(4200)))
    time.sleep(_OLD)
    for folder in small:
        survey(folder)
        assert known(small[0])
        assert known(folder)
    assert 40 < sum(map(known, reversed(small))) <= 64
    for folder in large:
        survey(folder)
        assert known(small[0])
        assert known(folder)
    assert 6 < sum(map(known, large)) < 12
    assert known(large[-1])
    assert len(survey(huge, most=5000)) == 4200
    assert not known(huge, most=5000)


def test_where_changes_may_not_show_nothing_is_kept() -> None:
    """The folders that the kernel makes up."""
    folder = Path("/proc/self/fdinfo")
    with opened(folder, os.O_RDONLY) as descriptor:
        for _ in range(2):
            native.lines.survey(descriptor, True, 1, 4000, 1_000_000_000)
    assert not known(folder, dotted=True)
