"""mod_exec -- run programs of the administrator's before and after commands, and at other moments of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ftpd.api import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    GREETING,
    RESTART,
    ROOT,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Command,
    Config,
    Directive,
    Identity,
    Module,
    Reading,
    Session,
    Settings,
    execlines,
    execrun,
    logfile,
    neutral,
    types,
)

module = Module("exec", version="1.1")

_SERVERS = SERVER | GLOBAL | VHOST
_PLACES = _SERVERS | ANON | DIRECTORY
_GRACE = 3.0
"""Seconds that programs have to end once the module goes out of service."""
_MOST = 64
"""Programs at a time that no command waits for: clients that come and go must not fill the machine."""


# -- directives ---------------------------------------------------------------------------------------------


def _listen(reading: Reading, value: execlines.Line) -> None:
    """Which programs are meant is looked up when it happens."""
    (name,) = value.verbs
    module.on_named(name, happened, reading)


engine = module.directive(
    "ExecEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether programs are run at all.",
)  # fmt: skip
enable = module.directive(
    "ExecEnable", types.boolean, default=True, contexts=ANON | DIRECTORY | FTPACCESS, usage="on|off",
    doc="Whether commands run programs in this folder or for these visitors.",
)  # fmt: skip
before_command = module.directive_list(
    "ExecBeforeCommand", execlines.at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run before these commands.",
)  # fmt: skip
on_command = module.directive_list(
    "ExecOnCommand", execlines.at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run after these commands succeeded.",
)  # fmt: skip
on_error = module.directive_list(
    "ExecOnError", execlines.at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run after these commands failed.",
)  # fmt: skip
on_connect = module.directive_list(
    "ExecOnConnect", execlines.at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client connects.",
)  # fmt: skip
on_exit = module.directive_list(
    "ExecOnExit", execlines.at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client has gone.",
)  # fmt: skip
on_restart = module.directive_list(
    "ExecOnRestart", execlines.at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when the configuration was read again.",
)  # fmt: skip
on_event = module.directive_list(
    "ExecOnEvent", execlines.at_event, contexts=_SERVERS, usage="event[*|~] path [arg1 arg2 ...]", act=_listen,
    doc="A program to run when something happens: MaxInstances, or an event by its name.",
)  # fmt: skip
environ = module.directive_list(
    "ExecEnviron", execlines.variable, contexts=_SERVERS, usage="key value",
    doc="A variable of the programs' environment, which is empty otherwise.",
)  # fmt: skip
log_file = module.directive(
    "ExecLog", types.path_or_none, contexts=_SERVERS, usage='file|"none"',
    doc="Where it is told what was run and how it ended.",
)  # fmt: skip
options = module.directive_list(
    "ExecOptions", types.flags("logStdout", "logStderr", "sendStdout", "useStdin"), contexts=_SERVERS,
    usage="opt1 ...", doc="What becomes of the programs' output, and how they get their arguments.",
)  # fmt: skip
timeout = module.directive(
    "ExecTimeout", types.seconds, default=0, contexts=_SERVERS, usage="seconds",
    doc="How long a program may run; 0 is for ever.",
)  # fmt: skip

_log = logfile.ModuleLog("ExecLog", f"mod_exec/{module.version}")
_main: Settings = Settings({})
"""Those of the main server: for what happens to no session."""


@module.check
def keep_main_server(config: Config) -> None:
    global _main
    _main = config.main.settings


# -- moments ------------------------------------------------------------------------------------------------


@module.pre()
async def before(cmd: Command) -> None:
    await _at(cmd, "ExecBeforeCommand", before_command)


@module.post()
async def after_success(cmd: Command) -> None:
    lines = await _at(cmd, "ExecOnCommand", on_command)
    if lines and cmd.replies.last is not None:
        cmd.replies.add(cmd.replies.last[0], lines)


@module.post_err()
async def after_failure(cmd: Command) -> None:
    await _at(cmd, "ExecOnError", on_error)


async def _at(cmd: Command, what: str, directive: Directive[tuple[execlines.Line, ...]]) -> list[str]:
    """Run what stands for the command; gives what the client is to read."""
    session = cmd.session
    if not session.server.settings[engine] or not session.settings[enable]:
        return []
    lines: list[str] = []
    names = {"ALL", cmd.name, cmd.name.partition(" ")[0], cmd.name.replace(" ", "_")}
    if cmd.group.value:
        names.add(cmd.group.value)
    for one in session.settings[directive]:
        if not names.isdisjoint(one.verbs):
            run = _prepared(one, f"{cmd.name} {what}", session, cmd, identity=session.identity)
            # a command may be given up when its client is gone: the program still comes to its end
            lines += await asyncio.shield(_errands.launch(execrun.result(run)))
    return lines


@module.opening
async def on_arrival(session: Session) -> None:
    settings = session.server.settings
    if settings[engine]:
        for one in settings[on_connect]:
            lines = await asyncio.shield(_errands.launch(execrun.result(_prepared(one, "ExecOnConnect", session))))
            session[GREETING].extend(lines)


@module.on(SESSION_CLOSE)
def on_departure(session: Session) -> None:
    settings = session.server.settings
    if settings[engine]:
        for one in settings[on_exit]:
            _launch_aside(_prepared(one, "ExecOnExit", session))


@module.on(RESTART)
def on_reload(_: None) -> None:
    if _main[engine]:
        for one in _main[on_restart]:
            _launch_aside(_prepared(one, "ExecOnRestart", None))


def happened(name: str, payload: Any) -> None:
    """An event: of a session, of a command, or of the daemon."""
    cmd = payload if isinstance(payload, Command) else None
    session = cmd.session if cmd is not None else payload if isinstance(payload, Session) else None
    settings = _main if session is None else session.server.settings
    if not settings[engine]:
        return
    for one in settings[on_event]:
        if name in one.verbs:
            identity = ROOT if one.rights == "*" else None
            if one.rights == "~" and session is not None:
                identity = session.identity
            _launch_aside(_prepared(one, f"ExecOnEvent {name}", session, cmd, identity=identity))


# -- runs ---------------------------------------------------------------------------------------------------


def _prepared(
    one: execlines.Line,
    what: str,
    session: Session | None,
    cmd: Command | None = None,
    *,
    identity: Identity | None = None,
) -> execrun.Run:
    settings = _main if session is None else session.server.settings
    follow = session is not None and session.setting("AllowLogSymlinks", False)
    tell = partial(_log.write, settings[log_file], follow=follow)
    chosen = frozenset().union(*settings[options])
    manner = execrun.Manner(chosen, settings[environ], settings[timeout], tell)
    own = neutral()
    rights = Identity(own.uid, own.gid) if identity is None else identity
    return execrun.prepared(one, what, manner, rights, session, cmd)


_errands = module.errands(_GRACE)
_aside: list[asyncio.Semaphore] = []


@asynccontextmanager
async def in_service() -> AsyncIterator[None]:
    _aside[:] = [asyncio.Semaphore(_MOST)]
    yield


module.resource(in_service)


def _launch_aside(run: execrun.Run) -> None:
    """For moments at which nobody waits; there the programs wait for each other when there are too many."""

    async def in_turn() -> None:
        async with _aside[0]:
            await execrun.result(run)

    _errands.launch(in_turn())
