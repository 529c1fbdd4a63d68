"""Programs of the administrator's: run as whom, with what, for how long, and what they wrote; the loop never waits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, BinaryIO

from ftpd.core.identity import Identity, privileged
from ftpd.core.record import dataclass

_MOST = 64 * 1024
"""The most that is kept of what a program writes; the rest is read and dropped, so that it never waits for us."""
_MANNERS = 2.0
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Program:
    """What is started: never through a shell, in a session of its own, with / as its folder and nothing inherited."""

    path: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    """All of it; None is none."""
    identity: Identity | None = None
    """Whose rights it has; None are those of the daemon's process."""
    umask: int = 0o022
    stdin: bytes | None = None
    timeout: float = 0.0
    """Seconds after which it is asked to end, and ended two seconds later; 0 is never."""
    keep_out: bool = False
    keep_err: bool = False


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, or less than 0 the signal, and what it wrote of what is kept."""

    status: int
    out: str
    err: str


async def run(program: Program, late: Callable[[signal.Signals], None] = lambda number: None) -> Ended:
    """Run it to its end; OSError when it cannot be started, and ``late`` hears of each signal that it is sent.

    Given up while it runs, it is killed with all that it has started.
    """
    process = _started(program)
    out, err = _Output(process.stdout), _Output(process.stderr)
    try:
        status = await _end_of(process, program.timeout, late)
    finally:
        out.close()
        err.close()
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            process.wait()
    return Ended(status, out.text, err.text)


def _started(program: Program) -> subprocess.Popen[bytes]:
    """The program's process; its rights are for good, whatever thread of ours it came from."""
    rights: dict[str, Any] = {}
    if program.identity is not None and privileged():
        who = program.identity
        rights = {"user": who.uid, "group": who.gid, "extra_groups": list(who.groups)}
    with open(os.devnull, "rb") if program.stdin is None else _in_memory(program.stdin) as stdin:
        return subprocess.Popen(  # noqa: S603 - a list of arguments from the configuration, never a shell
            [os.path.basename(program.path), *program.arguments],
            executable=program.path,
            stdin=stdin,
            stdout=subprocess.PIPE if program.keep_out else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program.keep_err else subprocess.DEVNULL,
            cwd="/",
            env=dict(program.environment or {}),
            umask=program.umask,
            start_new_session=True,
            **rights,
        )


def _in_memory(content: bytes) -> BinaryIO:
    """A file that nobody else has, so that no write ever waits."""
    file = os.fdopen(os.memfd_create("stdin"), "w+b")
    file.write(content)
    file.seek(0)
    return file


async def _end_of(process: subprocess.Popen[bytes], timeout: float, late: Callable[[signal.Signals], None]) -> int:
    steps = ((timeout, signal.SIGTERM), (_MANNERS, signal.SIGKILL)) if timeout else ()
    for seconds, number in steps:
        try:
            return await asyncio.wait_for(_exit_of(process), seconds)
        except TimeoutError:
            late(number)
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


class _Output:
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
            chunk = os.read(self._stream.fileno(), _MOST)
        except BlockingIOError:
            return False
        self._kept += chunk[: _MOST - len(self._kept)]
        if not chunk:
            self._let_go()
        return bool(chunk)

    def close(self) -> None:
        """The program has ended: what it left in the pipe still counts, what its children may write does not."""
        while len(self._kept) < _MOST and self._read():
            pass
        self._let_go()

    def _let_go(self) -> None:
        if self._stream is not None:
            asyncio.get_running_loop().remove_reader(self._stream.fileno())
            self._stream.close()
            self._stream = None
