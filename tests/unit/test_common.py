"""What one session has found out, others know that stand alike; whoever has something of its own finds out itself."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from pathlib import Path

import pytest
from common_ground import AS_EVER, CONF, TRIES, visit
from recall_ground import Counted, go, serving
from walk_ground import COMPILED, COMPLETE, OPENING, fetch, port_of, store, tell

from ftpd.core.answers import Answers
from ftpd.engine.common import Common, forget_common

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


@pytest.mark.skipif(not COMPILED, reason="not compiled here")
def test_what_one_has_found_out_another_knows(way: str) -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("file", b"1")
            counted = Counted(place)
            assert await visit(place) == AS_EVER
            assert set(counted.taken()) >= {"PWD", "EPSV", "RETR", "STOR"}
            for _ in range(TRIES):
                assert await visit(place) == AS_EVER
                if set(counted.taken()) <= ({"EPSV", "RETR", "STOR"} if way == "whole road" else {"STOR"}):
                    break
            else:
                pytest.fail("nobody knows what others have found out")
            assert Path(place.bench.root, "sent").read_bytes() == b"12345"

    tell(story)


@pytest.mark.parametrize("empty", ["file", "folder/file"])
def test_an_empty_file_is_one_as_well(empty: str) -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write(empty, b"")
            for _ in range(3):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    assert await fetch(client, empty) == (b"", f"{OPENING} {empty}", COMPLETE)

    tell(story)


def test_each_folder_has_its_own_answers() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            for folder in ("", "a/", "a/a/"):
                place.bench.write(f"{folder}file", (folder or "/").encode())
            for _ in range(2):
                for folder in ("", "a", "a/a"):
                    seen = await visit(place, folder=folder)
                    at = f"/{folder}"
                    assert seen[:2] == [f'257 "{at}" is the current directory', f"{folder}/"]
                    assert Path(place.bench.root, folder, "sent").exists()

    tell(story)


def test_what_is_said_before_a_transfer_counts_for_it() -> None:
    async def story() -> None:
        async with serving(conf=f"{CONF}\nAllowRetrieveRestart on\nAllowStoreRestart on") as place:
            place.bench.write("file", b"0123456789\n")
            async with place.client() as client:
                await client.ask("TYPE I")
                for _ in range(2):
                    assert (await fetch(client, "file"))[0] == b"0123456789\n"
            for line, content in (("REST 4", b"456789\n"), ("RANG 2 4", b"234"), ("TYPE A", b"0123456789\r\n")):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    assert (await client.ask(line))[0] in "23"
                    assert (await fetch(client, "file"))[0] == content, line
            async with place.client() as client:
                await client.ask("TYPE I")
                await store(client, "sent", b"0123456789")
            async with place.client() as client:
                await client.ask("TYPE I")
                await client.ask("REST 2")
                await store(client, "sent", b"xx")
            assert Path(place.bench.root, "sent").read_bytes() == b"01xx456789"
            async with place.client() as client:
                await client.ask("RNFR file")
                assert (await client.ask("PWD")).startswith("501")

    tell(story)


def test_who_has_promised_to_use_epsv_is_refused_pasv() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            for _ in range(2):
                async with place.client() as client:
                    assert await port_of(client, "PASV")
            async with place.client() as client:
                assert (await client.ask("EPSV ALL")).startswith("200")
                assert (await client.ask("PASV")).startswith("500")
                assert await port_of(client)

    tell(story)


def test_another_user_has_answers_of_its_own() -> None:
    async def story() -> None:
        conf = f"{CONF}\n<Limit STOR>\nDenyUser ann\n</Limit>\nMaxRetrieveFileSize 3 B user ann"
        async with serving(conf=conf) as place:
            accounts = next(one for name, one in place.worker.generation.accounts._backends if name == "mod_bench")
            accounts._users["ann"] = place.bench._users["ann"] = "secret"  # type: ignore[attr-defined]
            place.bench.write("file", b"12345")
            for _ in range(2):
                for name in ("tom", "ann", "tom"):
                    async with place.client(login=False) as client:
                        await client.ask(f"USER {name}")
                        await client.ask(f"PASS {place.bench._users[name]}")
                        await client.ask("TYPE I")
                        content, _, after = await fetch(client, "file")
                        assert (content, after[:3]) == ((b"12345", "226") if name == "tom" else (b"", "426"))
                        before, _ = await store(client, "sent", b"1")
                        assert before[:3] == ("150" if name == "tom" else "550")

    tell(story)


def test_an_access_file_that_comes_is_found_by_all() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("file", b"1")
            for _ in range(2):
                assert await visit(place) == AS_EVER
            async with place.client() as client:
                await client.ask("TYPE I")
                assert (await store(client, ".ftpaccess", b"<Limit RETR>\nDenyAll\n</Limit>\n"))[1] == COMPLETE
            async with place.client() as client:
                await client.ask("TYPE I")
                assert (await fetch(client, "file"))[1].startswith("550")

    tell(story)


def test_who_has_an_answer_from_others_loses_it_with_them() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("file", b"1")
            await visit(place)
            async with place.client() as heir, place.client() as other:
                for client in (heir, other):
                    await client.ask("TYPE I")
                    assert (await fetch(client, "file"))[0] == b"1"
                assert (await store(other, ".ftpaccess", b"<Limit RETR>\nDenyAll\n</Limit>\n"))[1] == COMPLETE
                assert (await fetch(heir, "file"))[1].startswith("550")

    tell(story)


def test_what_was_known_is_known_after_a_listing_and_elsewhere_not() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("a/file", b"a")
            place.bench.write("file", b"1")
            await visit(place)
            await visit(place, folder="a")
            async with place.client() as client:
                await client.ask("TYPE I")
                for _ in range(2):
                    assert (await fetch(client, "file"))[0] == b"1"
                    assert (await client.ask("STAT file")).startswith("213")
                    while not (await client.line()).startswith("213 "):
                        pass
                    assert (await fetch(client, "file"))[0] == b"1"
                    await client.ask("CWD a")
                    assert (await fetch(client, "file"))[0] == b"a"
                    await client.ask("CDUP")

    tell(story)


def test_a_folder_that_is_gone_is_told() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("a/file", b"1")
            for _ in range(2):
                await visit(place, folder="a")
            async with place.client() as client:
                await client.ask("TYPE I")
                await client.ask("CWD a")
                for name in os.listdir(os.path.join(place.bench.root, "a")):
                    os.unlink(os.path.join(place.bench.root, "a", name))
                os.rmdir(os.path.join(place.bench.root, "a"))
                assert (await fetch(client, "file"))[1].startswith("550")
                assert (await store(client, "file", b"1"))[0].startswith("550")

    tell(story)


def test_a_folder_is_entered_as_others_entered_it(way: str) -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            for name in ("a/b/file", "c/file", "file"):
                place.bench.write(name, b"1")
            root = place.bench.root
            os.symlink("c", os.path.join(root, "link"))
            os.symlink("/etc", os.path.join(root, "out"))
            lines = [
                "CWD a", "CWD b", "PWD", "CWD ../../c", "PWD", "CWD ..", "PWD", "CWD .", "CWD /a/b", "PWD", "CWD ../b",
                "CWD /", "CWD link", "PWD", "CWD /", "CWD out", "CWD none", "CWD file", "CWD a/", "PWD", "CWD ../a/.",
                "CWD ../a/..", "PWD", "XCWD a", "CDUP", "CWD ~", "PWD", "CWD //a//b", "PWD", "CWD /x/../a", "PWD",
            ]  # fmt: skip
            first = await go(place, *lines)
            assert first[2] == '257 "/a/b" is the current directory' and first[4].startswith('257 "/c"')
            assert first[13].startswith('257 "/c"') and first[16] == "550 none: No such file or directory"
            for _ in range(2):
                assert await go(place, *lines) == first
            if way != "whole road":
                counted = Counted(place)
                for _ in range(TRIES):
                    counted.verbs.clear()
                    await go(place, "CWD a", "CWD b", "PWD")
                    if counted.verbs == ["USER", "PASS"]:
                        break
                else:
                    pytest.fail("nobody enters as others have entered")

    tell(story)


def test_a_folder_that_others_entered_may_be_closed_now() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            for name in ("a/file", "b/file"):
                place.bench.write(name, b"1")
            for _ in range(2):
                assert [answer[:3] for answer in await go(place, "CWD a", "CWD ../b")] == ["250", "250"]
            async with place.client() as client:
                await client.ask("TYPE I")
                assert (await store(client, "a/.ftpaccess", b"<Limit ALL>\nDenyAll\n</Limit>\n"))[1] == COMPLETE
            assert [answer[:3] for answer in await go(place, "CWD a", "CWD b")] == ["550", "250"]
            os.rename(os.path.join(place.bench.root, "b"), os.path.join(place.bench.root, "d"))
            assert (await go(place, "CWD b"))[0] == "550 b: No such file or directory"

    tell(story)


def test_what_is_shown_in_a_folder_is_shown_to_each() -> None:
    async def story() -> None:
        async with serving(conf="DisplayChdir .message") as place:
            place.bench.write("a/.message", b"Hello")
            for _ in range(3):
                assert (await go(place, "CWD a"))[0] == "250-Hello"

    tell(story)


def test_a_type_that_others_set_is_set() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("file", b"1\n2\n")
            for _ in range(3):
                async with place.client() as client:
                    for line, content in (("TYPE I", b"1\n2\n"), ("TYPE A", b"1\r\n2\r\n"), ("TYPE L8", b"1\n2\n")):
                        assert await client.ask(line) == f"200 Type set to {line[5:]}"
                        assert (await fetch(client, "file"))[0] == content
                    assert (await client.ask("TYPE X"))[:3] == "504"

    tell(story)


def test_a_file_system_that_comes_has_all_of_it_forgotten() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("file", b"1")
            for _ in range(2):
                await visit(place)
            counted = Counted(place)
            forget_common(place.worker.generation)
            assert await visit(place) == AS_EVER
            assert set(counted.taken()) >= {"PWD", "EPSV", "RETR"}

    tell(story)


def test_what_is_kept_has_a_bound_and_no_session() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("file", b"1")
            for number in range(40):
                place.bench.write(f"d{number}/file", b"1")
            await visit(place)
            async with place.client() as client:
                session = weakref.ref(place.channel.session)
                await client.ask("TYPE I")
                for number in range(40):
                    await client.ask(f"CWD /d{number}")
                    await client.ask("PWD")
                    await fetch(client, "file")
                await store(client, "sent", b"1")
                gc.disable()
                try:
                    await client.ask("QUIT")
                    await place.worker.idle()
                    # a step of the loop may hold it for another moment
                    for _ in range(TRIES):
                        if session() is None:
                            break
                        await asyncio.sleep(0.05)
                    assert session() is None
                finally:
                    gc.enable()
            (kins,) = [one for one in place.worker.generation.kept.values() if isinstance(one, dict) and _is_kin(one)]
            assert all(len(places) <= 16 for places in kins.values())

    def _is_kin(one: dict[object, object]) -> bool:
        return any(isinstance(key, tuple) and len(key) > 10 for key in one)

    tell(story)


def test_heirs_lose_what_they_have_and_those_who_are_gone_are_not_counted() -> None:
    common, stay = Common(), [Answers() for _ in range(200)]
    for answers in stay * 2:
        answers[b"PWD"] = b"257"
        common.inherited_by(answers)
    for _ in range(10_000):
        common.inherited_by(Answers())
    assert len(common._heirs) < 2000
    common.clear()
    assert not any(stay)
    assert not common._heirs
