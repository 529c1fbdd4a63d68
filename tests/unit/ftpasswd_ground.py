"""ftpasswd as a command: its lines, what it reads, and what it has written."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from ftpd.cli import ftpasswd

TOM = ["--passwd", "--name", "tom", "--uid", "2001", "--home", "/", "--shell", "/bin/sh", "--stdin", "--md5"]
GROUP = ["--group", "--name", "staff"]
Said = pytest.CaptureFixture[str]


def run(*words: str, say: str = "") -> int:
    """The command with these lines on standard input."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(say))))
        return ftpasswd.main(list(words))


def entry(name: str = "tom", path: str = "ftpd.passwd") -> list[str]:
    return next(line for line in Path(path).read_text().splitlines() if line.startswith(f"{name}:")).split(":")


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)
