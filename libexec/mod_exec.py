"""mod_exec -- run programs of the administrator's before and after commands, and at other moments of a session."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO
from weakref import WeakSet

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
    Event,
    Identity,
    Level,
    Module,
    Reading,
    Session,
    Settings,
    escape,
    event_named,
    log,
    logfile,
    logformat,
    neutral,
    privileged,
    types,
)

module = Module("exec", version="1.1")

_SERVERS = SERVER | GLOBAL | VHOST
_PLACES = _SERVERS | ANON | DIRECTORY
_OUTPUT = 64 * 1024
"""The most that is kept of what a program writes; the rest is read and dropped, so that it never waits for us."""
_MANNERS = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_GRACE = 3.0
"""Seconds that programs have to end once the module goes out of service."""
_MOST = 64
"""Programs at a time that no command waits for: clients that come and go must not fill the machine."""
_EVENT_NAMES = {"maxinstances": "core.max-instances", "maxconnectionrate": "core.max-connection-rate"}


# -- directives ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """A program and its arguments; ``verbs`` are the commands it runs at, or the one event."""

    path: str
    arguments: tuple[logformat.Format, ...]
    verbs: frozenset[str] = frozenset()
    rights: str = ""
    """``*`` root's, ``~`` those of the session's user."""


def _program(words: list[str], at: int, verbs: Iterable[str] = (), rights: str = "") -> Program:
    if not words[at].startswith("/") or "\0" in words[at]:
        raise ConfigError("path to program must be a full path", right="a path that begins with /", word=at)
    return Program(words[at], tuple(logformat.Format(word) for word in words[at + 1 :]), frozenset(verbs), rights)


@types.takes(1)
def program(words: list[str]) -> Program:
    """ExecOnConnect /usr/local/bin/hello --ip %a"""
    return _program(words, 0)


@types.takes(2)
def at_commands(words: list[str]) -> Program:
    """ExecOnCommand STOR,APPE /usr/local/bin/arrived %f"""
    verbs = [verb.upper() for verb in re.split(r"[,\s]+", words[0]) if verb]
    if not verbs:
        raise ConfigError("no command is named", right="STOR or STOR,APPE or WRITE or ALL", word=0)
    return _program(words, 1, verbs)


@types.takes(2)
def at_event(words: list[str]) -> Program:
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


@types.takes(1, 1)
def log_path(words: list[str]) -> str:
    """An absolute path, or ``none``, which silences what <Global> says."""
    return "none" if words[0].lower() == "none" else types.to_path(words[0])


def listen(reading: Reading, value: Program) -> None:
    """Hear of the event that the line names; which programs are meant is looked up when it happens."""
    (name,) = value.verbs
    event = event_named(name)
    if event is None:
        reading.warn(f"nothing here ever tells of an event '{name}'", word=0)
    elif event not in _heard:
        _heard.add(event)
        module.on(event)(lambda payload: happened(name, payload))


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
    "ExecOnConnect", program, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client connects.",
)  # fmt: skip
on_exit = module.directive_list(
    "ExecOnExit", program, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when a client has gone.",
)  # fmt: skip
on_restart = module.directive_list(
    "ExecOnRestart", program, contexts=_SERVERS, usage="path [arg1 arg2 ...]",
    doc="A program to run when the configuration was read again.",
)  # fmt: skip
on_event = module.directive_list(
    "ExecOnEvent", at_event, contexts=_SERVERS, usage="event[*|~] path [arg1 arg2 ...]", act=listen,
    doc="A program to run when something happens: MaxInstances, or an event by its name.",
)  # fmt: skip
environ = module.directive_list(
    "ExecEnviron", variable, contexts=_SERVERS, usage="key value",
    doc="A variable of the programs' environment, which is empty otherwise.",
)  # fmt: skip
log_file = module.directive(
    "ExecLog", log_path, contexts=_SERVERS, usage='file|"none"', doc="Where it is told what was run and how it ended."
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
_heard: WeakSet[Event[Any]] = WeakSet()
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


async def _at(cmd: Command, what: str, directive: Directive[tuple[Program, ...]]) -> list[str]:
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
            lines += await asyncio.shield(_launch(run))
    return lines


@module.opening
async def on_arrival(session: Session) -> None:
    settings = session.server.settings
    if settings[engine]:
        for one in settings[on_connect]:
            lines = await asyncio.shield(_launch(_prepared(one, "ExecOnConnect", session)))
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


@dataclass(frozen=True)
class Run:
    """All that is needed to run a program, taken from the session while it is there."""

    what: str
    path: str
    arguments: list[str]
    environment: dict[str, str]
    identity: Identity
    umask: int
    options: frozenset[str]
    timeout: int
    log: str | None
    follow: bool

    def tell(self, message: str) -> None:
        _log.write(self.log, message, follow=self.follow)


def _prepared(
    one: Program, what: str, session: Session | None, cmd: Command | None = None, *, identity: Identity | None = None
) -> Run:
    settings = _main if session is None else session.server.settings

    def filled(text: logformat.Format) -> str:
        # no program can be given a NUL
        return text.fill(session, cmd, blank=True).replace("\0", "")

    chosen: set[str] = set().union(*settings[options])
    if session is not None and session.protocol not in ("ftp", "ftps"):
        chosen.discard("sendStdout")
    own = neutral()
    return Run(
        what,
        one.path,
        [filled(argument) for argument in one.arguments],
        {
            name: os.environ.get(name, "") if text is None else filled(text)
            for name, text in (() if "useStdin" in chosen else settings[environ])
        },
        Identity(own.uid, own.gid) if identity is None else identity,
        session.files.umask if session is not None and session.files is not None else 0o022,
        frozenset(chosen),
        settings[timeout],
        settings[log_file],
        session is not None and session.setting("AllowLogSymlinks", False),
    )


_running: set[asyncio.Task[list[str]]] = set()
_aside: list[asyncio.Semaphore] = []


def _launch(run: Run) -> asyncio.Task[list[str]]:
    task = asyncio.get_running_loop().create_task(_result(run))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


def _launch_aside(run: Run) -> None:
    """For moments at which nobody waits; there the programs wait for each other when there are too many."""

    async def in_turn() -> list[str]:
        async with _aside[0]:
            return await _result(run)

    task = asyncio.get_running_loop().create_task(in_turn())
    _running.add(task)
    task.add_done_callback(_running.discard)


@asynccontextmanager
async def in_service() -> AsyncIterator[None]:
    """Nothing that was started is left behind: it has a moment to end, then it is ended."""
    _aside[:] = [asyncio.Semaphore(_MOST)]
    try:
        yield
    finally:
        if _running:
            _, late = await asyncio.wait(_running, timeout=_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


module.resource(in_service)


async def _result(run: Run) -> list[str]:
    """Run to the end and tell the log; gives the lines for the client."""
    try:
        status, lines = await _run(run)
    except OSError as error:
        run.tell(f"{run.what} '{run.path}' failed: {error.strerror}")
        # a program that cannot be started at all is the administrator's to know, with or without an ExecLog
        log(Level.WARN, "%s: unable to execute '%s': %s", run.what, run.path, error.strerror)
        return []
    if status < 0:
        run.tell(f"'{run.path}' died from signal {-status}")
    else:
        run.tell(f"'{run.path}' terminated normally, with exit status {status}")
    run.tell(f"{run.what} '{run.path}' {'failed' if status else 'succeeded'}")
    return lines


async def _run(run: Run) -> tuple[int, list[str]]:
    process = _started(run)
    out, err = Output(process.stdout), Output(process.stderr)
    try:
        status = await _end_of(process, run)
    finally:
        out.close()
        err.close()
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            process.wait()
    if "logStdout" in run.options and out.text:
        run.tell(f"stdout from '{run.path}': '{out.text}'")
    if err.text:
        run.tell(f"stderr from '{run.path}': '{err.text}'")
    return status, [escape(line.expandtabs()) for line in out.text.splitlines()] if "sendStdout" in run.options else []


def _started(run: Run) -> subprocess.Popen[bytes]:
    """The program's process; its rights are for good, whatever thread of ours it came from."""
    wants_out = not run.options.isdisjoint({"logStdout", "sendStdout"})
    by_stdin = "useStdin" in run.options
    rights: dict[str, Any] = {}
    if privileged():
        rights = {"user": run.identity.uid, "group": run.identity.gid, "extra_groups": list(run.identity.groups)}
    run.tell(f"preparing to execute '{run.path}' with uid {run.identity.uid}, gid {run.identity.gid}")
    for index, argument in enumerate(run.arguments, 1):
        run.tell(f" + '{run.path}': argv[{index}] = {argument}")
    with _arguments_file(run.arguments) if by_stdin else open(os.devnull, "rb") as stdin:
        return subprocess.Popen(  # noqa: S603 - a list of arguments from the configuration, never a shell
            [os.path.basename(run.path), *(() if by_stdin else run.arguments)],
            executable=run.path,
            stdin=stdin,
            stdout=subprocess.PIPE if wants_out else subprocess.DEVNULL,
            stderr=subprocess.PIPE if "logStderr" in run.options else subprocess.DEVNULL,
            cwd="/",
            env=run.environment,
            umask=run.umask,
            start_new_session=True,
            **rights,
        )


def _arguments_file(arguments: list[str]) -> BinaryIO:
    """What useStdin reads: a line for each argument, and a period; a file in memory, so that no write ever waits."""
    file = os.fdopen(os.memfd_create("mod_exec"), "w+b")
    file.write("".join(f"{argument}\n" for argument in (*arguments, ".")).encode("utf-8", "surrogateescape"))
    file.seek(0)
    return file


async def _end_of(process: subprocess.Popen[bytes], run: Run) -> int:
    """The exit status; ExecTimeout asks the program to end, and two seconds later it is ended."""
    steps = ((run.timeout, signal.SIGTERM), (_MANNERS, signal.SIGKILL)) if run.timeout else ()
    for seconds, number in steps:
        try:
            return await asyncio.wait_for(_exit_of(process), seconds)
        except TimeoutError:
            run.tell(
                f"'{run.path}' has exceeded ExecTimeout ({run.timeout} seconds), sending "
                f"{number.name} (signal {number.value})"
            )
            _signal(process, number)
    return await _exit_of(process)


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    loop = asyncio.get_running_loop()
    watch = os.pidfd_open(process.pid)
    ended = asyncio.Event()
    loop.add_reader(watch, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    return process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the program and all that it started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


class Output:
    """What comes out of a program, read as it comes."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream = stream
        self._kept = bytearray()
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            asyncio.get_running_loop().add_reader(stream.fileno(), self._read)

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def _read(self) -> bool:
        """Take what is there; False when there is nothing."""
        if self._stream is None:
            return False
        try:
            chunk = os.read(self._stream.fileno(), _OUTPUT)
        except BlockingIOError:
            return False
        self._kept += chunk[: _OUTPUT - len(self._kept)]
        if not chunk:
            self._let_go()
        return bool(chunk)

    def close(self) -> None:
        """The program has ended: what it left in the pipe still counts, what its children may write does not."""
        while len(self._kept) < _OUTPUT and self._read():
            pass
        self._let_go()

    def _let_go(self) -> None:
        if self._stream is not None:
            asyncio.get_running_loop().remove_reader(self._stream.fileno())
            self._stream.close()
            self._stream = None
