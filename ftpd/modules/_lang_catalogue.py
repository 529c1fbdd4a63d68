"""Catalogues of translations: the folder of LangPath and the .mo files of gettext in it, read at the start."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress

from ftpd.api import Catalogue, codec_named

NAME = re.compile(r"[A-Za-z]{1,8}(_[A-Za-z0-9]{1,8})?(\.[A-Za-z0-9_-]{1,16})?(@[A-Za-z0-9]{1,16})?")
"""``language[_territory][.codeset][@modifier]``, as locales are called."""
PLACE = "LC_MESSAGES/proftpd.mo"
_SYSTEMS = "LC_MESSAGES/libc.mo"
_LARGEST = 4 << 20
"""Bytes of a file; ProFTPD's own have 20,000."""
_HEADER = struct.Struct("7I")
_MAGIC = 0x950412DE
_CHARSET = re.compile(rb"charset=([^\s;]+)", re.IGNORECASE)
_TOLD = 3
"""Entries of a file that are told with their reasons; how many there are is told in any case."""


def languages(folder: str) -> Iterator[str]:
    """The names of the languages for which there is a file, by the alphabet; OSError without the folder."""
    for name in sorted(os.listdir(folder)):
        if NAME.fullmatch(name) and os.path.lexists(os.path.join(folder, name, PLACE)):
            yield name


def read(path: str) -> tuple[Catalogue, list[str]]:
    """The catalogue in a file, and what of it cannot be used; ValueError or OSError when it is of no use at all."""
    catalogue, faults = Catalogue(), []
    charset, entries = _read(path)
    for english, translated in entries:
        # \0 stands between the forms of a plural, \4 behind a context: ProFTPD's have neither
        if not english or b"\0" in english or b"\4" in english:
            continue
        try:
            catalogue.add(english.decode(charset), translated.decode(charset))
        except ValueError as wrong:
            reason = f"it is no text in {charset}" if isinstance(wrong, UnicodeError) else str(wrong)
            faults.append(f"{english.decode('utf-8', 'replace').strip()!r}: {reason}")
    return catalogue, faults


def add_reasons(catalogue: Catalogue, folder: str, language: str) -> str:
    """What the system says of failures, from the C library's own catalogues in ``folder``; gives the file, or nothing.

    They are not ours: without them, or where one cannot be used, the reasons stay English.
    """
    reasons = {os.strerror(number).encode() for number in errno.errorcode}
    for name in dict.fromkeys((language, language.partition("_")[0])):
        path = os.path.join(folder, name, _SYSTEMS)
        try:
            charset, entries = _read(path)
        except (OSError, ValueError):
            continue
        for english, translated in entries:
            if english in reasons and translated:
                with suppress(ValueError):
                    catalogue.add_reason(english.decode(), translated.decode(charset))
        return path
    return ""


def shortened(faults: list[str]) -> str:
    """As many as fit on a line."""
    more = f", and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return "; ".join(faults[:_TOLD]) + more


def _read(path: str) -> tuple[str, list[tuple[bytes, bytes]]]:
    entries = list(_entries(_content(path)))
    return _charset(next((translated for english, translated in entries if not english), b"")), entries


def _content(path: str) -> bytes:
    # a FIFO would hold up the start
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_mode & stat.S_IWOTH:
            raise ValueError("everybody may write to it")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return content


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of a .mo file (gettext's manual, "The Format of GNU MO Files"); its hash table is not needed.

    The standard library's gettext reads the same and keeps it to itself: it has an answer for a text, and no list.
    """
    if len(content) < _HEADER.size:
        raise ValueError("it is too short for a .mo file")
    order = "<" if struct.unpack_from("<I", content)[0] == _MAGIC else ">"
    magic, revision, count, english, translated, *_ = struct.unpack_from(f"{order}7I", content)
    if magic != _MAGIC:
        raise ValueError("it is no .mo file, as msgfmt makes them (wrong magic number)")
    if revision >> 16 > 1:
        raise ValueError(f"its format has the revision {revision >> 16}, which is not known")
    if max(english, translated) + 8 * count > len(content):
        raise ValueError("it is damaged: its tables reach beyond its end")
    for index in range(count):
        pair = []
        for table in (english, translated):
            length, at = struct.unpack_from(f"{order}2I", content, table + 8 * index)
            if at + length > len(content):
                raise ValueError("it is damaged: a text reaches beyond its end")
            pair.append(content[at : at + length])
        yield pair[0], pair[1]


def _charset(header: bytes) -> str:
    found = _CHARSET.search(header)
    # CHARSET is what msginit leaves where nobody has filled it in
    name = "utf-8" if found is None or found[1] == b"CHARSET" else found[1].decode("ascii", "replace")
    codec = codec_named(name)
    if codec is None:
        raise ValueError(f"its charset '{name}' is not known, or none in which ASCII is ASCII")
    return codec
