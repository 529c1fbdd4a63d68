"""mod_ctrls: who may ask for what, and the actions about actions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from ftpd.api import Asked, ControlError, Lines, Module, Status
from ftpd.conf.faults import ConfigFaults
from ftpd.core.ctrlwire import Answer
from ftpd.daemon import controls
from ftpd.daemon.controls import ControlDesk, control_settings
from ftpd.dispatch.registry import Generation
from ftpd.module.build import unconfigured
from ftpd.module.control import Asker
from ftpd.testing import Bench

ROOT = Asker(0, 0, "root", "root")
TOM = Asker(1000, 100, "tom", "users")
NAMELESS = Asker(4711, 4711, "", "")
OPEN = "ControlsSocketACL allow user root\nControlsACLs all allow user root\n"


def counting() -> Module:
    """A module with an action that has no ACL directive of its own."""
    module = Module("mod_count", version="1")

    @module.control("count", help="count to a number")
    def count(asked: Asked) -> Lines:
        for number in range(int(asked.words[0])):
            if number == 3:
                raise ControlError(Status.NOT_FOUND, "that is too far")
            if asked.words[1:] == ["leave"]:
                sys.exit(1)
            yield str(number)

    return module


def ask(conf: str, *requests: str, by: Asker = ROOT) -> list[Answer]:
    async def story() -> list[Answer]:
        async with Bench(counting(), conf=conf, login=None) as ftp:
            desk = desk_of(ftp)
            return [await desk.answer(by, request.split()) for request in requests]

    return asyncio.run(story())


def desk_of(ftp: Bench) -> ControlDesk:
    generation = ftp.generation
    assert generation is not None

    async def change(add: Collection[str], remove: Collection[str]) -> None:
        raise AssertionError("nothing here changes modules")

    return ControlDesk(lambda: generation, change)


# -- who ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acl", "may"),
    [
        ("", ()),
        ("ControlsACLs all allow user root", (ROOT,)),
        ("ControlsACLs count allow user root", (ROOT,)),
        ("ControlsACLs lsctrl allow user root", ()),
        ("ControlsACLs all allow user *", (ROOT, TOM, NAMELESS)),
        ("ControlsACLs all deny user tom", (ROOT,)),
        ("ControlsACLs all deny user *", ()),
        ('ControlsACLs all allow user ""', ()),
        ("ControlsACLs all allow user ,", ()),
        ('ControlsACLs all deny user ""', (ROOT, TOM)),
        ('ControlsACLs "" allow user root', ()),
        ('ControlsACLs "count lsctrl," allow user "tom, root"', (ROOT, TOM)),
        ('ControlsACLs count allow user root\nControlsACLs "" allow user tom', (ROOT,)),
        ("ControlsACLs all allow group users", (TOM,)),
        ("ControlsACLs all deny user tom\nControlsACLs all allow group users", (ROOT, TOM)),
        ("ControlsACLs all allow user tom\nControlsACLs count allow user root,tim", (ROOT,)),
    ],
)
def test_who_may_use_an_action(acl: str, may: tuple[Asker, ...]) -> None:
    for asker in (ROOT, TOM, NAMELESS):
        (answer,) = ask(f"{acl}\n", "count 1", by=asker)
        assert answer == (Answer(0, ["0"]) if asker in may else Answer(-2, ["access denied"])), asker


def test_the_log_says_which_line_lets_in_who_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(controls, "log", lambda level, text, *words, **more: told.append(text % words))
    ask("ControlsACLs all allow user root\n", "count 1", by=TOM)
    assert told == [f"ftpdctl count is denied to {TOM}: ControlsACLs says who may"]
    ask("ControlsACLs all allow user root\n", "lsmod", by=ROOT)
    assert told[1:] == [f"ftpdctl lsmod is denied to {ROOT}: ModuleControlsACLs says who may"]
    ask("ControlsACLs all allow user root\n", "count 1", by=ROOT)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("acl", "status"),
    [
        ("", -2),
        ("ModuleControlsACLs lsmod allow user root\n", 0),
        ("ModuleControlsACLs lsmod allow user tom\n", -2),
        ("ControlsSocketACL allow user root\n", 0),
        ("ControlsSocketACL deny user tom\n", 0),
        ("ControlsSocketACL allow user tom\n", -2),
        ("ControlsSocketACL deny user root\n", -2),
    ],
)
def test_help_is_for_those_whom_the_socket_lets_in(acl: str, status: int) -> None:
    assert ask(acl, "help")[0].status == status


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ControlsACLs all maybe user root", "second parameter must be 'allow' or 'deny'"),
        ("ControlsACLs all allow class root", "third parameter must be 'user' or 'group'"),
        ("ControlsACLs all Allow user root", "second parameter must be 'allow' or 'deny'"),
        ("ControlsACLs all allow User root", "third parameter must be 'user' or 'group'"),
        ("ControlsACLs ,count allow user root", "unknown action: ''"),
        ("ControlsACLs , allow user root", "unknown action: ''"),
        ("ControlsACLs all allow user", "missing parameters"),
        ("ControlsSocketACL maybe user root", "first parameter must be 'allow' or 'deny'"),
        ("ControlsSocketACL allow class root", "second parameter must be 'user' or 'group'"),
        ("ControlsSocket run/sock", "absolute pathname required"),
        ("ControlsMaxClients 0", "value must be of at least 1"),
        ("ControlsInterval 0", "value must be of at least 1"),
        ("ControlsEngine perhaps", "expected Boolean parameter"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=line + "\n", login=None).open())
    assert complaint in wrong.value.render()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ControlsSocketOwner nobody-such root", "there is no such user: the socket's user stays the daemon's"),
        ("ControlsSocketOwner root nobody-such", "there is no such group: the socket's group stays the daemon's"),
    ],
)
def test_an_owner_that_nobody_knows_is_told_and_changes_nothing(line: str, told: str) -> None:
    async def story() -> tuple[list[str], object]:
        async with Bench(conf=f"{line}\n", login=None) as ftp:
            assert ftp.generation is not None
            config = ftp.generation.config
            key = ftp.generation.directive("ControlsSocketOwner")
            assert key is not None
            return [fault.message for fault in config.warnings], config.main.settings[key]

    warnings, owner = asyncio.run(story())
    assert warnings == [told]
    assert owner == ((-1, 0) if "user" in told.partition(":")[0] else (0, -1))


# -- what --------------------------------------------------------------------------------------------


def test_an_action_may_end_in_the_middle() -> None:
    assert ask(OPEN, "count 9") == [Answer(-4, ["0", "1", "2", "that is too far"])]


def test_an_action_that_fails_says_so_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    (answer,) = ask(OPEN, "count three")
    assert answer == Answer(-8, ["count: internal error, which the daemon's log tells of"])
    assert "the control action count failed: ValueError" in caplog.text


def test_an_action_that_leaves_by_sys_exit_ends_nothing_but_itself() -> None:
    assert ask(OPEN, "count 2 leave", "count 1") == [
        Answer(-8, ["count: internal error, which the daemon's log tells of"]),
        Answer(0, ["0"]),
    ]


def test_help_describes_and_lsctrl_names_the_owner() -> None:
    helped, listed, many = ask(OPEN, "help", "lsctrl", "help me")
    assert "count: count to a number" in helped.lines
    assert helped.lines == sorted(helped.lines)
    assert "count (mod_count.c)" in listed.lines
    assert many == Answer(-3, ["wrong number of parameters"])


def test_an_action_is_taken_out_and_put_back() -> None:
    answers = ask(OPEN, "rmctrl count", "count 1", "help", "insctrl count mod_count.c", "count 1", "insctrl count")
    assert answers[0] == Answer(0, ["'count' control disabled"])
    assert answers[1] == Answer(-7, ["unsupported action requested"])
    assert not any(line.startswith("count") for line in answers[2].lines)
    assert answers[3] == Answer(0, ["'count' control enabled"])
    assert answers[4] == Answer(0, ["0"])
    assert answers[5] == Answer(-6, ["unable to enable 'count': it is enabled"])


def test_all_are_taken_out_but_those_that_can_put_them_back() -> None:
    gone, listed = ask(OPEN, "rmctrl all", "lsctrl")
    assert gone == Answer(0, ["all controls disabled", "restart the daemon to re-enable controls"])
    assert [line.split()[0] for line in listed.lines] == ["help", "insctrl", "lsctrl", "rmctrl"]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("rmctrl", Answer(-3, ["wrong number of parameters"])),
        ("rmctrl help", Answer(-5, ["'help' control cannot be removed"])),
        ("rmctrl nothing", Answer(-4, ["no such control: 'nothing'"])),
        ("rmctrl count mod_core.c", Answer(-4, ["no such control: 'count'"])),
        ("insctrl nothing", Answer(-4, ["no such control: 'nothing'"])),
        ("nothing", Answer(-7, ["unsupported action requested"])),
    ],
)
def test_refusals(request_: str, answer: Answer) -> None:
    assert ask(OPEN, request_) == [answer]


# -- where -------------------------------------------------------------------------------------------


def settings(conf: str) -> tuple[str | None, bool]:
    async def story() -> tuple[str | None, bool]:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            found = control_settings(ftp.generation, unconfigured())
            return found.path, found.wanted

    return asyncio.run(story())


def test_where_the_socket_is() -> None:
    assert settings("") == (unconfigured().control_socket, False)
    assert settings("ControlsSocket /run/x.sock\n") == ("/run/x.sock", True)
    assert settings("ControlsSocket /run/x.sock\nControlsSocket none\n")[0] is None
    assert settings("ControlsEngine off\n")[0] is None


def test_the_log_tells_who_asked_what(tmp_path: Path) -> None:
    ask(f"{OPEN}ControlsLog {tmp_path}/log\n", "count 2")
    told = [line.partition("]: ")[2] for line in (tmp_path / "log").read_text().splitlines()]
    assert told == [
        "recvd from root/root client: 'count 2'",
        "sent to root/root client: return value: 0",
        "sent to root/root client: '0'",
        "sent to root/root client: '1'",
    ]


def test_an_acl_for_an_action_that_is_not_there_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with Bench(
            counting(), conf="ControlsEngine off\nControlsACLs cuont allow user root\n", login=None
        ) as ftp:
            generation: Generation | None = ftp.generation
            assert generation is not None
            await desk_of(ftp).follow(control_settings(generation, unconfigured()))

    asyncio.run(story())
    assert "ControlsACLs names 'cuont', but no module that is loaded has such an action" in caplog.text
