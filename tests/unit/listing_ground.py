"""Folders of all kinds, how they are listed, and what is seen of that: for the tests of listings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from engine_ground import Client
from recall_ground import Place
from walk_ground import WAYS, port_of, take_way

from ftpd import native
from ftpd.dispatch.gate import PathGate
from ftpd.fs import folder as fs_folder
from ftpd.module.files import Surveyed
from ftpd.module.session import Session
from ftpd.modules import _folders, _ls_walk

VERBS = ["LIST", "MLSD"]
BY = [*WAYS[1:], "by Python"]


def by(way: str, patch: pytest.MonkeyPatch) -> str:
    """Have listings go that way."""
    if way != "by Python":
        return take_way(way, patch)
    for name in ("data", "front", "lines"):
        patch.setattr(native, name, None)
    return way


async def listing(client: Client, line: str) -> tuple[str, str, str]:
    """The lines, and the replies before and after them; a refusal comes alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(client))
    try:
        before = await client.ask(line)
        if before[0] != "1":
            return "", before, ""
        content = await reader.read()
        writer.close()
        return content.decode("utf-8", "surrogateescape"), before, await client.line()
    finally:
        writer.close()


async def by_the_whole_road(client: Client, line: str) -> tuple[str, str, str]:
    """The same where an access file might count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PathGate, "bare_until", lambda *_: 0.0)
        return await listing(client, line)


def names_in(text: str, verb: str) -> list[str]:
    lines = text.split("\r\n")
    assert lines.pop() == ""
    return [line.partition("; ")[2] if verb == "MLSD" else line.split(maxsplit=8)[8] for line in lines]


def furnish(place: Place) -> None:
    """Folders of all kinds."""
    root = place.bench.root
    for name in ("sub/a", "sub/b c", "sub/ä", "sub/.hidden", "sub/-x", "sub/inner/deep", "one", "linked/z", ".dot/x"):
        place.bench.write(name, name.encode())
    for name in ("empty/", "sub/folder/", "closed/"):
        place.bench.write(name)
    for n in range(300):
        place.bench.write(f"many/file {n:03}", b"x" * n)
    os.mkfifo(os.path.join(root, "sub/fifo"))
    os.symlink("a", os.path.join(root, "linked/to a file"))
    os.symlink("../sub", os.path.join(root, "linked/to a folder"))
    os.symlink("nowhere", os.path.join(root, "linked/to nothing"))
    os.symlink("sub", os.path.join(root, "link"))
    odd = os.fsencode(os.path.join(root, "odd"))
    os.mkdir(odd)
    for raw in (b"line\nend", b"\xff\xfe", b"esc\x1b[1m", b"last"):
        with open(odd + b"/" + raw, "wb") as file:
            file.write(raw)
    os.utime(os.path.join(root, "sub/a"), (0, 86400 * 365))


FOLDERS = ["sub", "linked", "empty", "odd", "many", "sub/inner", "sub/folder", "link", "one", "none", "closed", "-a",
           "s*", "..", ".", "sub/", "", "/", "/sub", "~", ".dot", "sub/../many", "sub/a", "sub/fifo",
           "two  blanks", "x" * 300]  # fmt: skip


class Names:
    """Of owners: those that the clock and the test give, and which session asked for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.now = "first", 0.0
        self.asked: list[Session] = []
        monkeypatch.setattr(_folders.Owners, "_asked", lambda owners, session, number: self.of(session))
        monkeypatch.setattr(_ls_walk, "monotonic", lambda: self.now)

    def of(self, session: Session) -> str:
        self.asked.append(session)
        return self.name


AtOnce = Callable[[Any, Session, bytes], bytes | Surveyed | None]


def noted(at_once: AtOnce, told: list[bool]) -> AtOnce:
    def noting(lister: Any, session: Session, folder: bytes) -> bytes | Surveyed | None:
        text = at_once(lister, session, folder)
        told.append(isinstance(text, bytes))
        return text

    return noting


def looks(patch: pytest.MonkeyPatch) -> list[int]:
    """At how many entries each look at a folder looked, where that is compiled."""
    seen: list[int] = []
    lines = native.lines

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(lines, name)

        def survey_below(self, *given: Any) -> Any:
            found = lines.survey_below(*given)
            self.keep(found and found[-1] and found[-1][1])
            return found

        def survey(self, *given: Any) -> Any:
            found = lines.survey(*given)
            self.keep(found and found[1])
            return found

        def look(self, *given: Any) -> Any:
            found = lines.look(*given)
            self.keep(found[0])
            return found

        def keep(self, attributes: bytes | None) -> None:
            seen.append(len(attributes or b"") // lines.ENTRY)

    if lines is not None:
        patch.setattr(fs_folder, "native", SimpleNamespace(lines=Counted()))
    return seen
