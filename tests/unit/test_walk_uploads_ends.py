"""Uploads that go as the one before did, and what happens before their end: breaks, commands, time, a full disk."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from recall_ground import serving
from upload_ground import content_of, entered, sending, size_reached
from walk_ground import COMPLETE, store, tell

from ftpd.core import trace
from ftpd.engine import uploads
from ftpd.transfer.data import DataChannel

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


@pytest.mark.parametrize("keeps", ["off", "on"])
@pytest.mark.parametrize("how", ["ABOR", "reset", "reset at once", "vanishes", "QUIT"])
def test_a_broken_upload_leaves_what_the_configuration_wants(how: str, keeps: str) -> None:
    async def story() -> None:
        conf = f"AllowOverwrite on\nDeleteAbortedStores {keeps}"
        async with serving(conf=conf) as place, place.client() as client:
            await entered(place, client)
            for name in ("first", "new"):
                begins = b"" if how == "reset at once" else b"part"
                sock = await sending(place, client, name, begins)
                if how == "ABOR":
                    answer = await client.ask("ABOR")
                    assert answer == "426 Transfer aborted. Data connection closed."
                    assert await client.line() == "226 Abort successful"
                elif how.startswith("reset"):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                    assert await client.line() == "426 Transfer aborted. Data connection closed"
                elif how == "QUIT":
                    await client.send(b"QUIT\r\n")
                    sock.sendall(b" and rest")
                    sock.close()
                    assert await client.line() == COMPLETE
                    assert content_of(place, name) == b"part and rest"
                    return
                else:
                    client.close()
                    for _ in range(400):
                        if not place.worker.sessions:
                            break
                        await asyncio.sleep(0.005)
                    # what was asked for last is still done, or broken off
                    sock.close()
                    return
                sock.close()
                if how == "reset at once":
                    assert content_of(place, name) == (b"" if name == "first" else None)
                else:
                    assert content_of(place, name) == (b"part" if keeps == "off" else None)
                assert (await store(client, "next", b"x"))[1] == COMPLETE

    tell(story)


def test_what_is_said_meanwhile_is_answered_in_its_turn() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            assert await client.ask("NOOP") == "200 NOOP command successful"
            for line in ("NOOP", "PWD", "SIZE first", "STAT"):
                sock = await sending(place, client, "first", b"12")
                await client.send(f"{line}\r\n".encode())
                await asyncio.sleep(0.02)
                if line == "STAT":
                    while not (await client.line()).startswith("211 "):
                        pass
                assert content_of(place, "first") == b"12"
                sock.sendall(b"345")
                sock.close()
                assert await client.line() == COMPLETE
                if line != "STAT":
                    answers = {"NOOP": "200 NOOP", "PWD": '257 "/"', "SIZE first": "213 5"}
                    assert (await client.line()).startswith(answers[line])
                assert content_of(place, "first") == b"12345"
                assert (await store(client, "first", b"x"))[1] == COMPLETE

    tell(story)


def test_what_came_together_with_the_end_is_heard_before_the_reply() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            # both are there before the daemon has its turn
            client.writer.get_extra_info("socket")
            client.writer.write(b"ABOR\r\n")
            sock.close()
            assert (await client.line())[:3] == "426"
            assert await client.line() == "226 Abort successful"

    tell(story)


def test_an_upload_that_takes_long_has_its_command_and_its_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_LONG", 0.05)

    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            while not place.channel.working:
                await asyncio.sleep(0.01)
            data = place.channel.data
            assert isinstance(data, DataChannel) and data._stall is not None and data._stall.active
            sock.sendall(b"345")
            sock.close()
            assert await client.line() == COMPLETE
            assert content_of(place, "first") == b"12345"
            await entered(place, client)

    tell(story)


def test_the_worker_ends_with_an_upload_under_way() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            place.worker._dismiss(place.channel)
            assert await client.line() == "421 Service not available, server is shutting down"
            sock.close()
            assert await client.rest() == ""
            assert content_of(place, "first") == b"12"

    tell(story)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_is_told_and_the_rest_of_the_file_goes() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for name in ("first", "new"):
                with no_file_larger_than(5_000):
                    _, after = await store(client, name, b"x" * 9_000)
                assert after == "552 Transfer aborted. File too large"
                assert content_of(place, name) is None
                assert (await store(client, name, b"x"))[1] == COMPLETE

    tell(story)


def test_a_trace_that_begins_meanwhile_finds_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            monkeypatch.setattr(trace, "loud", True)
            sock.sendall(b"345")
            await size_reached(place, "first", 5)
            sock.close()
            assert await client.line() == COMPLETE
            assert content_of(place, "first") == b"12345"
            monkeypatch.setattr(trace, "loud", False)
            await entered(place, client)

    tell(story)
