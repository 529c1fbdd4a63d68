"""What is in use is moved into large pages, what is not costs no memory, and nothing of it is lost."""

from __future__ import annotations

import ast
import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd import native
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


@pytest.mark.parametrize("compiled", [True, False])
def test_where_the_kernel_refuses_nothing_is_lost(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    content = fill(memory)
    monkeypatch.setattr(pages, "_COLLAPSE", 9999)
    if not compiled:
        monkeypatch.setattr(native, "pages", None)
    moved = pages.gather()
    assert memory[: len(content)] == content
    if not compiled:
        assert moved == 0


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_tells_what_there_is_nothing_is_moved(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "maps"
    (tmp_path / "pagemap").write_bytes(b"")
    monkeypatch.setattr(pages, "_OURS", str(tmp_path))
    if there:
        # devices, files of memory, stacks, what may be run or not be written to, and what is shared
        maps.write_text(
            "00400000-40000000 r-xp 00000000 08:01 10 /usr/bin/python3\n"
            "50000000-60000000 rw-s 00000000 00:01 11 /dev/zero (deleted)\n"
            "60000000-70000000 rw-p 00000000 00:00 0  [stack]\n"
            "70000000-71000000 rw-p 00000000 00:01 12 /dev/zero (deleted)\n"
            "71000000-72000000 rw-p 00000000 00:01 13 /memfd:a name (deleted)\n"
            "72000000-73000000 r--p 00000000 08:01 14 /usr/lib/a name.so\n"
            "80000000-90000000 ---p 00000000 00:00 0\n"
        )
        assert list(pages._private()) == []
    assert pages.gather() == 0


def test_private_memory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    maps.write_text(
        "10000-20000 rw-p 00000000 00:00 0 \n"
        "30000-40000 rw-p 00000000 00:00 0          [heap]\n"
        "50000-60000 rw-p 00000000 08:01 12         /usr/lib/a name.so\n"
    )
    monkeypatch.setattr(pages, "_OURS", str(tmp_path))
    assert list(pages._private()) == [(0x10000, 0x20000), (0x30000, 0x40000), (0x50000, 0x60000)]


def apart(count: int) -> tuple[mmap.mmap, int]:
    """So many small pages that begin where no large one does, and where that is."""
    memory = mmap.mmap(-1, (count + 512) * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held = ctypes.c_char.from_buffer(memory)
    begin = ctypes.addressof(held)
    del held
    return memory, begin + (begin % pages.SIZE == 0) * mmap.PAGESIZE


def test_what_lies_across_large_pages_is_brought_together_where_it_is() -> None:
    if native.pages is None:
        pytest.skip("not compiled here")
    size = 300 * mmap.PAGESIZE
    blocks = [apart(300) for _ in range(3)]
    places = [(begin, begin + size) for _, begin in blocks]
    contents = [os.urandom(size) for _ in blocks]
    for (begin, _), content in zip(places, contents, strict=True):
        ctypes.memmove(begin, content, size)
    assert native.pages.bring_together(places) == 3 * size
    for (begin, _), content in zip(places, contents, strict=True):
        assert ctypes.string_at(begin, size) == content
        # and can be written to, and given back
        ctypes.memset(begin, 7, size)
        assert ctypes.string_at(begin, size) == bytes([7]) * size
    for memory, _ in blocks:
        memory.close()


def test_nothing_is_brought_together_of_nothing_and_of_what_is_in_use_by_the_call() -> None:
    if native.pages is None:
        pytest.skip("not compiled here")
    assert native.pages.bring_together([]) == 0
    assert native.pages.bring_together([(1 << 20, 1 << 20)]) == 0
    with open("/proc/self/maps") as maps:
        stack = next(line for line in maps if "[stack]" in line)
    begin, end = (int(number, 16) for number in stack.split()[0].split("-"))
    assert native.pages.bring_together([(begin, end)]) == 0
    for wrong in (None, (), [1], [(1,)], [("a", "b")]):
        with pytest.raises(TypeError):
            native.pages.bring_together(wrong)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_goes_on_that_was_brought_together_and_does_nothing_where_others_run_in_it(threads: int) -> None:
    if native.pages is None:
        pytest.skip("not compiled here")
    tale = f"""
import decimal, json, threading
from ftpd.daemon import pages
from ftpd import native
let = threading.Event()
if {threads} == 2:
    threading.Thread(target=let.wait, daemon=True).start()
kept = [{{str(n): [n, float(n)]}} for n in range(60000)]
told = []
plain = native.pages.bring_together
class Spy:
    def bring_together(self, places):
        told.append(plain(places))
        return told[-1]
pages.native.pages = Spy()
for _ in range(3):
    pages.gather()
    kept += [{{str(n): [n, float(n)]}} for n in range(1000)]
assert all(json.loads(json.dumps(one)) == one for one in kept)
assert str(decimal.Decimal(1) / 7).startswith("0.142857")
thread = threading.Thread(target=lambda: told.append("another"))
thread.start()
thread.join()
let.set()
print(told)
"""
    said = subprocess.run([sys.executable, "-c", tale], capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    told = ast.literal_eval(said.stdout)
    assert told[-1] == "another"
    assert (len(told) == 4 and told[0] > 1 << 20) if threads == 1 else len(told) == 1
