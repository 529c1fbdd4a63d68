"""What is in use is moved into large pages, what is not costs no memory, and nothing of it is lost."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.daemon import pages

_MANY = 4
"""Large pages' worth of memory of which half is touched."""


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    with mmap.mmap(-1, 2 * _MANY * pages.SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        yield memory


def resident(memory: mmap.mmap) -> list[bool]:
    """Which of its pages are there."""
    held = ctypes.c_char.from_buffer(memory)
    try:
        there = ctypes.create_string_buffer(len(memory) // mmap.PAGESIZE)
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(held)), len(memory), there) == 0
        return [bool(byte & 1) for byte in there.raw]
    finally:
        del held


def fill(memory: mmap.mmap) -> bytes:
    content = os.urandom(1 << 16) * (_MANY * pages.SIZE >> 16)
    memory[: len(content)] = content
    return content


def test_what_is_in_use_is_moved_and_the_rest_stays_away(memory: mmap.mmap) -> None:
    content, before = fill(memory), resident(memory)
    moved = pages.gather()
    assert memory[: len(content)] == content
    half = len(before) // 2
    # at the border lies one that is half full
    assert not any(resident(memory)[half + pages.SIZE // mmap.PAGESIZE :])
    if moved == 0:
        pytest.skip("the kernel has no large pages for us")


def test_where_the_kernel_refuses_all_stays_as_it_is(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch) -> None:
    content = fill(memory)
    monkeypatch.setattr(pages, "_COLLAPSE", 9999)
    assert pages.gather() == 0
    assert memory[: len(content)] == content


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_tells_what_there_is_nothing_is_moved(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "maps"
    (tmp_path / "pagemap").write_bytes(b"")
    monkeypatch.setattr(pages, "_OURS", str(tmp_path))
    if there:
        # files, stacks, what may be run, and what is shared
        maps.write_text(
            "00400000-40000000 r-xp 00000000 08:01 10 /usr/bin/python3\n"
            "50000000-60000000 rw-s 00000000 00:01 11 /dev/zero (deleted)\n"
            "60000000-70000000 rw-p 00000000 00:00 0  [stack]\n"
            "70000000-80000000 rw-p 00000000 08:01 12 /usr/lib/a name.so\n"
            "80000000-90000000 ---p 00000000 00:00 0\n"
        )
        assert list(pages._private()) == []
    assert pages.gather() == 0


def test_private_memory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    maps.write_text("10000-20000 rw-p 00000000 00:00 0 \n30000-40000 rw-p 00000000 00:00 0          [heap]\n")
    monkeypatch.setattr(pages, "_OURS", str(tmp_path))
    assert list(pages._private()) == [(0x10000, 0x20000), (0x30000, 0x40000)]
