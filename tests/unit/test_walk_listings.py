"""Folders that are listed as the one before was: whichever way it goes, the client and the modules see the same."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from listing_ground import BY, FOLDERS, VERBS, by, by_the_whole_road, furnish, listing, names_in
from recall_ground import serving
from walk_ground import COMPLETE, fetch, port_of, tell, walked

from ftpd import native
from ftpd.core.vocab import Outcome
from ftpd.engine import showing
from ftpd.module.command import Command
from ftpd.module.table import Module

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(params=BY, autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    return by(request.param, monkeypatch)


@pytest.mark.parametrize("verb", VERBS)
def test_each_folder_is_listed_as_by_the_whole_road(verb: str, way: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            furnish(place)
            os.chmod(os.path.join(place.bench.root, "closed"), 0)
            await client.ask("TYPE I")
            for line in [f"{verb} {folder}".rstrip() for folder in (*FOLDERS, "sub")]:
                reference = await by_the_whole_road(client, line)
                for _ in range(3):
                    assert await listing(client, line) == reference, line
            assert verb in walked(place)

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_what_comes_and_goes_is_seen_at_once(verb: str, way: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            dots = [".", ".."] if verb == "MLSD" else []
            place.bench.write("sub/a", b"1")
            for n in range(4):
                place.bench.write(f"sub/{n}", b"1" * n)
                text, before, after = await listing(client, f"{verb} sub")
                assert names_in(text, verb) == [*dots, *map(str, range(n + 1)), "a"]
                assert (before[:35], after) == ("150 Opening BINARY mode data connec", COMPLETE)
            os.chmod(os.path.join(place.bench.root, "sub"), 0o700)
            os.chmod(os.path.join(place.bench.root, "sub/a"), 0)
            text, _, _ = await listing(client, f"{verb} sub")
            assert "----------" in text or "UNIX.mode=00;" in text
            os.rename(os.path.join(place.bench.root, "sub"), os.path.join(place.bench.root, "other"))
            _, first, then = await listing(client, f"{verb} sub")
            assert (then or first)[:3] == ("450" if verb == "LIST" else "550")
            assert names_in((await listing(client, f"{verb} other"))[0], verb)[-1] == "a"
            keys = {f"{verb}", "EPSV"} & set(walked(place))
            assert keys == ({verb} if way == "by Python" else {verb, "EPSV"})

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("slow", [True, False])
def test_a_client_that_takes_its_time_gets_all_of_it(verb: str, slow: bool) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/a", b"1")
            for _ in range(2):
                await listing(client, f"{verb} sub")
            for n in range(2200):
                place.bench.write(f"sub/{n:04} {'long' * 20}", b"")
            expected, _, _ = await by_the_whole_road(client, f"{verb} sub")
            assert len(expected) > 200_000
            for _ in range(2):
                assert (await listing(client, f"{verb} sub"))[0] == expected
                if not slow:
                    continue
                port = await port_of(client)
                with socket.socket() as data:
                    data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    data.connect(("127.0.0.1", port))
                    assert (await client.ask(f"{verb} sub"))[:3] == "150"
                    got = b""
                    while part := await asyncio.to_thread(data.recv, 1 << 16):
                        got += part
                assert got.decode() == expected
                assert await client.line() == COMPLETE

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("bound", ["UNSENT_MOST", "_PATIENCE", "_MOST_PIECES"])
def test_what_is_not_done_in_one_step_goes_on(verb: str, bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the whole road, from where it came to: it is too much at once, takes too long, or comes in many pieces."""
    monkeypatch.setattr(showing, bound, -1 if bound == "_PATIENCE" else 1)

    async def story() -> None:
        async with serving() as place, place.client() as client:
            furnish(place)
            await client.ask("TYPE I")
            total, session = 0, place.channel.session
            for folder in ("many", "linked", "odd", "sub", "linked"):
                reference = await by_the_whole_road(client, f"{verb} {folder}")
                for _ in range(2):
                    before = session.bytes_out
                    assert await listing(client, f"{verb} {folder}") == reference
                    total += len(reference[0])
                    assert session.bytes_out - before > len(reference[0])
            assert verb in walked(place)
            os.rename(os.path.join(place.bench.root, "sub"), os.path.join(place.bench.root, "other"))
            assert (await listing(client, f"{verb} sub"))[0] == ""

    tell(story)


def test_a_connection_that_takes_not_all_is_handed_on_with_what_went(way: str) -> None:
    if way == "by Python":
        pytest.skip("that has no walk")
    walk = native.data.Walk
    ours, control = socket.socketpair()
    with ours, control, socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.inet_aton("127.0.0.1")
        one = walk(lambda host, port: None, ours.fileno(), here, 0, here, True, 8, 5)
        port = server.getsockname()[1]
        server.setblocking(False)
        one.adopt(server.detach(), port)
        assert not one.meet()
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert one.meet()
            assert not one.meet()
            text = os.urandom(1 << 24)
            assert one.give(b"150\r\n", (text[:9], text[9:]), True, b"226\r\n") is None
            assert 9 < one.went < len(text)
            assert one.give(b"150\r\n", (text,), True, b"226\r\n") is None
            assert control.recv(99) == b"150\r\n"
            descriptor, there, went, unsaid, trouble = one.overtaken()
            assert (there, went, unsaid, trouble) == (port, one.went, b"", 0)
            with socket.socket(fileno=descriptor):
                pass
            got = b""
            while len(got) < went and (part := client.recv(1 << 20)):
                got += part
            assert got == text[:went]
        assert one.tell() == (0, 0, 0, 0, 5)
        for wrong in ((b"", b"", True, b""), (b"", ("",), True, b""), (b"", (b"",) * 9, True, b""), (b"", ())):
            with pytest.raises(TypeError):
                one.give(*wrong)


@pytest.mark.parametrize("verb", VERBS)
def test_the_client_that_comes_late_and_one_who_is_a_stranger(verb: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/a", b"1")
            for _ in range(2):
                expected = (await listing(client, f"{verb} sub"))[0]
            port = await port_of(client)
            await client.send(f"{verb} sub\r\n".encode())
            await asyncio.sleep(0.05)
            with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as stranger:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert (await reader.read()).decode() == expected
                writer.close()
                assert stranger.recv(9) == b""
            assert (await client.line())[:3] == "150"
            assert await client.line() == COMPLETE
            assert (await listing(client, f"{verb} sub"))[0] == expected

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_folder_it_is_that_in_which_the_session_is(verb: str, way: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            for name in ("a/in a", "a/b/in b", "at the root"):
                place.bench.write(name, b"1")
            for folder, last in (
                ("/", "at the root"),
                ("/a", "in a"),
                ("b", "in b"),
                ("/a", "in a"),
                ("/", "at the root"),
            ):
                await client.ask(f"CWD {folder}")
                for _ in range(3):
                    assert names_in((await listing(client, verb))[0], verb)[-1] == last
            assert verb in walked(place)

    tell(story)


@pytest.mark.parametrize(
    ("conf", "known"),
    [
        ("DirFakeUser on nobody-at-all\nDirFakeGroup on them\nDirFakeMode 0640", True),
        ("TimesGMT off", True),
        ("ListOptions -a", False),
        ("ListOptions '' maxfiles 2", False),
        ("ListStyle Windows", False),
        ("ShowSymlinks off", True),
        ("<Directory /*>\nHideFiles ^b\n</Directory>", False),
        ("<Directory /*>\nHideNoAccess on\n</Directory>", False),
        ("<Directory /*>\nHideUser nobody\n</Directory>", False),
        ("<Directory ~/sub/folder>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>", False),
        ("<Limit DIRS>\nIgnoreHidden on\n</Limit>", False),
        ("AllowForeignAddress on", False),
        ("TimeoutLinger 3", False),
        ("DirFakeUser on ~", True),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_what_the_configuration_wants_of_each_listing_it_gets(conf: str, known: bool, verb: str, way: str) -> None:
    async def story() -> None:
        async with serving(conf=conf) as place, place.client() as client:
            furnish(place)
            await client.ask("TYPE I")
            for folder in ("sub", "linked", "sub/folder", "odd"):
                reference = await by_the_whole_road(client, f"{verb} {folder}")
                for _ in range(3):
                    assert await listing(client, f"{verb} {folder}") == reference
            assert (verb in walked(place)) == (known or (verb == "MLSD" and conf.startswith("List")))

    tell(story)


def test_a_folder_with_links_is_told_of_by_the_session_itself() -> None:
    async def story() -> None:
        async with serving() as place:
            furnish(place)
            async with place.client() as client:
                await client.ask("TYPE I")
                references = [await by_the_whole_road(client, f"LIST {name}") for name in ("linked", "sub", "linked")]
            for _ in range(3):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    assert [await listing(client, f"LIST {name}") for name in ("linked", "sub", "linked")] == references

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_an_access_file_that_comes_counts_for_the_next_listing(verb: str) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("waits", b"HideFiles ^secret\n")
            async with place.client() as other, place.client() as client:
                await client.ask("TYPE I")
                for folder in ("sub", "other"):
                    place.bench.write(f"{folder}/secret", b"1")
                    place.bench.write(f"{folder}/told", b"1")
                for _ in range(3):
                    assert "secret" in (await listing(client, f"{verb} other"))[0]
                await other.ask("RNFR waits")
                assert (await other.ask("RNTO sub/.ftpaccess")).startswith("250")
                # that of another folder, which was not listed before
                for _ in range(2):
                    assert "secret" not in (await listing(client, f"{verb} sub"))[0]
                    assert "secret" in (await listing(client, f"{verb} other"))[0]

    tell(story)


def test_facts_that_are_chosen_are_those_of_the_next_listing() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client, place.client() as other:
            place.bench.write("sub/a", b"1")
            for one in (client, other):
                await one.ask("TYPE I")
            for _ in range(2):
                assert "perm=" in (await listing(client, "MLSD sub"))[0]
            assert (await client.ask("OPTS MLST size;type;"))[:3] == "200"
            for _ in range(3):
                assert (await listing(client, "MLSD sub"))[0].endswith("size=1;type=file; a\r\n")
                assert "perm=" in (await listing(other, "MLSD sub"))[0]

    tell(story)


def test_flags_and_what_is_said_in_between_count() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            furnish(place)
            await client.ask("TYPE I")
            for _ in range(3):
                assert names_in((await listing(client, "LIST sub"))[0], "LIST")[0] == "-x"
                assert ".hidden" in (await listing(client, "LIST -a sub"))[0]
                assert (await listing(client, "LIST -1 sub"))[0].startswith("-x\r\n")
            await client.ask("TYPE A")
            for _ in range(2):
                assert (await listing(client, "LIST sub"))[1] == "150 Opening ASCII mode data connection for file list"
            await client.ask("REST 5")
            assert names_in((await listing(client, "LIST sub"))[0], "LIST")[0] == "-x"

    tell(story)


def test_what_went_is_counted(way: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            place.bench.write("sub/a", b"12345")
            await client.ask("TYPE I")
            total, session = 0, place.channel.session
            for n in range(4):
                before = session.bytes_out
                text = (await listing(client, "LIST sub"))[0] + (await listing(client, "MLSD sub"))[0]
                total += len(text)
                await client.ask("NOOP")
                assert session.bytes_out > before + len(text) + 100
                told = [await client.ask("STAT")]
                while not told[-1].startswith("211 "):
                    told.append(await client.line())
                assert f"Total bytes transferred for session: {total}" in [line.strip() for line in told], (n, told)
            await fetch(client, "sub/a")

    tell(story)


def test_who_records_listings_is_told_of_each(tmp_path: Path, way: str) -> None:
    async def story() -> None:
        conf = f'LogFormat own "%m %f %s"\nExtendedLog {tmp_path}/log DIRS own'
        async with serving(conf=conf) as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/a", b"1")
            for _ in range(3):
                await listing(client, "LIST sub")
                await listing(client, "MLSD sub")
            assert not {"LIST", "MLSD"} & set(walked(place))
        await asyncio.sleep(0.1)
        lines = (tmp_path / "log").read_text().splitlines()
        assert [line.split()[0] for line in lines] == ["LIST", "MLSD"] * 3

    tell(story)


@pytest.mark.parametrize("phase", ["pre", "post", "cmd", "log"])
def test_a_module_that_has_a_say_is_asked_each_time(phase: str) -> None:
    async def story() -> None:
        module, heard = Module("says", version="1"), []

        def look(cmd: Command) -> Outcome | None:
            heard.append(cmd.name)
            return None

        getattr(module, phase)("LIST", "MLSD")(look)
        async with serving(module) as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/a", b"1")
            for _ in range(3):
                for verb in VERBS:
                    assert names_in((await listing(client, f"{verb} sub"))[0], verb)[-1] == "a"
        assert heard == VERBS * 3

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_sessions_that_stand_alike_know_it_of_each_other(verb: str, way: str) -> None:
    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/a", b"1")
            # what they know of each other holds for a moment only, which a machine may sleep through
            for _ in range(10):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    expected = await listing(client, f"{verb} sub")
                async with place.client() as client:
                    await client.ask("TYPE I")
                    assert await port_of(client)
                    known = verb in walked(place)
                    for _ in range(2):
                        assert await listing(client, f"{verb} sub") == expected
                if known:
                    return
            raise AssertionError("never known")

    tell(story)
