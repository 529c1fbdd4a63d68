"""Answers from outside of the configuration: a table in a text file, and a program at the other end of a FIFO."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import time
from contextlib import ExitStack
from typing import Any

from ftpd.core.identity import acting_as_daemon
from ftpd.module.command import Command

_PATIENCE = 5.0
"""Seconds that a program has for its answer, with all waiting for others who ask it."""
_EMPTY = 0.25
"""Seconds after which a line end that is still there is taken for an empty answer, not for our own."""
_LONGEST = 256


class TextTables:
    """Files of a key and a value a line, ``#`` for remarks; each is read again when it has changed."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[tuple[int, int], dict[str, str]]] = {}

    async def find(self, cmd: Command, path: str, key: str) -> str | None:
        """The value of the first word that is the key; OSError when the file cannot be read."""
        with acting_as_daemon():
            found = os.stat(path)
        stamp = (found.st_mtime_ns, found.st_size)
        if path not in self._tables or self._tables[path][0] != stamp:
            self._tables[path] = stamp, await cmd.offload(lambda: _read_table(path), "files")
        return self._tables[path][1].get(key)


def _read_table(path: str) -> dict[str, str]:
    table = {}
    with acting_as_daemon(), open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.split(maxsplit=2)
            if len(words) > 1 and not words[0].startswith("#"):
                table[words[0]] = words[1]
    return table


_talks: dict[str, threading.Lock] = {}


def ask_fifo(path: str, key: str, lock: str | None = None) -> str | None:
    """Write the key, wait until the program has taken it, read its line; for a thread, as it may wait for seconds.

    None is an empty answer; OSError (TimeoutError) and ValueError say why there is none.  ``lock`` is a file that is
    locked meanwhile, for other processes that ask the same program.
    """
    end = time.monotonic() + _PATIENCE
    with ExitStack() as stack:
        talk = _talks.setdefault(path, threading.Lock())
        if not talk.acquire(timeout=_PATIENCE):
            raise TimeoutError(f"the program behind '{path}' is busy")
        stack.callback(talk.release)
        with acting_as_daemon():
            fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, fifo)
            if lock is not None:
                _lock(lock, stack, end)
        # the key and its line end apart: until the end has come nobody answers, so an empty FIFO means "taken"
        os.write(fifo, key.encode("utf-8", "surrogateescape"))
        while _waits_in(fifo):
            if time.monotonic() > end:
                # taken back, or the program would later answer a question that nobody asks any more
                os.read(fifo, 1 << 16)
                raise TimeoutError(f"no program reads from '{path}'")
            time.sleep(0.002)
        os.write(fifo, b"\n")
        asked = time.monotonic()
        # one byte is our own line end, or when it stays there, an empty answer
        while _waits_in(fifo) == 1 and time.monotonic() < asked + _EMPTY:
            time.sleep(0.002)
        if not select.select([fifo], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"the program behind '{path}' gives no answer")
        answer, newline, _ = os.read(fifo, _LONGEST).partition(b"\n")
        if not newline:
            raise ValueError(f"the program behind '{path}' gave a line of more than {_LONGEST} bytes")
        return answer.decode("utf-8", "surrogateescape") or None


def _lock(path: str, stack: ExitStack, end: float) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    stack.callback(os.close, descriptor)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise TimeoutError(f"the lock '{path}' is held by another process") from None
            time.sleep(0.005)


def _waits_in(descriptor: int) -> int:
    """How many bytes nobody has read yet."""
    answer: Any = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
