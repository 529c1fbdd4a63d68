"""The lines of NLST: names that RETR takes as they are (RFC 959), and that a client's MGET can fetch."""

from __future__ import annotations

import asyncio
import posixpath
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ftpd.api import Command, Folder, listing
from ftpd.modules._folders import reading, sliced
from ftpd.modules._ls_request import Found, Request, Target
from ftpd.modules._ls_walk import NO_LIMIT, is_folder, unveiled, visible


async def names(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The names of a folder, or of what a pattern matched; with -R what is in the folders that it matched."""
    most = request.limits.most_files or NO_LIMIT
    # -1 is ProFTPD's way to ask for names without their folder
    bare = "1" in request.flags or "1" in request.limits.flags
    if found.literal and not found.is_folder:
        yield [listing.shown(posixpath.normpath(target.shown)) for target in found.targets]
        return
    if found.literal:
        async with aclosing(_inside(cmd, request, found.targets[0], bare, most)) as source:
            async for some in source:
                yield some
        return
    for targets in sliced(found.targets[:most]):
        made: list[str] = []
        for target in targets:
            if "R" in request.flags and is_folder(cmd, target):
                yield made
                made = []
                async with aclosing(_inside(cmd, request, target, bare, most)) as source:
                    async for some in source:
                        yield some
            elif _fetchable(cmd, target):
                made.append(listing.shown(target.path.name if bare else target.shown))
        yield made
        await asyncio.sleep(0)


async def _inside(
    cmd: Command, request: Request, target: Target, bare: bool, most: int
) -> AsyncGenerator[list[str], None]:
    above = "" if bare else posixpath.normpath(target.shown)
    prefix = "" if above in ("", ".") else f"{above.rstrip('/')}/"
    try:
        with cmd.files.open_folder(target.path) as folder:
            veil = cmd.veil(target.path)
            found = await visible(cmd, veil, folder, request.flags)
            if veil is not None and veil.looks:
                found = await unveiled(veil, folder, found)
            broken = await _broken_links(cmd, folder)
    except PermissionError:
        return
    if broken:
        found = [name for name in found if name not in broken]
    for some in sliced(found[:most]):
        yield [listing.shown(prefix + name) for name in some]
        await asyncio.sleep(0)


def _fetchable(cmd: Command, target: Target) -> bool:
    """Whether it is worth an MGET: no device, and no link that leads nowhere."""
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
