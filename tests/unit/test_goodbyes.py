"""Whoever leaves as others did who stood alike is told goodbye as they were; all others take the whole road."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from recall_ground import Counted, Place, serving, tell

from ftpd.core import trace
from ftpd.core.reply import Refuse
from ftpd.core.translation import Catalogue
from ftpd.core.vocab import Phase, Steady
from ftpd.engine import goodbyes
from ftpd.module.command import Command
from ftpd.module.events import SESSION_CLOSE
from ftpd.module.session import Session
from ftpd.module.table import Module

GOODBYE = "221 Goodbye."
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


async def leave(place: Place, counted: Counted, *before: str, by: str = "QUIT") -> tuple[str, bool]:
    """What a client is told that says this and goes, and whether that took the whole road."""
    _, *left = await session_of_one_who_leaves(place, counted, *before, by=by)
    return left[0], left[1]


async def session_of_one_who_leaves(
    place: Place, counted: Counted, *before: str, by: str = "QUIT"
) -> tuple[Session, str, bool]:
    async with place.client() as client:
        for line in before:
            await client.ask(line)
        counted.verbs.clear()
        session = place.channel.session
        said = await client.ask(by)
        assert await client.reader.read() == b""
        return session, said, "QUIT" in counted.verbs


def story(*modules: Module, conf: str = "") -> Callable[[Callable[[Place, Counted], object]], None]:
    """Have it told where the modules and this configuration are in force."""

    def telling(told: Callable[[Place, Counted], object]) -> None:
        async def whole() -> None:
            async with serving(*modules, conf=conf) as place:
                await told(place, Counted(place))  # type: ignore[misc]

        tell(whole)

    return telling


def test_who_leaves_as_another_did_is_told_the_same() -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        sessions = []
        assert await leave(place, counted) == (GOODBYE, True)
        for _ in range(3):
            session, *left = await session_of_one_who_leaves(place, counted, "NOOP", "PWD")
            assert left == [GOODBYE, False]
            sessions.append(session)
        assert await leave(place, counted, by="quit") == (GOODBYE, True)
        assert await leave(place, counted, by="quit") == (GOODBYE, False)
        for session in sessions:
            assert session.notes["core.disconnect-details"] == "Quit"
            assert session.files is None and session.wire.gone
        assert not place.worker.sessions


def test_all_is_counted_as_on_the_whole_road() -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        sums = set()
        for _ in range(3):
            session, *_ = await session_of_one_who_leaves(place, counted)
            sums.add((session.bytes_in, session.bytes_out))
        assert len(sums) == 1


def test_a_session_is_over_for_the_modules_each_time() -> None:
    watcher, ended = Module("watcher", version="1.0"), []

    @watcher.on(SESSION_CLOSE)
    def end(session: Session) -> None:
        ended.append((session.notes["core.disconnect-details"], session.user))

    @story(watcher)
    async def told(place: Place, counted: Counted) -> None:
        roads = [(await leave(place, counted))[1] for _ in range(3)]
        assert roads == [True, False, False]
        assert ended == [("Quit", "tom")] * 3


@pytest.mark.parametrize(
    "before", [["CWD folder"], ["TYPE I"], ["RNFR file"], ["TYPE I", "REST 1"]], ids=lambda before: before[-1]
)
def test_who_stands_elsewhere_finds_out_itself(before: list[str]) -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        place.bench.write("folder/file", b"")
        place.bench.write("file", b"1")
        await leave(place, counted)
        assert await leave(place, counted, *before) == (GOODBYE, True)
        await leave(place, counted)
        assert await leave(place, counted) == (GOODBYE, False)


@pytest.mark.parametrize("phase", [Phase.PRE_CMD, Phase.CMD, Phase.POST_CMD, Phase.LOG_CMD])
@pytest.mark.parametrize("steady", [False, Steady.NOTHING])
def test_who_looks_at_it_sees_each(phase: Phase, steady: Steady | bool) -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    look_at = {
        Phase.PRE_CMD: watcher.pre, Phase.CMD: watcher.cmd, Phase.POST_CMD: watcher.post, Phase.LOG_CMD: watcher.log,
    }[phase]  # fmt: skip

    @look_at("QUIT", steady=steady)  # type: ignore[arg-type]
    def watch(cmd: Command) -> None:
        seen.append(cmd.name)

    @story(watcher)
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await leave(place, counted) == (GOODBYE, True)
        assert seen == ["QUIT"] * 3


def test_who_has_nothing_to_do_for_some_is_asked_of_each() -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    watched = False

    @watcher.log(
        "QUIT", steady=lambda cmd: Steady.NOTHING if watched else Steady.VERB, alike=lambda session: not watched
    )
    def watch(cmd: Command) -> None:
        if watched:
            seen.append(cmd.name)

    @story(watcher)
    async def told(place: Place, counted: Counted) -> None:
        nonlocal watched
        assert [await leave(place, counted) for _ in range(2)] == [(GOODBYE, True), (GOODBYE, False)]
        watched = True
        assert [await leave(place, counted) for _ in range(2)] == [(GOODBYE, True)] * 2
        assert seen == ["QUIT"] * 2


def test_who_is_refused_it_goes_all_the_same_each_time() -> None:
    keeper = Module("keeper", version="1.0")

    @keeper.pre("QUIT", steady=True, alike=True)
    def keep(cmd: Command) -> None:
        raise Refuse(550, "Stay a while.")

    @story(keeper)
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await leave(place, counted) == ("550 Stay a while.", True)


def test_each_is_shown_the_file_as_it_is_then(tmp_path: Path) -> None:
    shown = tmp_path / "goodbye"

    @story(conf=f"DisplayQuit {shown}")
    async def told(place: Place, counted: Counted) -> None:
        for text in ("until soon", "until never"):
            shown.write_text(f"{text}\n")
            assert await leave(place, counted) == (f"221 {text}", True)


def test_each_is_recorded_where_it_is_wanted(tmp_path: Path) -> None:
    logged = tmp_path / "log"

    @story(conf=f'LogFormat plain "%m %s"\nExtendedLog {logged} INFO plain')
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await leave(place, counted) == (GOODBYE, True)
        for _ in range(200):
            if logged.exists() and logged.read_text().count("QUIT 221\n") == 3:
                break
            await asyncio.sleep(0.01)
        assert logged.read_text().count("QUIT 221\n") == 3


@pytest.mark.parametrize("conf", ["MaxCommandRate 1000 1", "UseEncoding UTF-8 ISO-8859-1"])
def test_where_each_line_is_counted_or_recoded_the_whole_road_is_taken(conf: str) -> None:
    @story(conf=conf)
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await leave(place, counted) == (GOODBYE, True)


def test_who_speaks_another_language_is_told_in_it() -> None:
    catalogue = Catalogue()
    catalogue.add("Goodbye.", "Auf Wiedersehen.")

    @story()
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(2):
            await leave(place, counted)
            async with place.client() as client:
                place.channel.session.translation = catalogue.spoken_in("utf-8")
                counted.verbs.clear()
                assert await client.ask("QUIT") == "221 Auf Wiedersehen."
                assert counted.verbs == ["QUIT"]
            assert await leave(place, counted) == (GOODBYE, False)


def test_who_traces_sees_all_of_it() -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        await leave(place, counted)
        with contextlib.ExitStack() as stack:
            stack.callback(trace.configure, None)
            trace.configure(lambda line: None)
            assert await leave(place, counted) == (GOODBYE, True)
        assert await leave(place, counted) == (GOODBYE, False)


def test_it_is_believed_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        monkeypatch.setattr(goodbyes, "_TRUSTED", -1.0)
        assert [await leave(place, counted) for _ in range(2)] == [(GOODBYE, True)] * 2


def test_what_is_sent_with_it_is_answered_before_it_and_nothing_after() -> None:
    @story()
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            async with place.client() as client:
                await client.send(b"NOOP\r\nQUIT\r\nNOOP\r\n")
                assert await client.line() == "200 NOOP command successful"
                assert await client.line() == GOODBYE
                assert await client.reader.read() == b""
            async with place.client() as client:
                await client.send(b"NO")
                await asyncio.sleep(0.02)
                await client.send(b"QUIT\r\n")
                assert await client.line() == "500 NOQUIT not understood"
                assert await client.ask("QUIT") == GOODBYE
