"""Folders with names that are hidden, and what each kind of listing shows of them."""

from __future__ import annotations

import os

from xfer_ground import run

from ftpd.testing import Bench

TREE = {"a.txt": b"1", "b.key": b"2", "d/in.key": b"3", "d/in.txt": b"4", "k.key/x.txt": b"5"}
IGNORE = "<Limit ALL>\nIgnoreHidden on\n</Limit>\n"
LISTINGS = ("LIST -1", "LIST", "NLST", "NLST *", "LIST *", "MLSD", "STAT .")


def at_home(lines: str) -> str:
    return f"<Directory {{root}}>\n{lines}\n</Directory>\n"


def names_in(text: str) -> list[str]:
    """The last words of the lines of any listing, but not ``.`` and ``..``."""
    words = [line.split()[-1].rstrip(":") for line in text.splitlines() if line.strip()]
    return sorted(word for word in words if word not in (".", "..", "status"))


async def listed(ftp: Bench, line: str) -> list[str]:
    return names_in(await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode())


def listings_of(
    conf: str, *lines: str, files: dict[str, bytes] = TREE, links: dict[str, str] | None = None
) -> list[list[str]]:
    async def tale(ftp: Bench) -> list[list[str]]:
        for name, target in (links or {}).items():
            os.symlink(target, f"{ftp.root}/{name}")
        return [await listed(ftp, line) for line in lines]

    return run(tale, files=files, conf=conf)
