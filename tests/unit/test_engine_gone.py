"""A session goes with its end, whatever the client did: nothing of it waits for the collector of garbage."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_ground import Client, Place, serving

from ftpd.core import crypt
from ftpd.core.clock import Sweep
from ftpd.core.reply import Reply
from ftpd.dispatch.assemble import static_modules
from ftpd.engine.gone import Gone
from ftpd.module.build import build_record
from ftpd.module.wire import TransferError, Work

CONF = """\
WtmpLog off
TransferLog none
RequireValidShell off
UseFtpUsers off
RootLogin on
DefaultRoot ~
AllowOverwrite on
AuthOrder mod_auth_file.c
AuthUserFile {passwd}
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
"""


@pytest.fixture(autouse=True)
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def log_in(client: Client) -> None:
    for line in ("USER tom", "PASS secret", "TYPE I"):
        answer = await client.ask(line)
    assert answer.startswith("200")


async def data(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    answer = await client.ask("EPSV")
    return await asyncio.open_connection("127.0.0.1", int(answer.split("|")[3]))


async def says_nothing(client: Client) -> None:
    pass


async def quits(client: Client) -> None:
    await log_in(client)
    await client.ask("QUIT")


async def is_refused(client: Client) -> None:
    await client.ask("USER tom")
    assert (await client.ask("PASS wrong")).startswith("530")


async def is_gone_suddenly(client: Client) -> None:
    await log_in(client)
    await client.send(b"STAT\r\nNOOP\r\n")


async def fetches(client: Client) -> None:
    await log_in(client)
    reader, writer = await data(client)
    assert (await client.ask("RETR file")).startswith("150")
    assert await reader.read() == b"x" * 100_000
    writer.close()
    assert (await client.line()).startswith("226")
    assert (await client.ask("RETR nothing")).startswith("550")


async def lists_and_stores(client: Client) -> None:
    await log_in(client)
    reader, writer = await data(client)
    for line in ("LIST", "MLSD"):
        assert (await client.ask(line)).startswith("150")
        assert b"file" in await reader.read()
        writer.close()
        await client.line()
        reader, writer = await data(client)
    assert (await client.ask("STOR new")).startswith("150")
    writer.write(b"y" * 1000)
    writer.close()
    assert (await client.line()).startswith("226")
    await client.ask("DELE new")


async def aborts(client: Client) -> None:
    await log_in(client)
    _, writer = await data(client)
    assert (await client.ask("STOR new")).startswith("150")
    assert (await client.ask("ABOR")).startswith("426")
    writer.close()


async def is_gone_in_a_transfer(client: Client) -> None:
    await log_in(client)
    _, writer = await data(client)
    assert (await client.ask("STOR new")).startswith("150")
    writer.close()


@pytest.mark.parametrize(
    "visit",
    [says_nothing, quits, is_refused, is_gone_suddenly, fetches, lists_and_stores, aborts, is_gone_in_a_transfer],
)
def test_nothing_is_left_of_a_session(tmp_path: Path, visit: Callable[[Client], Awaitable[None]]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "file").write_bytes(b"x" * 100_000)
    passwd = tmp_path / "passwd"
    passwd.write_text(f"tom:{crypt.hash('secret', '$1$')}:{os.geteuid()}:{os.getegid()}::{home}:/bin/sh\n")
    passwd.chmod(0o600)

    async def one(place: Place) -> list[weakref.ref[Any]]:
        async with place.client() as client:
            await client.line()
            (channel,) = place.worker.sessions
            left = [weakref.ref(channel), weakref.ref(channel.session)]
            del channel
            await visit(client)
            return left

    async def story() -> None:
        async with serving(tmp_path, *static_modules(build_record()), conf=CONF.format(passwd=passwd)) as place:
            # the first makes what is kept
            await one(place)
            left = await one(place)
            assert left
            async with asyncio.timeout(5):
                while any(reference() is not None for reference in left):
                    await asyncio.sleep(0.01)

    asyncio.run(story())


def test_a_module_may_talk_to_a_session_that_is_over() -> None:
    async def story() -> None:
        rung: list[bool] = []
        sweep = Sweep()
        wire = Gone(sweep)
        wire.send(Reply(200, ("nobody hears it",)))
        wire.end("again")
        assert wire.gone and not wire.busy and not wire.abort_transfer()
        with pytest.raises(OSError, match="not connected"):
            wire.passive(ports=None, address=None)
        assert wire.data_at_once() is None
        with pytest.raises(TransferError) as refused:
            await wire.open_data(timeout=1)
        assert refused.value.code == 425
        assert not wire.timer(0, lambda: rung.append(True)).active
        work = Work.begin(wire)
        with pytest.raises(Exception, match="gone away"):
            work.check()
        assert work.end() and wire.work is None
        await asyncio.sleep(0.3)
        assert not rung
        sweep.close()

    asyncio.run(story())
