"""What the disk has yet to bring is waited for by a thread; what is in memory goes out without one."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from ftpd.core.reply import Refuse
from ftpd.engine.pool import Pools
from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.cold import is_cold
from tests.unit.transfer_ground import LOOPS, drain, pair, run

T = TypeVar("T")
loops = pytest.mark.parametrize("loop", LOOPS)
CONTENT = random.Random(7).randbytes((5 << 20) + 321)


class Counting(Pools):
    """Pools that note which kinds of work were given to them."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []

    async def __call__(self, work: Callable[[], T], kind: str) -> T:
        self.kinds.append(kind)
        return await super().__call__(work, kind)


def cold_file(folder: Path, content: bytes = CONTENT) -> int:
    """A file of which nothing is in memory; skips where the file system under /tmp is memory itself."""
    path = folder / "file"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if not is_cold(descriptor, os.fstat(descriptor).st_dev, 0):
        os.close(descriptor)
        pytest.skip("this file system keeps its files in memory")
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
def test_a_cold_file_arrives_whole_and_threads_waited_for_the_disk(
    loop: str, how: dict[str, int], tmp_path: Path
) -> None:
    content = CONTENT.replace(b"\r", b" ").replace(b"\n", b" ") if "ascii" in how else CONTENT
    file = cold_file(tmp_path, content)

    async def story(ground: Ground, pools: Counting) -> None:
        data, client = pair(ground)
        received = asyncio.create_task(drain(client))
        await data.send_file(file, **how)  # type: ignore[arg-type]
        await data.finish()
        assert await received == content[how.get("offset", 0) :]
        device = os.fstat(file).st_dev
        assert set(pools.kinds) == {f"files:{os.major(device)}:{os.minor(device)}"}

    with_threads(loop, story)
    os.close(file)


@loops
def test_what_is_in_memory_goes_out_without_a_thread(loop: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    file = os.open(tmp_path / "file", os.O_RDONLY)

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
def test_a_transfer_that_waits_for_the_disk_can_be_aborted_and_its_file_closed(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground, pools: Counting) -> None:
        file = cold_file(tmp_path)
        data, client = pair(ground)
        sending = asyncio.create_task(data.send_file(file))
        while not pools.kinds:
            await asyncio.sleep(0)
        data.abort()
        os.close(file)
        with pytest.raises(TransferError, match="426"):
            await sending
        await drain(client)

    with_threads(loop, story)


@loops
def test_a_disk_that_does_not_answer_is_451(loop: str, tmp_path: Path) -> None:
    file = cold_file(tmp_path)

    async def story(ground: Ground, pools: Counting) -> None:
        async def stuck(work: Callable[[], T], kind: str) -> T:
            raise Refuse(450, "The file system does not answer, try again later")

        ground.threads = stuck  # type: ignore[assignment]
        data, client = pair(ground)
        with pytest.raises(TransferError, match=r"451.*does not answer"):
            await data.send_file(file)
        await drain(client)

    with_threads(loop, story)
    os.close(file)
