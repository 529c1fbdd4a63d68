"""Dispatch: who is asked when, and what each answer means."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ftpd.conf import build
from ftpd.core.reply import Refuse
from ftpd.core.vocab import DECLINED, ERROR, HANDLED, Outcome
from ftpd.dispatch.assemble import Assembly
from ftpd.dispatch.phases import run
from ftpd.dispatch.registry import Generation
from ftpd.module.command import Command
from ftpd.module.events import UNHANDLED_COMMAND
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.testing.memory import MemoryWire


async def no_pool(work, kind):  # type: ignore[no-untyped-def]
    return work()


class Line:
    """A generation of the given modules and a logged-in session, to send lines to."""

    def __init__(self, tmp_path: Path, *modules: Module, user: str | None = "tom") -> None:
        path = tmp_path / "proftpd.conf"
        path.write_text("")
        path.chmod(0o600)
        config = build.read(str(path), Assembly(modules, str(tmp_path)))
        self.generation = Generation(modules, config, no_pool)
        self.wire = MemoryWire()
        self.session = Session(wire=self.wire, modules=self.generation, server=config.main)
        self.session.user = user

    def __call__(self, text: str) -> str:
        verb, _, argument = text.partition(" ")
        self.command, plan = self.generation.command(self.session, verb, argument)
        asyncio.run(run(self.command, plan))
        reply = self.command.reply
        return "" if reply is None else reply.encode().decode().replace("\r\n", "\n").rstrip("\n")


def answering(name: str, text: str) -> Module:
    module = Module(name, version="1")

    @module.cmd("XTRY", auth=False)
    def answer(cmd: Command) -> Outcome:
        return cmd.ok(200, text)

    return module


def test_the_module_loaded_last_is_asked_first(tmp_path: Path) -> None:
    assert Line(tmp_path, answering("a", "from a"), answering("b", "from b"))("XTRY") == "200 from b"


def test_who_declines_leaves_it_to_the_module_loaded_before(tmp_path: Path) -> None:
    shy = Module("shy", version="1")

    @shy.cmd("XTRY", auth=False)
    def nothing(cmd: Command) -> Outcome | None:
        return DECLINED

    assert Line(tmp_path, answering("a", "from a"), shy)("XTRY") == "200 from a"


def test_in_one_module_what_was_declared_last_is_asked_first(tmp_path: Path) -> None:
    module = answering("a", "first")

    @module.cmd("XTRY", auth=False)
    def later(cmd: Command) -> Outcome:
        return cmd.ok(200, "second")

    assert Line(tmp_path, module)("XTRY") == "200 second"


def test_all_phases_run_in_order_and_the_wildcard_before_the_verb(tmp_path: Path) -> None:
    module, heard = Module("a", version="1"), []

    def hearing(name: str):  # type: ignore[no-untyped-def]
        def hear(cmd: Command) -> None:
            heard.append(name)

        return hear

    for phase in ("pre", "post", "post_err", "log", "log_err"):
        getattr(module, phase)("XTRY")(hearing(f"{phase} XTRY"))
        getattr(module, phase)()(hearing(f"{phase} *"))

    @module.cmd("XTRY", auth=False)
    def answer(cmd: Command) -> Outcome:
        heard.append("cmd")
        return cmd.fail(550, "no") if cmd.argument == "bad" else cmd.ok(200, "yes")

    line = Line(tmp_path, module)
    line("XTRY")
    assert heard == ["pre *", "pre XTRY", "cmd", "post *", "post XTRY", "log *", "log XTRY"]
    heard.clear()
    line("XTRY bad")
    assert heard == ["pre *", "pre XTRY", "cmd", "post_err *", "post_err XTRY", "log_err *", "log_err XTRY"]


def test_handled_in_pre_cmd_ends_that_round_only(tmp_path: Path) -> None:
    module, heard = answering("a", "ran"), []

    @module.pre("XTRY")
    def never(cmd: Command) -> None:
        heard.append("asked")

    @module.pre("XTRY")
    def enough(cmd: Command) -> Outcome:
        return HANDLED

    assert Line(tmp_path, module)("XTRY") == "200 ran"
    assert heard == []


def test_a_refusal_in_pre_cmd_stops_the_command(tmp_path: Path) -> None:
    module = answering("a", "ran")

    @module.pre("XTRY")
    def veto(cmd: Command) -> None:
        raise Refuse(450, "not now")

    assert Line(tmp_path, module)("XTRY") == "450 not now"


def test_handled_in_the_wildcard_log_still_lets_the_verb_log(tmp_path: Path) -> None:
    module, heard = answering("a", "ran"), []

    @module.log("XTRY")
    def named(cmd: Command) -> None:
        heard.append("named")

    @module.log()
    def wildcard(cmd: Command) -> Outcome:
        return HANDLED

    Line(tmp_path, module)("XTRY")
    assert heard == ["named"]


def test_an_error_of_one_logger_stops_no_other(tmp_path: Path) -> None:
    module, heard = answering("a", "ran"), []

    @module.log("XTRY")
    def second(cmd: Command) -> None:
        heard.append("second")

    @module.log("XTRY")
    def first(cmd: Command) -> Outcome:
        return ERROR

    assert Line(tmp_path, module)("XTRY") == "200 ran"
    assert heard == ["second"]


def test_nobody_answers(tmp_path: Path) -> None:
    module, heard = answering("a", "ran"), []

    @module.on(UNHANDLED_COMMAND)
    def hear(cmd: Command) -> None:
        heard.append(cmd.name)

    assert Line(tmp_path, module)("NONSENSE x") == "500 NONSENSE not understood"
    assert heard == ["NONSENSE"]


@pytest.mark.parametrize("phase", ["pre", "cmd"])
def test_an_exception_denies_with_451(tmp_path: Path, phase: str) -> None:
    module = answering("a", "ran")
    broken = Module("b", version="1")

    def fall(cmd: Command) -> Outcome | None:
        raise ZeroDivisionError

    broken.pre("XTRY")(fall) if phase == "pre" else broken.cmd("XTRY", auth=False)(fall)
    assert Line(tmp_path, module, broken)("XTRY") == "451 Requested action aborted: local error in processing"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("answer", ["200 hi", True, 200, ["a"]])
def test_what_is_no_answer_is_refused_and_the_log_says_what_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object, waits: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Session, "log", lambda session, level, text, *words: told.append(text % words))
    module = Module("a", version="1")

    def plain(cmd: Command):  # type: ignore[no-untyped-def]
        return answer

    async def later(cmd: Command):  # type: ignore[no-untyped-def]
        return answer

    module.cmd("XTRY", auth=False)(later if waits else plain)
    assert Line(tmp_path, module)("XTRY") == "451 Requested action aborted: local error in processing"
    assert f"the handler gave {answer!r}, which is no Outcome as that of cmd.ok(code, text), cmd.fail(" in told[0]


@pytest.mark.parametrize("phase", ["post", "log"])
def test_an_exception_after_success_takes_nothing_back(tmp_path: Path, phase: str) -> None:
    module = answering("a", "ran")

    def fall(cmd: Command) -> None:
        raise ZeroDivisionError

    getattr(module, phase)("XTRY")(fall)
    assert Line(tmp_path, module)("XTRY") == "200 ran"


def test_the_system_says_why(tmp_path: Path) -> None:
    module = Module("a", version="1")

    @module.cmd("XTRY", auth=False)
    def fall(cmd: Command) -> Outcome:
        raise FileNotFoundError(2, "No such file or directory") if cmd.argument == "a" else OSError(28, "full")

    line = Line(tmp_path, module)
    assert line("XTRY a") == "550 a: No such file or directory"
    assert line("XTRY b") == "452 b: No space left on device"


def test_a_verb_that_needs_login_is_refused_before_it(tmp_path: Path) -> None:
    module = Module("a", version="1")

    @module.cmd("XTRY")
    def answer(cmd: Command) -> Outcome:
        return cmd.ok(200, "in")

    assert Line(tmp_path, module, user=None)("XTRY") == "530 Please login with USER and PASS"
    assert Line(tmp_path, module, user="tom")("XTRY") == "200 in"


def test_arity_is_checked_at_the_gate(tmp_path: Path) -> None:
    module = Module("a", version="1")

    @module.cmd("XTRY", auth=False, arity=(1, 2))
    def answer(cmd: Command) -> Outcome:
        return cmd.ok(200, "in")

    line = Line(tmp_path, module)
    assert line("XTRY") == "501 Invalid number of parameters"
    assert line("XTRY a b c") == "501 Invalid number of parameters"
    assert line("XTRY a b") == "200 in"


def test_async_handlers_are_awaited_and_may_refuse(tmp_path: Path) -> None:
    module = Module("a", version="1")

    @module.cmd("XTRY", auth=False)
    async def answer(cmd: Command) -> Outcome:
        await asyncio.sleep(0)
        if cmd.argument:
            raise Refuse(550, "no")
        return cmd.ok(200, "waited")

    line = Line(tmp_path, module)
    assert line("XTRY") == "200 waited"
    assert line("XTRY x") == "550 no"


def test_a_plain_handler_may_answer_with_something_to_await(tmp_path: Path) -> None:
    module = Module("a", version="1")

    async def later(cmd: Command) -> Outcome:
        await asyncio.sleep(0)
        return cmd.ok(200, "waited")

    @module.cmd("XTRY", auth=False)
    def answer(cmd: Command):  # type: ignore[no-untyped-def]
        return later(cmd) if cmd.argument else cmd.ok(200, "at once")

    line = Line(tmp_path, module)
    assert line("XTRY") == "200 at once"
    assert line("XTRY x") == "200 waited"


def test_a_closing_refusal_after_success_replaces_the_reply(tmp_path: Path) -> None:
    module = answering("a", "welcome")

    @module.post("XTRY")
    def too_many(cmd: Command) -> None:
        raise Refuse(530, "too many of you", close=True)

    line = Line(tmp_path, module)
    assert line("XTRY") == "530 too many of you"
    assert line.wire.closed_for == "too many of you"


def test_replies_added_after_success_go_out_with_the_first_code(tmp_path: Path) -> None:
    module = answering("a", "done")

    @module.post("XTRY")
    def add(cmd: Command) -> None:
        cmd.ok(200, "and more")

    assert Line(tmp_path, module)("XTRY") == "200-done\n200 and more"


def test_site_sub_commands_are_verbs_of_their_own(tmp_path: Path) -> None:
    module = Module("a", version="1")

    @module.site("GREET", auth=False)
    def greet(cmd: Command) -> Outcome:
        return cmd.ok(200, f"{cmd.name}:{cmd.argument}")

    line = Line(tmp_path, module)
    assert line("SITE greet a b") == "200 SITE GREET:a b"
    assert line("SITE gr\u0117et") == "500 SITE not understood"


def test_a_cancelled_task_is_not_taken_for_a_fault_of_the_module(tmp_path: Path) -> None:
    module = Module("a", version="1")
    ended: list[bool] = []

    @module.cmd("XTRY", auth=False)
    async def wait(cmd: Command) -> Outcome:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return HANDLED

    async def story() -> None:
        line = Line(tmp_path, module)
        command, plan = line.generation.command(line.session, "XTRY", "")
        task = asyncio.create_task(run(command, plan))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended and command.reply is None

    asyncio.run(story())
