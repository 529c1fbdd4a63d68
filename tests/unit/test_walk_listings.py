"""Folders that are listed as the one before was: whichever way it goes, the client and the modules see the same."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_ground import Client
from recall_ground import Place, serving
from walk_ground import COMPLETE, WAYS, fetch, port_of, take_way, tell, walked

from ftpd import native
from ftpd.core.vocab import Outcome
from ftpd.dispatch.gate import PathGate
from ftpd.engine import showing
from ftpd.engine.common import forget_common
from ftpd.fs import folder as fs_folder
from ftpd.module.command import Command
from ftpd.module.files import Surveyed
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.modules import _facts_walk, _folders, _ls_walk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

VERBS = ["LIST", "MLSD"]


@pytest.fixture(params=[*WAYS[1:], "by Python"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "by Python":
        return take_way(request.param, monkeypatch)
    for name in ("data", "front", "lines"):
        monkeypatch.setattr(native, name, None)
    return "by Python"


async def listing(client: Client, line: str) -> tuple[str, str, str]:
    """The lines, and the replies before and after them; a refusal comes alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(client))
    try:
        before = await client.ask(line)
        if before[0] != "1":
            return "", before, ""
        content = await reader.read()
        writer.close()
        return content.decode("utf-8", "surrogateescape"), before, await client.line()
    finally:
        writer.close()


async def by_the_whole_road(client: Client, line: str) -> tuple[str, str, str]:
    """The same where an access file might count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PathGate, "bare_until", lambda *_: 0.0)
        return await listing(client, line)


def names_in(text: str, verb: str) -> list[str]:
    lines = text.split("\r\n")
    assert lines.pop() == ""
    return [line.partition("; ")[2] if verb == "MLSD" else line.split(maxsplit=8)[8] for line in lines]


def furnish(place: Place) -> None:
    """Folders of all kinds."""
    root = place.bench.root
    for name in ("sub/a", "sub/b c", "sub/ä", "sub/.hidden", "sub/-x", "sub/inner/deep", "one", "linked/z", ".dot/x"):
        place.bench.write(name, name.encode())
    for name in ("empty/", "sub/folder/", "closed/"):
        place.bench.write(name)
    for n in range(300):
        place.bench.write(f"many/file {n:03}", b"x" * n)
    os.mkfifo(os.path.join(root, "sub/fifo"))
    os.symlink("a", os.path.join(root, "linked/to a file"))
    os.symlink("../sub", os.path.join(root, "linked/to a folder"))
    os.symlink("nowhere", os.path.join(root, "linked/to nothing"))
    os.symlink("sub", os.path.join(root, "link"))
    odd = os.fsencode(os.path.join(root, "odd"))
    os.mkdir(odd)
    for raw in (b"line\nend", b"\xff\xfe", b"esc\x1b[1m", b"last"):
        with open(odd + b"/" + raw, "wb") as file:
            file.write(raw)
    os.utime(os.path.join(root, "sub/a"), (0, 86400 * 365))


FOLDERS = ["sub", "linked", "empty", "odd", "many", "sub/inner", "sub/folder", "link", "one", "none", "closed", "-a",
           "s*", "..", ".", "sub/", "", "/", "/sub", "~", ".dot", "sub/../many", "sub/a", "sub/fifo",
           "two  blanks", "x" * 300]  # fmt: skip


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


def test_the_folder_above_is_told_of_as_it_is_now(way: str, at_once: list[bool]) -> None:
    """By MLSD, whose first lines are the folder itself and the one above it; above its root a session sees the root."""

    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("a/b/x", b"1")
            for mode in (0o700, 0o755, 0o750):
                for name in ("a", "a/b", "."):
                    os.chmod(os.path.join(place.bench.root, name), mode)
                    for folder in ("/a/b", "/a", "/", "/a/b/", "/a/../a/b", "/a/b/.."):
                        reference = await by_the_whole_road(client, f"MLSD {folder}")
                        for _ in range(2):
                            assert await listing(client, f"MLSD {folder}") == reference, folder
            assert (True in at_once) == (way != "by Python")

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


class Names:
    """Of owners: those that the clock and the test give, and which session asked for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.now = "first", 0.0
        self.asked: list[Session] = []
        monkeypatch.setattr(_folders.Owners, "_asked", lambda owners, session, number: self.of(session))
        monkeypatch.setattr(_ls_walk, "monotonic", lambda: self.now)

    def of(self, session: Session) -> str:
        self.asked.append(session)
        return self.name


def test_names_of_owners_are_those_of_all_who_stand_alike_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)

    async def told(place: Place) -> str:
        async with place.client() as client:
            await client.ask("TYPE I")
            return (await listing(client, "LIST sub"))[0].split()[2]

    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/a", b"1")
            for _ in range(3):
                assert await told(place) == "first"
            names.name = "second"
            asked = len(names.asked)
            names.now += 0.9
            assert await told(place) == "first"
            assert len(names.asked) == asked
            names.now += 0.2
            assert await told(place) == "second"
            assert len(names.asked) > asked

    tell(story)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each listing that could be made in one step was."""
    told: list[bool] = []

    for lister in (_ls_walk.SmallFolders, _facts_walk.SmallFolders):
        monkeypatch.setattr(lister, "at_once", noted(lister.at_once, told))
    return told


AtOnce = Callable[[Any, Session, bytes], bytes | Surveyed | None]


def noted(at_once: AtOnce, told: list[bool]) -> AtOnce:
    def noting(lister: Any, session: Session, folder: bytes) -> bytes | Surveyed | None:
        text = at_once(lister, session, folder)
        told.append(isinstance(text, bytes))
        return text

    return noting


def looks(patch: pytest.MonkeyPatch) -> list[int]:
    """At how many entries each look at a folder looked, where that is compiled."""
    seen: list[int] = []
    lines = native.lines

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(lines, name)

        def survey_below(self, *given: Any) -> Any:
            found = lines.survey_below(*given)
            self.keep(found and found[-1] and found[-1][1])
            return found

        def survey(self, *given: Any) -> Any:
            found = lines.survey(*given)
            self.keep(found and found[1])
            return found

        def look(self, *given: Any) -> Any:
            found = lines.look(*given)
            self.keep(found[0])
            return found

        def keep(self, attributes: bytes | None) -> None:
            seen.append(len(attributes or b"") // lines.ENTRY)

    if lines is not None:
        patch.setattr(fs_folder, "native", SimpleNamespace(lines=Counted()))
    return seen


@pytest.mark.parametrize("verb", VERBS)
def test_each_folder_is_listed_in_one_step_as_by_the_whole_road(verb: str, way: str, at_once: list[bool]) -> None:
    """By a session that finds known how entries look, and has listed nothing itself."""

    async def story() -> None:
        async with serving() as place:
            furnish(place)
            os.chmod(os.path.join(place.bench.root, "closed"), 0)
            for folder in (*FOLDERS, "sub"):
                forget_common(place.worker.generation)
                line = f"{verb} {folder}".rstrip()
                async with place.client() as client:
                    await client.ask("TYPE I")
                    reference = await by_the_whole_road(client, line)
                    for _ in range(2):
                        await listing(client, f"{verb} one")
                for _ in range(2):
                    async with place.client() as client:
                        await client.ask("TYPE I")
                        for _ in range(2):
                            assert await listing(client, line) == reference, line
            assert ({*at_once} == {True, False}) == (way != "by Python")

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_takes_long_is_looked_at_once_and_listed_in_one_step_the_next_time(
    verb: str, way: str, at_once: list[bool]
) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            furnish(place)
            await client.ask("TYPE I")
            reference = await by_the_whole_road(client, f"{verb} many")
            entries = sum("file " in line for line in reference[0].splitlines())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fs_folder, "_ALL_AT_ONCE", -1)
                seen = looks(patch)
                for _ in range(3):
                    seen.clear()
                    assert await listing(client, f"{verb} many") == reference
                    assert sum(seen) == (0 if way == "by Python" else entries)
                assert (len(seen) > 1) == (way != "by Python")
            assert True not in at_once
            for _ in range(3):
                assert await listing(client, f"{verb} many") == reference
            assert (True in at_once) == (way != "by Python")

    tell(story)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_owner_who_was_not_met_is_asked_for_by_the_session_that_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)

    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/a", b"1")
            for n in range(4):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    (session,) = [channel.session for channel in place.worker.sessions if channel.session.user]
                    os.chown(os.path.join(place.bench.root, "sub/a"), 4000 + n, 0)
                    names.asked.clear()
                    names.name = f"of{n}"
                    assert (await listing(client, "LIST sub"))[0].split()[2] == f"of{n}"
                    assert session in names.asked
                while any(channel.session.user for channel in place.worker.sessions):
                    await asyncio.sleep(0.01)

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
