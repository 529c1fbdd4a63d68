"""Files of accounts and groups for ftpasswd: one change at a time, the whole file or nothing of it, no line lost."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE = 30.0
"""Seconds for which another run's change is waited for: it holds its lock for the moment of writing only."""
_PAUSE = 0.02


class FileFaultError(Exception):
    """Why a file cannot be read or changed."""


class MalformedError(Exception):
    """An entry has fewer fields than it needs, so that nothing in it can be changed."""


class Table:
    """The lines of a file; what is not changed stays byte for byte, be it malformed or a comment."""

    def __init__(self, text: str, fields: int) -> None:
        self._lines = text.split("\n")
        if not self._lines[-1]:
            self._lines.pop()
        self._fields = fields

    def find(self, name: str) -> list[str] | None:
        """The fields of the entry that counts, which is the first of that name."""
        at = next(self._of(name), None)
        if at is None:
            return None
        fields = self._lines[at].removesuffix("\r").split(":")
        if len(fields) < self._fields:
            raise MalformedError(f"line {at + 1}, the entry of {name}, is malformed: {len(fields)} fields and not "
                                 f"{self._fields}")  # fmt: skip
        return fields

    def put(self, fields: list[str]) -> None:
        """In the place of the entry of that name, or behind the last one."""
        line = ":".join(fields)
        at = next(self._of(fields[0]), None)
        if at is None:
            self._lines.append(line)
        else:
            self._lines[at] = line + ("\r" if self._lines[at].endswith("\r") else "")

    def remove(self, name: str) -> bool:
        """All entries of that name, as the second would count when the first is gone; whether there was one."""
        gone = list(self._of(name))
        for at in reversed(gone):
            del self._lines[at]
        return bool(gone)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def _of(self, name: str) -> Iterator[int]:
        return (at for at, line in enumerate(self._lines) if line.partition(":")[0] == name and ":" in line)


def look(path: str, fields: int) -> Table:
    """The file as it is now; one that is not there is empty."""
    return Table(_read(_real(path))[0], fields)


def change(path: str, fields: int, act: Callable[[Table], None], *, anew: bool = False) -> list[str]:
    """Let ``act`` change the file, or with ``anew`` a new one in its place, while nobody else does.

    What is to be told of it is returned; where ``act`` raises nothing is written.
    """
    real = _real(path)
    folder = os.path.dirname(real)
    with _alone(folder, path):
        text, known = _read(real)
        table = Table("" if anew else text, fields)
        act(table)
        told = _write(real, table.text, known)
    if os.stat(folder).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        told.append(f"everybody may write to {folder}: the daemon takes neither accounts nor groups from there")
    return told


def _real(path: str) -> str:
    """Where the file is; nobody sends us to another by a link that he has put there."""
    with suppress(FileNotFoundError):
        there = os.lstat(path)
        if stat.S_ISLNK(there.st_mode) and there.st_uid not in (0, os.geteuid()):
            raise FileFaultError(f"{path} is a link that uid {there.st_uid} has made")
    return os.path.realpath(path)


def _read(real: str) -> tuple[str, os.stat_result | None]:
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", None
    except OSError as error:
        raise FileFaultError(f"{real}: {error.strerror}") from None
    with open(descriptor, "rb") as file:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode):
            raise FileFaultError(f"{real}: not a regular file")
        return os.fsdecode(file.read()), known


@contextmanager
def _alone(folder: str, path: str) -> Iterator[None]:
    """The lock is the folder's, as the file is another one after each change."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FileFaultError(f"{folder}: {error.strerror}") from None
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise FileFaultError(f"{path} is not changed: something holds a lock on {folder}") from None
                time.sleep(_PAUSE)
            except OSError as error:
                raise FileFaultError(f"{folder} cannot be locked: {error.strerror}") from None
        yield
    finally:
        os.close(descriptor)


def _write(real: str, text: str, known: os.stat_result | None) -> list[str]:
    """A new file takes the place of the old one: the daemon may read at any moment, and the disk may be full."""
    told = []
    made = ""
    folder = os.path.dirname(real)
    try:
        descriptor, made = tempfile.mkstemp(prefix=".ftpasswd.", dir=folder)
        with open(descriptor, "wb") as file:
            file.write(os.fsencode(text))
            file.flush()
            if known is not None:
                mode = stat.S_IMODE(known.st_mode)
                now = os.fstat(descriptor)
                if (now.st_uid, now.st_gid) != (known.st_uid, known.st_gid):
                    os.fchown(descriptor, known.st_uid, known.st_gid)
                os.fchmod(descriptor, mode & 0o660)
                if mode & 0o007:
                    told.append(f"{real} was open to everybody (mode {mode:04o}); its mode is {mode & 0o660:04o} now")
            os.fsync(descriptor)
        os.rename(made, real)
        made = ""
    except OSError as error:
        raise FileFaultError(f"{real} is left as it was: {error.strerror}") from None
    finally:
        if made:
            with suppress(OSError):
                os.unlink(made)
    # so that the new name outlives a loss of power; where folders cannot be synced it is in the kernel's hands
    with suppress(OSError):
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(at)
        finally:
            os.close(at)
    return told
