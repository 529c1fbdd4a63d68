"""Replies as values: a code, its lines, and how they stand on the wire (RFC 959 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: a three-digit code and one or more lines of text without line ends."""

    code: int
    lines: tuple[str, ...]

    def encode(self) -> bytes:
        """The bytes for the control connection; middle lines begin with one blank, as ProFTPD writes them.

        >>> Reply(211, ("Features:", "UTF8", "End")).encode()
        b'211-Features:\\r\\n UTF8\\r\\n211 End\\r\\n'
        """
        lines = self.lines
        if any("\n" in line or "\r" in line for line in lines):
            # a file's name may hold them; on the wire they would begin a reply of the name's own
            lines = tuple(line.replace("\r", "?").replace("\n", "?") for line in lines)
        if len(lines) == 1:
            text = f"{self.code} {lines[0]}\r\n"
        else:
            middle = "".join(f" {line}\r\n" for line in lines[1:-1])
            text = f"{self.code}-{lines[0]}\r\n{middle}{self.code} {lines[-1]}\r\n"
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            # half a character, which no file's name can hold
            return text.encode("utf-8", "replace")


class ReplyQueue:
    """The replies a command has collected, joined into one true reply when they are flushed."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, code: int, lines: Iterable[str]) -> None:
        self._lines.extend((code, line) for line in lines)

    def clear(self) -> None:
        self._lines.clear()

    @property
    def last(self) -> tuple[int, str] | None:
        """The code and text added last: what %s and %S show in a log."""
        return self._lines[-1] if self._lines else None

    def joined(self) -> Reply | None:
        """All lines as one reply under the code of the first: a command has exactly one final reply."""
        if not self._lines:
            return None
        return Reply(self._lines[0][0], tuple(line for _, line in self._lines))


class Refuse(Exception):
    """Raised from any depth of a handler: the command is refused with this code and text.

    ``close`` ends the session once the reply is on its way.
    """

    def __init__(self, code: int, *lines: str, close: bool = False) -> None:
        super().__init__(code, *lines)
        self.code = code
        self.lines: Sequence[str] = lines
        self.close = close
