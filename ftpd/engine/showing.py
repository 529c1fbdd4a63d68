"""Listings of folders that are decided like the one before: made and given to the client in one step."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from ftpd.core.answers import ShortAnswer
from ftpd.core.paths import decode, encode
from ftpd.core.reply import Reply
from ftpd.core.vocab import Phase
from ftpd.engine.dataport import DataPort
from ftpd.engine.taking import Taking, be_oneself
from ftpd.module.command import Command
from ftpd.module.events import FILES_SENT, Sent
from ftpd.module.files import Folder, Path, Surveyed
from ftpd.module.session import Session
from ftpd.module.wire import Lister
from ftpd.transfer.data import UNSENT_MOST

_MOST_PIECES = 8
_PATIENCE = 0.002
"""Seconds for a small folder, which is shown in one step."""


class Listing(NamedTuple):
    """What there is to know of listings of the folders in one folder."""

    verb: str
    above: str
    before: bytes
    after: bytes
    folder: bytes
    lister: Lister
    at_once: Callable[[Session, bytes], bytes | Surveyed | None] | None


class Showing(Taking):
    """What takes longer than one step, or is no folder after all, goes by the whole road, with what was made so far."""

    def lists(
        self, command: Command, folder: str, before: str, after: str, lister: Lister
    ) -> ShortAnswer | None:  # fmt: skip
        if self._recorders(command, Phase.LOG_CMD):
            return None
        said, done = Reply(150, (before,)).encode(), Reply(226, (after,)).encode()
        above, at_once = folder.rstrip("/"), getattr(lister, "at_once", None)
        recipe = Listing(command.name, above, said, done, encode(f"{above}/"), lister, at_once)
        return self._made(self._listing(recipe), partial(type(self)._listing, recipe=recipe))

    def _listing(self, recipe: Listing) -> ShortAnswer | None:
        walk = self._walk()
        if walk is None and self._is_plain():
            walk = _Walk(self._data_port(), self._announce)
        return None if walk is None else partial(self._list, recipe, walk)

    def _announce(self, before: bytes) -> bool:
        """Tell the client what comes; whether it took that at once."""
        self._write(before)
        return not self._out

    def _list(self, recipe: Listing, walk: Any, name: bytes) -> bytes | None:
        """List the folder of that name; without one, that in which the session is."""
        be_oneself()
        session = self.session
        files, virtual = session.files, f"{recipe.above}/{decode(name)}" if name else session.cwd
        # what begins with a dash may be flags
        if files is None or name in (b".", b"..") or name.startswith(b"-"):
            return None
        if self.generation.gate.bare_until(session, virtual) <= monotonic():
            return None
        until, met, surveyed = perf_counter() + _PATIENCE, False, None
        if recipe.at_once is not None and not isinstance(walk, _Walk):
            # whom this walk has met the whole road finds, however long it takes to come so far
            if not walk.meet():
                return None
            met = True
            text = recipe.at_once(session, recipe.folder + name if name else encode(session.cwd))
            if isinstance(text, bytes):
                return self._give(recipe, walk, (text,), until)
            surveyed = text
        path = Path(virtual)
        opened = files.open_at_once(path, "list")
        if opened is None or not stat.S_ISDIR(opened.attributes.st_mode) or not (met or walk.meet()):
            return None
        opened.surveyed = surveyed
        path.saw(opened.attributes, opened=opened)
        command, _ = self.generation.command(session, recipe.verb, "")
        lines = _lines(command, path, recipe.lister)
        return None if lines is None else self._give(recipe, walk, lines, until)

    def _give(self, recipe: Listing, walk: Any, lines: Iterable[bytes], until: float) -> bytes | None:
        session = self.session
        pieces, rest = _first(lines, until)
        size, whole = sum(map(len, pieces)), rest is None
        if not size:
            return None
        # of so much the client has to take some before it is said that it was all
        at_once = pieces if size < UNSENT_MOST else ()
        done: bytes | None = walk.give(recipe.before, at_once, whole and bool(at_once), recipe.after)
        if done is not None and isinstance(walk, _Walk):
            session.bytes_out += size
            self.generation.emit(FILES_SENT, Sent(session, 0, size))
        elif done is None:
            assert self._port is not None
            left = b"".join(pieces)[walk.went :]
            self._port.rest = chain((left,) if left else (), rest or ())
        return done


def _lines(command: Command, path: Path, lister: Lister) -> Iterable[bytes] | None:
    opening, lines = command.files.open_folder(path), None
    folder = opening.__enter__()
    try:
        lines = lister(command, folder, path)
    finally:
        # what is made as it is asked for needs the folder until then
        if lines is None or isinstance(lines, tuple):
            opening.__exit__(None, None, None)
    return lines if lines is None or isinstance(lines, tuple) else _closing(lines, opening)


def _closing(lines: Iterable[bytes], opening: AbstractContextManager[Folder]) -> Iterator[bytes]:
    try:
        yield from lines
    finally:
        opening.__exit__(None, None, None)


def _first(lines: Iterable[bytes], until: float) -> tuple[tuple[bytes, ...], Iterator[bytes] | None]:
    """What there is of them until then, and what gives the others; None where that is all."""
    if isinstance(lines, tuple) and len(lines) <= _MOST_PIECES:
        return lines, None
    pieces, rest = [], iter(lines)
    for piece in rest:
        pieces.append(piece)
        if len(pieces) == _MOST_PIECES or perf_counter() > until:
            return tuple(pieces), rest
    return tuple(pieces), None


class _Walk:
    """What the compiled one does for a listing, where that is not to be had."""

    __slots__ = ("_port", "_say", "went")

    def __init__(self, port: DataPort, say: Callable[[bytes], bool]) -> None:
        self._port = port
        self._say = say
        self.went = 0

    def meet(self) -> bool:
        return self._port.meet()

    def give(self, before: bytes, pieces: tuple[bytes, ...], all: bool, done: bytes) -> bytes | None:
        size = sum(map(len, pieces))
        said = self._say(before)
        self.went = self._port.give(pieces if said else (), all=all and said)
        return done if all and said and self.went == size else None
