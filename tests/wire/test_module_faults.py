"""A module that fails in any way at any of its hooks: its client is answered or turned away, and no other notices."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ftpd.testing.plugin import LiveServer, StartServer
from tests.wire.daemon import PATIENCE

BAD = '''
"""mod_bad -- fails in the way, and at the hook, that a file beside it names."""

import asyncio
import os
import sys
from pathlib import Path as File

from ftpd.api import (
    INVALID_COMMAND, LOGGED_IN, SESSION_CLOSE, SESSION_OPEN, UNHANDLED_COMMAND, Account, AuthAnswer, AuthBackend,
    Command, Module, Outcome, Refuse, Reply, Session,
)

module = Module("mod_bad", version="0.1")
ORDER = File("@ORDER@")
class Own(BaseException):
    """A fault that nobody else knows."""


class Speechless(Exception):
    """A fault that fails again where it is to be shown."""

    def __repr__(self):
        raise SystemExit("no words")


def without_end():
    return without_end()


KINDS = {
    "exception": RuntimeError("a fault"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError(),
    "stop": StopIteration(),
    "generator": GeneratorExit(),
    "own": Own(),
    "speechless": Speechless(),
    "no number": OSError("not a number", "but a text"),
}


def fail(hook):
    wanted, _, kind = ORDER.read_text().partition(":")
    if wanted == hook:
        if kind == "junk":
            return "junk"
        if kind == "recursion":
            without_end()
        if kind == "code":
            raise Refuse(250, "done")
        if kind == "text":
            raise Refuse(550, 5)
        if kind == "refusal":
            raise Refuse(550, "no")
        raise KINDS[kind]
    return None


async def fail_later(hook):
    await asyncio.sleep(0)
    return fail(hook)


for phase in ("pre", "post", "log"):
    getattr(module, phase)("NOOP")(lambda cmd, phase=phase: fail(phase))
    getattr(module, phase)("NOOP")(lambda cmd, phase=phase: fail_later("async " + phase))
for phase in ("post_err", "log_err"):
    getattr(module, phase)("XNOBODY")(lambda cmd, phase=phase: fail(phase))
    getattr(module, phase)("XNOBODY")(lambda cmd, phase=phase: fail_later("async " + phase))


@module.cmd("XBAD", auth=False)
def answer(cmd: Command):
    return fail("cmd") or cmd.ok(200, "done")


@module.cmd("XLATER", auth=False)
async def answer_later(cmd: Command):
    return await fail_later("async cmd") or cmd.ok(200, "done")


@module.cmd("XAWAY", auth=False)
async def answer_elsewhere(cmd: Command):
    return await cmd.offload(lambda: fail("offload")) or cmd.ok(200, "done")


@module.site("BAD", auth=False)
def answer_site(cmd: Command):
    return fail("site") or cmd.ok(200, "done")


@module.cmd("XREPLY", auth=False)
def reply(cmd: Command):
    replies = {"low": (7, "x"), "preliminary": (150, "x"), "number": (200, 5), "half": (200, "\\ud800")}
    return cmd.ok(*replies[cmd.argument])


@module.cmd("XMUTE", auth=False)
def refuse_without_a_word(cmd: Command):
    cmd.ok(200, "what was said before it failed")
    return Outcome.ERROR


@module.cmd("XALSO", auth=False)
async def run_another(cmd: Command):
    await cmd.also(cmd.argument)
    return cmd.ok(200, "done")


@module.cmd("XTIMER", auth=False)
def set_timer(cmd: Command):
    def ring():
        cmd.session.send(Reply(200, ("it rang",)))
        fail("timer")

    cmd.session.wire.timer(0.01, ring)
    return cmd.ok(200, "set")


module.on(SESSION_OPEN)(lambda session: fail("open"))
module.opening(lambda session: fail_later("opening"))
module.on(SESSION_CLOSE)(lambda session: fail("close"))
module.on(LOGGED_IN)(lambda session: fail("logged in"))
module.on(INVALID_COMMAND)(lambda session: fail("invalid"))
module.on(UNHANDLED_COMMAND)(lambda cmd: fail("unhandled"))
rounds = []


@module.every(0.01)
def again():
    rounds.append(1)
    fail("every")


@module.every(0.01)
async def again_later():
    rounds.append(1)
    await fail_later("async every")


@module.cmd("XROUNDS", auth=False)
async def two_more(cmd: Command):
    wanted = len(rounds) + 6
    while len(rounds) < wanted:
        await asyncio.sleep(0.01)
    return cmd.ok(200, "done")


class Backend(AuthBackend):
    def getpwnam(self, session: Session, user: str):
        fail("getpwnam")
        if user == "bad":
            return Account(user, os.geteuid() or 65534, os.getegid() or 65534, str(ORDER.parent), "/bin/sh")
        return None

    def authenticate(self, session: Session, account: Account, password: str):
        fail("authenticate")
        return AuthAnswer.OK if account.name == "bad" else None


module.auth(Backend())
'''
CONF = "AuthOrder mod_bad.c mod_auth_file.c\nUseFtpUsers off"
KINDS = [
    "exception", "exit", "interrupt", "cancelled", "stop", "generator", "own", "speechless", "recursion", "no number",
    "code", "junk",
]  # fmt: skip
LOCAL_ERROR = "451 Requested action aborted: local error in processing"


class Ground:
    """The daemon with mod_bad, somebody who is connected all the time, and what mod_bad is to do."""

    def __init__(self, server: LiveServer, order: Path) -> None:
        self.server = server
        self._order = order
        self._other = self.connect()
        assert self.ask(self._other, "SYST").startswith("215 ")

    def bad(self, hook: str = "", kind: str = "") -> None:
        # in one step: the daemon may read it at any moment
        aside = self._order.with_name("order.new")
        aside.write_text(f"{hook}:{kind}")
        aside.rename(self._order)

    def connect(self) -> socket.socket:
        client = socket.create_connection((self.server.host, self.server.port), PATIENCE)
        self.greeting = read(client)
        return client

    def ask(self, client: socket.socket, line: str) -> str:
        client.sendall(line.encode() + b"\r\n")
        return read(client)

    def close(self) -> None:
        self._other.close()

    def assert_others_are_served(self) -> None:
        self.bad()
        assert self.ask(self._other, "SYST") == "215 UNIX Type: L8"


def read(client: socket.socket) -> str:
    """A whole reply; empty at the end of the connection."""
    came = b""
    while not came.endswith(b"\r\n") or came.splitlines()[-1][3:4] != b" ":
        if not (data := client.recv(4096)):
            break
        came += data
    return came.decode().rstrip()


@pytest.fixture
def ground(ftpd_server: StartServer, tmp_path: Path) -> Iterator[Ground]:
    # not below the test's own folder: root's is closed to the user that a daemon of root serves as
    with TemporaryDirectory(prefix="ftpd-order-") as folder:
        Path(folder).chmod(0o755)
        order = Path(folder, "order")
        order.write_text("")
        module = tmp_path / "mod_bad.py"
        module.write_text(BAD.replace("@ORDER@", str(order)))
        with closing(Ground(ftpd_server(conf=CONF, modules=[module]), order)) as ground:
            yield ground


def test_whatever_a_handler_raises_its_client_is_answered_and_others_are_served(ground: Ground) -> None:
    refused = {"pre": "NOOP", "cmd": "XBAD", "site": "SITE BAD", "async pre": "NOOP", "async cmd": "XLATER"}
    noted = {"post": "NOOP", "log": "NOOP", "async post": "NOOP", "async log": "NOOP"}
    failed = dict.fromkeys(["post_err", "log_err", "async post_err", "async log_err"], "XNOBODY")
    for hook, line in (refused | noted | failed).items():
        client = ground.connect()
        for kind in KINDS:
            ground.bad(hook, kind)
            reply = ground.ask(client, line)
            if hook in refused:
                assert reply == LOCAL_ERROR, (hook, kind)
            elif hook in noted:
                assert reply == "200 NOOP command successful", (hook, kind)
            else:
                assert reply.startswith(("500 ", "500-")), (hook, kind)
            ground.assert_others_are_served()
            assert ground.ask(client, "NOOP") == "200 NOOP command successful", (hook, kind)
        client.close()


def test_a_refusal_that_is_no_text_is_one_all_the_same(ground: Ground) -> None:
    client = ground.connect()
    for hook, line, reply in [
        ("pre", "NOOP", "550 5"),
        ("cmd", "XBAD", "550 5"),
        ("post", "NOOP", "200 NOOP command successful"),
        ("log", "NOOP", "200 NOOP command successful"),
    ]:
        ground.bad(hook, "text")
        assert ground.ask(client, line) == reply, hook
    ground.assert_others_are_served()
    client.close()


def test_what_is_refused_without_a_word_does_not_pass_for_done(ground: Ground) -> None:
    client = ground.connect()
    assert ground.ask(client, "XMUTE") == LOCAL_ERROR
    assert ground.ask(client, "XALSO XMUTE") == LOCAL_ERROR
    assert ground.ask(client, "XALSO XBAD") == "200 done"
    client.close()


def test_who_hears_of_what_has_happened_cannot_refuse_it(ground: Ground) -> None:
    for kind in ("refusal", "exception"):
        client = ground.connect()
        ground.bad("invalid", kind)
        assert ground.ask(client, " NOOP") == "500 Invalid command: try being more creative"
        ground.bad("unhandled", kind)
        assert ground.ask(client, "XNOBODY") == "500 XNOBODY not understood"
        ground.bad("close", kind)
        assert ground.ask(client, "QUIT").startswith("221 ")
        assert read(client) == ""
        client.close()
        ground.assert_others_are_served()


def test_what_fails_in_a_thread_is_told_as_well(ground: Ground) -> None:
    client = ground.connect()
    for kind in KINDS:
        ground.bad("offload", kind)
        assert ground.ask(client, "XAWAY") == LOCAL_ERROR, kind
        ground.assert_others_are_served()
    client.close()


def test_a_reply_that_is_none_is_told_from_one(ground: Ground) -> None:
    client = ground.connect()
    assert [ground.ask(client, f"XREPLY {what}") for what in ("low", "preliminary", "number")] == [LOCAL_ERROR] * 3
    assert ground.ask(client, "XREPLY half") == "200 ?"
    assert ground.ask(client, "XBAD") == "200 done"
    client.close()


def test_who_cannot_be_looked_at_is_not_greeted(ground: Ground) -> None:
    for hook in ("open", "opening"):
        for kind in [*KINDS[:-1], "text"]:
            ground.bad(hook, kind)
            client = ground.connect()
            refusal = "550 5" if kind == "text" else "421 Service not available, closing control connection"
            assert ground.greeting == refusal, (hook, kind)
            assert read(client) == "", (hook, kind)
            client.close()
            ground.assert_others_are_served()
    ground.connect().close()
    assert ground.greeting.startswith("220 ")


def test_who_cannot_be_asked_about_is_not_let_in(ground: Ground) -> None:
    for hook in ("getpwnam", "authenticate", "logged in"):
        for kind in KINDS[:-1]:
            ground.bad(hook, kind)
            client = ground.connect()
            ground.ask(client, "USER bad")
            assert ground.ask(client, "PASS x").startswith(("530 ", "451 ")), (hook, kind)
            ground.bad()
            if hook != "logged in":
                # there the session has ended with the refusal
                assert ground.ask(client, "PWD").startswith("530 "), (hook, kind)
            client.close()
            ground.assert_others_are_served()
    client = ground.connect()
    ground.ask(client, "USER bad")
    assert ground.ask(client, "PASS x").startswith("230 ")
    client.close()


def test_timers_periodic_work_and_the_goodbye_may_fail(ground: Ground) -> None:
    for kind in KINDS:
        client = ground.connect()
        ground.bad("timer", kind)
        ground.ask(client, "XTIMER")
        assert read(client) == "200 it rang"
        for hook in ("every", "async every"):
            ground.bad(hook, kind)
            assert ground.ask(client, "XROUNDS") == "200 done", (hook, kind)
        ground.bad("close", kind)
        assert ground.ask(client, "QUIT").startswith("221 ")
        assert read(client) == ""
        client.close()
        ground.assert_others_are_served()
