"""Whoever comes and says a name first is answered as others were who did so, and is then the one who has said it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from recall_ground import Counted, Place, serving, tell

from ftpd.core import crypt, trace
from ftpd.core.vocab import Phase, Steady
from ftpd.engine import strangers
from ftpd.engine.strangers import Named, Strangers
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.testing import Bench

CONF = "DelayEngine off"
WANTED, WELCOME = "331 Password required for tom", "230 User tom logged in"
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


async def come(place: Place, *lines: str) -> list[str]:
    """What a client is answered who says this and goes."""
    async with place.client(login=False) as client:
        said = [await client.ask(line) for line in lines]
        await client.ask("QUIT")
        return said


async def roads(place: Place, counted: Counted, *lines: str) -> tuple[list[str], int]:
    """What a client is answered, and how often USER took the whole road for that."""
    counted.verbs.clear()
    return await come(place, *lines), counted.verbs.count("USER")


def story(conf: str, *modules: Module) -> Callable[[Callable[[Place, Counted], object]], None]:
    """Have it told where the modules and this configuration are in force."""

    def telling(told: Callable[[Place, Counted], object]) -> None:
        async def whole() -> None:
            async with serving(*modules, conf=conf if "DelayEngine" in conf else f"{CONF}\n{conf}") as place:
                await told(place, Counted(place))  # type: ignore[misc]

        tell(whole)

    return telling


def test_who_says_what_another_said_has_said_it() -> None:
    @story("")
    async def told(place: Place, counted: Counted) -> None:
        login = "USER tom", f"PASS {place.bench._users['tom']}"
        assert await roads(place, counted, *login) == ([WANTED, WELCOME], 1)
        for _ in range(3):
            assert await roads(place, counted, *login, "USER tom") == ([WANTED, WELCOME, WELCOME], 1)
            assert await roads(place, counted, *login) == ([WANTED, WELCOME], 0)
            assert await roads(place, counted, "USER tom", "PASS wrong") == ([WANTED, "530 Login incorrect."], 0)
        async with place.client(login=False) as client:
            before = place.channel.session.bytes_in
            await client.ask("USER tom")
            session = place.channel.session
            assert (session.login, session.user, session.bytes_in - before) == ("tom", None, 10)
            # it is nobody's answer any more
            assert not place.channel._answers


def test_another_name_is_another_and_the_last_one_counts() -> None:
    @story("")
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            said, _ = await roads(place, counted, "USER nobody", "USER tom", f"PASS {place.bench._users['tom']}")
            assert said == ["331 Password required for nobody", WANTED, WELCOME]
            said, _ = await roads(place, counted, "USER tom", "USER nobody", f"PASS {place.bench._users['tom']}")
            assert said == [WANTED, "331 Password required for nobody", "530 Login incorrect."]
        assert (await roads(place, counted, "USER tom"))[1] == 0
        assert (await roads(place, counted, "USER Tom"))[1] == 1


@pytest.mark.parametrize(
    "before", ["NOOP", "FEAT", "CLNT me", "HOST 127.0.0.1", "OPTS UTF8 ON", "PASS early", "TYPE I"]
)
def test_what_is_said_before_leaves_the_name_what_it_is(before: str) -> None:
    @story("")
    async def told(place: Place, counted: Counted) -> None:
        await come(place, "USER tom")
        for _ in range(2):
            async with place.client(login=False) as client:
                answer = await client.ask(before)
                while not (answer[:3].isdigit() and answer[3] == " "):
                    answer = await client.line()
                assert await client.ask("USER tom") == WANTED
                assert await client.ask(f"PASS {place.bench._users['tom']}") == WELCOME


@pytest.mark.parametrize("phase", [Phase.PRE_CMD, Phase.CMD, Phase.POST_CMD, Phase.LOG_CMD])
@pytest.mark.parametrize("steady", [False, Steady.NOTHING])
def test_who_looks_at_user_sees_each(phase: Phase, steady: Steady | bool) -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    look_at = {
        Phase.PRE_CMD: watcher.pre, Phase.CMD: watcher.cmd, Phase.POST_CMD: watcher.post, Phase.LOG_CMD: watcher.log,
    }[phase]  # fmt: skip

    @look_at("USER", steady=steady, **({"auth": False} if phase is Phase.CMD else {}))  # type: ignore[arg-type]
    def watch(cmd: Command) -> None:
        seen.append(cmd.argument)

    @story("", watcher)
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await come(place, "USER tom") == [WANTED]
        assert seen == ["tom"] * 3


@pytest.mark.parametrize("conf", ["MaxCommandRate 100 1", "RLimitCPU session 60", "DenyFilter x", "DelayEngine on"])
def test_where_somebody_has_a_say_in_it_he_has_it_each_time(conf: str) -> None:
    @story(conf)
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(3):
            assert await roads(place, counted, "USER tom") == ([WANTED], 1)


@pytest.mark.parametrize("conf", ["", "<Limit USER>\nDenyAll\n</Limit>", "<Limit LOGIN>\nDenyUser tom\n</Limit>"])
def test_limits_hold_for_each(conf: str) -> None:
    @story(conf)
    async def told(place: Place, counted: Counted) -> None:
        first, _ = await roads(place, counted, "USER tom", f"PASS {place.bench._users['tom']}")
        for _ in range(3):
            assert await roads(place, counted, "USER tom", f"PASS {place.bench._users['tom']}") == (first, 0)
        assert (first[1] == WELCOME) is ("LOGIN" not in conf)


def test_commands_that_are_traced_take_the_whole_road(monkeypatch: pytest.MonkeyPatch) -> None:
    @story("")
    async def told(place: Place, counted: Counted) -> None:
        await come(place, "USER tom")
        monkeypatch.setattr(trace, "loud", True)
        assert await roads(place, counted, "USER tom") == ([WANTED], 1)
        monkeypatch.setattr(trace, "loud", False)
        assert await roads(place, counted, "USER tom") == ([WANTED], 0)
        async with place.client(login=False) as client:
            # from one moment to the next
            monkeypatch.setattr(trace, "loud", True)
            counted.verbs.clear()
            assert await client.ask("USER tom") == WANTED
            assert counted.verbs == ["USER"]


def test_a_socket_that_is_no_plain_one_is_read_by_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrapped(socket.socket):
        pass

    def accepted(listener: socket.socket) -> tuple[socket.socket, object]:
        descriptor, address = listener._accept()  # type: ignore[attr-defined]
        return Wrapped(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor), address

    @story("")
    async def told(place: Place, counted: Counted) -> None:
        await come(place, "USER tom")
        monkeypatch.setattr("ftpd.engine.worker.accepted", accepted)
        for _ in range(2):
            assert await roads(place, counted, "USER tom") == ([WANTED], 1)


def test_a_password_that_was_changed_between_two_logins_counts(tmp_path: Path) -> None:
    users = tmp_path / "users"

    def write(password: str) -> None:
        users.write_text(f"ann:{crypt.hash(password, '$1$')}:{os.getuid()}:{os.getgid()}::{tmp_path}:/bin/sh\n")
        users.chmod(0o600)

    write("one")

    @story(f"AuthUserFile {users}\nAuthOrder mod_auth_file.c\nRequireValidShell off\nRootLogin on")
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(2):
            assert (await come(place, "USER ann", "PASS one"))[1] == "230 User ann logged in"
        write("another")
        said, taken = await roads(place, counted, "USER ann", "PASS one")
        assert (said[1], taken) == ("530 Login incorrect.", 0)
        assert (await come(place, "USER ann", "PASS another"))[1] == "230 User ann logged in"


def test_another_configuration_has_answers_of_its_own() -> None:
    area = "<Anonymous ~>\nUser tom\nAnonRequirePassword {}\n</Anonymous>"

    @story(area.format("on"))
    async def told(place: Place, counted: Counted) -> None:
        for _ in range(2):
            assert await come(place, "USER tom") == [WANTED]
        async with Bench(conf=f"DefaultRoot ~\n{CONF}\n{area.format('off')}", login=None) as other:
            assert other.generation is not None
            await place.worker.replace(other.generation)
            for _ in range(2):
                said = await come(place, "USER tom")
                assert said == ["331 Anonymous login ok, send your complete email address as your password"]


def test_a_name_may_hang_on_more_than_how_its_client_came() -> None:
    watcher, open_to_all = Module("watcher", version="1.0"), [True]

    @watcher.pre("USER", steady=Steady.VERB, alike=lambda session: open_to_all[0])
    def look(cmd: Command) -> None:
        pass

    @story("", watcher)
    async def told(place: Place, counted: Counted) -> None:
        await come(place, "USER tom")
        assert await roads(place, counted, "USER tom") == ([WANTED], 0)
        open_to_all[0] = False
        assert await roads(place, counted, "USER tom") == ([WANTED], 1)


def test_what_is_kept_has_a_bound_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(strangers, "monotonic", lambda: now[0])
    known, session = Strangers(), Session.__new__(Session)
    for number in range(1000):
        known.keep(b"USER ", b"%d" % number, Named(b"331", lambda session: None, (), 110.0))
        assert len(known.names) <= 256
    assert known.known(b"999", session) is not None
    assert known.known(b"0", session) is None
    known.keep(b"USER ", b"ever", Named(b"331", lambda session: None, (), float("inf")))
    now[0] = 110.0
    assert known.known(b"999", session) is None
    assert known.known(b"ever", session) is not None
    now[0] = 130.0
    assert known.known(b"ever", session) is None
