"""The lines of MLSD as they go out: a folder's entries some at a time, so that a long one holds up nobody."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing

from ftpd.api import Command, Folder, Path, Session, Surveyed, hidden, listing
from ftpd.modules._facts_lines import ALL, Facts, facts_in, last
from ftpd.modules._folders import (
    Choice,
    Order,
    Piece,
    dots_of,
    in_steps,
    is_large,
    lines_as_they_are,
    lines_of_small,
    names_of,
    parts_of,
    unveiled,
)
from ftpd.modules._slices import Turn

_BY_NAME, _AS_THEY_COME = Order(), Order(sort=False)
_FEW = 32


class SmallFolders:
    """Makes the lines of small folders, where nothing is said of any path."""

    __slots__ = ()

    def __call__(self, cmd: Command, folder: Folder, path: Path) -> Iterable[bytes] | None:
        facts = facts_in(cmd, folder.attributes)
        pieces = lines_of_small(folder, facts.layout, ALL)
        if pieces is None:
            return None

        return _steps(facts, pieces, folder, path)

    def at_once(self, session: Session, folder: bytes) -> bytes | Surveyed | None:
        facts = last.of(session)
        if facts is None or not facts.serves(session, session.settings):
            return None
        return facts.at_once(session, folder)


def _steps(facts: Facts, pieces: Iterable[Piece], folder: Folder, path: Path) -> Iterable[bytes]:
    return in_steps(pieces, lambda name, known: facts.entry(name, known, folder, path), facts.dots(folder, path))


async def plain(cmd: Command, path: Path, folder: Folder) -> Iterable[bytes] | AsyncIterator[bytes] | None:
    """All lines, each chunk of them made in one short step; None where that is not to be had."""
    if cmd.veil(path) is not None:
        return None
    facts = facts_in(cmd, folder.attributes)
    if facts.by_acl:
        return None
    if is_large(folder) and not cmd.files.slow:
        return _part_by_part(cmd, facts, path, folder) if isinstance(facts.layout, listing.Compiled) else None
    pieces = await lines_as_they_are(cmd, folder, facts.layout, ALL, _BY_NAME)
    return None if pieces is None else map(cmd.session.spoken, _steps(facts, pieces, folder, path))


async def _part_by_part(cmd: Command, facts: Facts, path: Path, folder: Folder) -> AsyncGenerator[bytes, None]:
    """The same of a large folder, in its own order: nobody has to wait until all of it is read."""
    layout = facts.layout
    assert isinstance(layout, listing.Compiled)
    for chunk in _steps(facts, (), folder, path):
        yield cmd.session.spoken(chunk)
    turn = Turn()
    async with aclosing(parts_of(cmd, folder)) as parts:
        async for names in parts:
            pieces = folder.raw_lines(names, layout)
            for chunk in in_steps(pieces, lambda name, known: facts.entry(name, known, folder, path)):
                yield cmd.session.spoken(chunk)
                if turn.over:
                    await turn.give()


def _sendable(cmd: Command, made: list[str]) -> bytes:
    made.append("")  # the last line has an end as well
    chunk = cmd.session.spoken("\r\n".join(made))
    made.clear()
    return chunk


def _looked_at(folder: Folder, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    for start in range(0, len(names), _FEW):
        for name, known in folder.lstat_many(names[start : start + _FEW]):
            if known is not None:
                yield name, known


def _dots_shown(cmd: Command, path: Path, folder: Folder, veil: hidden.Veil | None) -> Sequence[str]:
    dots = dots_of(cmd, path, folder, veil)
    # MLSD has what hides the folder's entries look at these names as well, which the other listings do not
    return dots if veil is None else [name for name in veil.names([*dots]) if veil.shows(name, folder.lstat(name))]


async def chunks(cmd: Command, path: Path, folder: Folder) -> AsyncGenerator[bytes, None]:
    facts = facts_in(cmd, folder.attributes)
    veil = cmd.veil(path)
    turn = Turn()
    made = facts.dots(folder, path, _dots_shown(cmd, path, folder, veil))

    source = names_of(cmd, folder, turn, Choice(veil=veil), _AS_THEY_COME if is_large(folder) else _BY_NAME)
    async with aclosing(source):
        async for names in source:
            if veil is not None and veil.looks:
                names = await unveiled(veil, folder, names, turn)
            for piece in _looked_at(folder, names) if facts.by_acl else folder.lines(names, facts.layout):
                if isinstance(piece, str):
                    made.append(piece)
                elif veil is None or veil.looks or veil.shows(*piece):
                    made.append(facts.entry(*piece, folder, path))
                if turn.over:
                    if made:
                        yield _sendable(cmd, made)
                    await turn.give()
    if made:
        yield _sendable(cmd, made)
