"""Uploads: every byte is stored, and an end that is none, a full disk or a limit is never a success."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from transfer_ground import awaiting, both, drain, feed, loops, pair, reset, run, until

from ftpd.module.wire import TransferError
from ftpd.transfer import kernel
from ftpd.transfer.channel import TURN, Ground
from ftpd.transfer.incoming import FEW, LONG_TURN

pytestmark = pytest.mark.usefixtures("way_to_call")


def open_file(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags)


@loops
@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 5 << 20])
def test_an_upload_is_stored_byte_for_byte(loop: str, size: int, tmp_path: Path) -> None:
    content = random.Random(size).randbytes(size)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        stored, _ = await both(data.receive_file(file), feed(client, content))
        await data.finish()
        os.close(file)
        assert stored == data.moved == size
        assert (tmp_path / "file").read_bytes() == content

    run(loop, story)


@loops
@pytest.mark.parametrize("others", [0, FEW + 1, 40])
def test_the_turns_of_an_upload_are_long_where_few_wait(
    loop: str, others: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    turns: list[int] = []

    def receive(connection: int, file: int, offset: int, turn: int) -> tuple[int, int, int]:
        turns.append(turn)
        return by_kernel(connection, file, offset, turn)

    by_kernel = kernel.receive
    monkeypatch.setattr(kernel, "receive", receive)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        waiting = {-1 - n: object() for n in range(others)}
        ground.ioloop.socket_map.update(waiting)
        file = open_file(tmp_path / "file")
        await both(data.receive_file(file), feed(client, b"x" * 100_000))
        for number in waiting:
            del ground.ioloop.socket_map[number]
        await data.finish()
        os.close(file)

    run(loop, story)
    assert turns[-1] == (LONG_TURN if others == 0 else TURN)


@loops
def test_an_upload_continues_where_rest_says_or_at_the_end(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        for flags, offset, expected in [(0, 3, b"abcXYZgh"), (os.O_APPEND, None, b"abcdefghXYZ")]:
            (tmp_path / "file").write_bytes(b"abcdefgh")
            data, client = pair(ground)
            file = open_file(tmp_path / "file", flags)
            stored, _ = await both(data.receive_file(file, offset=offset), feed(client, b"X", b"YZ"))
            await data.finish()
            os.close(file)
            assert stored == 3
            assert (tmp_path / "file").read_bytes() == expected

    run(loop, story)


@loops
def test_crlf_becomes_lf_wherever_the_segments_are_cut(loop: str, tmp_path: Path) -> None:
    text = b"ab\r\nc\r\r\n\rd\n\r"

    async def story(ground: Ground) -> None:
        for at in range(len(text) + 1):
            data, client = pair(ground)
            file = open_file(tmp_path / "file", os.O_TRUNC)
            async with awaiting(data.receive_file(file, ascii=True)) as upload:
                client.send(text[:at])
                # all but a CR whose successor is unknown is stored before the rest comes
                known = len(text[:at].replace(b"\r\n", b"\n")) - text[:at].endswith(b"\r")
                await until(lambda data=data, known=known: data.moved == known)
                client.send(text[at:])
                client.close()
                assert await upload == 10
            await data.finish()
            os.close(file)
            assert (tmp_path / "file").read_bytes() == b"ab\nc\r\n\rd\n\r"

    run(loop, story)


@loops
def test_a_reset_instead_of_an_end_is_426(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        async with awaiting(data.receive_file(file)) as upload:
            client.send(b"the first part")
            await until(lambda: data.moved == 14)
            reset(client)
            with pytest.raises(TransferError) as failure:
                await upload
        os.close(file)
        assert (failure.value.code, failure.value.text) == (426, "Transfer aborted. Data connection closed")
        assert failure.value.moved == 14
        assert (tmp_path / "file").read_bytes() == b"the first part", "what came is kept for REST"

    run(loop, story)


@loops
def test_a_reset_that_overtakes_the_upload_is_426(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        client.send(b"never read before the reset")
        reset(client)
        with pytest.raises(TransferError) as failure:
            await data.receive_file(file)
        os.close(file)
        assert failure.value.code == 426

    run(loop, story)


@loops
def test_a_full_disk_is_452_at_once_and_the_client_is_let_go(loop: str) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground, buffer=4096)
        file = os.open("/dev/full", os.O_WRONLY)
        failure, sent = await both(data.receive_file(file), feed(client, bytes(8 << 20)))
        os.close(file)
        assert isinstance(failure, TransferError)
        assert (failure.code, failure.text) == (452, "Transfer aborted. No space left on device")
        assert isinstance(sent, OSError), "the client's sending has ended, too"

    run(loop, story)


@loops
@pytest.mark.parametrize(
    ("cause", "code", "text"),
    [
        (errno.EDQUOT, 552, "Disk quota exceeded"),
        (errno.EFBIG, 552, "File too large"),
        (errno.EIO, 451, "Input/output error"),
        (errno.EROFS, 451, "Read-only file system"),
    ],
)
def test_a_write_that_fails_is_answered_with_its_cause(
    loop: str, cause: int, code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr("os.pwrite", fail)
    monkeypatch.setattr(kernel, "receive", kernel.receive_by_python)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        failure, _ = await both(data.receive_file(file, offset=0), feed(client, b"abc"))
        os.close(file)
        assert isinstance(failure, TransferError)
        assert (failure.code, failure.text) == (code, f"Transfer aborted. {text}")

    run(loop, story)


@loops
@pytest.mark.parametrize("offset", [0, None])
@pytest.mark.parametrize(
    ("path", "flags", "code", "text"),
    [
        ("/dev/full", os.O_WRONLY, 452, "No space left on device"),
        ("file", os.O_RDONLY | os.O_CREAT, 451, "Bad file descriptor"),
    ],
)
def test_a_disk_that_is_full_is_told_as_such(
    loop: str, offset: int | None, path: str, flags: int, code: int, text: str, tmp_path: Path
) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = os.open(tmp_path / path, flags)
        failure, _ = await both(data.receive_file(file, offset=offset), feed(client, b"abc"))
        os.close(file)
        assert isinstance(failure, TransferError)
        assert (failure.code, failure.text, failure.moved) == (code, f"Transfer aborted. {text}", 0)

    run(loop, story)


@loops
def test_what_was_written_before_the_limit_of_file_sizes_is_counted(loop: str, tmp_path: Path) -> None:
    most, highest = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, highest))
        failure, _ = await both(data.receive_file(file, offset=0), feed(client, b"x" * 100_000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, highest))
        os.close(file)
        assert isinstance(failure, TransferError)
        assert (failure.code, failure.moved, data.moved) == (552, 70_000, 70_000)
        assert (tmp_path / "file").read_bytes() == b"x" * 70_000

    run(loop, story)


@loops
def test_short_and_busy_writes_lose_nothing(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(7).randbytes(300_000)
    chance = random.Random(8)
    write: Callable[[int, memoryview, int], int] = os.pwrite

    def moody(descriptor: int, view: memoryview, at: int) -> int:
        if chance.random() < 0.3:
            raise BlockingIOError(errno.EAGAIN, "later")
        return write(descriptor, view[: chance.randint(1, 5000)], at)

    monkeypatch.setattr("os.pwrite", moody)
    monkeypatch.setattr(kernel, "receive", kernel.receive_by_python)

    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        stored, _ = await both(data.receive_file(file, offset=0), feed(client, content))
        await data.finish()
        os.close(file)
        assert stored == len(content)
        assert (tmp_path / "file").read_bytes() == content

    run(loop, story)


@loops
def test_a_file_that_never_takes_a_byte_is_given_up(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        # a file that never takes a byte, as one of FUSE may be
        reading, full = os.pipe2(os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(full, b"x" * 4096):
                pass
        failure, _ = await both(data.receive_file(full), feed(client, b"abc"))
        assert isinstance(failure, TransferError)
        assert (failure.code, failure.moved) == (451, 0)
        os.close(reading)
        os.close(full)
        with monkeypatch.context() as patch:
            patch.setattr("os.write", lambda *_: 0)
            patch.setattr(kernel, "receive", kernel.receive_by_python)
            data, client = pair(ground)
            file = open_file(tmp_path / "file")
            failure, _ = await both(data.receive_file(file), feed(client, b"abc"))
        os.close(file)
        assert isinstance(failure, TransferError)
        assert failure.code == 451

    run(loop, story)


@loops
def test_a_limit_lets_exactly_so_much_pass(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        for ascii in (False, True):
            for content, fits in [(b"12345", True), (b"123456", False)]:
                data, client = pair(ground)
                file = open_file(tmp_path / "file", os.O_TRUNC)
                result, _ = await both(data.receive_file(file, ascii=ascii, limit=5), feed(client, content))
                await data.finish()
                os.close(file)
                assert (tmp_path / "file").read_bytes() == b"12345"
                if fits:
                    assert result == 5
                else:
                    assert isinstance(result, TransferError)
                    assert (result.code, result.text) == (552, "Transfer aborted. File too large")

    run(loop, story)


@loops
def test_the_client_sees_an_orderly_end_after_an_upload(loop: str, tmp_path: Path) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        file = open_file(tmp_path / "file")
        client.send(b"abc")
        client.shutdown(1)
        assert await data.receive_file(file) == 3
        await data.finish()
        os.close(file)
        assert await drain(client) == b""

    run(loop, story)
