"""Downloads and listings: every byte arrives, once, in order, and the client sees an orderly end."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from transfer_ground import awaiting, both, drain, loops, pair, reset, run

from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import UNSENT_MOST, DataChannel

pytestmark = pytest.mark.usefixtures("way_to_call")
SIOCOUTQNSD = 0x894B
"""Asks a connection how much has not been sent yet (<linux/sockios.h>)."""
SIZES = [0, 1, 65535, 65536, 65537, 5 << 20]


def open_file(tmp_path: Path, content: bytes) -> int:
    (tmp_path / "file").write_bytes(content)
    return os.open(tmp_path / "file", os.O_RDONLY)


@loops
@pytest.mark.parametrize("size", SIZES)
def test_a_file_arrives_byte_for_byte(loop: str, size: int, tmp_path: Path) -> None:
    content = random.Random(size).randbytes(size)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path, content)

        async def download() -> int:
            sent = await data.send_file(file)
            await data.finish()
            return sent

        sent, got = await both(download(), drain(client))
        os.close(file)
        assert got == content
        assert sent == data.moved == size

    run(loop, story)


@loops
def test_no_more_than_a_slice_is_asked_of_the_kernel_at_once(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendfile, asked = os.sendfile, []

    def counted(out: int, file: int, at: int, count: int) -> int:
        asked.append(count)
        return sendfile(out, file, at, count)

    monkeypatch.setattr("os.sendfile", counted)

    async def story(ground: Ground) -> None:
        file = open_file(tmp_path, b"0123456789")
        data, client = pair(ground)
        assert await data.send_file(file, slice=4) == 10
        await data.finish()
        assert await drain(client) == b"0123456789"
        os.close(file)

    run(loop, story)
    assert asked == [4, 4, 2]


async def slices(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@loops
@pytest.mark.parametrize("how", ["sendfile", "without sendfile", "ascii", "listing", "slices"])
def test_little_waits_unsent_in_the_kernel_whichever_way_it_goes_there(loop: str, how: str, tmp_path: Path) -> None:
    """Else the client is told that all is sent while megabytes are still here, and an abort comes too late."""
    size = 8 << 20

    async def story(ground: Ground) -> None:
        file = open_file(tmp_path, bytes(size))
        data, client = pair(ground)
        match how:
            case "listing":
                going = data.send(bytes(1000) for _ in range(size // 1000))
            case "slices":
                going = data.send(slices(bytes(1000) for _ in range(size // 1000)))
            case _:
                going = data.send_file(file, sendfile=how != "without sendfile", ascii=how == "ascii")
        async with awaiting(going) as download:
            await asyncio.sleep(0.3)
            assert not download.done()
            # far from the end of a file it may be a megabyte more, beside what the client's own kernel took
            assert data.moved < (2 << 20 if how == "sendfile" else 1 << 20)
            data.abort()
            with pytest.raises(TransferError):
                await download
        client.close()
        os.close(file)

    run(loop, story)


@loops
def test_a_range_of_a_file_is_sent(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        file = open_file(tmp_path, b"0123456789")
        for offset, count, expected in [(4, None, b"456789"), (2, 3, b"234"), (8, 99, b"89"), (10, None, b"")]:
            data, client = pair(ground)
            assert await data.send_file(file, offset=offset, count=count) == len(expected)
            await data.finish()
            assert await drain(client) == expected
        os.close(file)

    run(loop, story)


@loops
def test_a_text_gets_crlf_even_where_chunks_meet(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftpd.transfer.data.COPIED", 5)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path, b"1234\r\n6\n89\n\r\n\n")
        assert await data.send_file(file, ascii=True) == 17
        await data.finish()
        os.close(file)
        assert await drain(client) == b"1234\r\n6\r\n89\r\n\r\n\r\n"

    run(loop, story)


@loops
def test_a_file_system_without_sendfile_is_read_instead(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(1).randbytes(3 << 20)
    asked = []

    def refuse(*call: int) -> int:
        asked.append(call)
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr("os.sendfile", refuse)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path, content)

        async def download() -> None:
            await data.send_file(file)
            await data.finish()

        _, got = await both(download(), drain(client))
        os.close(file)
        assert got == content
        assert len(asked) == 1, "it is asked once and not again for every piece"

    run(loop, story)


@loops
def test_a_file_of_unknown_size_is_sent_to_its_end(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = os.open("/proc/self/limits", os.O_RDONLY)
        assert await data.send_file(file) > 0
        await data.finish()
        os.close(file)
        assert (await drain(client)).startswith(b"Limit")

    run(loop, story)


@loops
@pytest.mark.parametrize("ascii", [False, True])
def test_a_file_that_shrinks_meanwhile_is_no_success(loop: str, ascii: bool, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground, buffer=4096)
        file = open_file(tmp_path, bytes(3 << 20))
        async with awaiting(data.send_file(file, ascii=ascii)) as download:
            os.truncate(tmp_path / "file", 100)
            await drain(client)
            with pytest.raises(TransferError) as failure:
                await download
        os.close(file)
        assert failure.value.code == 451
        assert "shorter" in failure.value.text

    run(loop, story)


@loops
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("leave", [reset, lambda client: client.close()], ids=["reset", "close"])
def test_a_client_that_leaves_is_426(loop: str, ascii: bool, leave: object, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground, buffer=4096)
        file = open_file(tmp_path, bytes(3 << 20))
        async with awaiting(data.send_file(file, ascii=ascii)) as download:
            leave(client)
            with pytest.raises(TransferError) as failure:
                await download
        os.close(file)
        assert (failure.value.code, failure.value.text) == (426, "Transfer aborted. Data connection closed")
        assert not failure.value.aborted
        assert 0 < failure.value.moved == data.moved < 3 << 20

    run(loop, story)


@loops
def test_a_file_that_cannot_be_read_is_451_with_the_cause(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        os.close(open_file(tmp_path, b"abc"))
        (there,) = tmp_path.iterdir()
        file = os.open(there, os.O_WRONLY)
        for ascii in (False, True):
            data, client = pair(ground)
            with pytest.raises(TransferError) as failure:
                await data.send_file(file, ascii=ascii)
            assert (failure.value.code, failure.value.text) == (451, "Transfer aborted. Bad file descriptor")
            assert await drain(client) == b"", "the client is not left waiting"
        os.close(file)

    run(loop, story)


@loops
def test_at_the_end_of_a_file_little_waits_in_the_kernel_whatever_did_before(loop: str, tmp_path: Path) -> None:
    size = 12 << 20

    def unsent(data: DataChannel) -> int:
        return int.from_bytes(fcntl.ioctl(data._fileno, SIOCOUTQNSD, bytes(4)), sys.byteorder)

    async def story(ground: Ground) -> None:
        (tmp_path / "file").write_bytes(bytes(size))
        file = os.open(tmp_path / "file", os.O_RDONLY)
        data, client = pair(ground)
        got, most, meanwhile = 0, 0, 0
        async with awaiting(data.send_file(file)) as download:
            while not download.done():
                # a client that takes its time: what it has no room for yet waits on our side
                got += len(await asyncio.get_running_loop().sock_recv(client, 64 << 10))
                await asyncio.sleep(0)
                meanwhile, most = max(meanwhile, unsent(data)), unsent(data)
            assert await download == size
        assert most <= UNSENT_MOST + (64 << 10)
        assert meanwhile > most
        await data.finish()
        assert got + len(await drain(client)) == size
        os.close(file)

    run(loop, story)


@loops
def test_a_listing_goes_out_slice_by_slice(loop: str) -> None:
    asked = []

    def slices(data: DataChannel) -> Iterator[bytes]:
        for number in range(200):
            asked.append(data.moved)
            yield b"%03d" % number * 10000

    async def story(ground: Ground) -> None:
        data, client = pair(ground, buffer=4096)

        async def listing() -> int:
            sent = await data.send(slices(data))
            await data.finish()
            return sent

        sent, got = await both(listing(), drain(client))
        assert got == b"".join(b"%03d" % number * 10000 for number in range(200))
        assert sent == len(got)
        assert asked == [number * 30000 for number in range(200)], "the next slice is made when the last has left"

    run(loop, story)


@loops
def test_an_asynchronous_source_is_sent(loop: str) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"abc"

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        assert await data.send(source()) == 9
        await data.finish()
        assert await drain(client) == b"abcabcabc"

    run(loop, story)


@loops
def test_nobody_waits_for_a_long_listing_that_the_client_takes_at_once(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftpd.transfer.data.PATIENCE", 0.0)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with awaiting(others()):
            await data.send([b"x"] * 20)
            assert turns >= 20
        await data.finish()
        client.close()

    run(loop, story)


@loops
def test_a_source_that_fails_closes_the_connection(loop: str) -> None:
    def slices() -> Iterator[bytes]:
        yield b"abc"
        raise PermissionError(errno.EACCES, "no more")

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        with pytest.raises(PermissionError):
            await data.send(slices())
        assert await drain(client) == b"abc"

    run(loop, story)


@loops
def test_bytes_that_the_client_sent_for_nothing_do_not_spoil_the_end(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        client.send(b"what is this?")
        await data.send([b"the listing"])
        await data.finish()
        assert await drain(client) == b"the listing", "a reset would have raised here"

    run(loop, story)
