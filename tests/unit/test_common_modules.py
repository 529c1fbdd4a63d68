"""Modules and what others found out: who looks at commands sees those of each session, who answers says for whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from common_ground import AS_EVER, CONF, TRIES, visit
from recall_ground import Counted, Place, go, serving
from walk_ground import tell

from ftpd.core import logfile
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Outcome, Phase, Steady
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.module.table import Module

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


def test_features_are_those_of_the_session() -> None:
    ask, kept = Module("ask", version="1.0"), Module("kept", version="1.0")
    asked: list[int] = []

    def features(session: Session) -> list[str]:
        asked.append(session.id)
        return ["XASK"]

    ask.feat(features)
    kept.feat(features, alike=True)

    async def told(place: Place, *before: str) -> list[str]:
        async with place.client() as client:
            for line in before:
                await client.ask(line)
            lines = [await client.ask("FEAT")]
            while not lines[-1].startswith("211 "):
                lines.append(await client.line())
            return lines

    async def story() -> None:
        async with serving(kept) as place:
            first = await told(place)
            assert " XASK" in first
            for _ in range(TRIES):
                before = len(asked)
                assert await told(place) == first
                if len(asked) == before:
                    break
            else:
                pytest.fail("each FEAT asks")
            chosen = await told(place, "OPTS MLST size;")
            assert " MLST " in str(first) and chosen != first
            assert await told(place) == first
        asked.clear()
        async with serving(ask) as place:
            await told(place)
            await told(place)
            assert len(set(asked)) == 2

    tell(story)


@pytest.mark.parametrize("phase", [Phase.PRE_CMD, Phase.POST_CMD, Phase.LOG_CMD])
def test_who_looks_at_cwd_and_type_sees_each(phase: Phase) -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    look_at = {Phase.PRE_CMD: watcher.pre, Phase.POST_CMD: watcher.post, Phase.LOG_CMD: watcher.log}[phase]

    @look_at("CWD", "TYPE")
    def watch(cmd: Command) -> None:
        seen.append(f"{cmd.name} {cmd.argument}")

    async def story() -> None:
        async with serving(watcher) as place:
            place.bench.write("a/file", b"1")
            for _ in range(3):
                await go(place, "TYPE I", "CWD a", "TYPE A")
                assert seen == ["TYPE I", "CWD a", "TYPE A"]
                seen.clear()

    tell(story)


@pytest.mark.parametrize("alike", [True, False])
def test_a_module_says_whether_others_may_have_its_answer(alike: bool) -> None:
    greeter = Module("greeter", version="1.0")

    @greeter.cmd("XWHO", steady=True, alike=alike)
    def who(cmd: Command) -> Outcome:
        return cmd.ok(200, f"You are {cmd.session.id}")

    async def story() -> None:
        async with serving(greeter) as place:
            said = [(await go(place, "XWHO"))[0] for _ in range(TRIES)]
            assert (len(set(said)) < TRIES) is alike

    tell(story)


@pytest.mark.parametrize("steady", [Steady.VERB, Steady.NOTHING])
@pytest.mark.parametrize("phase", [Phase.PRE_CMD, Phase.LOG_CMD])
def test_who_looks_at_each_command_sees_those_of_every_session(phase: Phase, steady: Steady) -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    look_at = watcher.pre if phase is Phase.PRE_CMD else watcher.log

    @look_at("PWD", "RETR", "STOR", steady=steady)
    def watch(cmd: Command) -> None:
        seen.append(cmd.name)

    async def story() -> None:
        async with serving(watcher, conf=CONF) as place:
            place.bench.write("file", b"1")
            for _ in range(3):
                assert await visit(place) == AS_EVER
                assert seen == ["PWD", "RETR", "STOR"]
                seen.clear()

    tell(story)


def test_each_file_is_in_the_log_of_transfers(way: str, tmp_path: Path) -> None:
    async def story() -> None:
        tmp_path.chmod(0o755)
        log = tmp_path / "log"
        async with serving(conf=f"{CONF}\nTransferLog {log}") as place:
            place.bench.write("file", b"1")
            counted, visits = Counted(place), 0
            for visits in range(1, TRIES + 1):
                assert await visit(place) == AS_EVER
                taken = set(counted.taken())
                if visits > 2 and (way == "whole road" or taken <= {"STOR"}):
                    break
            else:
                pytest.fail("each session finds out for itself what is logged")
        assert logfile.flush()
        shown = [(line.split()[8].rpartition("/")[2], line.split()[11]) for line in log.read_text().splitlines()]
        assert shown == [("file", "o"), ("sent", "i")] * visits
        logfile.close()

    tell(story)


def test_where_it_hangs_on_a_session_that_one_is_asked() -> None:
    picky, trusted = Module("picky", version="1.0"), set()

    @picky.pre("PWD", "RETR", steady=True, alike=lambda session: session.id in trusted)
    def refuse(cmd: Command) -> None:
        if cmd.session.id not in trusted:
            raise Refuse(550, "Not you")

    async def story() -> None:
        async with serving(picky) as place:
            for trust in (True, True, False, True):
                async with place.client() as client:
                    if trust:
                        trusted.add(place.channel.session.id)
                    assert (await client.ask("PWD"))[:3] == ("257" if trust else "550")

    tell(story)
