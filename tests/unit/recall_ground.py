"""A real worker with real clients for the tests of what is answered from memory, and who took the whole road there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from engine_ground import Client

from ftpd.engine.control import ControlChannel
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.testing import Bench


class Place:
    """A worker with the built-in modules and the test's own; tom's password is ``secret``."""

    def __init__(self, worker: Worker, port: int, bench: Bench) -> None:
        self.worker, self.port, self.bench = worker, port, bench

    @asynccontextmanager
    async def client(self, *, login: bool = True) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            assert (await client.line()).startswith("220")
            if login:
                await client.ask("USER tom")
                assert (await client.ask(f"PASS {self.bench._users['tom']}")).startswith("230")
            yield client
        finally:
            client.close()

    @property
    def channel(self) -> ControlChannel:
        """That of the one client who is there."""
        (channel,) = self.worker.sessions
        return channel


@asynccontextmanager
async def serving(*modules: Module, conf: str = "") -> AsyncIterator[Place]:
    if "AllowOverride" not in conf:
        # where .ftpaccess files may come and go, answers to what <Limit> may speak of are known for a second only
        conf += "\nAllowOverride off"
    async with Bench(*modules, conf=f"DefaultRoot ~\n{conf}", login=None) as bench:
        assert bench.generation is not None
        worker = Worker(bench.generation, Pools(), lambda generation, local: generation.config.main)
        listener = socket.create_server(("127.0.0.1", 0))
        worker.listen(listener)
        try:
            yield Place(worker, listener.getsockname()[1], bench)
        finally:
            await worker.close()


async def go(place: Place, *lines: str) -> list[str]:
    """What a client of its own is answered who says these lines."""
    async with place.client() as client:
        return [await client.ask(line) for line in lines]


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


class Counted:
    """How many commands of each verb have taken the whole road."""

    def __init__(self, place: Place) -> None:
        generation = place.worker.generation
        command = generation.command
        self.verbs: list[str] = []

        def counted(session: Session, verb: str, argument: str) -> tuple[Command, object]:
            self.verbs.append(verb)
            return command(session, verb, argument)

        generation.command = counted  # type: ignore[method-assign, assignment]

    def taken(self) -> list[str]:
        taken, self.verbs[:] = list(self.verbs), []
        return [verb for verb in taken if verb not in ("USER", "PASS", "TYPE", "CWD", "QUIT")]


async def settled(place: Place) -> None:
    """Whatever has been sent so far has been read, if it is read at all."""
    before = -1
    while before != (before := sum(channel.session.bytes_in for channel in place.worker.sessions)):
        await asyncio.sleep(0.01)
