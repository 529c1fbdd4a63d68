"""Names of folders are kept for as long as nothing has changed in them, and only where that is certain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.core import nearness
from ftpd.fs import kept


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept._kept.clear()
    # the folders of a test are as old as it is
    monkeypatch.setattr(kept, "_OLD", -1.0)
    monkeypatch.setattr(nearness, "_type", lambda descriptor: 0x01021994)
    yield
    kept._kept.clear()


def read(folder: Path) -> list[str]:
    """The names, and where they are from is nobody's business."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        attributes = os.fstat(descriptor)
        names = kept.of(attributes)
        if names is None:
            names = os.listdir(descriptor)
            kept.keep(descriptor, attributes, names)
        return names
    finally:
        os.close(descriptor)


def test_what_has_not_changed_is_known(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert read(tmp_path) == ["a"]
    assert kept.of(os.stat(tmp_path)) == ["a"]
    # who is given the names may do with them what they want
    read(tmp_path).clear()
    assert read(tmp_path) == ["a"]


@pytest.mark.parametrize("change", ["make", "remove", "rename", "another"])
def test_what_has_changed_is_read(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").touch()
    os.utime(folder, (0, 0))
    assert read(folder) == ["a"]
    before = os.stat(folder)
    while os.stat(folder).st_ctime_ns == before.st_ctime_ns:
        # a tick of the kernel's clock, which is why young folders are not kept
        if change == "make":
            (folder / "b").touch()
            (folder / "b").unlink()
            (folder / "b").touch()
        elif change == "remove":
            (folder / "a").touch()
            (folder / "a").unlink()
        elif change == "rename":
            (folder / "b").touch()
            (folder / "b").rename(folder / "c")
        else:
            folder.rename(tmp_path / f"before {os.stat(folder).st_ino}")
            folder.mkdir()
            break
        # the time of the last change cannot be set back
        os.utime(folder, (0, 0))
    assert read(folder) == os.listdir(folder)


def test_a_folder_that_has_just_changed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_OLD", 1000.0)
    read(tmp_path)
    assert kept.of(os.stat(tmp_path)) is None


def test_where_changes_may_not_show_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # NFS
    monkeypatch.setattr(nearness, "_type", lambda descriptor: 0x6969)
    read(tmp_path)
    assert kept.of(os.stat(tmp_path)) is None


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 4)
    folders = [tmp_path / str(n) for n in range(3)]
    for folder in folders:
        for name in "ab":
            (folder / name).mkdir(parents=True)
        assert sorted(read(folder)) == ["a", "b"]
    assert [kept.of(os.stat(folder)) is None for folder in folders] == [True, False, False]
    for name in "cde":
        (folders[0] / name).mkdir()
    assert len(read(folders[0])) == 5
    assert kept.of(os.stat(folders[0])) is None
