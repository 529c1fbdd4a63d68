"""What the disk has yet to bring is waited for by a thread; what is in memory goes out without one."""

from __future__ import annotations

import asyncio
import os
import random
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from transfer_ground import drain, loops, pair, run

from ftpd.core.reply import Refuse
from ftpd.engine.pool import Pools
from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.cold import is_cold

T = TypeVar("T")
CONTENT = random.Random(7).randbytes((5 << 20) + 321)


class Counting(Pools):
    """Pools that note which kinds of work were given to them."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []

    async def __call__(self, work: Callable[[], T], kind: str) -> T:
        self.kinds.append(kind)
        return await super().__call__(work, kind)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder that is on a disk where any is: that of temporary files may be in memory, and pytest's as well."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ftpd-cold-") as folder:
        yield Path(folder)


def cold_file(folder: Path, content: bytes = CONTENT) -> int:
    """A file of which nothing is in memory; skips where the file system of the folder is memory itself."""
    # the question alone has the kernel bring the file: another one is asked about
    asked = _on_disk(folder / "asked", content)
    can_be_cold = is_cold(asked, os.fstat(asked).st_dev, 0)
    os.close(asked)
    if not can_be_cold:
        pytest.skip("this file system keeps its files in memory")
    return _on_disk(folder / "file", content)


def until_waited_for(folder: Path, story: Callable[[Path], bool]) -> None:
    """Do it with one file after the other until the disk was waited for; a quick one may have it there when asked."""
    for number in range(20):
        place = folder / str(number)
        place.mkdir()
        if story(place):
            return
    pytest.skip("this disk has brought a file before it can be asked for")


def _on_disk(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor


def with_threads(loop: str, story: Callable[[Ground, Counting], Awaitable[None]]) -> None:
    async def whole(ground: Ground) -> None:
        pools = ground.threads = Counting()
        try:
            await story(ground, pools)
        finally:
            # one that the transfer no longer waits for
            await asyncio.sleep(0.05)
            pools.close()
            ground.threads = None

    run(loop, whole)


@loops
@pytest.mark.parametrize("how", [{}, {"sendfile": False}, {"ascii": True}, {"offset": 1 << 20}])
def test_a_cold_file_arrives_whole_and_threads_waited_for_the_disk(loop: str, how: dict[str, int], disk: Path) -> None:
    content = CONTENT.replace(b"\r", b" ").replace(b"\n", b" ") if "ascii" in how else CONTENT

    def waited(place: Path) -> bool:
        file = cold_file(place, content)
        device = os.fstat(file).st_dev
        kinds: set[str] = set()

        async def story(ground: Ground, pools: Counting) -> None:
            data, client = pair(ground)
            received = asyncio.create_task(drain(client))
            await data.send_file(file, **how)  # type: ignore[arg-type]
            await data.finish()
            assert await received == content[how.get("offset", 0) :]
            kinds.update(pools.kinds)

        with_threads(loop, story)
        os.close(file)
        assert kinds <= {f"files:{os.major(device)}:{os.minor(device)}"}
        return bool(kinds)

    until_waited_for(disk, waited)


@loops
def test_what_is_in_memory_goes_out_without_a_thread(loop: str, disk: Path) -> None:
    (disk / "file").write_bytes(CONTENT)
    file = os.open(disk / "file", os.O_RDONLY)

    async def story(ground: Ground, pools: Counting) -> None:
        data, client = pair(ground)
        received = asyncio.create_task(drain(client))
        await data.send_file(file)
        await data.finish()
        assert await received == CONTENT
        assert pools.kinds == []

    with_threads(loop, story)
    os.close(file)


@loops
def test_a_transfer_that_waits_for_the_disk_can_be_aborted_and_its_file_closed(loop: str, disk: Path) -> None:
    def waited(place: Path) -> bool:
        kinds: set[str] = set()

        async def story(ground: Ground, pools: Counting) -> None:
            file = cold_file(place)
            data, client = pair(ground)
            sending = asyncio.create_task(data.send_file(file))
            # of a file that is there already, as much goes out as the kernel takes from one that nobody reads
            for _ in range(100):
                if not pools.kinds:
                    await asyncio.sleep(0)
            data.abort()
            os.close(file)
            with pytest.raises(TransferError, match="426"):
                await sending
            await drain(client)
            kinds.update(pools.kinds)

        with_threads(loop, story)
        return bool(kinds)

    until_waited_for(disk, waited)


@loops
def test_a_disk_that_does_not_answer_is_451(loop: str, disk: Path) -> None:
    def waited(place: Path) -> bool:
        file = cold_file(place)
        asked: list[str] = []

        async def story(ground: Ground, pools: Counting) -> None:
            async def stuck(work: Callable[[], T], kind: str) -> T:
                asked.append(kind)
                raise Refuse(450, "The file system does not answer, try again later")

            ground.threads = stuck  # type: ignore[assignment]
            data, client = pair(ground)
            received = asyncio.create_task(drain(client))
            try:
                await data.send_file(file)
                await data.finish()
            except TransferError as error:
                assert asked and re.search(r"451.*does not answer", str(error))
            else:
                assert not asked
            await received

        with_threads(loop, story)
        os.close(file)
        return bool(asked)

    until_waited_for(disk, waited)
