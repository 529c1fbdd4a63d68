"""What ftpdctl and the daemon say to each other: one request, one answer, in either of ProFTPD's two dialects.

Up to 1.3.9 a request is a status and a count of words, then each word with its length in front; from 1.3.10 on it is
one piece of JSON with its length in front.  The first number tells them apart: the status is 0, a length is not.
All numbers have the byte order of the machine.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Generator
from typing import TypeVar

from ftpd.core.record import dataclass

T = TypeVar("T")

MOST_REQUEST = 16 * 1024
"""Bytes of all words of a request; ProFTPD takes no more than 1 KiB."""
MOST_ANSWER = 1024 * 1024
_MOST_WORDS = 256

Reading = Generator[int, bytes, T]
"""Yields how many bytes it wants next, is sent exactly those, and returns what they meant."""


class MalformedError(Exception):
    """What was sent is neither of the dialects, or too much of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """The action and its arguments; ``in_json`` says which dialect the answer is to be in."""

    words: list[str]
    in_json: bool = False

    def encode(self) -> bytes:
        if self.in_json:
            return _sized(json.dumps({"action": self.words[0], "args": self.words[1:]}).encode())
        return _encode(0, self.words)


@dataclass(frozen=True, slots=True)
class Answer:
    """How it went (0 is well, see :class:`ftpd.module.control.Status`) and what there is to say of it."""

    status: int
    lines: list[str]

    def encode(self, *, in_json: bool) -> bytes:
        if in_json:
            return _sized(json.dumps({"status": self.status, "responses": self.lines}).encode())
        return _encode(self.status, self.lines)


def read_request() -> Reading[Request]:
    """A request of either dialect; MalformedError for anything else."""
    first = _unsigned((yield 4))
    if first == 0:
        return Request(_printable((yield from _words(_MOST_WORDS, MOST_REQUEST))))
    if first > MOST_REQUEST:
        raise MalformedError(f"a request of {first} bytes; {MOST_REQUEST} are the most")
    said = _json((yield first))
    action, args = said.get("action"), said.get("args", [])
    if not isinstance(action, str) or not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        raise MalformedError("JSON that names no action, or arguments that are no texts")
    return Request(_printable([action, *args]), in_json=True)


def read_answer() -> Reading[Answer]:
    """An answer of the older dialect."""
    status = struct.unpack("=i", (yield 4))[0]
    return Answer(status, (yield from _words(MOST_ANSWER, MOST_ANSWER)))


def _words(most: int, most_bytes: int) -> Reading[list[str]]:
    count = _unsigned((yield 4))
    if count > most:
        raise MalformedError(f"{count} words; {most} are the most")
    words: list[str] = []
    left = most_bytes
    for _ in range(count):
        size = _unsigned((yield 4))
        if size > left:
            raise MalformedError(f"a word of {size} bytes; {most_bytes} are the most for all of them")
        left -= size
        words.append((yield size).decode("utf-8", "surrogateescape"))
    return words


def _printable(words: list[str]) -> list[str]:
    if not words or not words[0]:
        raise MalformedError("a request without an action")
    if not all(word.isprintable() for word in words):
        raise MalformedError("characters that cannot be printed")
    return words


def _json(text: bytes) -> dict[str, object]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"what should be JSON is none: {type(error).__name__}") from None
    if not isinstance(said, dict):
        raise MalformedError("JSON that is no object")
    return said


def _encode(status: int, words: list[str]) -> bytes:
    parts = [struct.pack("=iI", status, len(words))]
    for word in words:
        raw = word.encode("utf-8", "surrogateescape")
        parts.append(struct.pack("=I", len(raw)) + raw)
    return b"".join(parts)


def _sized(raw: bytes) -> bytes:
    return struct.pack("=I", len(raw)) + raw


def _unsigned(raw: bytes) -> int:
    number: int = struct.unpack("=I", raw)[0]
    return number
