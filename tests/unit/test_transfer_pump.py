"""The middle of a long file, which goes out without a step for each piece: all is as if there were one."""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from transfer_ground import AFAR, BESIDE, anywhere, awaiting, both, descriptors, drain, loops, pair, reset, run

from ftpd import native
from ftpd.core.meter import Meter
from ftpd.module.wire import TransferError
from ftpd.transfer import cold, kernel
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import BESIDE_US, LAST, DataChannel
from ftpd.transfer.incoming import FEW
from ftpd.transfer.ioloop import DataLoop
from ftpd.transfer.sockets import SocketOptions

pytestmark = pytest.mark.skipif(native.data is None, reason="not compiled here")
SIZE = 3 * LAST + 12345


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What went without a step: (connection, bytes)."""
    all_of_them: list[tuple[int, int]] = []

    def noted(*given: Any) -> Any:
        ready, went = native.data.serve_pumps(*given)
        all_of_them.extend(went)
        return ready, went

    monkeypatch.setattr(kernel, "serve_pumps", noted)
    return all_of_them


@contextmanager
def long_file(folder: Path, size: int = SIZE) -> Iterator[tuple[int, bytes]]:
    content = random.Random(size).randbytes(size)
    (folder / f"file of {size}").write_bytes(content)
    file = os.open(folder / f"file of {size}", os.O_RDONLY)
    try:
        yield file, content
    finally:
        os.close(file)


def pumps(data: DataChannel) -> dict[int, Any]:
    loop: DataLoop = data.ioloop
    return loop.pumps


async def take(client: Any, most: int) -> bytes:
    """So many bytes of what comes."""
    got = b""
    while len(got) < most:
        got += await asyncio.get_running_loop().sock_recv(client, most - len(got))
    return got


async def taken_over(data: DataChannel, client: Any) -> bytes:
    """Take some until the transfer has a pump."""
    got = b""
    while data._fileno not in pumps(data):
        got += await take(client, 64 << 10)
    return got


@loops
@anywhere
@pytest.mark.parametrize("offset", [0, 1, LAST])
def test_every_byte_arrives_and_is_counted(
    loop: str, source: str, offset: int, tmp_path: Path, served: list[tuple[int, int]]
) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground, source=source)

            async def download() -> int:
                sent: int = await data.send_file(file, offset=offset)
                assert pumps(data) == {}
                await data.finish()
                return sent

            sent, got = await both(download(), drain(client))
            assert got == content[offset:]
            assert sent == data.moved == len(got)
            assert {fd for fd, _ in served} == {data._fileno}
            assert 0 < sum(count for _, count in served) <= SIZE - offset - LAST

    run(loop, story)


@loops
@anywhere
def test_each_of_several_gets_its_own(loop: str, source: str, tmp_path: Path, served: list[tuple[int, int]]) -> None:
    async def story(ground: Ground) -> None:
        async def one(size: int) -> None:
            with long_file(tmp_path, size) as (file, content):
                data, client = pair(ground, source=source)

                async def download() -> None:
                    assert await data.send_file(file) == size
                    await data.finish()

                _, got = await both(download(), drain(client))
                assert got == content

        await asyncio.gather(*(one(SIZE + n) for n in range(5)))
        assert len({fd for fd, _ in served}) == 5

    run(loop, story)


@loops
@anywhere
def test_an_abort_ends_it_with_what_had_gone(
    loop: str, source: str, tmp_path: Path, served: list[tuple[int, int]]
) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground, source=source)
            async with awaiting(data.send_file(file)) as download:
                got = await taken_over(data, client)
                while not served:
                    got += await take(client, 64 << 10)
                data.abort()
                assert pumps(data) == {}
                with pytest.raises(TransferError) as failure:
                    await download
            assert failure.value.code == 426
            assert failure.value.moved == data.moved > LAST / 4
            got += await drain(client)
            assert got == content[: data.moved]

    run(loop, story)


@loops
@anywhere
def test_a_client_that_goes_is_noticed(loop: str, source: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, _):
            data, client = pair(ground, source=source)
            async with awaiting(data.send_file(file)) as download:
                await taken_over(data, client)
                reset(client)
                with pytest.raises(TransferError) as failure:
                    await download
            assert failure.value.code == 426
            assert pumps(data) == {}

    run(loop, story)


@loops
@anywhere
def test_a_file_that_shrinks_is_no_success(loop: str, source: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, _):
            data, client = pair(ground, source=source)
            async with awaiting(data.send_file(file)) as download:
                got = await taken_over(data, client)
                os.truncate(f"/proc/self/fd/{file}", 1000)
                got += await drain(client)
                with pytest.raises(TransferError) as failure:
                    await download
            assert failure.value.code == 451
            # what waited in the kernel is the file's own memory, and gone with it
            assert len(got) == data.moved < SIZE

    run(loop, story)


@loops
@anywhere
def test_a_rate_that_is_set_meanwhile_holds(loop: str, source: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground, source=source)
            async with awaiting(data.send_file(file)) as download:
                got = await taken_over(data, client)
                data.throttle(1000)
                assert pumps(data) == {}
                before = data.moved
                end = asyncio.get_running_loop().time() + 0.2
                while asyncio.get_running_loop().time() < end:
                    with suppress(BlockingIOError):
                        got += client.recv(1 << 20)
                    await asyncio.sleep(0.001)
                assert data.moved < before + LAST
                data.abort()
                with pytest.raises(TransferError):
                    await download
            got += await drain(client)
            assert got == content[: data.moved]

    run(loop, story)


@loops
def test_every_piece_puts_the_stall_off_and_without_any_it_comes(
    loop: str, tmp_path: Path, served: list[tuple[int, int]]
) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, _):
            data, client = pair(ground)
            data.stall_after(3600)
            async with awaiting(data.send_file(file)) as download:
                await taken_over(data, client)
                stall = data._stall
                assert stall is not None
                before, served[:] = stall.since, []
                while not served:
                    await take(client, 64 << 10)
                assert stall.since > before
                data.stall_after(0.01)
                with pytest.raises(TransferError) as failure:
                    await download
            assert failure.value.text.startswith("Data transfer stall timeout")
            assert pumps(data) == {}
            client.close()

    run(loop, story)


@loops
def test_a_piece_that_the_disk_has_to_bring_is_waited_for_by_a_thread(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is asked before each piece; where it would have to wait, the transfer's own step sees to it."""
    asked: list[int] = []

    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground)
            pump = native.data.Pump
            # a flag that no kernel knows is an error, but not that of a piece that is not there

            def asking(*given: int) -> Any:
                asked.append(given[5])
                return pump(*given[:5], 1 << 30, *given[6:])

            monkeypatch.setattr(kernel, "pump", asking)

            async def download() -> None:
                await data.send_file(file)
                await data.finish()

            _, got = await both(download(), drain(client))
            assert got == content

    run(loop, story)
    assert asked
    assert {*asked} <= {0, os.RWF_NOWAIT}
    assert cold.flags_for(-1) == os.RWF_NOWAIT


@loops
@pytest.mark.parametrize("reason", ["a rate", "a meter", "no compiler", "a slice"])
def test_who_has_a_say_in_each_piece_is_asked(
    loop: str, reason: str, tmp_path: Path, served: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground.metered(Meter(1000, lambda: None)) if reason == "a meter" else ground)
            if reason == "a rate":
                data.throttle(1 << 30)
            if reason == "no compiler":
                monkeypatch.setattr(kernel, "pump", None)

            async def download() -> None:
                await data.send_file(file, slice=64 << 10 if reason == "a slice" else 0)
                await data.finish()

            _, got = await both(download(), drain(client))
            assert got == content
        assert all(count <= 64 << 10 for _, count in served)
        assert bool(served) == (reason == "a slice")

    run(loop, story)


def test_a_number_that_is_another_connections_by_now_has_no_pump(tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, _):
            data, client = pair(ground)
            pumps(data)[data._fileno] = native.data.Pump(data._fileno, file, 0, SIZE, 1 << 20, 0, True)
            ground.ioloop.register(data._fileno, data, ground.ioloop.WRITE)
            assert pumps(data) == {}
            ground.ioloop.unregister(data._fileno)
            data.close()
            client.close()

    run("asyncio", story)


@loops
@anywhere
def test_what_was_gathered_and_has_not_gone_is_sent_by_whoever_goes_on(
    loop: str, source: str, tmp_path: Path, served: list[tuple[int, int]]
) -> None:
    async def story(ground: Ground) -> None:
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground, source=source)

            async def download() -> None:
                assert await data.send_file(file) == SIZE
                await data.finish()

            async with awaiting(download()) as going:
                got = await taken_over(data, client)
                while not served:
                    got += await take(client, 64 << 10)
                # nobody takes any: the connection is full, with a piece half gone
                for _ in range(20):
                    await asyncio.sleep(0.001)
                data.throttle(1 << 40)
                got += await drain(client)
                await going
            assert got == content

    run(loop, story)


@pytest.mark.parametrize(
    ("source", "options", "gathers"),
    [
        (BESIDE, SocketOptions(), True),
        (AFAR, SocketOptions(), False),
        (BESIDE, SocketOptions(send_buffer=1 << 20), False),
    ],
)
def test_a_client_on_this_machine_is_sent_what_was_gathered_and_has_little_room(
    source: str, options: SocketOptions, gathers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(ground: Ground) -> None:
        gathered, pump = [], native.data.Pump
        monkeypatch.setattr(kernel, "pump", lambda *given: (gathered.append(given[6]), pump(*given))[1])
        with long_file(tmp_path) as (file, content):
            data, client = pair(ground.with_options(options), source=source)
            room = data.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

            async def download() -> None:
                await data.send_file(file)
                with_us = data.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
                # the kernel doubles what it is asked for, and has a limit of its own
                assert with_us <= 2 * BESIDE_US if gathers else with_us >= room
                await data.finish()

            _, got = await both(download(), drain(client))
            assert got == content
        assert {*gathered} == {gathers}

    run("uvloop", story)


def test_of_many_at_once_few_are_gathered(tmp_path: Path) -> None:
    """A pipe is two descriptors, and where many are ready none of them is waited for."""

    async def story(ground: Ground) -> None:
        pipes = sum("pipe:" in target for target in descriptors().values())
        many = [pair(ground) for _ in range(3 * FEW)]
        with long_file(tmp_path) as (file, content):
            async with AsyncExitStack() as stack:
                going = [await stack.enter_async_context(awaiting(data.send_file(file))) for data, _ in many]
                taken = [await taken_over(data, client) for data, client in many]
                assert sum("pipe:" in target for target in descriptors().values()) == pipes + 2 * FEW
                rest = asyncio.gather(
                    *(take(client, SIZE - len(got)) for (_, client), got in zip(many, taken, strict=True))
                )
                await asyncio.gather(*going)
                assert [got + more for got, more in zip(taken, await rest, strict=True)] == [content] * len(many)
            for data, client in many:
                client.close()
                await data.finish()

    run("asyncio", story)


@pytest.mark.parametrize("why", ["none is to be had", "it takes nothing"])
def test_without_a_pipe_it_goes_as_it_does_to_anybody(why: str, tmp_path: Path) -> None:
    with long_file(tmp_path, 1 << 20) as (file, content), socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), timeout=5)
        connection, _ = server.accept()
        with client, connection, select.epoll() as epoll, open(os.devnull, "w") as nothing:
            connection.setblocking(False)
            epoll.register(connection, select.EPOLLOUT)
            before = descriptors()
            # no pipe is as large as that
            most = 1 << 40 if why == "none is to be had" else 1 << 20
            pump = native.data.Pump(connection.fileno(), file, 0, len(content), most, 0, True)
            pipe = descriptors().keys() - before.keys()
            assert len(pipe) == (0 if why == "none is to be had" else 2)
            for end in pipe:
                os.dup2(nothing.fileno(), int(end))
            got = bytearray()
            while len(got) < len(content):
                native.data.serve_pumps(epoll.fileno(), 0, 4, {connection.fileno(): pump})
                got += client.recv(1 << 20)
            assert got == content
            assert pump.at == len(content)
            assert descriptors() == before


def test_what_is_no_pump_is_refused() -> None:
    wrongs: list[tuple[Any, ...]] = [(0, 0, 1), (0, 0, 1, []), ("", 0, 1, {})]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            native.data.serve_pumps(*wrong)
    with pytest.raises(OSError, match="descriptor"):
        native.data.serve_pumps(-1, 0, 1, {})
    with pytest.raises(TypeError):
        native.data.Pump(1, 2, 3)
