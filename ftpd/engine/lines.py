"""Bytes of a control connection to command lines: bounded, telnet stripped, nothing decided (RFC 959 3.1.1.5)."""

from __future__ import annotations

import re

BUFFER = 4096 + 7
"""ProFTPD's line buffer, a longest path and a verb; a line with its end must be shorter (CommandBufferSize)."""

CRLF = b"\r\n"
_CR = 0x0D
_IAC = 0xFF
_WILL, _WONT, _DO, _DONT = 0xFB, 0xFC, 0xFD, 0xFE
_ANSWERS = {_WILL: _DONT, _WONT: _DONT, _DO: _WONT, _DONT: _WONT}
"""What is answered, as by ProFTPD: no option is wanted here; the byte of the option follows each."""
_HEAD = re.compile(rb"(?:\xff[\xfb-\xfe].|\xff[\xf0-\xfa])+", re.DOTALL)


class LineTooLong(Exception):
    """A line beyond the limit; what follows up to its end is dropped."""


def strip_telnet(line: bytes) -> tuple[bytes, bytes]:
    """The line without telnet commands, and what is to be answered; a doubled IAC is one data byte (RFC 854).

    >>> lines = b"\\xff\\xf4\\xff\\xf2ABOR", b"RETR a\\xff\\xffb", b"\\xff\\xfb\\x01NOOP"
    >>> tuple(map(strip_telnet, lines))
    ((b'ABOR', b''), (b'RETR a\\xffb', b''), (b'NOOP', b'\\xff\\xfe\\x01'))
    """
    if _IAC not in line:
        return line, b""
    out, answers = bytearray(), bytearray()
    rest = iter(line)
    for byte in rest:
        if byte != _IAC:
            out.append(byte)
            continue
        command = next(rest, None)
        if command is None or command == _IAC:
            # the last byte of a line is the client's own as well, as in ProFTPD: names in ISO 8859-1 end so
            out.append(_IAC)
        elif command in _ANSWERS:
            option = next(rest, None)
            if option is not None:
                answers += bytes((_IAC, _ANSWERS[command], option))
        elif command < 0xF0:
            # not a telnet command at all: both bytes are the client's own
            out += bytes((_IAC, command))
    return bytes(out), bytes(answers)


def strip_head(line: bytes) -> tuple[bytes, bytes]:
    """The same for what stands before the verb only: the rest is in a charset that has letters up to 255.

    >>> strip_head(b"\\xff\\xf4\\xff\\xf2RETR \\xff\\xff\\xfd")
    (b'RETR \\xff\\xff\\xfd', b'')
    """
    found = _HEAD.match(line)
    if found is None:
        return line, b""
    head, answers = strip_telnet(found[0])
    return head + line[found.end() :], answers


class LineReader:
    """Feeds on packets and gives whole lines; holds at most one unfinished line.

    The first line says how the client ends its lines. Where that is CR LF, an LF alone is part of an argument, as in
    ProFTPD: who can put one into a name that another sends has put no command into that session. A client that begins
    with LF alone, and has sent no CR LF by then, ends all its lines so, with a CR before it or not.
    """

    __slots__ = ("_dropping", "_rest", "end", "limit", "telnet", "telnet_is_text")

    def __init__(self, size: int = BUFFER) -> None:
        self.limit = size - 2
        """Bytes before the LF."""
        self.telnet = b""
        """Answers to telnet options that are due; whoever sends them takes them away."""
        self.telnet_is_text = False
        """The client's charset has letters where telnet has commands: they are commands before the verb only."""
        self.end: bytes | None = None
        """What ends a line; None before the first one."""
        self._rest = b""
        self._dropping = False

    @property
    def between(self) -> bool:
        """Whether no line has begun."""
        return not (self._rest or self._dropping)

    def single(self, data: bytes) -> bytes | None:
        """The line, where ``data`` is one that ends in CR LF and nothing else, as nearly always; if not, feed on it."""
        at = data.find(b"\n")
        if self._rest or self._dropping or not 0 <= at == len(data) - 1 <= self.limit:
            return None
        if data[at - 1] != _CR or _IAC in data:
            return None
        return data.rstrip(b"\r\n")

    def feed(self, data: bytes) -> list[bytes | LineTooLong]:
        """The lines that ``data`` completes, without their ends; a line too long is told once."""
        found: list[bytes | LineTooLong] = []
        data = self._rest + data
        if self.end is None and (CRLF in data or data.endswith(b"\n")):
            self.end = CRLF if CRLF in data else b"\n"
        end = self.end or CRLF
        *whole, self._rest = data.split(end)
        most = self.limit + 1 - len(end)
        for line in whole:
            if self._dropping:
                self._dropping = False
            elif len(line) > most:
                found.append(LineTooLong())
            else:
                bare = line.rstrip(b"\r\n")
                if _IAC in bare:
                    bare, answers = (strip_head if self.telnet_is_text else strip_telnet)(bare)
                    self.telnet += answers
                found.append(bare)
        if len(self._rest) > self.limit:
            if not self._dropping:
                found.append(LineTooLong())
            self._dropping = True
        if self._dropping:
            # the first half of its end may be there
            self._rest = self._rest[-1:] if self._rest[-1:] == b"\r" else b""
        return found
