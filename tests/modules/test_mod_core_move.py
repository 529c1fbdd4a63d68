"""RNTO to another file system: whole there or as it was here, links as links, and nothing that was not asked for."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import acl_ground
import pytest

from ftpd.module import copying
from ftpd.testing import Bench

T = TypeVar("T")
OVERWRITE = "AllowOverwrite on\n"


@pytest.fixture
def away() -> Iterator[Path]:
    """A folder on another file system than the bench's."""
    here = os.stat(tempfile.gettempdir()).st_dev
    for place in ("/dev/shm", "/run", "/var/tmp", str(Path.home())):
        if os.access(place, os.W_OK) and os.stat(place).st_dev != here:
            folder = Path(tempfile.mkdtemp(dir=place, prefix="ftpd-move-"))
            yield folder
            shutil.rmtree(folder)
            return
    pytest.skip("there is no second file system to write to")


def tell(tale: Callable[[Bench], Awaitable[T]], *, conf: str = OVERWRITE, files: dict[str, bytes] | None = None) -> T:
    async def main() -> T:
        async with Bench(conf=conf, files=files or {"a": b"hello", "folder/": b""}) as ftp:
            return await tale(ftp)

    return asyncio.run(main())


async def rename(ftp: Bench, name: str, target: Path) -> str:
    assert (await ftp(f"RNFR {ftp.root}/{name}")).startswith("350")
    return await ftp(f"RNTO {target}")


def test_a_file_arrives_with_its_permissions_and_time(away: Path) -> None:
    async def tale(ftp: Bench) -> tuple[str, bool]:
        os.chmod(f"{ftp.root}/a", 0o604)
        os.utime(f"{ftp.root}/a", (1e9, 1e9))
        return await rename(ftp, "a", away / "b"), ftp.exists("a")

    assert tell(tale) == ("250 Rename successful", False)
    known = (away / "b").stat()
    assert (stat.S_IMODE(known.st_mode), known.st_mtime, (away / "b").read_bytes()) == (0o604, 1e9, b"hello")
    assert [path.name for path in away.iterdir()] == ["b"]


def test_a_file_arrives_with_its_acl(away: Path) -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes | None]:
        acl_ground.give(f"{ftp.root}/a", "user::rw-,user:61003:rw-,group::---,mask::rw-,other::---")
        before = acl_ground.of(f"{ftp.root}/a")
        return await rename(ftp, "a", away / "b"), before

    said, acl = tell(tale)
    assert said == "250 Rename successful"
    assert acl_ground.of(away / "b") == acl is not None


def test_a_large_file_arrives_in_slices(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_SLICE", 1000)
    content = os.urandom(12_345)

    async def tale(ftp: Bench) -> str:
        return await rename(ftp, "big", away / "big")

    assert tell(tale, files={"big": content}) == "250 Rename successful"
    assert (away / "big").read_bytes() == content


def test_holes_stay_holes_at_the_end_too(away: Path) -> None:
    async def tale(ftp: Bench) -> str:
        with open(f"{ftp.root}/a", "wb") as file:
            file.seek(8 << 20)
            file.write(b"data")
            file.truncate(16 << 20)
        return await rename(ftp, "a", away / "sparse")

    assert tell(tale) == "250 Rename successful"
    known = (away / "sparse").stat()
    assert known.st_size == 16 << 20 and known.st_blocks * 512 < 1 << 20
    assert (away / "sparse").read_bytes()[8 << 20 :].rstrip(b"\0") == b"data"


def test_what_is_there_is_replaced_only_where_the_configuration_lets(away: Path) -> None:
    (away / "old").write_text("old")

    async def tale(ftp: Bench) -> tuple[str, bool]:
        return await rename(ftp, "a", away / "old"), ftp.exists("a")

    assert tell(tale, conf="") == (f"550 {away}/old: Rename permission denied", True)
    assert (away / "old").read_text() == "old"
    assert tell(tale) == ("250 Rename successful", False)
    assert (away / "old").read_text() == "hello"


def test_a_link_is_moved_as_a_link_and_a_link_in_the_way_is_not_followed(away: Path) -> None:
    (away / "kept").write_text("kept")
    (away / "target").symlink_to("kept")

    async def tale(ftp: Bench) -> list[str]:
        os.symlink("nowhere", f"{ftp.root}/dangling")
        return [await rename(ftp, "dangling", away / "moved"), await rename(ftp, "a", away / "target")]

    assert tell(tale) == ["250 Rename successful"] * 2
    assert os.readlink(away / "moved") == "nowhere"
    assert not (away / "target").is_symlink()
    assert ((away / "target").read_text(), (away / "kept").read_text()) == ("hello", "kept")


def test_folders_and_things_that_are_no_files_stay_where_they_are(away: Path) -> None:
    (away / "folder").mkdir()

    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(f"{ftp.root}/fifo")
        replies = [
            await rename(ftp, "folder", away / "other"),
            await rename(ftp, "fifo", away / "fifo"),
            await rename(ftp, "a", away / "folder"),
            await rename(ftp, "a", away / "no" / "such"),
        ]
        assert sorted(os.listdir(ftp.root)) == ["a", "fifo", "folder"]
        return replies

    assert tell(tale) == [
        f"550 Rename {away}/other: Is a directory",
        f"550 Rename {away}/fifo: Invalid cross-device link",
        f"550 Rename {away}/folder: Is a directory",
        f"550 {away}/no/such: No such file or directory",
    ]
    assert [path.name for path in away.iterdir()] == ["folder"]


def test_a_full_disk_leaves_both_sides_as_they_were(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (away / "old").write_text("old")

    def full(source: int, target: int, offset: int, count: int) -> int:
        os.write(target, b"he")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(copying, "_move", full)

    async def tale(ftp: Bench) -> tuple[str, bytes]:
        return await rename(ftp, "a", away / "old"), ftp.read("a")

    assert tell(tale) == (f"550 Rename {away}/old: No space left on device", b"hello")
    assert [(path.name, path.read_text()) for path in away.iterdir()] == [("old", "old")]


def test_a_source_that_changes_meanwhile_is_not_lost(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copying._move

    async def tale(ftp: Bench) -> tuple[str, bytes]:
        def appended(source: int, target: int, offset: int, count: int) -> int:
            with open(f"{ftp.root}/a", "ab") as out:
                out.write(b" world")
            return copy(source, target, offset, count)

        monkeypatch.setattr(copying, "_move", appended)
        return await rename(ftp, "a", away / "b"), ftp.read("a")

    assert tell(tale) == (f"550 Rename {away}/b: Device or resource busy", b"hello world")
    assert list(away.iterdir()) == []


def test_abor_ends_the_move_and_leaves_the_source(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes]:
        def aborted(source: int, target: int, offset: int, count: int) -> int:
            assert ftp.wire.abort_transfer()
            return os.sendfile(target, source, offset, 1)

        monkeypatch.setattr(copying, "_move", aborted)
        monkeypatch.setattr(copying, "_SLICE", 1)
        return await rename(ftp, "a", away / "b"), ftp.read("a")

    assert tell(tale) == ("426 RNTO: aborted", b"hello")
    assert list(away.iterdir()) == []
