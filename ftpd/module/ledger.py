"""A ledger: counts by name in a file that outlives the sessions, which workers share and a full disk leaves whole."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log

if TYPE_CHECKING:
    from ftpd.module.command import Pool

Counts = tuple[int, ...]
"""As many numbers for each name as the module counts."""
Stamp = tuple[int, int, int] | None

AGAIN = 5.0
"""Seconds after which what could not be written is tried again."""
_PAUSE, _LONGEST_PAUSE, _PATIENCE = 0.2, 2.0, 5.0
_READ = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Form(Protocol):
    """How the lines of the file look."""

    width: int
    """How many numbers a name has."""

    def read(self, line: bytes) -> tuple[str, Counts] | None:
        """What a line says; None for one that says nothing, which stays as it is."""

    def write(self, name: str, counts: Counts) -> bytes: ...


def added(*parts: Counts) -> Counts:
    """
    >>> added((1, 2), (3, 4))
    (4, 6)
    """
    return tuple(map(sum, zip(*parts, strict=True)))


def add_to(counts: dict[str, Counts], more: Iterable[tuple[str, Counts]]) -> None:
    for name, numbers in more:
        counts[name] = added(counts[name], numbers) if name in counts else numbers


def beside(path: str, wanted: str | None = None) -> str:
    """The name for a new version: the one that is wanted, if that is another in the same folder.

    >>> beside("/var/counts", "/var/tmp/counts"), beside("/var/counts", "/var/next")
    ('/var/counts.new', '/var/next')
    """
    folder, name = os.path.split(os.path.normpath(path))
    if wanted is None or os.path.split(os.path.normpath(wanted)) == (folder, name) or os.path.dirname(wanted) != folder:
        return f"{path}.new"
    return wanted


# -- the file, as a thread sees it ---------------------------------------------------------------------------


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _checked(descriptor: int) -> os.stat_result:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a regular file")
    return found


def _locked(path: str, stack: ExitStack) -> tuple[int, os.stat_result]:
    """The file, made where there is none, and ours alone until the stack lets go: every worker comes this way."""
    end = time.monotonic() + _PATIENCE
    while True:
        with ExitStack() as attempt:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _READ, 0o600)
            attempt.callback(os.close, descriptor)
            _checked(descriptor)
            # another may have put a new version there while we waited: then the lock is on what nobody reads any more
            with suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
                    stack.push(attempt.pop_all())
                    return descriptor, os.fstat(descriptor)
        if time.monotonic() > end:
            raise TimeoutError(0, "somebody else keeps it locked")
        time.sleep(0.005)


def _content(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def exchange(path: str, new: str, form: Form, more: dict[str, Counts]) -> tuple[dict[str, Counts], Stamp, int]:
    """What the file says once ``more`` is in it, and how many of its lines say nothing; at OSError it is as before."""
    with acting_as_daemon(), ExitStack() as stack:
        if os.stat(os.path.dirname(path)).st_mode & stat.S_IWOTH:
            raise OSError(0, f"{os.path.dirname(path)} is a world-writable directory")
        if more:
            descriptor, found = _locked(path, stack)
        else:
            try:
                descriptor = os.open(path, os.O_RDONLY | _READ)
            except FileNotFoundError:
                return {}, None, 0
            stack.callback(os.close, descriptor)
            found = _checked(descriptor)
        known: dict[str, Counts] = {}
        lines = [line for line in _content(descriptor).splitlines() if line.strip()]
        said = [form.read(line) for line in lines]
        add_to(known, (entry for entry in said if entry is not None))
        odd = [line + b"\n" for line, entry in zip(lines, said, strict=True) if entry is None]
        if not more:
            return known, _stamp(found), len(odd)
        add_to(known, more.items())
        data = b"".join((*odd, *(form.write(*entry) for entry in known.items())))
        return known, _replace(path, new, data, found), len(odd)


def _replace(path: str, new: str, data: bytes, like: os.stat_result) -> Stamp:
    """Either the new version is on the disk, whole, or the old one is untouched."""
    with suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            with suppress(PermissionError):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            # whoever may read it goes on reading; what others write is no count of ours
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode) & 0o644)
            out.write(data)
            out.flush()
            os.fsync(descriptor)
            written = _stamp(os.fstat(descriptor))
        os.rename(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise
    with suppress(OSError):
        # the counts are in the file; should the machine lose its power now, the version before is
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return written


# -- what a process knows of it ------------------------------------------------------------------------------


class Ledger:
    """One file, and what is still to be added to it: that waits as long as it has to.

    ``label`` is what the log calls it, ``new`` the name (:func:`beside`) under which a new version is written.
    """

    def __init__(self, label: str, path: str, new: str, form: Form, offload: Pool) -> None:
        self._label = label
        self._path, self._new, self._form = path, new, form
        self._offload = offload
        self._known: dict[str, Counts] = {}
        self._stamp: Stamp = None
        self._writing: dict[str, Counts] = {}
        self._pending: dict[str, Counts] = {}
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    def __contains__(self, name: str) -> bool:
        return name in self._known or name in self._writing or name in self._pending

    def __len__(self) -> int:
        return len(self._known) + len(self._pending)

    def __getitem__(self, name: str) -> Counts:
        """All that was counted, also what is not in the file yet."""
        nothing = (0,) * self._form.width
        return added(*(part.get(name, nothing) for part in (self._known, self._writing, self._pending)))

    def add(self, name: str, counts: Counts) -> None:
        """Count; it is in the file a moment later, and nobody waits for that."""
        add_to(self._pending, [(name, counts)])
        self.begin()

    async def refresh(self) -> None:
        """Hear of what other workers and the administrator have written; costs one look at an unchanged file."""
        try:
            with acting_as_daemon():
                now = _stamp(os.stat(self._path, follow_symlinks=False))
        except OSError:
            now = None
        if now is None or now != self._stamp:
            async with self._turn:
                await self._exchange({})

    def begin(self) -> None:
        """Write what waits, unless that is under way."""
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """The last try; what the disk does not take then, the log has."""
        self._closing.set()
        self.begin()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=2 * _PATIENCE)
        for name, counts in (*self._writing.items(), *self._pending.items()):
            log(Level.ERROR, "%s lacks, of '%s': %s", self._label, name, " ".join(map(str, counts)))

    async def _write(self) -> None:
        while self._pending:
            began = time.monotonic()
            async with self._turn:
                self._writing, self._pending = self._pending, {}
                if not await self._exchange(self._writing):
                    # what came meanwhile is behind it
                    late, self._pending, self._writing = self._pending, self._writing, {}
                    add_to(self._pending, late.items())
                    return
            # a file that takes long is not written all the time
            pause = min(max(_PAUSE, 10 * (time.monotonic() - began)), _LONGEST_PAUSE)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)

    async def _exchange(self, more: dict[str, Counts]) -> bool:
        try:
            answer = await self._offload(partial(exchange, self._path, self._new, self._form, more), "ledgers")
        except (OSError, ValueError) as error:
            # a ValueError is the form's, and no reason to forget what was counted
            reason = getattr(error, "strerror", None) or error
            self._tell(Level.ERROR, f"{reason}; what is counted waits in memory")
            return False
        self._known, self._stamp, odd = answer
        self._writing = {}
        self._tell(Level.WARN, f"{odd} of its lines make no sense and stay as they are" if odd else "")
        return True

    def _tell(self, level: Level, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            log(level if trouble else Level.NOTICE, "%s: %s", self._label, trouble or "all is well again")


class Ledgers:
    """Those of a module: ``module.resource(ledgers.in_service)`` and ``module.every(AGAIN)(ledgers.tend)``."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._open: dict[tuple[str, str], Ledger] = {}

    def at(self, label: str, path: str, new: str, offload: Pool) -> Ledger:
        """The one of that file; ``offload`` is the session's :attr:`~ftpd.module.session.Modules.offload`."""
        found = self._open.get((path, new))
        if found is None:
            found = self._open[path, new] = Ledger(label, path, new, self._form, offload)
        return found

    def tend(self) -> None:
        for ledger in self._open.values():
            ledger.begin()

    @asynccontextmanager
    async def in_service(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.gather(*(ledger.close() for ledger in self._open.values()))
            self._open.clear()
