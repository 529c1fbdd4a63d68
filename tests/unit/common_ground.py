"""A visit by a client that asks for a file and sends one, and what it sees whether others know all that or nobody."""

from __future__ import annotations

from recall_ground import Place
from walk_ground import COMPLETE, OPENING, fetch, store

CONF = "AllowOverwrite on"
TRIES = 20
"""A file system that comes or goes elsewhere on the machine has all of it forgotten, as it should."""
AS_EVER = ['257 "/" is the current directory', "1", f"{OPENING} file (1 byte)", COMPLETE, f"{OPENING} sent", COMPLETE]


async def visit(place: Place, *before: str, folder: str = "") -> list[str]:
    """What a client sees that says this first, and then asks for a file and sends one."""
    async with place.client() as client:
        seen = [await client.ask(line) for line in ("TYPE I", *before, *([f"CWD {folder}"] if folder else []))]
        seen.append(await client.ask("PWD"))
        content, *replies = await fetch(client, "file")
        seen += [content.decode(), *replies, *(await store(client, "sent", b"12345"))]
        return seen[1 + len(before) + bool(folder) :]
