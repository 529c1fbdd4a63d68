"""Bytes of a control connection to command lines: bounded, telnet stripped, nothing decided (RFC 959 3.1.1.5)."""

from __future__ import annotations

LONGEST = 4096 + 7
"""ProFTPD's line buffer: a longest path and a verb."""

_IAC = 0xFF
_NEGOTIATION = frozenset({0xFB, 0xFC, 0xFD, 0xFE})
"""WILL, WONT, DO, DONT: an option byte follows."""


class LineTooLong(Exception):
    """A line beyond the limit; what follows up to its end is dropped."""


def strip_telnet(line: bytes) -> bytes:
    """The line without telnet commands; a doubled IAC is one data byte (RFC 854).

    >>> strip_telnet(b"\\xff\\xf4\\xff\\xf2ABOR"), strip_telnet(b"RETR a\\xff\\xffb")
    (b'ABOR', b'RETR a\\xffb')
    """
    if _IAC not in line:
        return line
    out = bytearray()
    rest = iter(line)
    for byte in rest:
        if byte != _IAC:
            out.append(byte)
            continue
        command = next(rest, None)
        if command is None or command == _IAC:
            out += b"\xff" if command == _IAC else b""
        elif command in _NEGOTIATION:
            next(rest, None)
        elif command < 0xF0:
            # not a telnet command at all: both bytes are the client's own
            out += bytes((_IAC, command))
    return bytes(out)


class LineReader:
    """Feeds on packets and gives whole lines; holds at most one unfinished line."""

    __slots__ = ("_dropping", "_rest", "limit")

    def __init__(self, limit: int = LONGEST) -> None:
        self.limit = limit
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes | LineTooLong]:
        """The lines that ``data`` completes, without their ends; a line too long is told once."""
        found: list[bytes | LineTooLong] = []
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if self._dropping:
                self._dropping = False
            elif len(line) > self.limit:
                found.append(LineTooLong())
            else:
                found.append(strip_telnet(line.rstrip(b"\r")))
        if len(self._rest) > self.limit:
            if not self._dropping:
                found.append(LineTooLong())
            self._dropping = True
            self._rest = b""
        return found
