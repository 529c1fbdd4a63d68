"""What the tests of transfers and listings stand on: one session, told as a story, and data links that break."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ftpd.module.wire import TransferError
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

T = TypeVar("T")
HOME = "DefaultRoot ~\n"
OVERWRITE = "AllowOverwrite on\n"
RESTART = OVERWRITE + "AllowStoreRestart on\n"


def run(tale: Callable[[Bench], Awaitable[T]], *, conf: str = "", **bench: Any) -> T:
    """Tell the story to a logged-in session whose user sees the files of the bench as ``/``."""

    async def main() -> T:
        async with Bench(conf=HOME + conf, **bench) as ftp:
            return await tale(ftp)

    return asyncio.run(main())


def talk(*lines: str, conf: str = "", **bench: Any) -> list[str]:
    """The reply to each line."""

    async def tale(ftp: Bench) -> list[str]:
        return [await ftp(line) for line in lines]

    return run(tale, conf=conf, **bench)


def fetch(*lines: str, conf: str = "", **bench: Any) -> bytes:
    """Say all lines, the last one with a data connection; gives what came over that."""

    async def tale(ftp: Bench) -> bytes:
        for line in lines[:-1]:
            await ftp(line)
        return await ftp.download(lines[-1])

    return run(tale, conf=conf, **bench)


class Breaking(MemoryData):
    """A data link that breaks when the upload has come this far; ``look`` is called at that moment."""

    def __init__(
        self, content: bytes, look: Callable[[], None] = lambda: None, error: TransferError | None = None
    ) -> None:
        super().__init__(content)
        self._look = look
        self._error = error

    async def receive_file(
        self, descriptor: int, *, offset: int | None = None, ascii: bool = False, limit: int | None = None
    ) -> int:
        moved = await super().receive_file(descriptor, offset=offset, ascii=ascii, limit=limit)
        self._look()
        if self._error is not None:
            raise self._error
        return moved


def closed() -> TransferError:
    return TransferError(426, "Transfer aborted. Data connection closed")


async def upload_over(ftp: Bench, line: str, link: MemoryData) -> str:
    """Upload over this very data link."""

    async def open_data(*, timeout: float, allow_foreign: bool = False) -> MemoryData:
        return link

    ftp.wire.open_data = open_data  # type: ignore[method-assign]
    try:
        return await ftp(line)
    finally:
        del ftp.wire.open_data


def names(ftp: Bench, folder: str = "") -> list[str]:
    """What lies there on the disk."""
    return sorted(os.listdir(os.path.join(ftp.root, folder)))
