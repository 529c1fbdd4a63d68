"""mod_exec -- run programs of the administrator's before and after commands, and at other moments of a session."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

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
    ConfigError,
    Directive,
    Identity,
    Level,
    Module,
    Reading,
    Session,
    Settings,
    escape,
    log,
    logfile,
    logformat,
    neutral,
    program,
    types,
)

module = Module("exec", version="1.1")

_SERVERS = SERVER | GLOBAL | VHOST
_PLACES = _SERVERS | ANON | DIRECTORY
_GRACE = 3.0
"""Seconds that programs have to end once the module goes out of service."""
_MOST = 64
"""Programs at a time that no command waits for: clients that come and go must not fill the machine."""
_EVENT_NAMES = {"maxinstances": "core.max-instances", "maxconnectionrate": "core.max-connection-rate"}


# -- directives ---------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A program and its arguments; ``verbs`` are the commands it runs at, or the one event."""

    path: str
    arguments: tuple[logformat.Format, ...]
    verbs: frozenset[str] = frozenset()
    rights: str = ""
    """``*`` root's, ``~`` those of the session's user."""


def _program(words: list[str], at: int, verbs: Iterable[str] = (), rights: str = "") -> Line:
    if not words[at].startswith("/") or "\0" in words[at]:
        raise ConfigError("path to program must be a full path", right="a path that begins with /", word=at)
    return Line(words[at], tuple(logformat.Format(word) for word in words[at + 1 :]), frozenset(verbs), rights)


@types.takes(1)
def at_moment(words: list[str]) -> Line:
    """ExecOnConnect /usr/local/bin/hello --ip %a"""
    return _program(words, 0)


@types.takes(2)
def at_commands(words: list[str]) -> Line:
    """ExecOnCommand STOR,APPE /usr/local/bin/arrived %f"""
    verbs = [verb.upper() for verb in re.split(r"[,\s]+", words[0]) if verb]
    if not verbs:
        raise ConfigError("no command is named", right="STOR or STOR,APPE or WRITE or ALL", word=0)
    return _program(words, 1, verbs)


@types.takes(2)
def at_event(words: list[str]) -> Line:
    """ExecOnEvent MaxInstances* /usr/local/bin/alarm"""
    rights = words[0][-1:] if words[0][-1:] in ("*", "~") else ""
    name = words[0].removesuffix(rights)
    return _program(words, 1, [_EVENT_NAMES.get(name.lower(), name)], rights)


@types.takes(2, 2)
def variable(words: list[str]) -> tuple[str, logformat.Format | None]:
    """A name and a text; ``-`` takes the daemon's own value."""
    name = words[0].upper()
    if not name or "=" in name or "\0" in name:
        raise ConfigError(f"'{words[0]}' cannot name an environment variable", right="a name such as PATH", word=0)
    return name, None if words[1] == "-" else logformat.Format(words[1])


def _listen(reading: Reading, value: Line) -> None:
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
    "ExecBeforeCommand", at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run before these commands.",
)  # fmt: skip
on_command = module.directive_list(
    "ExecOnCommand", at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run after these commands succeeded.",
)  # fmt: skip
on_error = module.directive_list(
    "ExecOnError", at_commands, contexts=_PLACES, usage="cmds path [arg1 arg2 ...]",
    doc="A program to run after these commands failed.",
)  # fmt: skip
on_connect = module.directive_list(
    "ExecOnConnect", at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client connects.",
)  # fmt: skip
on_exit = module.directive_list(
    "ExecOnExit", at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client has gone.",
)  # fmt: skip
on_restart = module.directive_list(
    "ExecOnRestart", at_moment, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when the configuration was read again.",
)  # fmt: skip
on_event = module.directive_list(
    "ExecOnEvent", at_event, contexts=_SERVERS, usage="event[*|~] path [arg1 arg2 ...]", act=_listen,
    doc="A program to run when something happens: MaxInstances, or an event by its name.",
)  # fmt: skip
environ = module.directive_list(
    "ExecEnviron", variable, contexts=_SERVERS, usage="key value",
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


async def _at(cmd: Command, what: str, directive: Directive[tuple[Line, ...]]) -> list[str]:
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
            lines += await asyncio.shield(_errands.launch(_result(run)))
    return lines


@module.opening
async def on_arrival(session: Session) -> None:
    settings = session.server.settings
    if settings[engine]:
        for one in settings[on_connect]:
            lines = await asyncio.shield(_errands.launch(_result(_prepared(one, "ExecOnConnect", session))))
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


# -- a run --------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """All that is needed to run a program, taken from the session while it is there."""

    what: str
    arguments: list[str]
    program: program.Program
    options: frozenset[str]
    log: str | None
    follow: bool

    def tell(self, message: str) -> None:
        _log.write(self.log, message, follow=self.follow)


def _prepared(
    one: Line, what: str, session: Session | None, cmd: Command | None = None, *, identity: Identity | None = None
) -> Run:
    settings = _main if session is None else session.server.settings

    def filled(text: logformat.Format) -> str:
        # no program can be given a NUL
        return text.fill(session, cmd, blank=True).replace("\0", "")

    chosen: set[str] = set().union(*settings[options])
    if session is not None and session.protocol not in ("ftp", "ftps"):
        chosen.discard("sendStdout")
    by_stdin = "useStdin" in chosen
    arguments = [filled(argument) for argument in one.arguments]
    own = neutral()
    return Run(
        what,
        arguments,
        program.Program(
            one.path,
            () if by_stdin else arguments,
            {
                name: os.environ.get(name, "") if text is None else filled(text)
                for name, text in (() if by_stdin else settings[environ])
            },
            identity=Identity(own.uid, own.gid) if identity is None else identity,
            umask=session.files.umask if session is not None and session.files is not None else 0o022,
            stdin=_lines(arguments) if by_stdin else None,
            timeout=settings[timeout],
            keep_out=not chosen.isdisjoint({"logStdout", "sendStdout"}),
            keep_err="logStderr" in chosen,
        ),
        frozenset(chosen),
        settings[log_file],
        session is not None and session.setting("AllowLogSymlinks", False),
    )


def _lines(arguments: list[str]) -> bytes:
    """What useStdin reads: a line for each argument, and a period."""
    return "".join(f"{argument}\n" for argument in (*arguments, ".")).encode("utf-8", "surrogateescape")


_errands = module.errands(_GRACE)
_aside: list[asyncio.Semaphore] = []


@asynccontextmanager
async def in_service() -> AsyncIterator[None]:
    _aside[:] = [asyncio.Semaphore(_MOST)]
    yield


module.resource(in_service)


def _launch_aside(run: Run) -> None:
    """For moments at which nobody waits; there the programs wait for each other when there are too many."""

    async def in_turn() -> None:
        async with _aside[0]:
            await _result(run)

    _errands.launch(in_turn())


async def _result(run: Run) -> list[str]:
    """Run to the end and tell the log; gives the lines for the client."""
    path, who, seconds = run.program.path, run.program.identity, run.program.timeout
    assert who is not None

    def too_late(number: signal.Signals) -> None:
        exceeded = f"has exceeded ExecTimeout ({seconds:g} seconds)"
        run.tell(f"'{path}' {exceeded}, sending {number.name} (signal {number.value})")

    run.tell(f"preparing to execute '{path}' with uid {who.uid}, gid {who.gid}")
    for index, argument in enumerate(run.arguments, 1):
        run.tell(f" + '{path}': argv[{index}] = {argument}")
    try:
        ended = await program.run(run.program, too_late)
    except OSError as error:
        run.tell(f"{run.what} '{path}' failed: {error.strerror}")
        # a program that cannot be started at all is the administrator's to know, with or without an ExecLog
        log(Level.WARN, "%s: unable to execute '%s': %s", run.what, path, error.strerror)
        return []
    if "logStdout" in run.options and ended.out:
        run.tell(f"stdout from '{path}': '{ended.out}'")
    if ended.err:
        run.tell(f"stderr from '{path}': '{ended.err}'")
    if ended.status < 0:
        run.tell(f"'{path}' died from signal {-ended.status}")
    else:
        run.tell(f"'{path}' terminated normally, with exit status {ended.status}")
    run.tell(f"{run.what} '{path}' {'failed' if ended.status else 'succeeded'}")
    return [escape(line.expandtabs()) for line in ended.out.splitlines()] if "sendStdout" in run.options else []
