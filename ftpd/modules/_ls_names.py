"""The lines of NLST: names that RETR takes as they are (RFC 959), and that a client's MGET can fetch."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial

from ftpd.api import Command, Folder, hidden, listing
from ftpd.modules._folders import (
    Order,
    dots_of,
    names_of,
    reading,
    unveiled,
)
from ftpd.modules._ls_request import Flags, Found, Request, Target
from ftpd.modules._ls_walk import NO_LIMIT, chosen, is_folder
from ftpd.modules._slices import Turn, sliced


async def names(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The names of a folder, or of what a pattern matched; with -R what is in the folders that it matched."""
    most = request.limits.most_files or NO_LIMIT
    # -1 is ProFTPD's way to ask for names without their folder
    bare = "1" in request.flags or "1" in request.limits.flags
    turn = Turn()
    if found.literal and not found.is_folder:
        yield [listing.shown(posixpath.basename(name) if bare else name) for name in _not_hiding_themselves(cmd, found)]
        return
    if found.literal:
        async with aclosing(_inside(cmd, request, found.targets[0], bare, most, turn)) as source:
            async for some in source:
                yield some
        return
    itself = cmd.own_sections()
    for targets in sliced(found.targets[:most]):
        made: list[str] = []
        for target in targets:
            if itself is not None and "/" not in target.shown and itself(target.shown):
                continue
            if "R" in request.flags and is_folder(cmd, target):
                yield made
                made = []
                async with aclosing(_inside(cmd, request, target, bare, most, turn)) as source:
                    async for some in source:
                        yield some
            elif _fetchable(cmd, target):
                made.append(listing.shown(target.path.name if bare else target.shown))
        yield made
        if turn.over:
            await turn.give()


def _not_hiding_themselves(cmd: Command, found: Found) -> Iterator[str]:
    hides = cmd.own_sections()
    for target in found.targets:
        name = _cleaned(target.shown)
        if hides is None or "/" in name or not hides(name):
            yield name


def _cleaned(path: str) -> str:
    """The path as ProFTPD has it in front of names; POSIX lets two slashes at the beginning be something else.

    >>> _cleaned("//d/"), _cleaned("d//e/../in.txt"), _cleaned(".")
    ('/d', 'd/in.txt', '.')
    """
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


async def _inside(
    cmd: Command, request: Request, target: Target, bare: bool, most: int, turn: Turn
) -> AsyncGenerator[list[str], None]:
    above = "" if bare else _cleaned(target.shown)
    prefix = "" if above in ("", ".") else f"{above.rstrip('/')}/"
    flags = request.flags
    if not flags.isdisjoint("aA") and cmd.ignores_dotted(target.path):
        flags = Flags(flags - {"a", "A"}, flags.layout)
    try:
        with cmd.files.open_folder(target.path) as folder:
            veil = cmd.veil(target.path)
            dots = dots_of(cmd, target.path, folder, veil) if "a" in flags else ()
            order = Order(sort="U" not in flags)
            hidden_links, shown_links = await _links(cmd, veil, folder, turn, order)
            if veil is not None and shown_links:
                veil = _Aimed(veil, shown_links)
            async with aclosing(names_of(cmd, folder, turn, chosen(veil, flags), order, dots)) as source:
                async for names in source:
                    if veil is not None and veil.looks:
                        names = await unveiled(veil, folder, names, turn)
                    if hidden_links:
                        names = [name for name in names if name not in hidden_links]
                    if len(names) > most:
                        names = names[:most]
                    most -= len(names)
                    for some in sliced(names):
                        if turn.over:
                            await turn.give()
                        yield [listing.shown(prefix + name) for name in some]
                    if not most:
                        break
    except PermissionError:
        return


def _fetchable(cmd: Command, target: Target) -> bool:
    """Whether it is worth an MGET: no device, and no link that leads nowhere."""
    bits = target.attributes.st_mode
    if stat.S_ISLNK(bits):
        try:
            bits = cmd.files.stat(target.path).st_mode
        except OSError:
            return False
    return stat.S_ISREG(bits) or stat.S_ISDIR(bits)


class _Aimed:
    """A :class:`ftpd.api.hidden.Veil`: of a link in a folder NLST asks by the name that it leads to, as ProFTPD."""

    def __init__(self, veil: hidden.Veil, links: set[str]) -> None:
        self._veil = veil
        self._links = links

    @property
    def looks(self) -> bool:
        return self._veil.looks

    def names(self, names: list[str]) -> list[str]:
        seen = set(self._veil.names(names)) | self._links
        return [name for name in names if name in seen]

    def shows(self, name: str, attributes: os.stat_result, *, aim: bool = True) -> bool:
        return self._veil.shows(name, attributes, aim=aim)

    def leads(self, name: str) -> bool:
        return self._veil.leads(name)

    def admits(self, attributes: os.stat_result) -> bool:
        return self._veil.admits(attributes)


async def _links(
    cmd: Command, veil: hidden.Veil | None, folder: Folder, turn: Turn, order: Order
) -> tuple[set[str], set[str]]:
    """The links of a folder that lead nowhere, or out of the session's root, or to what is hidden; and the others."""
    useless, good = set(), set()
    for name in await reading(cmd, folder, partial(folder.links, ordered=order.sort)):
        if turn.over:
            await turn.give()
        try:
            folder.stat(name)
            if veil is not None and not (veil.leads(name) and veil.shows(name, folder.lstat(name))):
                useless.add(name)
            else:
                good.add(name)
        except OSError:
            useless.add(name)
    return useless, good
