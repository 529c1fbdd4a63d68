"""A client's end of data connections for the transfer tests, and the loops they run on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from ftpd.core.clock import Sweep
from ftpd.transfer import kernel
from ftpd.transfer.channel import SERVICE, Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.ioloop import AsyncioLoop
from ftpd.transfer.ports import PassiveListener

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
loops = pytest.mark.parametrize("loop", LOOPS)
LOCAL = ("127.0.0.1", 21)


def run(loop: str, story: Callable[[Ground], Coroutine[Any, Any, None]]) -> None:
    """Play a story on the loop of that name; afterwards no descriptor, reader or timer of it is left."""

    async def play() -> None:
        # the loop's own descriptors (uvloop makes some on first use) are not of the story
        await asyncio.sleep(0)
        before = descriptors()
        host, sweep = AsyncioLoop(), Sweep()
        try:
            await asyncio.wait_for(story(Ground(host.data, sweep)), 30)
            assert host.socket_map == {}
            assert host.data.socket_map == {}
            assert host.timers == set()
            assert not any(sweep._buckets.values())
        finally:
            sweep.close()
            host.close()
        assert descriptors() == before

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play())


def descriptors() -> dict[str, str]:
    """What this process holds open, but for what merely shows it."""
    held = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            held[name] = os.readlink(f"/proc/self/fd/{name}")
    return {name: target for name, target in held.items() if not target.startswith("/proc/")}


BESIDE, AFAR = "127.0.0.1", "127.0.0.2"
"""Where a client is from: who has the address that it calls is on the same machine."""
anywhere = pytest.mark.parametrize("source", [BESIDE, AFAR])


def pair(ground: Ground, *, buffer: int = 0, source: str = BESIDE) -> tuple[DataChannel, socket.socket]:
    """An established data connection: our channel and the client's socket, over real TCP.

    ``buffer`` keeps the kernel's buffers small, so that whoever sends soon has to wait.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.socket()
        client.bind((source, 0))
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        client.connect(server.getsockname())
        accepted = kernel.accept(server.fileno(), True, SERVICE)
    client.setblocking(False)
    assert not isinstance(accepted, int)
    return DataChannel(accepted[0], ground, LOCAL[1]), client


async def drain(client: socket.socket) -> bytes:
    """All that the client gets, to the end of the connection."""
    loop = asyncio.get_running_loop()
    got = bytearray()
    with client:
        while chunk := await loop.sock_recv(client, 1 << 20):
            got += chunk
    return bytes(got)


async def feed(client: socket.socket, *chunks: bytes) -> None:
    """The client sends the chunks, each on its own, and ends in order."""
    with client:
        for chunk in chunks:
            await asyncio.get_running_loop().sock_sendall(client, chunk)
        client.shutdown(socket.SHUT_WR)


def listen(ground: Ground, **options: object) -> PassiveListener:
    return PassiveListener(ground, **{"local": LOCAL, "peer": "127.0.0.1", **options})


def dial(port: int, source: str = "127.0.0.1", to: str = "127.0.0.1") -> socket.socket:
    """A client that has connected, though nobody may have accepted yet."""
    return socket.create_connection((to, port), timeout=5, source_address=(source, 0))


async def says_hello(data: DataChannel) -> None:
    await data.send([b"hello"])
    await data.finish()


def hears(client: socket.socket) -> bytes:
    """What comes to the end of the connection; ``reset`` when there was no orderly one."""
    with client:
        try:
            return client.recv(100) + client.recv(100)
        except ConnectionError:
            return b"reset"


def reset(client: socket.socket) -> None:
    """The client goes with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def both(work: Awaitable[Any], other: Awaitable[Any]) -> tuple[Any, Any]:
    """Ours and the client's part at once; an exception comes as the result of its part."""
    ours, theirs = await asyncio.gather(work, other, return_exceptions=True)
    return ours, theirs


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until something has come about."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def awaiting(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """The work as a task that has begun to wait; it is gone afterwards."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
