"""The lines of LIST, made of attributes and names that were looked up before; no I/O here."""

from __future__ import annotations

import os
import re
import stat
import struct
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from time import gmtime, localtime
from typing import Any, Protocol, TypeVar

from ftpd import native

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RECENT = 180 * 86400
"""Seconds after which ProFTPD shows the year instead of the time."""

_MOST_KEPT = 4096
_FEW = 32
_CALENDAR = 1 << 55
"""Seconds from 1970 in which all calendars have a year for everything."""

V = TypeVar("V")


class Kept(dict[Any, V]):
    """What was made for a key, made once; emptied when it grows, since a client chooses the dates."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> V:
        if len(self) >= _MOST_KEPT:
            self.clear()
        made = self[key] = self._make(key)
        return made


_CONTROLS = re.compile("[\0-\x08\n-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile("[\r\n]")


def shown(name: str) -> str:
    """A name as people see it: a line end would let an uploader forge entries, an ESC rewrite those on the screen.

    >>> shown("a\\nb\\x1b[1m"), shown("a\\tb")
    ('a?b?[1m', 'a\\tb')
    """
    return name if name.isprintable() else _CONTROLS.sub("?", name)


def one_line(text: str) -> str:
    """A line for programs: nothing but line ends is replaced, so that every other name stays one that can be sent back.

    >>> one_line("a\\nb\\x1b[1m")
    'a?b\\x1b[1m'
    """
    return _LINE_ENDS.sub("?", text) if "\n" in text or "\r" in text else text


def faked(mode: int, permissions: int) -> int:
    """The mode with the bits that DirFakeMode shows; a folder that is readable is shown to be searchable."""
    if stat.S_ISDIR(mode):
        permissions |= (permissions & 0o444) >> 2
    return stat.S_IFMT(mode) | permissions


class Layout(Protocol):
    """How the entries of a listing look; links are not among them, as their lines need more than attributes."""

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """The lines of the entries of those names and attributes; several may be one text with line ends in it."""


ENTRY = 256
"""The bytes of a ``struct statx``."""
_ROW = struct.Struct("=16x14s10xq64xq136x")
_KIND = struct.Struct("=IIIH")
"""What is the same for many entries, in a row of those: links, owner, group, mode."""


class Odd(Exception):
    """An entry of which more is to be asked, as a link."""


class Tabled:
    """A layout that takes attributes as statx(2) has them; no ABC, as each listing asks for it."""

    def tabled(self, names: list[str], table: memoryview) -> list[str]:
        """As :meth:`Layout.lines`; Odd where there is a link among them, or they are not to be shown as they are."""
        raise NotImplementedError

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """As :meth:`Layout.lines`."""
        raise NotImplementedError


class Compact(Sequence[str]):
    """The names in a folder without an object for each, as ``ftpd/native/names.c`` has them."""

    @abstractmethod
    def odd(self) -> bool:
        """Whether one of them is no UTF-8."""

    @abstractmethod
    def undotted(self) -> Compact:
        """Those that do not begin with a dot."""

    @abstractmethod
    def sort(self, *, reverse: bool = False) -> None:
        """As a list of them; others run meanwhile."""

    @abstractmethod
    def rank(self, folder: int, column: int, least_first: bool) -> None:
        """By what stands there in each one's attributes, the greatest first; what is gone is left out."""

    @abstractmethod
    def links(self) -> list[str] | None:
        """The symbolic links among them; None where the file system does not tell."""


class Compiled:
    """A layout that takes attributes as ``ftpd/native/lines.c`` has them; no ABC, as each listing asks for it."""

    def packed(self, names: Sequence[str], start: int, attributes: bytes) -> bytes:
        """The lines of ``names[start:]``, as many as there are attributes, each with its end."""
        raise NotImplementedError

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """As :meth:`Layout.lines`."""
        return [unpacked(self.packed(names, 0, native.lines.pack(found)))] if names else []


def packed(text: str) -> bytes:
    """Lines as they are sent, each with its end."""
    return text.encode("utf-8", "surrogateescape") + b"\r\n"


def unpacked(lines: bytes) -> str:
    """Lines as a text, without the end of the last."""
    return lines[:-2].decode("utf-8", "surrogateescape")


class Columns(Tabled):
    """The lines of one LIST as ``ls -l`` writes them.

    ``users`` and ``groups`` give the names of ids; ``mode`` are permissions that are shown instead of the real ones,
    ``column`` is the place of the time in :class:`os.stat_result`, ``human`` what shows a size otherwise.

    >>> st = os.stat_result((0o100644, 7, 1, 1, 0, 0, 1024, 0, 0, 0))
    >>> Columns({0: "ftp"}, {0: "ftp"}, now=60).line("a b", st)
    '-rw-r--r--   1 ftp      ftp          1024 Jan  1 00:00 a b'
    """

    def __init__(
        self,
        users: Mapping[int, str],
        groups: Mapping[int, str],
        *,
        now: float,
        gmt: bool = True,
        mode: int | None = None,
        column: int = 8,
        human: Callable[[int], str] | None = None,
    ) -> None:
        def head(key: tuple[int, int, int, int]) -> str:
            bits, links, uid, gid = key
            letters = _MODES[bits if mode is None else faked(bits, mode)]
            return shown(f"{letters} {links:>3} {users[uid]:<8} {groups[gid]:<8} ")

        def head_of(kind: bytes) -> str:
            links, uid, gid, bits = _KIND.unpack(kind)
            if stat.S_ISLNK(bits):
                raise Odd
            return heads[bits, links, uid, gid]

        heads = self._heads = Kept(head)
        """What stands in front of the size: an entry shares it with most others."""
        self._heads_of = Kept(head_of)
        """The same by the bytes that statx(2) has for it."""
        self.begin(now)
        self._gmt = gmt
        self._column = column
        self._human = human

    def begin(self, now: float) -> None:
        """For one who is used again: the time from which on the age of an entry counts."""
        self._oldest = ceil(now - _RECENT)

    @property
    def few(self) -> bool:
        """Whether it has met few kinds of entries, and is small enough to be kept."""
        return len(self._heads) <= _FEW

    def line(self, name: str, attributes: os.stat_result) -> str:
        return self.lines([name], [attributes])[0]

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """The lines of the entries of those names and attributes, as one text without the end of the last."""
        if not names:
            return []
        heads, minutes, days = self._heads, _MINUTES[self._gmt], _DAYS[self._gmt]
        oldest = self._oldest
        # one look at all names, as nearly all are as they should be
        if not "".join(names).isprintable():
            names = [shown(name) for name in names]
        lines = [
            f"{heads[bits, links, uid, gid]}{size:>8} "
            f"{days[when // 900] if when < oldest else minutes[when // 60]} {name}"
            for name, (bits, _, _, links, uid, gid, size, _, when, _) in zip(names, self._presented(found), strict=True)
        ]
        return ["\r\n".join(lines)]

    def tabled(self, names: list[str], table: memoryview) -> list[str]:
        if self._column != 8 or self._human is not None:
            raise Odd
        heads, minutes, days = self._heads_of, _MINUTES[self._gmt], _DAYS[self._gmt]
        oldest = self._oldest
        if not "".join(names).isprintable():
            names = [shown(name) for name in names]
        lines: list[str] = []
        add, last_kind, last_when, head, date = lines.append, b"", None, "", ""
        # most entries are as the one before, and many as old; a size that is formatted costs more than all the rest
        for name, (kind, size, when) in zip(names, _ROW.iter_unpack(table), strict=True):
            if kind != last_kind:
                last_kind, head = kind, heads[kind]
            if when != last_when:
                last_when, date = when, days[when // 900] if when < oldest else minutes[when // 60]
            add(f"{head}{str(size).rjust(8)} {date} {name}")
        return ["\r\n".join(lines)]

    def _presented(self, found: list[os.stat_result]) -> Sequence[Any]:
        """Attributes with what is shown in the places of the size and the time."""
        column, human = self._column, self._human
        if column == 8 and human is None:
            return found
        rows: list[list[Any]] = [list(known) for known in found]
        for row in rows:
            row[8] = row[column]
            if human is not None:
                row[6] = human(row[6])
        return rows


class CompiledColumns(Compiled, Columns):
    """The same in C; sizes are numbers."""

    def packed(self, names: Sequence[str], start: int, attributes: bytes) -> bytes:
        made: bytes = native.lines.columns(names, start, attributes, self._heads, self._column, self._oldest, self._gmt)
        return made


def columns(
    users: Mapping[int, str],
    groups: Mapping[int, str],
    *,
    now: float,
    gmt: bool = True,
    mode: int | None = None,
    column: int = 8,
    human: Callable[[int], str] | None = None,
) -> Columns:
    """The quicker way that this installation has."""
    kind = Columns if native.lines is None or human is not None else CompiledColumns
    return kind(users, groups, now=now, gmt=gmt, mode=mode, column=column, human=human)


def rest() -> None:
    """Give back what long listings had of memory, if none has wanted it since this was called before."""
    if native.lines is not None:
        native.lines.rest()


def windows_line(name: str, attributes: os.stat_result, *, gmt: bool = True) -> str:
    """One line of LIST as ``ListStyle Windows`` wants it: that of MS-DOS, as IIS sends it.

    ProFTPD leaves out AM and PM, which makes its times ambiguous; clients that read this style expect them.
    """
    when = _DOS[gmt][int(attributes[8]) // 60]
    if stat.S_ISDIR(attributes.st_mode):
        return shown(f"{when}       <DIR>          {name}")
    return shown(f"{when} {attributes.st_size:>20} {name}")


def dated(seconds: int) -> int:
    """The same seconds; OverflowError where no calendar reaches."""
    if not -_CALENDAR <= seconds < _CALENDAR:
        raise OverflowError(seconds)
    return seconds


def _fields(seconds: int, gmt: bool) -> tuple[int, int, int, int, int]:
    """Year, month, day, hour and minute; those of the epoch where no calendar reaches."""
    try:
        return (gmtime if gmt else localtime)(dated(seconds))[:5]
    except (OverflowError, OSError, ValueError):
        return 1970, 1, 1, 0, 0


def _minute(gmt: bool) -> Kept[str]:
    def make(minute: int) -> str:
        _, month, day, hour, minutes = _fields(minute * 60, gmt)
        return f"{_MONTHS[month - 1]} {day:>2} {hour:02}:{minutes:02}"

    return Kept(make)


def _day(gmt: bool) -> Kept[str]:
    def make(quarter: int) -> str:
        year, month, day, _, _ = _fields(quarter * 900, gmt)
        return f"{_MONTHS[month - 1]} {day:>2} {year:>5}"

    return Kept(make)


def _dos(gmt: bool) -> Kept[str]:
    def make(minute: int) -> str:
        year, month, day, hour, minutes = _fields(minute * 60, gmt)
        half = "PM" if hour >= 12 else "AM"
        return f"{month:02}-{day:02}-{year % 100:02}  {hour % 12 or 12:02}:{minutes:02}{half}"

    return Kept(make)


_MODES = Kept(stat.filemode)
# offsets from UTC are whole quarters of an hour: all seconds of a minute, or of a quarter for the day, read the same
_MINUTES = (_minute(False), _minute(True))
_DAYS = (_day(False), _day(True))
_DOS = (_dos(False), _dos(True))
