"""Runs of programs for mod_exec: how they get their arguments, and what the log and the client are told of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from ftpd.conf.directive import Settings
from ftpd.core.identity import Identity
from ftpd.core.log import Level, escape, log
from ftpd.module import logformat, program
from ftpd.module.command import Command
from ftpd.module.errands import Errands
from ftpd.module.execlines import ExecLines, Line
from ftpd.module.session import Session


class Manner(NamedTuple):
    """What programs have in common, whichever line they are of."""

    options: frozenset[str]
    """``useStdin`` and ``sendStdout``, ``logStdout``, ``logStderr``."""
    environment: tuple[tuple[str, logformat.Format | None], ...]
    timeout: float
    """Seconds; 0 is for ever."""
    tell: Callable[[str], None]
    """Adds a record to the log."""


def manner_of(lines: ExecLines, settings: Settings, tell: Callable[[str], None]) -> Manner:
    """As the lines have it that are in force there."""
    options = frozenset[str]().union(*settings[lines.options])
    return Manner(options, settings[lines.environ], settings[lines.timeout], tell)


class Run(NamedTuple):
    """All that is needed to run a program, taken from the session while it is there."""

    what: str
    arguments: list[str]
    program: program.Program
    manner: Manner


def prepared(
    line: Line, what: str, manner: Manner, identity: Identity, session: Session | None, cmd: Command | None
) -> Run:
    """The run of a line's program with these rights; the session and the command, if any, fill in its arguments."""

    def filled(text: logformat.Format) -> str:
        # no program can be given a NUL
        return text.fill(session, cmd, blank=True).replace("\0", "")

    if session is not None and session.protocol not in ("ftp", "ftps"):
        manner = manner._replace(options=manner.options - {"sendStdout"})
    options = manner.options
    by_stdin = "useStdin" in options
    arguments = [filled(argument) for argument in line.arguments]
    return Run(
        what,
        arguments,
        program.Program(
            line.path,
            () if by_stdin else arguments,
            {
                name: os.environ.get(name, "") if text is None else filled(text)
                for name, text in (() if by_stdin else manner.environment)
            },
            identity=identity,
            umask=session.files.umask if session is not None and session.files is not None else 0o022,
            stdin=_lines(arguments) if by_stdin else None,
            timeout=manner.timeout,
            keep_out=not options.isdisjoint({"logStdout", "sendStdout"}),
            keep_err="logStderr" in options,
        ),
        manner,
    )


def _lines(arguments: list[str]) -> bytes:
    """What useStdin reads: a line for each argument, and a period."""
    return "".join(f"{argument}\n" for argument in (*arguments, ".")).encode("utf-8", "surrogateescape")


async def result(run: Run) -> list[str]:
    """Run to its end and tell the log; gives the lines for the client."""
    tell, options = run.manner.tell, run.manner.options
    path, who, seconds = run.program.path, run.program.identity, run.program.timeout
    assert who is not None

    def too_late(number: signal.Signals) -> None:
        exceeded = f"has exceeded ExecTimeout ({seconds:g} seconds)"
        tell(f"'{path}' {exceeded}, sending {number.name} (signal {number.value})")

    tell(f"preparing to execute '{path}' with uid {who.uid}, gid {who.gid}")
    for index, argument in enumerate(run.arguments, 1):
        tell(f" + '{path}': argv[{index}] = {argument}")
    try:
        ended = await program.run(run.program, too_late)
    except OSError as error:
        tell(f"{run.what} '{path}' failed: {error.strerror}")
        # a program that cannot be started at all is the administrator's to know, with or without an ExecLog
        log(Level.WARN, "%s: unable to execute '%s': %s", run.what, path, error.strerror)
        return []
    if "logStdout" in options and ended.out:
        tell(f"stdout from '{path}': '{ended.out}'")
    if ended.err:
        tell(f"stderr from '{path}': '{ended.err}'")
    if ended.status < 0:
        tell(f"'{path}' died from signal {-ended.status}")
    else:
        tell(f"'{path}' terminated normally, with exit status {ended.status}")
    tell(f"{run.what} '{path}' {'failed' if ended.status else 'succeeded'}")
    return [escape(line.expandtabs()) for line in ended.out.splitlines()] if "sendStdout" in options else []


class Aside:
    """Runs that nobody waits for: they wait for each other when there are too many."""

    def __init__(self, errands: Errands, most: int) -> None:
        self._errands = errands
        self._most = most
        self._room = asyncio.Semaphore(most)

    @asynccontextmanager
    async def in_service(self) -> AsyncIterator[None]:
        # one of the loop that it is in service on
        self._room = asyncio.Semaphore(self._most)
        yield

    def launch(self, run: Run) -> None:
        async def in_turn() -> None:
            async with self._room:
                await result(run)

        self._errands.launch(in_turn())
