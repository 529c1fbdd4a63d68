"""The lines of LIST, MLSD and MLST, made of attributes and names that were looked up before; no I/O here."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection
from time import gmtime, localtime
from typing import Final, TypeVar

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RECENT = 180 * 86400
"""Seconds after which ProFTPD shows the year instead of the time."""

V = TypeVar("V")


class _Cache(dict[int, V]):
    """What was made for a number, made once; emptied when it grows, since a client chooses the dates."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: int) -> V:
        if len(self) >= 4096:
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


def list_line(
    name: str,
    attributes: os.stat_result,
    *,
    user: str,
    group: str,
    now: float,
    gmt: bool = True,
    mode: int | None = None,
    link_target: str | None = None,
) -> str:
    """One line of LIST as ``ls -l`` writes it, without its end; ``mode`` is shown instead of the real one.

    >>> st = os.stat_result((0o100644, 7, 1, 1, 0, 0, 1024, 0, 0, 0))
    >>> list_line("a b", st, user="ftp", group="ftp", now=60)
    '-rw-r--r--   1 ftp      ftp          1024 Jan  1 00:00 a b'
    """
    bits, _, _, links, _, _, size, _, modified, _ = attributes[:10]
    seconds = int(modified)
    when = _DAYS[gmt][seconds // 900] if now - seconds > _RECENT else _MINUTES[gmt][seconds // 60]
    letters = _MODES[bits if mode is None else mode]
    line = f"{letters} {links:>3} {user:<8} {group:<8} {size:>8} {when} {name}"
    if link_target is not None:
        line = f"{line} -> {link_target}"
    return shown(line)


def windows_line(name: str, attributes: os.stat_result, *, gmt: bool = True) -> str:
    """One line of LIST as ``ListStyle Windows`` wants it: that of MS-DOS, as IIS sends it.

    ProFTPD leaves out AM and PM, which makes its times ambiguous; clients that read this style expect them.
    """
    when = _DOS[gmt][int(attributes[8]) // 60]
    if stat.S_ISDIR(attributes.st_mode):
        return shown(f"{when}       <DIR>          {name}")
    return shown(f"{when} {attributes.st_size:>20} {name}")


def _fields(seconds: int, gmt: bool) -> tuple[int, int, int, int, int]:
    """Year, month, day, hour and minute; those of the epoch where no calendar reaches."""
    try:
        return (gmtime if gmt else localtime)(seconds)[:5]
    except (OverflowError, OSError, ValueError):
        return 1970, 1, 1, 0, 0


def _minute(gmt: bool) -> _Cache[str]:
    def make(minute: int) -> str:
        _, month, day, hour, minutes = _fields(minute * 60, gmt)
        return f"{_MONTHS[month - 1]} {day:>2} {hour:02}:{minutes:02}"

    return _Cache(make)


def _day(gmt: bool) -> _Cache[str]:
    def make(quarter: int) -> str:
        year, month, day, _, _ = _fields(quarter * 900, gmt)
        return f"{_MONTHS[month - 1]} {day:>2} {year:>5}"

    return _Cache(make)


def _dos(gmt: bool) -> _Cache[str]:
    def make(minute: int) -> str:
        year, month, day, hour, minutes = _fields(minute * 60, gmt)
        half = "PM" if hour >= 12 else "AM"
        return f"{month:02}-{day:02}-{year % 100:02}  {hour % 12 or 12:02}:{minutes:02}{half}"

    return _Cache(make)


def _timestamp(seconds: int) -> str:
    """RFC 3659 2.3: always UTC, whatever TimesGMT says."""
    try:
        year, month, day, hour, minute, second = gmtime(seconds)[:6]
    except (OverflowError, OSError, ValueError):
        return "19700101000000"
    return f"{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"


_MODES = _Cache(stat.filemode)
# offsets from UTC are whole quarters of an hour: all seconds of a minute, or of a quarter for the day, read the same
_MINUTES = (_minute(False), _minute(True))
_DAYS = (_day(False), _day(True))
_DOS = (_dos(False), _dos(True))
_SECONDS = _Cache(_timestamp)


FACTS: Final = (
    "modify",
    "perm",
    "size",
    "type",
    "unique",
    "UNIX.group",
    "UNIX.groupname",
    "UNIX.mode",
    "UNIX.owner",
    "UNIX.ownername",
)
"""All facts, in the order and spelling in which FEAT and every line show them."""


def permissions(
    *, folder: bool, readable: bool, writable: bool, searchable: bool = False, removable: bool = False
) -> str:
    """The letters of the ``perm`` fact (RFC 3659 7.5.5), in ProFTPD's order: what the client could really do.

    Of a file that can be read ProFTPD always says that it can be appended to; ``w`` tells whether that is so.

    >>> permissions(folder=True, readable=True, writable=True, searchable=True, removable=True)
    'flcdmpe'
    >>> permissions(folder=False, readable=True, writable=False, removable=True)
    'adfr'
    """
    if not folder:
        return f"{'a' * (readable or writable)}{'df' * removable}{'r' * readable}{'w' * writable}"
    fills = writable and searchable
    return "".join(
        letter
        for letter, given in (
            ("f", removable),
            ("l", readable),
            ("c", fills),
            ("d", removable),
            ("m", fills),
            ("p", fills),
            ("e", searchable),
        )
        if given
    )


def kind(mode: int) -> str:
    """The ``type`` fact of an entry that is neither ``.`` (cdir) nor ``..`` (pdir)."""
    if stat.S_ISDIR(mode):
        return "dir"
    return "OS.unix=symlink" if stat.S_ISLNK(mode) else "file"


def facts_line(
    name: str,
    attributes: os.stat_result,
    *,
    perm: str,
    type: str | None = None,
    user: str = "",
    group: str = "",
    facts: Collection[str] = FACTS,
    mode: int | None = None,
    unique: os.stat_result | None = None,
    uid: int | None = None,
    gid: int | None = None,
) -> str:
    """One line of MLSD or MLST, without its end (RFC 3659 7.2).

    ``mode``, ``uid`` and ``gid`` are shown instead of the real ones.  ``type`` is given for cdir, pdir and
    ``OS.unix=slink:TARGET``, ``unique`` for a link: the attributes of what it leads to, as both names are one object
    for a mirroring client.

    >>> st = os.stat_result((0o100644, 7, 1, 1, 0, 0, 1024, 0, 0, 0))
    >>> facts_line("a b", st, perm="r", facts=("modify", "perm", "size", "type", "unique"))
    'modify=19700101000000;perm=r;size=1024;type=file;unique=1U7; a b'
    """
    bits, inode, device, _, owner, owning_group, size, _, modified, _ = attributes[:10]
    line = ""
    if "modify" in facts:
        line = f"modify={_SECONDS[int(modified)]};"
    if "perm" in facts:
        line += f"perm={perm};"
    if "size" in facts and not stat.S_ISDIR(bits):
        line += f"size={size};"
    if "type" in facts:
        line += f"type={type or kind(bits)};"
    if "unique" in facts:
        if unique is not None:
            inode, device = unique.st_ino, unique.st_dev
        line += f"unique={device:X}U{inode:X};"
    if "UNIX.group" in facts:
        line += f"UNIX.group={owning_group if gid is None else gid};"
    if "UNIX.groupname" in facts:
        line += f"UNIX.groupname={group};"
    if "UNIX.mode" in facts:
        line += f"UNIX.mode=0{(bits if mode is None else mode) & 0o7777:o};"
    if "UNIX.owner" in facts:
        line += f"UNIX.owner={owner if uid is None else uid};"
    if "UNIX.ownername" in facts:
        line += f"UNIX.ownername={user};"
    return one_line(f"{line} {name}")
