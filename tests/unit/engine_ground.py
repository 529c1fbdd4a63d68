"""A worker in a running loop with modules of the test's own, and a raw client to talk to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ftpd.conf import build
from ftpd.dispatch.assemble import Assembly
from ftpd.dispatch.registry import Generation
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.table import Module


class Client:
    """Sends bytes as they are and reads replies a line at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> str:
        return (await asyncio.wait_for(self.reader.readline(), 5)).decode().rstrip("\r\n")

    async def ask(self, text: str) -> str:
        await self.send(text.encode() + b"\r\n")
        return await self.line()

    async def rest(self) -> str:
        """All that comes until the server closes."""
        return (await asyncio.wait_for(self.reader.read(), 15)).decode()

    def close(self) -> None:
        self.writer.close()


class Place:
    """The worker and its address."""

    def __init__(self, worker: Worker, port: int) -> None:
        self.worker = worker
        self.port = port

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            client.close()


def generation_of(tmp_path: Path, pools: Pools, *modules: Module, conf: str = "") -> Generation:
    path = tmp_path / "proftpd.conf"
    path.write_text(conf)
    path.chmod(0o600)
    return Generation(modules, build.read(str(path), Assembly(modules, str(tmp_path))), pools)


@asynccontextmanager
async def serving(tmp_path: Path, *modules: Module, conf: str = "") -> AsyncIterator[Place]:
    pools = Pools()
    generation = generation_of(tmp_path, pools, *modules, conf=conf)
    await generation.start()
    worker = Worker(generation, pools, lambda generation, local: generation.config.main)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    worker.listen(listener)
    try:
        yield Place(worker, port)
    finally:
        await worker.close()
