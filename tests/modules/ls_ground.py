"""What the tests of listings stand on: a tree that is of one day, and what a line lists of it."""

from __future__ import annotations

import os

from xfer_ground import run

from ftpd.testing import Bench

TREE = {"B.txt": b"22", "a.txt": b"1", "c d.txt": b"333", ".h": b"4", "d/in.txt": b"5", "d/e/deep.txt": b"6"}
OPENED = "150 Opening ASCII mode data connection for file list"
FAKES = "DirFakeUser on ann\nDirFakeGroup on staff\n"


def plain(line: str) -> str:
    """How many links and bytes a folder has is the file system's own affair."""
    if line.startswith("d") and line[40:41].isdigit():
        return f"{line[:11]}  -{line[14:33]}       -{line[41:]}"
    return line


def dated(ftp: Bench, *paths: str) -> None:
    for path in paths:
        os.utime(os.path.join(ftp.root, path), (1709618828, 1709618828), follow_symlinks=False)


def listed(line: str, *, conf: str = FAKES, links: dict[str, str] | None = None) -> list[str]:
    """What the line lists of the tree, everything being of 2024-03-05."""

    async def tale(ftp: Bench) -> list[str]:
        for name, target in (links or {}).items():
            os.symlink(target, os.path.join(ftp.root, name))
        dated(ftp, *TREE, *(links or {}), "d", "d/e", ".")
        os.chmod(f"{ftp.root}/a.txt", 0o644)
        content = await ftp.download(line)
        assert ftp.replies == f"{OPENED}\n226 Transfer complete", ftp.replies
        assert content.replace(b"\r\n", b"").find(b"\n") < 0
        return [plain(text) for text in content.decode().split("\r\n")[:-1]]

    return run(tale, files=TREE, conf=conf)


def names_of(line: str, **more: object) -> list[str]:
    return [text[55:] for text in listed(line, **more)]  # type: ignore[arg-type]
