"""Clients that get known answers faster than they take them, go in between, or never stop asking."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from recall_ground import serving, settled, tell
from transfer_ground import LOOPS

from ftpd.core import watchdog
from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.table import Module

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


def long_answers() -> Module:
    module = Module("long", version="1")

    @module.cmd("LONG", auth=False, steady=True)
    def long(cmd: Command) -> Outcome:
        return cmd.ok(200, "x" * 60_000)

    return module


def test_who_does_not_read_gets_every_answer_later() -> None:
    async def story() -> None:
        async with serving(long_answers()) as place, place.client() as client:
            await client.ask("LONG")
            place.channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            loop = asyncio.get_running_loop()
            sock = client.writer.get_extra_info("socket").dup()
            client.writer.transport.pause_reading()
            try:
                sent = 0
                while not place.channel._out:
                    sent += await loop.run_in_executor(None, sock.send, b"LONG\r\n") == 6
                    await settled(place)
                await loop.run_in_executor(None, sock.send, b"NOOP\r\n")
            finally:
                sock.close()
            client.writer.transport.resume_reading()
            for _ in range(sent):
                assert await client.line() == "200 " + "x" * 60_000
            assert await client.line() == "200 NOOP command successful"

    tell(story)


def test_who_never_reads_is_not_read_either() -> None:
    async def story() -> None:
        async with serving(long_answers()) as place, place.client() as client:
            await client.ask("LONG")
            place.channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            client.writer.transport.pause_reading()
            with client.writer.get_extra_info("socket").dup() as sock:
                most = 0
                for _ in range(60):
                    await asyncio.get_running_loop().run_in_executor(None, sock.send, b"LONG\r\n")
                    await settled(place)
                    most = max(most, len(place.channel._out))
            assert 0 < most < 200_000

    tell(story)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_who_goes_after_known_answers_is_gone(how: str) -> None:
    async def story() -> None:
        async with serving() as place:
            async with place.client() as client:
                await client.ask("NOOP")
                await client.ask("NOOP")
                if how == "reset":
                    client.writer.transport.abort()
            await asyncio.wait_for(place.worker.idle(), 5)

    tell(story)


@pytest.mark.parametrize("loop", LOOPS)
def test_who_never_stops_asking_keeps_nobody_waiting(loop: str) -> None:
    """By the processor time of the loop's thread: what other programs take of the machine is not held against it."""

    async def story() -> None:
        turns = []
        async with serving() as place, place.client() as client:
            await client.ask("NOOP")

            def chatter(sock: socket.socket) -> None:
                with sock:
                    for _ in range(3000):
                        sock.sendall(b"NOOP\r\n")
                        sock.recv(100)

            aio = asyncio.get_running_loop()
            sock = socket.create_connection(("127.0.0.1", place.port))
            talk = aio.run_in_executor(None, chatter, sock)
            others = 0

            def turn(before: float) -> None:
                now = time.thread_time()
                turns.append(now - before)
                if not talk.done():
                    aio.call_soon(turn, now)

            turn(time.thread_time())
            while not talk.done():
                async with place.client() as other:
                    assert (await other.ask("PWD")).startswith("257")
                others += 1
            await talk
        assert others > 0
        assert max(turns) < 0.5
        # the collector of garbage may take its time for all the tests that were before
        assert sum(took > watchdog.LIMIT for took in turns) < 3

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(story())


def test_a_descriptor_that_was_anothers_has_none_of_its_answers() -> None:
    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/")
            for _ in range(5):
                async with place.client() as client:
                    await client.ask("CWD sub")
                    assert await client.ask("PWD") == '257 "/sub" is the current directory'
                    assert await client.ask("PWD") == '257 "/sub" is the current directory'
                async with place.client() as client:
                    assert await client.ask("PWD") == '257 "/" is the current directory'

    tell(story)
