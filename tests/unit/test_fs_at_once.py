"""A session's files: what is looked at may be opened in the same step, and is closed where nobody wants it."""

from __future__ import annotations

import dataclasses
import gc
import os
import stat
from collections.abc import Iterator

import pytest

from ftpd.fs import jail
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Opened, Path
from tests.unit.fs_ground import ANNA, Ground, as_root, ground, read, v, write


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made


def opened(path: Path, found: Opened) -> Path:
    return dataclasses.replace(path, seen=found.attributes, opened=found)


def test_a_file_that_is_looked_at_may_be_opened_in_the_same_step(here: Ground) -> None:
    write(here.files(), "/f", "0123")
    files, before = here.files(), len(os.listdir("/proc/self/fd"))
    found = files.open_at_once(v("/f"), "read")
    assert found is not None
    assert found.attributes.st_size == 4
    fd = files.open_read(opened(v("/f"), found))
    assert os.read(fd, 9) == b"0123"
    os.close(fd)
    found = files.open_at_once(v("/f"), "write")
    assert found is not None
    fd = files.open_write(opened(v("/f"), found), truncate=True)
    os.write(fd, b"x")
    os.close(fd)
    assert read(files, "/f") == "x"
    del found
    # the root's own is kept
    assert len(os.listdir("/proc/self/fd")) == before + 1


def test_what_was_opened_and_is_not_wanted_is_closed(here: Ground) -> None:
    write(here.files(), "/f", "0123")
    files = here.files()
    found = files.open_at_once(v("/f"), "read")
    assert found is not None
    before = len(os.listdir("/proc/self/fd"))
    # for another use it is opened anew, as is what has been taken
    with pytest.raises(OSError, match="Bad file"):
        os.read(fd := files.open_write(opened(v("/f"), found)), 1)
    os.close(fd)
    os.close(found.take("read"))
    assert found.take("read") == -1
    fd = files.open_read(opened(v("/f"), found))
    os.close(fd)
    found = files.open_at_once(v("/f"), "read")
    del found
    assert len(os.listdir("/proc/self/fd")) == before - 1


@as_root
def test_a_folder_that_is_looked_at_is_asked_whether_it_may_be_searched_without_another_walk(here: Ground) -> None:
    for name, bits in (("open", 0o755), ("shut", 0o700), ("unreadable", 0o711)):
        (here.root / name).mkdir()
        (here.root / name).chmod(bits)
    files = here.files(identity=ANNA)

    def may(name: str) -> bool:
        found = files.open_at_once(v(name), "enter")
        assert found is not None
        assert stat.S_ISDIR(found.attributes.st_mode)
        # what has the name now is not what was looked at
        (here.root / name[1:]).rename(here.root / "gone")
        try:
            return files.access(opened(v(name), found), os.X_OK)
        finally:
            (here.root / "gone").rename(here.root / name[1:])

    before = files.stat(v("/")), len(os.listdir("/proc/self/fd"))
    assert [may("/open"), may("/shut"), may("/unreadable")] == [True, False, True]
    assert not files.access(v("/shut"), os.X_OK)
    assert len(os.listdir("/proc/self/fd")) == before[1]


@as_root
def test_only_what_the_user_may_open_and_no_link_leads_to_is_opened_at_once(here: Ground) -> None:
    write(here.files(), "/f", "secret")
    (here.root / "sub").mkdir()
    (here.root / "link").symlink_to("f")
    (here.root / "sub link").symlink_to("sub")
    (here.root / "out").symlink_to(here.canary)
    write(here.files(), "/sub/f", "1")
    os.mkfifo(here.root / "fifo")
    (here.root / "f").chmod(0o600)
    (here.root / "fifo").chmod(0o666)
    files = here.files(identity=ANNA)
    before = files.open_at_once(v("/sub"), "read"), len(os.listdir("/proc/self/fd"))
    with pytest.raises(PermissionError):
        files.open_at_once(v("/f"), "read")
    with pytest.raises(FileNotFoundError):
        files.open_at_once(v("/nothing"), "write")
    for path in ("/link", "/sub link/f", "/out", "/fifo", "/sub", "/"):
        assert files.open_at_once(v(path), "read") is None
    assert before == (None, len(os.listdir("/proc/self/fd")))
    assert here.files(jail.by_walking).open_at_once(v("/f"), "read") is None, "this way cannot tell of links"


def test_a_folder_that_is_to_be_listed_is_opened_as_it_is_looked_at_and_used_once(here: Ground) -> None:
    (here.root / "sub").mkdir()
    write(here.files(), "/sub/f", "1")
    files = here.files()
    path = v("/sub")
    files.stat(path)
    before = len(os.listdir("/proc/self/fd"))
    found = files.open_at_once(path, "list")
    assert found is not None
    assert found.take("read") == -1
    path.saw(found.attributes, opened=found)
    (here.root / "sub").rename(here.root / "moved")
    with files.open_folder(path) as folder:
        assert folder.names() == ["f"]
        assert folder.attributes.st_ino == (here.root / "moved").stat().st_ino
    with pytest.raises(FileNotFoundError):
        files.open_folder(path)
    assert files.open_at_once(v("/moved"), "list") is not None, "and let go again"
    del found, path, folder
    gc.collect()  # a caught exception's frames keep what they worked with
    assert len(os.listdir("/proc/self/fd")) == before


@as_root
def test_what_is_no_folder_or_a_closed_one_is_not_opened_to_be_listed(here: Ground) -> None:
    (here.root / "sub").mkdir()
    write(here.files(), "/sub/f", "1")
    (here.root / "closed").mkdir()
    (here.root / "link").symlink_to("sub")
    (here.root / "out").symlink_to(here.outside)
    os.mkfifo(here.root / "fifo")
    here.owned_by(ANNA)
    (here.root / "closed").chmod(0o100)
    files = here.files(identity=ANNA)
    assert files.open_at_once(v("/sub"), "list") is not None
    for path in ("/sub/f", "/fifo", "/closed", "/link", "/link/..", "/out"):
        assert files.open_at_once(v(path), "list") is None
    with pytest.raises(FileNotFoundError):
        files.open_at_once(v("/nothing"), "list")
    kernels_own = LocalFiles(ANNA, "/", 0o22)
    assert kernels_own.open_at_once(v("/proc/1"), "list") is not None
    assert kernels_own.open_at_once(v(f"/proc/{os.getpid()}/fd"), "list") is None
