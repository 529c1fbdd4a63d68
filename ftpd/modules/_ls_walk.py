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
from ftpd.modules._folders import names_of, reading, sliced
from ftpd.modules._ls_request import Flags, Found, Request, Target, allowed
from ftpd.modules._ls_view import View, clock

_WIDTH = 75
_NO_LIMIT = 1 << 62
_DOTS = (".", "..")


@dataclass(slots=True)
class _Budget:
    """What ListOptions leaves of the entries and folders that one listing may show."""

    files: int
    folders: int


async def lines(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The lines of LIST and STAT, some at a time: a folder's entries, or those that a pattern matched."""
    limits = request.limits
    budget = _Budget(limits.most_files or _NO_LIMIT, limits.most_folders or _NO_LIMIT)
    if found.literal and "d" not in request.flags and found.is_folder:
        async with aclosing(_folders(cmd, request, found.targets[0], budget)) as source:
            async for some in source:
                yield some
        return
    if found.literal and any(cmd.hides(target.path, target.attributes) for target in found.targets):
        return
    for targets in sliced(found.targets[: budget.files]):
        yield _arranged(request.flags, _single(cmd, request, targets))
        await asyncio.sleep(0)


async def names(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The lines of NLST: names that RETR would take as they are (RFC 959), without a look at the entries."""
    most = request.limits.most_files or _NO_LIMIT
    if found.literal and not found.is_folder:
        yield [listing.shown(target.shown) for target in found.targets]
        return
    if not found.literal:
        for targets in sliced(found.targets[:most]):
            yield [listing.shown(target.shown) for target in targets if _fetchable(cmd, target)]
            await asyncio.sleep(0)
        return
    target = found.targets[0]
    # ListOptions "-1" is ProFTPD's way to ask for names without their folder
    above = "" if "1" in request.limits.flags else posixpath.normpath(target.shown)
    prefix = "" if above in ("", ".") else f"{above.rstrip('/')}/"
    try:
        with cmd.files.open_folder(target.path) as folder:
            found_names = await _names_of(cmd, target.path, folder, request.flags)
            veil = cmd.veil(target.path)
            if veil is not None and veil.looks:
                found_names = await _unveiled(veil, folder, found_names)
            broken = await _broken_links(cmd, folder)
    except PermissionError:
        return
    if broken:
        found_names = [name for name in found_names if name not in broken]
    for some in sliced(found_names[:most]):
        yield [listing.shown(prefix + name) for name in some]
        await asyncio.sleep(0)


async def _unveiled(veil: hidden.Veil, folder: Folder, names: list[str]) -> list[str]:
    """The names of the entries that may be shown, once they were looked at."""
    shown: list[str] = []
    for some in sliced(names):
        for name, attributes in folder.lstat_many(some):
            if name in _DOTS or (attributes is not None and veil.shows(name, attributes)):
                shown.append(name)
        await asyncio.sleep(0)
    return shown


def _fetchable(cmd: Command, target: Target) -> bool:
    """Whether a name that a pattern matched is worth a client's MGET: no device, and no link that leads nowhere."""
    bits = target.attributes.st_mode
    if stat.S_ISLNK(bits):
        try:
            bits = cmd.files.stat(target.path).st_mode
        except OSError:
            return False
    return stat.S_ISREG(bits) or stat.S_ISDIR(bits)


async def _broken_links(cmd: Command, folder: Folder) -> set[str]:
    """The links of a folder that lead nowhere, or out of the session's root."""
    broken = set()
    for some in sliced(await reading(cmd, folder, folder.links)):
        for name in some:
            try:
                folder.stat(name)
            except OSError:
                broken.add(name)
        await asyncio.sleep(0)
    return broken


def _single(cmd: Command, request: Request, targets: list[Target]) -> list[str]:
    made = []
    for target in targets:
        view = View(cmd, target.path.settings, request.flags)
        line = view.line(target.shown, target.attributes, cmd.files, target.path)
        if line is not None:
            made.append(line)
    return made


async def _folders(cmd: Command, request: Request, first: Target, budget: _Budget) -> AsyncGenerator[list[str], None]:
    """A folder, and with -R all below it; links are never followed down, and closed folders are left out."""
    deepest = request.limits.most_depth or _NO_LIMIT
    shown = posixpath.normpath(first.shown)
    waiting = [(first.path, "" if shown == "." else shown, 1)]
    while waiting and budget.folders > 0 and budget.files > 0:
        path, shown, depth = waiting.pop()
        below: list[str] = []
        try:
            if depth > 1:
                path = allowed(cmd, path.virtual)
            with cmd.files.open_folder(path) as folder:
                budget.folders -= 1
                if depth > 1:
                    yield ["", f"{shown}:"]
                async with aclosing(_entries(cmd, request.flags, path, folder, budget, below)) as source:
                    async for some in source:
                        yield some
        except OSError as error:
            # a folder that may be entered but not read is a drop box: clients list it before they upload
            if depth == 1 and error.errno not in (errno.EACCES, errno.EPERM):
                raise
        if "R" in request.flags and depth < deepest:
            for name in reversed(below):
                waiting.append((path.child(name), f"{shown.rstrip('/')}/{name}" if shown else name, depth + 1))


async def _entries(
    cmd: Command, flags: Flags, path: Path, folder: Folder, budget: _Budget, below: list[str]
) -> AsyncGenerator[list[str], None]:
    view = View(cmd, path.settings, flags)
    veil = cmd.veil(path)
    names = await _names_of(cmd, path, folder, flags)
    if veil is not None and veil.looks:
        names = await _unveiled(veil, folder, names)
    entries = (await _ordered(flags, folder, names))[: budget.files]
    budget.files -= len(entries)
    for some in sliced(entries):
        made = []
        for name, attributes in folder.lstat_many(some):
            if attributes is None:
                continue
            line = view.line(name, attributes, folder, name)
            if line is not None:
                made.append(line)
            if stat.S_ISDIR(attributes.st_mode) and name not in _DOTS:
                below.append(name)
        yield _arranged(flags, made)
        await asyncio.sleep(0)


async def _names_of(cmd: Command, path: Path, folder: Folder, flags: Flags) -> list[str]:
    """The names of a folder that the flags and HideFiles let be seen, sorted; -a brings ``.`` and ``..`` along."""
    veil = cmd.veil(path)

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


async def _ordered(flags: Flags, folder: Folder, entries: list[str]) -> list[str]:
    """By time (-t), by size (-S), or as they are; -r turns it round, but not the names of equals."""
    column = clock(flags) if "t" in flags else 6 if "S" in flags else None
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
