"""Conversions of a text by name, as RewriteMap has them: case, escapes, charsets, host names; None is none."""

from __future__ import annotations

import re
from collections.abc import Callable


def replace_all(key: str, most: int, *, keep: bool) -> str | None:
    """``/text/from/to``, the first letter being the divider, which the text itself may hold."""
    if not key:
        return None
    text, *words = key[1:].rsplit(key[0], 2)
    if len(words) != 2 or not words[0]:
        raise ValueError(f"replaceall wants /text/from/to, not '{key}'")
    count = text.count(words[0])
    if count == 0:
        return text if keep else None
    return text.replace(words[0], words[1]) if count <= most else text


def _unescape(key: str) -> str | None:
    """``%20`` and its kin; a name cannot gain a slash, a NUL or a line end in this way."""
    raw = key.encode("utf-8", "surrogateescape")
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%(?:2[Ff]|00|0[AaDd])", raw):
        return None
    plain = re.sub(rb"%(..)", lambda found: bytes([int(found[1], 16)]), raw)
    return plain.decode("utf-8", "surrogateescape")


def _latin1(key: str) -> str | None:
    try:
        return key.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def _idna(key: str) -> str | None:
    try:
        return key.encode("idna").decode("ascii")
    except UnicodeError:
        return None


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_UPPER = str.maketrans(_LETTERS, _LETTERS.upper())
_LOWER = str.maketrans(_LETTERS.upper(), _LETTERS)
BY_NAME: dict[str, Callable[[str], str | None]] = {
    "idnatrans": _idna,
    "tolower": lambda key: key.translate(_LOWER),
    "toupper": lambda key: key.translate(_UPPER),
    "unescape": _unescape,
    "utf8trans": _latin1,
}


def is_known(name: str) -> bool:
    """Whether there is such a conversion; then all that it needs is there.

    It is asked as a configuration is read: by the time a conversion is used, Python's own files may be out of reach.
    """
    if name == "idnatrans":
        # once, for the codecs that are read only then
        _idna("\u00fc")
    return name in BY_NAME
