"""What one session may hold of the process's descriptors and memory, where its configuration says so (mod_rlimit)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Literal, NoReturn

from ftpd.core.reply import Refuse

Kind = Literal["read", "write", "list"]

AT_DOOR = 5
"""Descriptors that ProFTPD's process of a session has open before it knows the client, and that are counted here."""
LOGGED_IN = 10
"""The same once it is let in: with the files of users and groups and the logs."""
NAME = 17
"""Bytes that a name of a listing takes beside its own, where it is one of many in one piece."""
TEXT = 96
"""The same where it is an object of its own."""


class Excess(Refuse):
    """The session would hold more than it may; nothing was done for it yet."""

    def __init__(self, code: int, during: int, label: str, why: int) -> None:
        self.cause = os.strerror(why)
        super().__init__(code, f"{label}: {self.cause}")
        self.during = during
        """The code where a transfer has begun."""


class Allowance:
    """Counts what a session holds; None is no limit. ``tell`` is given what the log is to say of a refusal."""

    __slots__ = ("_kinds", "_tell", "_waiting", "files", "memory", "sockets")

    def __init__(self, files: int | None, memory: int | None, tell: Callable[[str], None]) -> None:
        self.files = files
        self.memory = memory
        self.sockets: Callable[[], int] = _none
        """How many the data side of the session holds."""
        self._waiting: Callable[[], int] = _none
        self._kinds: set[Kind] = set()
        self._tell = tell

    def begin(self, waiting: Callable[[], int]) -> None:
        """Another command begins: what the one before had open is closed.

        ``waiting`` tells the bytes of lines that were not looked at yet, and of replies that the client has not taken.
        """
        self._kinds.clear()
        self._waiting = waiting

    def admits(self) -> bool:
        """Whether there is a descriptor left to look who the client is."""
        if self.files is None or self.files > AT_DOOR:
            return True
        self._tell(f"RLimitOpenFiles ({self.files}) reached: the client's name cannot be looked up")
        return False

    def opens(self, kind: Kind, label: str) -> None:
        """A file is to be read or written, or a folder to be listed; Excess where that is one too many.

        A command has one of each kind open at a time.
        """
        self._kinds.add(kind)
        if not self._holds(len(self._kinds)):
            self._kinds.discard(kind)
            self._tell(f"RLimitOpenFiles ({self.files}) reached: '{label}' is not opened")
            raise Excess(550, 426, label, errno.EMFILE)

    def connects(self, what: str) -> None:
        """A socket for data is to be had; OSError(EMFILE) where that is one too many."""
        if not self._holds(len(self._kinds) + 1):
            self._tell(f"RLimitOpenFiles ({self.files}) reached: no {what}")
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def _holds(self, more: int) -> bool:
        return self.files is None or LOGGED_IN + self.sockets() + more <= self.files

    def room(self, more: int, label: str) -> None:
        """So many bytes more are to be held for an answer; Excess where that is too much."""
        if self.memory is not None and more + self._waiting() > self.memory:
            self.full(label)

    def twice(self, names: Sequence[str], label: str) -> None:
        """So many names are to be held twice, each as an object of its own; Excess where that is too much."""
        self.room(2 * (len(names) * TEXT + sum(map(len, names))), label)

    def left(self) -> int | None:
        """The bytes that an answer may take; None is no limit."""
        return None if self.memory is None else max(self.memory - self._waiting(), 0)

    def full(self, label: str) -> NoReturn:
        """What :meth:`left` told was not enough."""
        self._tell(f"RLimitMemory ({self.memory} bytes) reached: '{label}' takes more than that")
        raise Excess(450, 451, label, errno.ENOMEM)


def _none() -> int:
    return 0
