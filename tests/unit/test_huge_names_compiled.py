"""The names of huge folders, compiled: those that ``os.listdir`` tells, whoever of two threads reads them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd import native
from ftpd.core.listing import Compact

pytestmark = pytest.mark.skipif(native.lines is None, reason="not compiled here")

# more than a mebibyte of folder, on ext4 above all, which two threads read from two places
FILES = [f"{'long' * 60}{number * 7919 % 6007:010}" for number in range(5000)]
OTHERS = [".hidden", "short", "\u00e9", "\U0001f4c1", "x" * 255]


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("huge")
    for name in FILES + OTHERS:
        os.close(os.open(folder / name, os.O_CREAT))
    return folder


@pytest.fixture
def opened(huge: Path) -> Iterator[int]:
    fd = os.open(huge, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_all_are_told_once_in_any_order_and_again_for_the_next(opened: int) -> None:
    for _ in range(3):
        found: Compact = native.lines.read(opened, True, True, 1 << 60, 0)
        assert [*found] == sorted(FILES + OTHERS)
        assert sorted(native.lines.read(opened, True, False)) == sorted(FILES + OTHERS)
        assert [*native.lines.read(opened, False, True)] == sorted(FILES + OTHERS[1:])
    assert len(os.listdir(opened)) == len(FILES + OTHERS)
    assert found.links() == [] and not found.odd()


def test_nothing_is_left_open(opened: int) -> None:
    before = os.listdir("/proc/self/fd")
    native.lines.read(opened, True, True, 1 << 60, 0)
    assert os.listdir("/proc/self/fd") == before


def test_what_some_of_them_are_is_told_whoever_read_them(huge: Path, opened: int) -> None:
    odd = [b"\xff%d" % number for number in range(4)]
    links = [f"link{number}" for number in range(4)]
    try:
        for name in odd:
            os.close(os.open(os.path.join(os.fsencode(huge), name), os.O_CREAT))
        for link in links:
            os.symlink("nowhere", huge / link)
        found: Compact = native.lines.read(opened, True, False)
        assert found.odd()
        assert sorted(found.links() or ()) == links
        assert sorted(found.undotted()) == sorted({*found} - {".hidden"})
    finally:
        for name in odd:
            os.unlink(os.path.join(os.fsencode(huge), name))
        for link in links:
            (huge / link).unlink()


def test_no_more_is_read_than_there_is_room_for(opened: int) -> None:
    needed = sum(len(name.encode()) + 1 for name in FILES + OTHERS) + 50 * len(FILES + OTHERS)
    assert len(native.lines.read(opened, True, True, needed, 50)) == len(FILES + OTHERS)
    with pytest.raises(OSError) as failure:
        native.lines.read(opened, True, True, needed - 1, 50)
    assert failure.value.errno == errno.E2BIG


def test_they_are_ranked_by_times_and_sizes_and_what_is_gone_is_left_out(huge: Path, opened: int) -> None:
    found: Compact = native.lines.read(opened, True, False)
    times = {"short": -5, ".hidden": 1 << 33, "x" * 255: 1 << 33}
    for name, moment in times.items():
        os.utime(huge / name, (moment, moment))
    os.truncate(huge / FILES[7], 1 << 40)
    (huge / FILES[0]).unlink()
    try:
        for column in (6, 7, 8, 9):
            known = {name: os.lstat(huge / name)[column] for name in os.listdir(huge)}
            found = native.lines.read(opened, True, False)
            found.rank(opened, column, False)
            assert [*found] == sorted(known, key=lambda name: (-known[name], name))
            found.rank(opened, column, True)
            assert [*found] == sorted(known, key=lambda name: (known[name], name))
    finally:
        os.truncate(huge / FILES[7], 0)
        (huge / FILES[0]).touch()
    found = native.lines.read(opened, True, False)
    (huge / FILES[0]).unlink()
    found.rank(opened, 8, False)
    (huge / FILES[0]).touch()
    assert FILES[0] not in [*found] and len(found) == len(FILES + OTHERS) - 1


def in_memory() -> int:
    """KiB that are this process's own."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0])


def test_memory_of_long_listings_is_given_back_once_nobody_wants_it(opened: int) -> None:
    native.lines.rest()
    native.lines.rest()
    before = in_memory()
    native.lines.read(opened, True, True, 1 << 60, 0)
    native.lines.rest()
    native.lines.read(opened, True, True, 1 << 60, 0)
    native.lines.rest()
    assert in_memory() - before > 512, "the next listing is quicker with it"
    native.lines.rest()
    assert in_memory() - before < 512
