"""The lines of MLSD and MLST (RFC 3659 7), made of attributes that were looked up before; no I/O here."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from time import gmtime
from typing import Final

from ftpd import native
from ftpd.core.listing import Compiled, Kept, Odd, Tabled, dated, faked, one_line

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


@lru_cache  # of all that there are: five answers make 32
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


Parts = tuple[str | None, str | None, str | None, str]
"""What stands in front of the time, the size, the inode's number and the name; None where that is not shown."""


@lru_cache(256)
def _parts(
    facts: frozenset[str], *, perm: str, type: str, folder: bool, device: int, group: str, user: str,
    gid: int, uid: int, mode: int,
) -> Parts:  # fmt: skip
    time = size = inode = None
    text = ""
    if "modify" in facts:
        time, text = "modify=", ";"
    if "perm" in facts:
        text += f"perm={perm};"
    if "size" in facts and not folder:
        size, text = f"{text}size=", ";"
    if "type" in facts:
        text += f"type={type};"
    if "unique" in facts:
        inode, text = f"{text}unique={device:X}U", ";"
    if "UNIX.group" in facts:
        text += f"UNIX.group={gid};"
    if "UNIX.groupname" in facts:
        text += f"UNIX.groupname={one_line(group)};"
    if "UNIX.mode" in facts:
        text += f"UNIX.mode=0{mode & 0o7777:o};"
    if "UNIX.owner" in facts:
        text += f"UNIX.owner={uid};"
    if "UNIX.ownername" in facts:
        text += f"UNIX.ownername={one_line(user)};"
    return time, size, inode, f"{text} "


def line(
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
    >>> line("a b", st, perm="r", facts=("modify", "perm", "size", "type", "unique"))
    'modify=19700101000000;perm=r;size=1024;type=file;unique=1U7; a b'
    """
    bits, inode, device, _, owner, owning_group, size, *_ = attributes
    if unique is not None:
        inode, device = unique.st_ino, unique.st_dev
    parts = _parts(
        frozenset(facts),
        perm=perm,
        type=type or kind(bits),
        folder=stat.S_ISDIR(bits),
        device=device,
        group=group,
        user=user,
        gid=owning_group if gid is None else gid,
        uid=owner if uid is None else uid,
        mode=bits if mode is None else mode,
    )
    return one_line(_joined(parts, _SECONDS[int(attributes[8])], size, inode, name))


def _joined(parts: Parts, time: str, size: int, inode: int, name: str) -> str:
    before_time, before_size, before_inode, rest = parts
    line = "" if before_time is None else f"{before_time}{time}"
    if before_size is not None:
        line += f"{before_size}{size}"
    if before_inode is not None:
        line += f"{before_inode}{inode:X}"
    return f"{line}{rest}{name}"


_ROW = struct.Struct("=20x10s2xQQ64xq16x8s112x")
_KIND = struct.Struct("=IIH")
"""Owner, group and mode, as they stand in a ``struct statx``."""
_DEVICE = struct.Struct("=II")
_DIGITS, _FIRST_DIGITS = [f"{low:02X}" for low in range(256)], [f"{low:X}" for low in range(256)]


class Lines(Tabled):
    """The lines of one MLSD, but for links, ``.`` and ``..``.

    ``users`` and ``groups`` give the names of ids, ``perm`` the letters for a mode, a user and a group; ``mode`` are
    permissions, ``uid`` and ``gid`` numbers that are shown instead of the real ones.
    """

    def __init__(
        self,
        facts: Collection[str],
        users: Mapping[int, str],
        groups: Mapping[int, str],
        perm: Callable[[int, int, int], str],
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> None:
        facts = frozenset(facts)

        def parts(key: tuple[int, int, int, int]) -> Parts:
            bits, owner, owning_group, device = key
            return _parts(
                facts,
                perm=perm(bits, owner, owning_group),
                type=kind(bits),
                folder=stat.S_ISDIR(bits),
                device=device,
                group=groups[owning_group],
                user=users[owner],
                gid=owning_group if gid is None else gid,
                uid=owner if uid is None else uid,
                mode=bits if mode is None else faked(bits, mode),
            )

        def parts_of(key: tuple[bytes, bytes]) -> Parts:
            owner, owning_group, bits = _KIND.unpack(key[0])
            time, length, number, rest = parts_by_key[bits, owner, owning_group, os.makedev(*_DEVICE.unpack(key[1]))]
            # a folder has no size
            if stat.S_ISLNK(bits) or time is None or number is None or (length is None) != stat.S_ISDIR(bits):
                raise Odd
            return time, length, number, rest

        parts_by_key = self._parts = Kept(parts)
        self._parts_of = Kept(parts_of)

    def tabled(self, names: list[str], table: memoryview) -> list[str]:
        """The same by what statx(2) tells, where all facts are shown."""
        parts, seconds = self._parts_of, _SECONDS
        together = "".join(names)
        if "\n" in together or "\r" in together:
            names = [one_line(name) for name in names]
        lines: list[str] = []
        add, last_kind, last_device, last_when, last_high = lines.append, b"", b"", None, -1
        front, middle, rest = "", "", ""
        time: str | None = None
        length: str | None = None
        number: str | None = None
        digits = _DIGITS
        # most entries are as the one before, and many as old; the numbers of their inodes are near each other
        for name, (kind, inode, size, when, device) in zip(names, _ROW.iter_unpack(table), strict=True):
            if kind != last_kind or device != last_device:
                last_kind, last_device, last_when, last_high = kind, device, None, -1
                time, length, number, rest = parts[kind, device]
            if when != last_when:
                last_when, front = when, f"{time}{seconds[when]}{length or ''}"
            high = inode >> 8
            if high != last_high:
                last_high, middle = high, f"{number}{high:X}" if high else f"{number}"
                digits = _DIGITS if high else _FIRST_DIGITS
            add(f"{front}{'' if length is None else size}{middle}{digits[inode & 0xFF]}{rest}{name}")
        return ["\r\n".join(lines)]

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """The lines of the entries of those names and attributes, as one text without the end of the last."""
        if not names:
            return []
        parts, seconds = self._parts, _SECONDS
        together = "".join(names)
        if "\n" in together or "\r" in together:
            names = [one_line(name) for name in names]
        made = []
        for name, (bits, inode, device, _, owner, group, size, _, when, _) in zip(names, found, strict=True):
            time, length, number, rest = parts[bits, owner, group, device]
            if time is None or length is None or number is None:
                made.append(_joined((time, length, number, rest), seconds[when], size, inode, name))
            else:
                made.append(f"{time}{seconds[when]}{length}{size}{number}{inode:X}{rest}{name}")
        return ["\r\n".join(made)]


class CompiledLines(Compiled, Lines):
    """The same in C."""

    def packed(self, names: Sequence[str], start: int, attributes: bytes) -> bytes:
        made: bytes = native.lines.facts(names, start, attributes, self._parts)
        return made


def lines(
    facts: Collection[str],
    users: Mapping[int, str],
    groups: Mapping[int, str],
    perm: Callable[[int, int, int], str],
    *,
    mode: int | None = None,
    uid: int | None = None,
    gid: int | None = None,
) -> Lines:
    """The quicker way that this installation has."""
    kind_of_lines = Lines if native.lines is None else CompiledLines
    return kind_of_lines(facts, users, groups, perm, mode=mode, uid=uid, gid=gid)


def _timestamp(seconds: int) -> str:
    """RFC 3659 2.3: always UTC, whatever TimesGMT says."""
    try:
        year, month, day, hour, minute, second = gmtime(dated(seconds))[:6]
    except (OverflowError, OSError, ValueError):
        return "19700101000000"
    return f"{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"


_SECONDS = Kept(_timestamp)
