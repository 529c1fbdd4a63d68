"""What modules may rely on: arguments that can be replaced, events found by name, time before the greeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ftpd.conf import types
from ftpd.conf.directive import SERVER
from ftpd.conf.tree import Config
from ftpd.core import logfile
from ftpd.core.log import Level
from ftpd.core.logfile import ModuleLog
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Group, Outcome
from ftpd.module.command import Command
from ftpd.module.control import Asked, ControlError, Status
from ftpd.module.events import SESSION_OPEN, WORK_DONE, Event, event_named
from ftpd.module.session import GREETING, Session
from ftpd.module.table import Module
from ftpd.testing import Bench


def test_a_command_can_be_given_another_argument_but_no_line_end() -> None:
    async def story() -> None:
        async with Bench() as ftp:
            assert ftp.session is not None and ftp.generation is not None
            command, _ = ftp.generation.command(ftp.session, "MKD", "a b")
            command.rewrite("c  d")
            assert (command.argument, command.words) == ("c  d", ["c", "d"])
            for text in ("x\ry", "x\ny", "x\0y"):
                with pytest.raises(ValueError, match="line end or a NUL"):
                    command.rewrite(text)
            assert command.argument == "c  d"

    asyncio.run(story())


def test_what_makes_a_parser_is_not_taken_for_one() -> None:
    module = Module("mod_mine", version="1")
    makers: list[Any] = [types.integer, types.one_of, types.flags, types.none_or]
    for maker in makers:
        for declare in (module.directive, module.directive_list):
            with pytest.raises(TypeError, match=r"MineWord: types\.\S+ makes a parser"):
                declare("MineWord", maker, contexts=SERVER)
    assert module.directives == []
    module.directive("MineWord", types.integer(1), contexts=SERVER)


def test_events_are_found_by_name_as_long_as_they_are_there() -> None:
    assert event_named("core.connect") is SESSION_OPEN
    assert event_named("test.none") is None
    event: Event[None] = Event("test.event")
    assert event_named("test.event") is event
    del event
    assert event_named("test.event") is None


def test_an_event_that_a_line_names_is_told_once_with_its_name_however_many_lines_name_it() -> None:
    module, heard = Module("hears", version="1"), []

    def listener(name: str, payload: Any) -> None:
        heard.append((name, type(payload).__name__))

    module.directive_list(
        "HearOf", types.string, contexts=SERVER, act=lambda reading, name: module.on_named(name, listener, reading)
    )

    async def story() -> list[str]:
        async with Bench(module, conf="HearOf core.connect\nHearOf core.connect\nHearOf core.nothing\n") as ftp:
            assert ftp.generation is not None
            return [warning.message for warning in ftp.generation.config.warnings]

    warnings = asyncio.run(story())
    assert heard == [("core.connect", "Session")]
    assert any("nothing here ever tells of an event 'core.nothing'" in warning for warning in warnings)


def test_errands_come_to_their_end_when_the_module_goes_or_are_ended_after_their_grace() -> None:
    module, done = Module("runs", version="1"), []
    errands = module.errands(0.2)

    async def errand(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            done.append(name)
        except asyncio.CancelledError:
            done.append(f"{name} ended")

    async def story() -> None:
        assert not errands.launch_from_thread(lambda: errand("too early", 0))
        async with Bench(module):
            errands.launch(errand("short", 0.05))
            errands.launch(errand("long", 60))
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, errands.launch_from_thread, lambda: errand("thread's", 0))
        assert not errands.launch_from_thread(lambda: errand("too late", 0))

    asyncio.run(story())
    assert sorted(done) == ["long ended", "short", "thread's"]


@pytest.mark.parametrize(("conf", "told"), [("", []), ("Telling on", ["opened", "PASS", "QUIT failed"])])
def test_what_no_server_of_the_configuration_wants_is_not_told(conf: str, told: list[str]) -> None:
    module, heard = Module("tells", version="1"), []
    telling = module.directive("Telling", types.boolean, default=False, contexts=SERVER)

    def wanted(config: Config) -> bool:
        return any(server.settings[telling] for server in config.servers)

    @module.on(SESSION_OPEN, needed=wanted)
    def opened(session: Session) -> None:
        heard.append("opened")

    @module.post("PASS", needed=wanted)
    def passed(cmd: Command) -> None:
        heard.append(cmd.name)

    @module.pre("QUIT")
    def not_yet(cmd: Command) -> None:
        raise Refuse(550, "Not yet")

    @module.post_err("QUIT", needed=wanted)
    def stayed(cmd: Command) -> None:
        heard.append(f"{cmd.name} failed")

    async def story() -> None:
        async with Bench(module, conf=conf) as ftp:
            assert await ftp("QUIT") == "550 Not yet"

    asyncio.run(story())
    assert heard == told


def test_an_opening_is_awaited_before_the_greeting_and_may_add_to_it() -> None:
    module = Module("slow", version="1")

    @module.opening
    async def ask(session: Session) -> None:
        await asyncio.sleep(0)
        session[GREETING].append("I have asked")

    async def banner() -> str:
        ftp = Bench(module, login=None)
        try:
            return await ftp.open()
        finally:
            await ftp.close()

    assert asyncio.run(banner()).startswith("220-I have asked\n220 ")


def test_an_opening_may_turn_a_client_away() -> None:
    module = Module("stern", version="1")

    @module.opening
    async def refuse(session: Session) -> None:
        await asyncio.sleep(0)
        raise Refuse(421, "Not today")

    async def banner() -> tuple[str, str | None]:
        ftp = Bench(module, login=None)
        try:
            return await ftp.open(), ftp.wire.closed_for
        finally:
            await ftp.close()

    assert asyncio.run(banner()) == ("421 Not today", "refused")


def test_a_modules_log_has_one_line_a_record_and_one_complaint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = ModuleLog("TestLog", "mod_test/1.0")
    log.write(None, "nowhere")
    log.write("none", "nowhere")
    log.write(str(tmp_path / "log"), "one\ntwo")
    assert logfile.flush()
    assert (tmp_path / "log").read_text().endswith("]: one\\x0atwo\n")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with caplog.at_level("INFO", "ftpd"):
        log.write(str(tmp_path / "link"), "x")
        assert logfile.flush()
        log.write(str(tmp_path / "link"), "x")
        assert logfile.flush()
    assert [record.message for record in caplog.records].count(
        f"unable to write TestLog '{tmp_path}/link': {tmp_path}/link is a symbolic link"
    ) == 1
    log.write(str(tmp_path / "link"), "followed", follow=True)
    logfile.close()
    assert "followed" in (tmp_path / "log").read_text()


# -- commands of commands ------------------------------------------------------------------------------


def of_two() -> Module:
    """SITE TWO NAME makes two folders, and says when it is at it."""
    module = Module("two", version="1")

    @module.site("TWO", group=Group.WRITE)
    async def two(cmd: Command) -> Outcome:
        made = []
        with cmd.busy() as outer, cmd.busy() as work:
            assert work is outer
            assert cmd.session.wire.busy
            for name in ("one", "two"):
                work.check("TWO")
                made.append(await cmd.also("MKD", f"{cmd.argument}{name}", notes={"test.two": name}))
        assert [one.reply.code for one in made if one.reply is not None] == [257, 257]
        return cmd.ok(200, "Two")

    return module


def said(line: str, module: Module, conf: str = "", **bench: Any) -> str:
    async def story() -> str:
        async with Bench(module, conf=conf, **bench) as ftp:
            return await ftp(line)

    return asyncio.run(story())


def test_what_a_command_also_does_goes_through_all_phases_and_is_not_heard() -> None:
    module, seen = of_two(), []

    @module.log("MKD")
    def note(cmd: Command) -> None:
        seen.append((cmd.argument, cmd.notes["test.two"], cmd.reply.code if cmd.reply else 0))

    assert said("SITE TWO a-", module) == "200 Two"
    assert seen == [("a-one", "one", 257), ("a-two", "two", 257)]


def test_what_a_command_also_does_is_refused_with_its_own_words_and_no_line_of_its_name() -> None:
    assert said("SITE TWO a-", of_two(), "<Limit MKD>\nDenyAll\n</Limit>") == "550 a-one: Permission denied"
    reply = said("SITE TWO no\n226 forged/", of_two())
    assert reply == "550 no?226 forged/one: No such file or directory"


def test_a_sibling_asks_what_limit_says_of_another_verb() -> None:
    async def story(conf: str) -> str:
        async with Bench(conf=conf) as ftp:
            assert ftp.session is not None and ftp.generation is not None
            command, _ = ftp.generation.command(ftp.session, "NOOP", "")
            try:
                return command.sibling("STOR", "a.txt").path().virtual.rpartition("/")[2]
            except Refuse as refused:
                return refused.lines[0]

    assert asyncio.run(story("")) == "a.txt"
    for limit in ("STOR", "WRITE"):
        assert asyncio.run(story(f"<Limit {limit}>\nDenyAll\n</Limit>")) == "a.txt: Operation not permitted"


@pytest.mark.parametrize(
    ("conf", "given", "fits"),
    [
        ("", "a.txt", True),
        ("PathDenyFilter \\.bad$", "a.txt", True),
        ("PathDenyFilter \\.bad$", "a.bad", False),
        ("PathAllowFilter ^[a-z.]+$", "a.txt", True),
        ("PathAllowFilter ^[a-z.]+$", "A.txt", False),
        ("PathDenyFilter /secret/", "x/../secret/a", False),
    ],
)
def test_a_new_name_fits_or_does_not(conf: str, given: str, fits: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def story() -> tuple[bool, bool]:
        async with Bench(conf=conf) as ftp:
            assert ftp.session is not None and ftp.generation is not None
            command, _ = ftp.generation.command(ftp.session, "SITE NEW", given)
            return command.name_fits(given), command.name_fits(given, command.path())

    assert asyncio.run(story()) == (fits, fits)
    told = {record.getMessage() for record in caplog.records if "denied" in record.getMessage()}
    assert told == (set() if fits else {f"'SITE NEW {given}' denied by {conf.partition(' ')[0]}"})


def test_long_work_is_over_once_and_timers_hear_of_it() -> None:
    module, over = of_two(), []

    @module.on(WORK_DONE)
    def note(session: Session) -> None:
        over.append(session.wire.busy)

    assert said("SITE TWO a-", module) == "200 Two"
    assert over == [False]


def test_long_work_is_refused_when_the_client_does_not_want_it_any_more() -> None:
    module = of_two()

    @module.post("MKD")
    def abort(cmd: Command) -> None:
        assert cmd.session.wire.abort_transfer()

    assert said("SITE TWO a-", module) == "426 TWO: aborted"


def test_a_control_action_is_asked_on_the_bench() -> None:
    module = Module("asked", version="1")

    @module.control("who", help="who asks, and what")
    async def who(asked: Asked) -> AsyncIterator[str]:
        if not asked.words:
            raise ControlError(Status.WRONG_PARAMETERS, "missing required parameters")
        await asked.daemon.swap(remove=["mod_asked"])
        yield asked.asker.user
        yield str(asked.words)

    async def story() -> None:
        async with Bench(module) as ftp:
            assert await ftp.control("who a b") == "root\n['a', 'b']"
            assert ftp.desk is not None and ftp.desk.swaps == [((), ("mod_asked",))]
            assert "mod_asked.c" in await ftp.control("lsmod")
            for line, status in (("who", Status.WRONG_PARAMETERS), ("whom", Status.UNSUPPORTED)):
                with pytest.raises(ControlError) as refused:
                    await ftp.control(line)
                assert refused.value.status is status

    asyncio.run(story())
