"""The names of huge folders without a compiler: those that ``os.listdir`` tells, whoever of two threads reads them."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fs_ground import ANNA, OWN, Ground, as_root, v
from fs_ground import ground as fs_ground

from ftpd import native
from ftpd.core.allowance import Allowance, Excess
from ftpd.core.identity import Identity
from ftpd.fs import dents

ODD = ["\udcff", "\udcc3(", "é", "a\nb", " ", "...", "..a", ".h", "Ж" * 100]
LONG = ["x" * length for length in range(1, 256)]


@pytest.fixture
def here() -> Iterator[Ground]:
    with fs_ground() as made:
        yield made


def told(folder: Path, *, dotted: bool = True, links: bool = False, identity: Identity = OWN) -> dents.Found:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        first = dents.read(fd, identity, dotted=dotted, links=links)
        again = dents.read(fd, identity, dotted=dotted, links=links)
        assert sorted(os.listdir(fd)) == sorted(os.listdir(folder)), "whoever reads on finds all of it"
    finally:
        os.close(fd)
    assert first is not None and again is not None
    assert sorted(flat(again)) == sorted(flat(first))
    return first


def flat(found: dents.Found) -> list[str]:
    return [name for piece in found.pieces for name in piece]


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        os.close(os.open(os.fsencode(folder / name), os.O_CREAT))


def test_names_of_any_length_and_letters_are_told_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path, ODD + LONG)
    assert sorted(flat(told(tmp_path))) == sorted(ODD + LONG)
    assert sorted(flat(told(tmp_path, dotted=False))) == sorted({*ODD, *LONG} - {"...", "..a", ".h"})


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert flat(told(tmp_path)) == [] and told(tmp_path, links=True).links == []


def test_many_come_in_pieces_each_once_and_their_links_with_them(tmp_path: Path) -> None:
    files = [f"{'long' * 20}{number:05}" for number in range(20_000)]
    fill(tmp_path, files)
    for name in ("l", ".l"):
        os.symlink("nowhere", tmp_path / name)
    found = told(tmp_path, links=True)
    assert sorted(flat(found)) == sorted([*files, "l", ".l"])
    assert sorted(found.links or ()) == [".l", "l"]
    assert len(found.pieces) > 20, "nobody waits for the interpreter until all are parsed"
    assert told(tmp_path).links is None


def test_where_no_more_threads_are_to_be_had_one_reads_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, LONG)

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert sorted(flat(told(tmp_path))) == LONG


def test_no_more_is_read_than_there_is_room_for(tmp_path: Path) -> None:
    fill(tmp_path, [f"{number:05}" for number in range(100)])
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        enough = dents.read(fd, OWN, dotted=True, links=False, most=100 * 15, each=10)
        assert enough is not None and len(flat(enough)) == 100
        with pytest.raises(dents.TooMany):
            dents.read(fd, OWN, dotted=True, links=False, most=100 * 15 - 1, each=10)
    finally:
        os.close(fd)


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    for path in ("/etc/passwd", tmp_path):
        fd = os.open(path, os.O_RDONLY if path != tmp_path else os.O_RDONLY | os.O_DIRECTORY)
        if path == tmp_path:
            os.rmdir(tmp_path)
        try:
            with pytest.raises(OSError) as failure:
                dents.read(fd, OWN, dotted=True, links=False)
        finally:
            os.close(fd)
        assert failure.value.errno in (errno.ENOTDIR, errno.ENOENT)


def test_a_file_system_that_tells_no_kinds_tells_no_links() -> None:
    def entry(name: bytes, kind: int) -> bytes:
        length = (19 + len(name) + 8) & ~7
        return (bytes(16) + length.to_bytes(2, sys.byteorder) + bytes([kind]) + name).ljust(length, b"\0")

    file, folder, link, untold = 8, 4, 10, 0
    for kinds, links in (
        ((file, file), []),
        ((link, file), ["l"]),
        ((folder, link), ["\x08file"]),
        ((file, untold), None),
        ((link, untold), None),
    ):
        reading = dents._Reading(OWN, True, True, None, 0)
        reading._take(entry(b"l", kinds[0]) + entry(b"\x08file", kinds[1]))
        assert flat(reading.found()) == ["l", "\x08file"]
        assert reading.found().links == links


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "lines", None)
    monkeypatch.setattr(dents, "HUGE", -1)


@as_root
@pytest.mark.usefixtures("huge")
def test_both_threads_read_as_the_sessions_user(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[str, str]] = set()
    read = dents._Reading._next

    def noting(reading: dents._Reading, folder: int, buffer: object) -> bytes:
        status = Path("/proc/thread-self/status").read_text()
        seen.add((threading.current_thread().name, status.split("Uid:")[1].split()[3]))
        return read(reading, folder, buffer)  # type: ignore[arg-type]

    monkeypatch.setattr(dents._Reading, "_next", noting)
    (here.root / "a").touch()
    with here.files(identity=ANNA).open_folder(v("/")) as folder:
        assert folder.pieces() == [["a"]]
    assert {uid for _, uid in seen} == {str(ANNA.uid)}
    assert len(seen) == 2


@pytest.mark.usefixtures("huge")
def test_a_session_that_may_not_hold_so_much_is_told_so(here: Ground) -> None:
    fill(here.root, [f"{number:05}" for number in range(2000)])
    files = here.files()
    files.allowance = Allowance(None, 100_000, lambda _: None)
    with files.open_folder(v("/")) as folder, pytest.raises(Excess):
        folder.pieces()
