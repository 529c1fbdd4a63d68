"""mod_exec -- run programs of the administrator's before and after commands, and at other moments of a session."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from ftpd.api import (
    GREETING,
    RESTART,
    ROOT,
    SESSION_CLOSE,
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
)

module = Module("exec", version="1.1")

_GRACE = 3.0
"""Seconds that programs have to end once the module goes out of service."""
_MOST = 64
"""Programs at a time that no command waits for: clients that come and go must not fill the machine."""


# -- directives ---------------------------------------------------------------------------------------------


def _listen(reading: Reading, value: execlines.Line) -> None:
    """Which programs are meant is looked up when it happens."""
    (name,) = value.verbs
    module.on_named(name, happened, reading)


_lines = execlines.ExecLines(module, _listen)
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
    await _at(cmd, "ExecBeforeCommand", _lines.before_command)


@module.post()
async def after_success(cmd: Command) -> None:
    lines = await _at(cmd, "ExecOnCommand", _lines.on_command)
    if lines and cmd.replies.last is not None:
        cmd.replies.add(cmd.replies.last[0], lines)


@module.post_err()
async def after_failure(cmd: Command) -> None:
    await _at(cmd, "ExecOnError", _lines.on_error)


async def _at(cmd: Command, what: str, directive: Directive[tuple[execlines.Line, ...]]) -> list[str]:
    """Run what stands for the command; gives what the client is to read."""
    session = cmd.session
    if not session.server.settings[_lines.engine] or not session.settings[_lines.enable]:
        return []
    lines: list[str] = []
    for one in execlines.lines_of(cmd, directive):
        run = _prepared(one, f"{cmd.name} {what}", session, cmd, identity=session.identity)
        # a command may be given up when its client is gone: the program still comes to its end
        lines += await asyncio.shield(_errands.launch(execrun.result(run)))
    return lines


@module.opening
async def on_arrival(session: Session) -> None:
    settings = session.server.settings
    if settings[_lines.engine]:
        for one in settings[_lines.on_connect]:
            lines = await asyncio.shield(_errands.launch(execrun.result(_prepared(one, "ExecOnConnect", session))))
            session[GREETING].extend(lines)


@module.on(SESSION_CLOSE)
def on_departure(session: Session) -> None:
    settings = session.server.settings
    if settings[_lines.engine]:
        for one in settings[_lines.on_exit]:
            _aside.launch(_prepared(one, "ExecOnExit", session))


@module.on(RESTART)
def on_reload(_: None) -> None:
    if _main[_lines.engine]:
        for one in _main[_lines.on_restart]:
            _aside.launch(_prepared(one, "ExecOnRestart", None))


def happened(name: str, payload: Any) -> None:
    """An event: of a session, of a command, or of the daemon."""
    cmd = payload if isinstance(payload, Command) else None
    session = cmd.session if cmd is not None else payload if isinstance(payload, Session) else None
    settings = _main if session is None else session.server.settings
    if not settings[_lines.engine]:
        return
    for one in settings[_lines.on_event]:
        if name in one.verbs:
            identity = ROOT if one.rights == "*" else None
            if one.rights == "~" and session is not None:
                identity = session.identity
            _aside.launch(_prepared(one, f"ExecOnEvent {name}", session, cmd, identity=identity))


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
    tell = partial(_log.write, settings[_lines.log_file], follow=follow)
    own = neutral()
    rights = Identity(own.uid, own.gid) if identity is None else identity
    return execrun.prepared(one, what, execrun.manner_of(_lines, settings, tell), rights, session, cmd)


_errands = module.errands(_GRACE)
_aside = execrun.Aside(_errands, _MOST)
module.resource(_aside.in_service)
