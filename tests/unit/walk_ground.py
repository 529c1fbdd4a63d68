"""Files that go as the one before did, in each way that there is; and what is otherwise on the way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from engine_ground import Client
from recall_ground import Place

from ftpd import native

OPENING, COMPLETE = "150 Opening BINARY mode data connection for", "226 Transfer complete"
COMPILED = native.data is not None and native.data.Walk is not None
WAYS = ["whole road", "walk", "front and walk"]
"""All modules asked each time; the walk called by Python; the walk called by what waits for clients."""


def take_way(way: str, monkeypatch: pytest.MonkeyPatch) -> str:
    if way == "whole road":
        monkeypatch.setattr(native, "data", None)
    elif not COMPILED:
        pytest.skip("not compiled here")
    if way == "walk":
        monkeypatch.setattr(native, "front", None)
    return way


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def walked(place: Place) -> list[str]:
    """What the walk answers for the one client who is there."""
    answers = place.channel._answers or {}
    moving = {key.decode().strip() for key, answer in answers.items() if not isinstance(answer, bytes)}
    # without it, a port is still opened by what was decided before
    others = ("CWD", "TYP") if native.data is not None else ("CWD", "TYP", "EPS", "PAS")
    return sorted(key for key in moving if key[:3] not in others)


async def port_of(client: Client, verb: str = "EPSV") -> int:
    answer = await client.ask(verb)
    if verb == "EPSV":
        assert answer[:3] == "229", answer
        return int(answer.split("|||")[1].split("|")[0])
    assert answer[:3] == "227", answer
    high, low = re.findall(r"\d+", answer)[-2:]
    return int(high) << 8 | int(low)


async def fetch(client: Client, name: str, verb: str = "EPSV") -> tuple[bytes, str, str]:
    """The content, and the replies before and after it; a refusal comes alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(client, verb))
    try:
        before = await client.ask(f"RETR {name}")
        if before[0] != "1":
            return b"", before, ""
        content = await reader.read()
        # some wait for our end before they say that it was all
        writer.close()
        return content, before, await client.line()
    finally:
        writer.close()


async def store(client: Client, name: str, content: bytes, verb: str = "STOR") -> tuple[str, str]:
    """The replies before and after an upload; a refusal comes alone."""
    _, writer = await asyncio.open_connection("127.0.0.1", await port_of(client))
    try:
        before = await client.ask(f"{verb} {name}")
        if before[0] != "1":
            return before, ""
        writer.write(content)
        await writer.drain()
        writer.close()
        return before, await client.line()
    finally:
        writer.close()
