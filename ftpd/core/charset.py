"""Names between the disk's charset and the client's (UseEncoding): bytes in, bytes out, and what fits in none stays."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from functools import lru_cache

_SAMPLES = "\u00e9\u0416\u3042\u4e2d\uac00\u0e01\u03b1"
_BREAKS = frozenset("\0\r\n")


def codec_named(name: str) -> str | None:
    """Python's name of a charset in which ASCII is ASCII; None for the unknown, and where letters could hide a slash.

    >>> codec_named("KOI8-R"), codec_named("UTF8"), codec_named("utf-16"), codec_named("utf-7"), codec_named("rot13")
    ('koi8-r', 'utf-8', None, None, None)
    """
    try:
        codec = _codec(name)
        plain = bytes(range(128)).decode(codec)
        if plain != bytes(range(128)).decode("ascii"):
            return None
        for sample in _SAMPLES:
            # of ISO-2022-JP, HZ or UTF-7 a letter's bytes are ASCII, a slash among them
            if max(sample.encode(codec, "ignore") or b"\xff") < 0x80:
                return None
    except (LookupError, ValueError):
        return None
    return codec


_ISO_8859 = re.compile(r"(?:iso)?8859(\d{1,2})", re.ASCII)
_ALSO = {
    "koi8r": "koi8_r", "koi8u": "koi8_u", "latin9": "iso8859_15", "baltic": "iso8859_13", "mac": "mac_roman",
    "cp813": "iso8859_7", "cp912": "iso8859_2", "cp915": "iso8859_5", "cp916": "iso8859_8", "cp920": "iso8859_9",
    "cp921": "iso8859_13", "cp1089": "iso8859_6", "msansi": "cp1252", "mscyrl": "cp1251", "msee": "cp1250",
    "msgreek": "cp1253", "msturk": "cp1254", "mshebr": "cp1255", "msarab": "cp1256", "winbaltrim": "cp1257",
    "windows874": "cp874", "ibm874": "cp874", "windows936": "gbk", "cngb": "gb2312", "bigfive": "big5",
    "cnbig5": "big5", "windows31j": "cp932", "sjiswin": "cp932", "sjisopen": "cp932", "eucjpwin": "euc_jp",
    "eucjpms": "euc_jp", "cseuckr": "euc_kr", "mscp949": "cp949",
}  # fmt: skip
"""What iconv(3), and so ProFTPD, knows by more names than Python does."""


def _codec(name: str) -> str:
    """Python's name of a charset, by any that it has there or in iconv(3); LookupError where none is called so.

    >>> _codec("ISO885915"), _codec("8859_1"), _codec("BIG-FIVE"), _codec("KOI8R")
    ('iso8859-15', 'iso8859-1', 'big5', 'koi8-r')
    """
    with suppress(LookupError):
        return codecs.lookup(name).name
    bare = name.lower().translate(_DIVIDES)
    iso = _ISO_8859.fullmatch(bare)
    return codecs.lookup(f"iso8859_{iso[1]}" if iso else _ALSO.get(bare, bare)).name


_DIVIDES = dict.fromkeys(map(ord, "-_. "))


@lru_cache(maxsize=64)
def _has_ff(codec: str) -> bool:
    """Whether the byte that begins a telnet command is a letter in this charset."""
    try:
        b"\xff".decode(codec)
    except UnicodeDecodeError:
        return False
    return True


class Recode:
    """One client's names: what it says becomes the disk's bytes, what it is told its own."""

    __slots__ = ("client", "failed", "local", "strict", "telnet_is_text")

    def __init__(self, local: str, client: str, *, strict: bool = False) -> None:
        self.local = local
        self.client = client
        self.strict = strict
        """A name that is none in the client's charset is refused; otherwise it is taken as the bytes it is."""
        self.failed = False
        """The last thing heard was not in the client's charset, or cannot be said in the disk's."""
        self.telnet_is_text = _has_ff(client)

    def heard(self, text: str) -> str:
        """What the client wrote, as the disk has it; both are bytes in the guise of paths (:mod:`ftpd.core.paths`)."""
        self.failed = False
        raw = text.encode("utf-8", "surrogateescape")
        try:
            found = raw.decode(self.client).encode(self.local).decode("utf-8", "surrogateescape")
        except UnicodeError:
            self.failed = True
            return text
        if not _BREAKS.isdisjoint(found):
            self.failed = True
            return text
        return found

    def said(self, raw: bytes) -> bytes:
        """What the disk has, as the client writes it; a line that cannot be said so goes out as it is."""
        if self.local == self.client or raw.isascii():
            return raw
        try:
            return raw.decode(self.local).encode(self.client)
        except UnicodeError:
            return b"".join(map(self._line, raw.splitlines(keepends=True)))

    def _line(self, line: bytes) -> bytes:
        try:
            return line.decode(self.local).encode(self.client)
        except UnicodeError:
            return line
