"""The file side of a transfer from or to a slow file system: its threads read and write, and only they wait."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TypeVar

from ftpd.core.aside import FarFile, Threads
from ftpd.core.reply import Refuse
from ftpd.module.wire import TransferError
from ftpd.transfer.errors import file_shrank, local_failure

T = TypeVar("T")

CHUNK = 512 << 10
"""Bytes read or written in one go: what a thread costs on the way there and back is little beside them."""


class FarEnd:
    """An open file that a thread must read and write; ``moved`` tells how much of the transfer is done."""

    def __init__(self, file: FarFile, threads: Threads, moved: Callable[[], int]) -> None:
        self._file = file
        self._threads = threads
        self._moved = moved

    async def _do(self, work: Callable[[int], T]) -> T:
        try:
            return await self._threads(partial(self._file.use, work), self._file.kind)
        except OSError as error:
            raise local_failure(error, self._moved()) from error
        except Refuse as refused:
            raise TransferError(451, f"Transfer aborted. {refused.lines[-1]}", moved=self._moved()) from None

    async def chunks(
        self, offset: int, count: int | None, convert: Callable[[bytes], bytes]
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        """What the file holds from ``offset`` on; the next chunk is read while the last one is on its way."""
        size = (await self._do(os.fstat)).st_size
        known = size > offset
        end = size if known else 1 << 62
        if count is not None:
            end = min(end, offset + count)
        at = offset
        ahead = self._read(at, end)
        try:
            while at < end:
                chunk = await ahead
                if not chunk:
                    if known:
                        raise file_shrank(self._moved())
                    return
                at += len(chunk)
                ahead = self._read(at, end)
                yield convert(chunk)
        finally:
            ahead.cancel()

    def _read(self, at: int, end: int) -> asyncio.Future[bytes]:
        task = asyncio.ensure_future(self._do(lambda fd: os.pread(fd, min(CHUNK, end - at), at)))
        # one that nobody asks for any more must not be told of as lost
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def store(self, data: bytes, at: int | None) -> None:
        """Write all of it, at ``at`` or at the file's end."""
        await self._do(lambda fd: _write(fd, data, at))


def _write(descriptor: int, data: bytes, at: int | None) -> None:
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view) if at is None else os.pwrite(descriptor, view, at)
        if not written:
            raise OSError(errno.EIO, "nothing was written")
        view = view[written:]
        if at is not None:
            at += written
