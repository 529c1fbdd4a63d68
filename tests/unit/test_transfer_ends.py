"""How transfers end before their time: aborts, clients that linger, stalls, cancelled tasks."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

import pytest
from transfer_ground import awaiting, drain, loops, pair, run, until

from ftpd.core.eager import begin
from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import DataChannel

pytestmark = pytest.mark.usefixtures("way_to_call")
Start = Callable[[DataChannel, int], Awaitable[int]]

DIRECTIONS: dict[str, Start] = {
    "binary": lambda data, file: data.send_file(file),
    "ascii": lambda data, file: data.send_file(file, ascii=True),
    "without sendfile": lambda data, file: data.send_file(file, sendfile=False),
    "listing": lambda data, file: data.send(bytes(100_000) for _ in range(100)),
    "upload": lambda data, file: data.receive_file(file),
}
directions = pytest.mark.parametrize("start", DIRECTIONS.values(), ids=DIRECTIONS)


@loops
@directions
def test_an_abort_ends_the_transfer_at_once_a_hundred_times(loop: str, start: Start, file: int) -> None:
    async def story(ground: Ground) -> None:
        for _ in range(100):
            data, client = pair(ground, buffer=4096)
            async with awaiting(start(data, file)) as transfer:
                data.abort()
                data.abort(451, "too late to matter")
                with pytest.raises(TransferError) as failure:
                    await transfer
            assert (failure.value.code, failure.value.text) == (426, "Transfer aborted. Data connection closed")
            assert failure.value.aborted
            assert failure.value.moved == data.moved
            await data.finish()
            client.close()

    run(loop, story)
    os.close(file)


async def _sent(data: DataChannel) -> None:
    """A download that the kernel takes whole."""
    await data.send([b"all of it"])


@loops
def test_lingering_lasts_until_the_client_has_closed_its_side(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        await _sent(data)
        async with awaiting(data.linger(20)) as lingering:
            # our end is there behind the last byte, before the client's
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 5) == b"all of it"
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 5) == b""
            assert not lingering.done()
            client.close()
            await asyncio.wait_for(lingering, 5)
        await data.finish()

    run(loop, story)


@loops
def test_lingering_ends_after_its_seconds_and_with_a_reset(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        await _sent(data)
        began = monotonic()
        await data.linger(1)
        assert 0.9 < monotonic() - began < 4
        await data.finish()
        client.close()
        data, client = pair(ground)
        await _sent(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await asyncio.wait_for(data.linger(20), 5)
        await data.finish()

    run(loop, story)


@loops
def test_lingering_ends_when_nobody_waits_for_it_any_longer(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        assert not data.linger_no_more()
        await _sent(data)
        async with awaiting(data.linger(20)) as lingering:
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 5) == b"all of it"
            assert data.linger_no_more()
            await asyncio.wait_for(lingering, 5)
        await data.finish()
        client.close()

    run(loop, story)


@loops
def test_a_client_that_takes_nothing_stalls_while_lingering(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.stall_after(1)
        await _sent(data)
        with client, pytest.raises(TransferError) as failure:
            await data.linger(20)
        assert failure.value.code == 421

    run(loop, story)


@loops
@directions
def test_a_cancelled_task_leaves_nothing_behind(loop: str, start: Start, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground, buffer=4096)
        async with awaiting(start(data, file)) as transfer:
            transfer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await transfer
        client.close()  # `run` looks for what is left

    run(loop, story)
    os.close(file)


@loops
def test_an_abort_between_two_transfers_meets_the_next(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.abort(421, "No transfer timeout", aborted=False)
        with pytest.raises(TransferError) as failure:
            await data.send_file(file)
        assert (failure.value.code, failure.value.aborted) == (421, False)
        client.close()

    run(loop, story)
    os.close(file)


@loops
def test_an_abort_after_the_end_changes_nothing(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        assert await data.send([b"abc"]) == 3
        await data.finish()
        data.abort()
        assert await drain(client) == b"abc"

    run(loop, story)


async def hanging() -> AsyncIterator[bytes]:
    yield b"abc"
    await asyncio.get_running_loop().create_future()
    yield b"never"


@loops
def test_an_abort_does_not_wait_for_a_source_that_hangs(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        async with awaiting(data.send(hanging())) as listing:
            await until(lambda: data.moved == 3)
            data.abort()
            with pytest.raises(TransferError) as failure:
                await listing
            assert failure.value.code == 426
            assert listing.cancelling() == 0
        assert await drain(client) == b"abc"

    run(loop, story)


@loops
@pytest.mark.parametrize("abort", [True, False], ids=["aborted", "cancelled"])
def test_a_transfer_that_began_outside_of_any_task_can_be_ended(loop: str, abort: bool) -> None:
    async def hangs_at_once() -> AsyncIterator[bytes]:
        await asyncio.get_running_loop().create_future()
        yield b"never"

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: begun.set_result(begin(data.send(hangs_at_once()))))
        rest = await begun

        async def waits() -> object:
            return await rest

        async with awaiting(waits()) as listing:
            await asyncio.sleep(0.01)
            if abort:
                data.abort()
            else:
                listing.cancel()
            with pytest.raises(TransferError if abort else asyncio.CancelledError):
                await listing
            assert listing.cancelled() is not abort
        client.close()

    run(loop, story)


@loops
def test_a_cancelled_task_stays_cancelled_though_its_source_hangs(loop: str) -> None:
    async def story(ground: Ground) -> None:
        for abort_too in (False, True):
            data, client = pair(ground)
            async with awaiting(data.send(hanging())) as listing:
                await until(lambda data=data: data.moved == 3)
                listing.cancel()
                if abort_too:
                    data.abort()
                with pytest.raises(asyncio.CancelledError):
                    await listing
            client.close()

    run(loop, story)


@loops
def test_an_abort_while_others_have_their_turn_is_seen(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftpd.transfer.data.PATIENCE", 0.0)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        async with awaiting(data.send([b"the only slice"])) as listing:
            data.abort()
            with pytest.raises(TransferError):
                await listing
        client.close()

    run(loop, story)


# -- stalls ----------------------------------------------------------------------------------------------


@loops
def test_a_client_that_does_nothing_is_421_in_time(loop: str, file: int) -> None:
    async def stalls(ground: Ground, start: Start) -> None:
        data, client = pair(ground, buffer=4096)
        data.stall_after(0.01)
        began = monotonic()
        with pytest.raises(TransferError) as failure:
            await start(data, file)
        assert monotonic() - began < 5
        assert (failure.value.code, failure.value.aborted) == (421, False)
        assert failure.value.text == "Data transfer stall timeout (0.01 seconds): closing data connection"
        client.close()

    async def story(ground: Ground) -> None:
        await asyncio.gather(*(stalls(ground, start) for start in DIRECTIONS.values()))

    run(loop, story)
    os.close(file)


@loops
def test_every_byte_that_moves_puts_the_stall_off(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.stall_after(3600)
        async with awaiting(data.receive_file(file)) as upload:
            timer = data._stall
            assert timer is not None
            deadline = timer._deadline
            client.send(b"x")
            await until(lambda: data.moved == 1)
            assert timer._deadline > deadline
            moment = timer.since
            client.close()
            assert await upload == 1
        await data.finish()
        # the last byte's moment is known, not that of the end behind it
        assert data.last_moved == moment
        assert not timer.active

    run(loop, story)
    os.close(file)


@loops
def test_a_stall_timer_may_be_taken_away(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.stall_after(3600)
        async with awaiting(data.receive_file(file)) as upload:
            timer = data._stall
            assert timer is not None
            data.stall_after(0)
            assert not timer.active
            client.close()
            assert await upload == 0
        await data.finish()
        assert data.last_moved is None

    run(loop, story)
    os.close(file)
