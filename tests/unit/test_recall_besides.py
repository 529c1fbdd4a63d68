"""Where the answer is known, all that a command does besides still happens: it is counted, timed, limited and told."""

from __future__ import annotations

import asyncio
import os

import pytest
from recall_ground import serving, tell

from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.table import Module

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


def test_every_byte_is_counted() -> None:
    async def story() -> None:
        module = Module("counting", version="1")

        @module.cmd("COUNTS", auth=False)
        def counts(cmd: Command) -> Outcome:
            return cmd.ok(200, f"{cmd.session.bytes_in} {cmd.session.bytes_out}")

        async with serving(module) as place, place.client() as client:
            before = list(map(int, (await client.ask("COUNTS")).split()[1:]))
            answer = len("200 NOOP command successful\r\n")
            for _ in range(7):
                await client.ask("NOOP")
            came, went = map(int, (await client.ask("COUNTS")).split()[1:])
            assert came - before[0] == 7 * len("NOOP\r\n") + len("COUNTS\r\n")
            assert went - before[1] == 7 * answer + len(f"200 {before[0]} {before[1]}\r\n")

    tell(story)


def test_who_says_noop_is_not_idle_and_who_stops_is() -> None:
    async def story() -> None:
        async with serving(conf="TimeoutIdle 1") as place, place.client() as client:
            for _ in range(8):
                assert (await client.ask("NOOP")).startswith("200")
                await asyncio.sleep(0.25)
            assert await client.rest() == "421 Idle timeout (1 seconds): closing control connection\r\n"

    tell(story)


def test_a_rate_of_commands_holds_for_noop() -> None:
    async def story() -> None:
        async with serving(conf="MaxCommandRate 4 1") as place, place.client() as client:
            began = asyncio.get_running_loop().time()
            for _ in range(10):
                await client.ask("NOOP")
            assert asyncio.get_running_loop().time() - began > 0.9

    tell(story)


def test_the_scoreboard_hears_of_who_says_noop() -> None:
    async def story() -> None:
        heard: list[object] = []

        class Presence:
            def does(self, channel: object, command: object) -> None:
                heard.append(channel)

            def came(self, channel: object) -> None: ...
            def went(self, channel: object) -> None: ...
            def close(self) -> None: ...

        async with serving() as place, place.client() as client:
            await client.ask("NOOP")
            await client.ask("NOOP")
            place.worker.presence = Presence()  # type: ignore[assignment]
            await client.ask("NOOP")
            assert heard == [place.channel]

    tell(story)


@pytest.mark.skipif(os.geteuid() != 0, reason="the bench's tom is whoever tests")
def test_an_access_file_counts_as_soon_as_it_may() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on") as place, place.client() as client:
            for _ in range(3):
                assert (await client.ask("NOOP")).startswith("200")
            assert place.channel._answers
            place.bench.write(".ftpaccess", b"<Limit NOOP>\nDenyAll\n</Limit>\n")
            # that no such file is there is believed for a second
            await asyncio.sleep(1.1)
            assert await client.ask("NOOP") == "550 Operation not permitted"
            os.unlink(os.path.join(place.bench.root, ".ftpaccess"))
            assert (await client.ask("NOOP")).startswith("200")

    tell(story)


def test_an_access_file_that_another_client_brings_counts_at_once() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("waits", b"<Limit NOOP>\nDenyAll\n</Limit>\n")
            async with place.client() as one, place.client() as other:
                for _ in range(3):
                    assert (await one.ask("NOOP")).startswith("200")
                await other.ask("RNFR waits")
                assert (await other.ask("RNTO .ftpaccess")).startswith("250")
                assert await one.ask("NOOP") == "550 Operation not permitted"
                await other.ask("DELE .ftpaccess")
                assert (await one.ask("NOOP")).startswith("200")

    tell(story)
