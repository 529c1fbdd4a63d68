"""A tree to be copied on the server by SITE CPFR, CPTO and COPY, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xfer_ground import run

from ftpd.testing import Bench

LOAD = "LoadModule mod_copy.c\n"
OVERWRITE = LOAD + "AllowOverwrite on\n"
TREE = {
    "a.txt": b"hello\n",
    "old.txt": b"old",
    "two words": b"2",
    "tree/r": b"r",
    "tree/in/deep": b"deep",
    "tree/e/": b"",
}
READY = "350 File or directory exists, ready for destination name"
DONE = "250 Copy successful"


def after(*lines: str, conf: str = LOAD, files: dict[str, bytes] = TREE, look: Callable[[Bench], Any]) -> Any:
    """Say the lines, and look at what lies on the disk then."""

    async def tale(ftp: Bench) -> Any:
        for line in lines:
            await ftp(line)
        return look(ftp)

    return run(tale, conf=conf, files=files)
