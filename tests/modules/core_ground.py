"""What the tests of mod_core and its neighbours stand on: a few lines said on a bench, and the replies to them."""

from __future__ import annotations

import asyncio
from typing import Any

from ftpd.testing import Bench

HOME = "DefaultRoot ~\n"


def talk(*lines: str, conf: str = "", **bench: Any) -> list[str]:
    """The reply to each line, in a session whose user sees the files of the bench as ``/``."""

    async def story() -> list[str]:
        async with Bench(conf=HOME + conf, **bench) as ftp:
            return [await ftp(line) for line in lines]

    return asyncio.run(story())


def last(*lines: str, conf: str = "", **bench: Any) -> str:
    """The reply to the last of these lines."""
    return talk(*lines, conf=conf, **bench)[-1]


def banner(conf: str = "") -> str:
    """What a client is greeted with."""

    async def story() -> str:
        ftp = Bench(conf=conf, login=None)
        try:
            return await ftp.open()
        finally:
            await ftp.close()

    return asyncio.run(story())
