"""Replies as values: a code, its lines, and how they stand on the wire (RFC 959 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Reply(NamedTuple):
    """One reply: a three-digit code and one or more lines of text without line ends."""

    code: int
    lines: tuple[str, ...]

    def encode(self) -> bytes:
        """The bytes for the control connection; middle lines begin with one blank, as ProFTPD writes them.

        >>> Reply(211, ("Features:", "UTF8", "End")).encode()
        b'211-Features:\\r\\n UTF8\\r\\n211 End\\r\\n'
        """
        code, lines = self
        if len(lines) == 1:
            # nearly always, and then mostly of nothing but plain letters
            (line,) = lines
            text = f"{code} {line}\r\n"
            if line.isascii() and "\n" not in line and "\r" not in line:
                return text.encode()
            text = f"{code} {_one_line(line)}\r\n"
        else:
            first, *between, last = lines if _plain("".join(lines)) else map(_one_line, lines)
            middle = "".join([f" {line}\r\n" for line in between])
            text = f"{code}-{first}\r\n{middle}{code} {last}\r\n"
        return _bytes(text)


class Refrain(Reply):
    """A reply that is said again and again: its bytes are made once."""

    _bytes = b""

    def encode(self) -> bytes:
        if not self._bytes:
            self._bytes = super().encode()
        return self._bytes


_new = tuple.__new__


def on_the_wire(code: int, lines: Sequence[bytes]) -> bytes:
    """The same for lines that are bytes already, without line ends.

    >>> on_the_wire(211, [b"Features:", b"UTF8", b"End"])
    b'211-Features:\\r\\n UTF8\\r\\n211 End\\r\\n'
    """
    digits = str(code).encode()
    if len(lines) == 1:
        return b"%s %s\r\n" % (digits, lines[0])
    first, *between, last = lines
    middle = b"".join(b" %s\r\n" % line for line in between)
    return b"%s-%s\r\n%s%s %s\r\n" % (digits, first, middle, digits, last)


def on_one_line(text: str) -> bytes:
    """The bytes of a line, or of a part of one."""
    return _bytes(_one_line(text))


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # half a character, which no file's name can hold
        return text.encode("utf-8", "replace")


def _plain(text: str) -> bool:
    return "\n" not in text and "\r" not in text


def _one_line(text: str) -> str:
    """A file's name may hold line ends; on the wire they would begin a reply of the name's own."""
    return text if _plain(text) else text.replace("\r", "?").replace("\n", "?")


class ReplyQueue(list[Reply]):
    """The replies a command has collected, joined into one true reply when they are flushed."""

    __slots__ = ()

    def add(self, code: int, lines: Sequence[str]) -> None:
        if lines:
            # what Reply(...) does, a call later
            self.append(_new(Reply, (code, tuple(lines))))

    @property
    def last(self) -> tuple[int, str] | None:
        """The code and text added last: what %s and %S show in a log."""
        return (self[-1].code, self[-1].lines[-1]) if self else None

    def joined(self) -> Reply | None:
        """All lines as one reply under the code of the first: a command has exactly one final reply."""
        if not self:
            return None
        first = self[0]
        return first if len(self) == 1 else Reply(first.code, tuple(line for reply in self for line in reply.lines))


class Refuse(Exception):
    """Raised from any depth of a handler: the command is refused with this code and text.

    ``close`` ends the session once the reply is on its way, and ``reason`` is what the logs have as the reason of that.
    ValueError for a code that refuses nothing.
    """

    def __init__(self, code: int, *lines: str, close: bool = False, reason: str = "") -> None:
        super().__init__(code, *lines)
        if not (isinstance(code, int) and 400 <= code <= 599):
            raise ValueError(f"{code!r} is no code of a refusal: those are 400 to 599")
        self.code = code
        self.lines: Sequence[str] = tuple(map(str, lines))
        self.close = close
        self.reason = reason
