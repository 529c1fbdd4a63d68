"""Uploads that go as the one before did: begun, written so far, and what is there then."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from engine_ground import Client
from recall_ground import Place
from walk_ground import COMPLETE, OPENING, port_of, store


async def entered(place: Place, client: Client, name: str = "first") -> None:
    """From here on files come by the walk, where there is one."""
    await client.ask("TYPE I")
    for _ in range(2):
        assert await store(client, name, b"1") == (f"{OPENING} {name}", COMPLETE)


def path_of(place: Place, name: str) -> Path:
    return Path(place.bench.root) / name


def content_of(place: Place, name: str) -> bytes | None:
    path = path_of(place, name)
    return path.read_bytes() if path.exists() else None


async def size_reached(place: Place, name: str, size: int) -> None:
    for _ in range(400):
        if path_of(place, name).exists() and path_of(place, name).stat().st_size == size:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not come")


async def sending(place: Place, client: Client, name: str, begins: bytes = b"") -> socket.socket:
    """The connection of an upload that has been begun, and of which so much has been written."""
    sock = socket.create_connection(("127.0.0.1", await port_of(client)))
    assert await client.ask(f"STOR {name}") == f"{OPENING} {name}"
    if begins:
        sock.sendall(begins)
        await size_reached(place, name, len(begins))
    return sock
