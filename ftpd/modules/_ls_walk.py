"""Listings as they go out: folders read in slices, so that a long one holds up nobody but its own session."""

from __future__ import annotations

import asyncio
import errno
import posixpath
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from ftpd.api import Command, Folder, Path, hidden, listing
from ftpd.modules._folders import names_of, sliced
from ftpd.modules._ls_request import Flags, Found, Request, Target
from ftpd.modules._ls_view import View, clock

_WIDTH = 75
NO_LIMIT = 1 << 62
_DOTS = (".", "..")


@dataclass(slots=True)
class _Budget:
    """What ListOptions leaves of the entries and folders that one listing may show."""

    files: int
    folders: int


async def lines(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The lines of LIST and STAT, some at a time: a folder's entries, or those that a pattern matched."""
    limits = request.limits
    budget = _Budget(limits.most_files or NO_LIMIT, limits.most_folders or NO_LIMIT)
    if found.literal and "d" not in request.flags and found.is_folder:
        async with aclosing(_folders(cmd, request, found.targets, budget, headed=False)) as source:
            async for some in source:
                yield some
        return
    if found.literal and any(cmd.hides(target.path, target.attributes) for target in found.targets):
        return
    targets: list[Target] = []
    below: list[Target] = []
    recursive = "R" in request.flags and not found.literal
    for target in found.targets:
        (below if recursive and is_folder(cmd, target) else targets).append(target)
    targets = in_order(request.flags, targets)[: budget.files]
    budget.files -= len(targets)
    single = _Single(cmd, request)
    for few in sliced(targets):
        yield _arranged(request.flags, single.lines(few))
        await asyncio.sleep(0)
    if below:
        async with aclosing(_folders(cmd, request, below, budget)) as source:
            async for some_below in source:
                yield some_below


def is_folder(cmd: Command, target: Target) -> bool:
    """Whether it is a folder, or a link to one."""
    bits = target.attributes.st_mode
    if stat.S_ISLNK(bits):
        try:
            bits = cmd.files.stat(target.path).st_mode
        except OSError:
            return False
    return stat.S_ISDIR(bits)


def in_order(flags: Flags, targets: list[Target]) -> list[Target]:
    """What a pattern matched, sorted as the flags want it."""
    column = _column(flags)
    if "U" in flags:
        return targets
    if column is None:
        return targets[::-1] if "r" in flags else targets
    sign = 1 if "r" in flags else -1
    return sorted(targets, key=lambda target: sign * target.attributes[column])


async def unveiled(veil: hidden.Veil, folder: Folder, names: list[str]) -> list[str]:
    """The names of the entries that may be shown, once they were looked at."""
    shown: list[str] = []
    for some in sliced(names):
        for name, attributes in folder.lstat_many(some):
            if name in _DOTS or (attributes is not None and veil.shows(name, attributes)):
                shown.append(name)
        await asyncio.sleep(0)
    return shown


class _Single:
    """Lines of entries that are named one by one; those under the same configuration share a view."""

    def __init__(self, cmd: Command, request: Request) -> None:
        self._cmd = cmd
        self._flags = request.flags
        self._views: dict[int, View] = {}

    def lines(self, targets: list[Target]) -> list[str]:
        made = (
            self._view(target.path).line(
                target.shown, target.attributes, self._cmd.files, target.path, posixpath.dirname(target.path.virtual)
            )
            for target in targets
        )
        return [line for line in made if line is not None]

    def _view(self, path: Path) -> View:
        # the paths hold the settings as long as the listing lasts: no number is used again
        view = self._views.get(id(path.settings))
        if view is None:
            view = self._views[id(path.settings)] = View(self._cmd, path.settings, self._flags)
        return view


async def _folders(
    cmd: Command, request: Request, first: list[Target], budget: _Budget, *, headed: bool = True
) -> AsyncGenerator[list[str], None]:
    """Folders, and with -R all below them; links are never followed down, and closed folders are left out."""
    deepest = request.limits.most_depth or NO_LIMIT
    waiting = [(target.path, _as_above(target.shown), 1) for target in reversed(first)]
    while waiting and budget.folders > 0 and budget.files > 0:
        path, shown, depth = waiting.pop()
        below: list[str] = []
        try:
            with cmd.files.open_folder(path) as folder:
                budget.folders -= 1
                if depth > 1 or headed:
                    yield ["", listing.shown(f"{shown}:")]
                async with aclosing(_entries(cmd, request.flags, path, folder, budget, below)) as source:
                    async for some in source:
                        yield some
        except OSError as error:
            # a folder that may be entered but not read is a drop box: clients list it before they upload
            if depth == 1 and error.errno not in (errno.EACCES, errno.EPERM):
                raise
        if "R" in request.flags and depth < deepest:
            for name in reversed(below):
                waiting.append((cmd.below(path, name), f"{shown.rstrip('/')}/{name}" if shown else name, depth + 1))


async def _entries(
    cmd: Command, flags: Flags, path: Path, folder: Folder, budget: _Budget, below: list[str]
) -> AsyncGenerator[list[str], None]:
    view = View(cmd, path.settings, flags)
    veil = cmd.veil(path)
    names = await visible(cmd, veil, folder, flags)
    if veil is not None and veil.looks:
        names = await unveiled(veil, folder, names)
    entries = (await _ordered(flags, folder, names))[: budget.files]
    budget.files -= len(entries)
    for some in sliced(entries):
        made = []
        for name, attributes in folder.lstat_many(some):
            if attributes is None:
                continue
            line = view.line(name, attributes, folder, name, path.virtual)
            if line is not None:
                made.append(line)
            if stat.S_ISDIR(attributes.st_mode) and name not in _DOTS:
                below.append(name)
        yield _arranged(flags, made)
        await asyncio.sleep(0)


async def visible(cmd: Command, veil: hidden.Veil | None, folder: Folder, flags: Flags) -> list[str]:
    """The names of a folder that the flags and HideFiles let be seen, sorted; -a brings ``.`` and ``..`` along."""

    def pick(found: list[str]) -> list[str]:
        if "a" not in flags and "A" not in flags:
            found = [name for name in found if not name.startswith(".")]
        if veil is not None:
            found = veil.names(found)
        if "U" not in flags:
            found.sort()
        return found

    found = await names_of(cmd, folder, pick)
    return [".", "..", *found] if "a" in flags else found


def _as_above(shown: str) -> str:
    shown = posixpath.normpath(shown)
    return "" if shown == "." else shown


def _column(flags: Flags) -> int | None:
    """The place of what is sorted by in the attributes; None for the name."""
    return clock(flags) if "t" in flags else 6 if "S" in flags else None


async def _ordered(flags: Flags, folder: Folder, entries: list[str]) -> list[str]:
    """By time (-t), by size (-S), or as they are; -r turns it round, but not the names of equals."""
    column = _column(flags)
    if "U" in flags:
        return entries
    if column is None:
        return entries[::-1] if "r" in flags else entries
    sign = 1 if "r" in flags else -1
    keys: list[tuple[float, str]] = []
    for some in sliced(entries):
        keys.extend((sign * found[column], name) for name, found in folder.lstat_many(some) if found is not None)
        await asyncio.sleep(0)
    keys.sort()
    return [name for _, name in keys]


def _arranged(flags: Flags, made: list[str]) -> list[str]:
    """-C: in columns of equal width, read from the top down, with tabs between them as ProFTPD has them."""
    if flags.layout != "C" or not made:
        return made
    width = min((max(map(len, made)) | 7) + 1, _WIDTH)
    height = -(-len(made) // (_WIDTH // width))
    return [
        "".join(_tabbed(name, width) for name in made[row::height][:-1]) + made[row::height][-1]
        for row in range(height)
    ]


def _tabbed(name: str, width: int) -> str:
    """The name and as many tabs as it takes to the next column; one at least, however long it is."""
    return name + "\t" * max(-(-(width - len(name)) // 8), 1)
