"""ACLs for the tests, written as the kernel wants them, since the tools of acl(1) need not be there."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

NAME, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_TAGS = {"user:": 0x01, "user": 0x02, "group:": 0x04, "mask:": 0x10, "other:": 0x20}


def give(path: Path | str, text: str, name: str = NAME) -> None:
    """As ``setfacl --set`` would (``user::rw-,user:1000:r--``; numbers for names), with DEFAULT ``-d --set``."""
    packed = struct.pack("<I", 2)
    for entry in text.split(","):
        kind, who, granted = entry.split(":")
        bits = sum(bit for bit, letter in ((4, "r"), (2, "w"), (1, "x")) if letter in granted)
        packed += struct.pack("<HHI", _TAGS[kind if who else f"{kind}:"], bits, int(who or 0xFFFFFFFF))
    try:
        os.setxattr(path, name, packed)
    except OSError:
        pytest.skip(f"the file system of {path} has no ACLs")


def of(path: Path | str) -> bytes | None:
    return os.getxattr(path, NAME) if NAME in os.listxattr(path) else None
