"""Who has a say in uploads or hears of them does so of each, though it goes as the one before did."""

from __future__ import annotations

import asyncio

import pytest
from recall_ground import serving
from upload_ground import content_of, entered
from walk_ground import COMPLETE, store, tell, walked

from ftpd.api import LETS_BE, NOTED_NAMES, UPLOAD_GUARD, Steady
from ftpd.api import Path as VirtualPath
from ftpd.core.reply import Refuse
from ftpd.module.command import Command
from ftpd.module.table import Module
from ftpd.modules import _xfer_store
from ftpd.modules._core import state as core
from ftpd.modules._transfer import tally as transfers

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


def test_all_behind_the_command_are_told_of_each_file(way: str) -> None:
    async def story() -> None:
        module, heard = Module("hears", version="1"), []

        @module.post("STOR")
        def after(cmd: Command) -> None:
            heard.append("post")

        @module.log("STOR")
        async def record(cmd: Command) -> None:
            done = cmd.transfer
            assert done is not None and done.port and cmd.session.bytes_in > done.moved
            await asyncio.sleep(0)
            heard.append(f"{cmd.shown} {done.path} {done.moved} {done.file_size} {done.status} {done.direction}")
            heard.append(cmd.notes.get("mod_xfer.file-modified", "false"))

        @module.log("STOR")
        def fail(cmd: Command) -> None:
            raise Refuse(451, "no room is left for what is recorded")

        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/")
            for n in range(4):
                assert (await store(client, "sub/a b", b"123"))[1] == COMPLETE
                assert len(heard) == 3 * n + 3
            assert walked(place) == ([] if way == "whole road" else ["EPSV", "STOR sub/"])
            assert place.channel.session[transfers].moved == 12
        told = ["post", "STOR sub/a b /sub/a b 3 3 success i"]
        assert heard == [*told, "false", *[*told, "true"] * 3]

    tell(story)


def test_who_only_counts_has_the_sums() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for content in (b"123", b"", b"x" * 300_000):
                assert (await store(client, "new", content))[1] == COMPLETE
            assert await client.ask("NOOP") == "200 NOOP command successful"
            session = place.channel.session
            assert session[transfers].moved == 2 + 300_003
            assert (session[core].received, session[core].files_received) == (2 + 300_003, 5)
            assert session.bytes_in > 300_005

    tell(story)


def test_who_notes_some_names_is_told_of_those() -> None:
    async def story() -> None:
        module, heard = Module("notes", version="1"), []
        module.offer(NOTED_NAMES, ".note")

        @module.post("STOR", steady=lambda cmd: Steady.NOTHING if cmd.argument.endswith(".note") else Steady.VERB)
        def note(cmd: Command) -> None:
            if cmd.argument.endswith(".note"):
                heard.append(cmd.argument)

        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for _ in range(2):
                for name in ("a.note", "b", ".note"):
                    assert (await store(client, name, b"1"))[1] == COMPLETE
            assert heard == ["a.note", ".note"] * 2

    tell(story)


@pytest.mark.parametrize("lets_be", [True, False])
def test_a_guard_is_asked_where_it_has_something_to_say(lets_be: bool, way: str) -> None:
    async def story() -> None:
        module, asked = Module("guards", version="1"), []

        def only_fair_names(cmd: Command, path: VirtualPath) -> None:
            asked.append(path.virtual)
            if path.name.startswith("foul"):
                raise Refuse(550, "no such thing")

        module.offer(UPLOAD_GUARD, only_fair_names)
        module.offer(LETS_BE, (only_fair_names, lambda cmd, folder: lets_be and folder == "/sub"))
        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            place.bench.write("sub/")
            await entered(place, client)
            await entered(place, client, "sub/first")
            del asked[:]
            assert (await store(client, "fair", b"1"))[1] == COMPLETE
            assert (await store(client, "sub/fair", b"1"))[1] == COMPLETE
            assert (await store(client, "foul", b"1"))[0] == "550 no such thing"
            known = lets_be and way != "whole road"
            assert asked[:2] == (["/fair", "/foul"] if known else ["/fair", "/sub/fair"])
            assert content_of(place, "foul") is None

    tell(story)


def test_a_fault_behind_an_upload_ends_its_session_and_no_other(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:  # fmt: skip
    if way != "front and walk":
        return

    async def story() -> None:
        module = Module("hears", version="1")
        module.log("STOR")(lambda cmd: None)

        def fail(cmd: Command, made: bool) -> None:
            raise RuntimeError("nobody foresaw that")

        monkeypatch.setattr(_xfer_store, "_came", fail)
        async with serving(module, conf="AllowOverwrite on") as place, place.client() as other:
            await other.ask("NOOP")
            async with place.client() as client:
                await client.ask("TYPE I")
                assert (await store(client, "first", b"1"))[1] == COMPLETE
                assert (await store(client, "first", b"2"))[1] == ""
                assert content_of(place, "first") == b"2"
            assert await other.ask("NOOP") == "200 NOOP command successful"

    tell(story)


@pytest.mark.parametrize(
    ("conf", "name", "answer"),
    [
        ("PathDenyFilter bad", "bad", "550 bad: Forbidden filename"),
        ("<Limit STOR>\nDenyAll\n</Limit>", "bad", "550 bad: Operation not permitted"),
        ("<Limit WRITE>\nDenyAll\n</Limit>", "bad", "550 bad: Operation not permitted"),
        ("<Directory ~/bad>\n<Limit STOR>\nDenyAll\n</Limit>\n</Directory>", "bad/x", "550 bad/x: Operation"),
        ("MaxStoreFileSize 2 B", "bad", "552 Transfer aborted. File too large"),
        ("HiddenStores on", "", ""),
        ("TransferRate STOR 1000", "", ""),
        ("MaxTransfersPerHost STOR 3 Enough", "", ""),
    ],
)
def test_what_the_configuration_says_of_uploads_counts_for_each(conf: str, name: str, answer: str) -> None:
    async def story() -> None:
        async with serving(conf=f"AllowOverwrite on\n{conf}") as place, place.client() as client:
            place.bench.write("bad/")
            await client.ask("TYPE I")
            for _ in range(3):
                if "DenyAll" not in conf or "Directory" in conf:
                    assert (await store(client, "good", b"12"))[1] == COMPLETE
                    assert content_of(place, "good") == b"12"
                if name:
                    before, after = await store(client, name if name != "bad" else "bad.", b"123")
                    assert (
                        answer in (before, after)
                        or (before or after).replace("bad.", "bad").startswith(answer)
                        or (after == answer)
                    )
            assert not [key for key in walked(place) if key.startswith("STOR")] or "Filter" not in conf

    tell(story)


def test_an_access_file_that_is_sent_counts_for_what_comes_next() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            assert (await store(client, ".ftpaccess", b"<Limit STOR>\nDenyAll\n</Limit>\n"))[1] == COMPLETE
            assert await store(client, "first", b"2") == ("550 first: Operation not permitted", "")
            assert content_of(place, "first") == b"1"

    tell(story)
