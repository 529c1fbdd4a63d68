"""Expressions searched by libpcre2, which counts its steps: no text takes more of them than there is time for."""

from __future__ import annotations

import codecs
import ctypes
import re
from functools import cache
from time import monotonic

from ftpd.conf import pcre
from ftpd.conf.pattern import LONGEST, GivenUp, Pattern
from ftpd.conf.pcre import Code
from ftpd.conf.posix import PatternError

STEPS = 50_000
"""Of one search, unless RegexOptions says otherwise."""
_LEAST = 32
"""Steps that a search has from each place where a match may begin, however many these are."""
_HEAP = 4096
"""KiB in which one search may note where to turn back to."""
_TRIES = 8
"""So many searches of one expression in a second have all their steps; others then have crumbs of them."""

_LEAST_COUNT = re.compile(r"\{([0-9]+)")
_BACK_REFERENCE = re.compile(r"\\[1-9gk]|\(\?P[=>]")
_LONGEST_REFERRING = 1024

# without NO_AUTO_POSSESS a run over a thousand letters is one step where none of them can be turned back to
_FLAGS = pcre.DOT_ALL | pcre.DOLLAR_END_ONLY | pcre.NO_AUTO_POSSESS
_LETTERS = "ftpd.letters"


def _as_letters(error: UnicodeError) -> tuple[bytes, int]:
    """What is not UTF-8 is a letter of its own, one that nobody uses."""
    assert isinstance(error, UnicodeEncodeError)
    odd = error.object[error.start : error.end]
    return "".join(chr(0x10FF00 | ord(char) & 0xFF) for char in odd).encode(), error.end


codecs.register_error(_LETTERS, _as_letters)


@cache
def _contexts(steps: int, depth: int | None) -> tuple[ctypes.c_void_p, ...]:
    """The bounds of a search by the number of bits in the length of its text, and last those of a whole search.

    libpcre2 counts anew from each place where a match may begin: the longer the text, the fewer steps from each.
    """
    library = pcre.loaded()
    found = []
    shares = (max(steps >> bits, min(steps, _LEAST)) for bits in range(LONGEST.bit_length() + 1))
    for most in (*shares, steps):
        context = ctypes.c_void_p(library.context(None))
        library.limit_steps(context, most)
        library.limit_heap(context, _HEAP)
        if depth:
            library.limit_depth(context, depth)
        found.append(context)
    return tuple(found)


def _weight(text: str, refers: bool) -> int:
    """How much more than a letter a step may have to compare: a{100}, a long word, or what a group has found."""
    letters = sum(min(int(least), LONGEST) for least in _LEAST_COUNT.findall(text)) + len(text) // 4
    return 1 << (letters // 32).bit_length() << (3 if refers else 0)


class Counted(Pattern):
    """An expression in the words of libpcre2.

    It sees bytes, as in ProFTPD; with ``letters``, or where some of it are beyond ASCII, it sees letters.
    """

    __slots__ = (
        "_again",
        "_code",
        "_crumbs",
        "_data",
        "_errors",
        "_flags",
        "_full",
        "_is_whole",
        "_longest",
        "_match",
        "_parts",
        "_shares",
        "_since",
        "_text",
        "_tried",
    )

    def __init__(
        self, pattern: str, text: str, place: str, *, nocase: bool = False, letters: bool = False,
        steps: int | None = None, depth: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(pattern, place, nocase=nocase)
        letters = letters or not text.isascii()
        self._errors = _LETTERS if letters else "surrogateescape"
        self._flags = _FLAGS | (pcre.CASELESS if nocase else 0) | (pcre.UTF | pcre.NO_UTF_CHECK if letters else 0)
        self._text = text
        self._code = Code(text.encode("utf-8", self._errors), self._flags)
        refers = _BACK_REFERENCE.search(text) is not None
        self._longest = _LONGEST_REFERRING if refers else LONGEST
        most = max(min(steps or STEPS, 2**32 - 1) // _weight(text, refers), 1)
        *self._shares, self._full = _contexts(most, depth)
        *self._crumbs, _ = _contexts(max(most // 16, 1), depth)
        self._parts = self._shares
        """The bounds in force, by the number of bits in the length of the text."""
        self._again: Code | None = self._code if self._code.is_anchored else None
        """The expression that finds its beginning itself, so that all steps are counted; made when it is needed."""
        self._is_whole = self._again is not None
        self._match, self._data = pcre.loaded().match, pcre.loaded().data
        self._tried, self._since = 0, 0.0

    def matches(self, string: str) -> bool:
        text = string.encode("utf-8", self._errors)
        length = len(text)
        if length > self._longest:
            raise GivenUp
        found: int = self._match(self._code.pointer, text, length, 0, 0, self._data, self._parts[length.bit_length()])
        if found < pcre.NO_MATCH:
            found = self._harder(text, self._data)
        return found >= 0

    def find(self, string: str) -> tuple[str, ...] | None:
        library = pcre.loaded()
        text = string.encode("utf-8", self._errors)
        length = len(text)
        if length > self._longest:
            raise GivenUp
        data = ctypes.c_void_p(library.data_for(self._code.pointer, None))
        try:
            found = self._match(self._code.pointer, text, length, 0, 0, data, self._parts[length.bit_length()])
            if found < pcre.NO_MATCH:
                found = self._harder(text, data)
            if found < 0:
                return None
            spans = library.spans(data)[: 2 * library.span_count(data)]
        finally:
            library.free_data(data)
        if string.isascii():
            places = spans
        else:
            # where letters begin, counted in letters
            places = [len(text[:at].decode("utf-8", "replace")) if at <= length else at for at in spans]
        return tuple(
            string[start:end] if start <= length else "" for start, end in zip(places[::2], places[1::2], strict=True)
        )

    def _harder(self, text: bytes, data: ctypes.c_void_p) -> int:
        """What a search with all steps finds, after one that ran out of its share; GivenUp."""
        now = monotonic()
        if now - self._since > 1:
            self._tried, self._since = 0, now
            self._parts = self._shares
        self._tried += 1
        if self._tried > _TRIES:
            self._parts = self._crumbs
            raise GivenUp
        if not self._is_whole:
            self._again, self._is_whole = self._beginning(), True
        if self._again is None:
            raise GivenUp
        found: int = self._match(self._again.pointer, text, len(text), 0, 0, data, self._full)
        if found < pcre.NO_MATCH:
            raise GivenUp
        return found

    def _beginning(self) -> Code | None:
        if any(odd in self._text for odd in ("(*", "(?R", "(?0")):
            return None
        try:
            text = f"(?s:.*?)\\K(?:{self._text})"
            return Code(text.encode("utf-8", self._errors), self._flags | pcre.ANCHORED)
        except PatternError:
            # of (?x) and its like the end may be a comment
            return None
