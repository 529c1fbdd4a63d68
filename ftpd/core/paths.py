"""Virtual paths: what a client calls a file, always absolute, never with a dot in it."""

from __future__ import annotations

import re
from typing import AnyStr

_ODD_PART = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
"""Nothing, one dot or two between two slashes, or at an end."""


def normalise(cwd: str, argument: str) -> str:
    """The absolute virtual path that ``argument`` names for a client whose directory is ``cwd``, one of these.

    >>> normalise("/pub", "a//./b/../c")
    '/pub/a/c'
    >>> normalise("/pub", "../../..")
    '/'
    """
    base, rest = ("", argument[1:]) if argument[:1] == "/" else (cwd if cwd != "/" else "", argument)
    if not _ODD_PART.search(rest):
        # nearly always
        return f"{base}/{rest}"
    parts: list[str] = []
    whole = argument if argument.startswith("/") else f"{cwd}/{argument}"
    for part in whole.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def split(path: str) -> tuple[str, str]:
    """The parent and the last component of an absolute virtual path.

    >>> split("/a/b"), split("/a"), split("/")
    (('/a', 'b'), ('/', 'a'), ('/', ''))
    """
    parent, _, name = path.rpartition("/")
    return parent or "/", name


def within(target: AnyStr, root: AnyStr) -> AnyStr:
    """Where an absolute link leads for whoever sees ``root`` as ``/``, if it was made with the whole machine in sight.

    >>> within("/home/ann/pub/x", "/home/ann"), within("/home/ann", "/home/ann/"), within("/home/anna", "/home/ann")
    ('/pub/x', '/', '/home/anna')
    """
    slash = root[:1]
    bare = root.rstrip(slash)
    if target == bare:
        return slash
    return target[len(bare) :] if target.startswith(bare + slash) else target


def encode(path: str) -> bytes:
    """File name bytes of a path: UTF-8, with undecodable bytes kept as they came (PEP 383)."""
    return path.encode("utf-8", "surrogateescape")


def decode(raw: bytes) -> str:
    """The text of a file name's bytes; the inverse of :func:`encode`."""
    return raw.decode("utf-8", "surrogateescape")
