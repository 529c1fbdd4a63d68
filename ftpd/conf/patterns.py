"""Regular expressions as proftpd.conf writes them (POSIX classes, PCRE otherwise), compiled by Python's re.

Below a RegexOptions line that bounds their steps they are libpcre2's.
"""

from __future__ import annotations

import re
import warnings
from typing import Protocol

from ftpd.conf import pcre
from ftpd.conf.directive import ConfigError
from ftpd.conf.pcre import Bounded, Bounds, PcreError

_POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "ascii": "\\x00-\\x7f",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "word": "a-zA-Z0-9_",
    "xdigit": "0-9A-Fa-f",
}
_NAMED = re.compile(r"\[:(\^?)([a-z]*):\]")


class Pattern(Protocol):
    """A compiled regular expression, whoever compiled it."""

    @property
    def pattern(self) -> str: ...

    def search(self, string: str, /) -> object | None: ...


class _Reading:
    """What RegexOptions has said in the configuration that is being read, or was read last."""

    bounds: Bounds | None = None


def unbound_patterns() -> None:
    """A configuration begins to be read: nothing is bounded yet."""
    _Reading.bounds = None


def bound_patterns(steps: int | None, depth: int | None) -> bool:
    """Have patterns that are compiled from now on take that many steps at most; False where nobody here counts them."""
    if pcre.library() is None:
        return False
    _Reading.bounds = Bounds(steps, depth)
    return True


def denies(pattern: Pattern, text: str) -> bool:
    """Whether the pattern of a filter that denies is for that text: where nobody can tell, it is."""
    return pattern.denies(text) if isinstance(pattern, Bounded) else pattern.search(text) is not None


def compile_pattern(pattern: str, *, nocase: bool = False, word: int | None = 0) -> Pattern:
    """The compiled pattern; ConfigError with the engine's own words when it is none.

    >>> bool(compile_pattern("^[[:alpha:]_]+$").search("a_b"))
    True
    """
    if _Reading.bounds is not None:
        try:
            return Bounded(pattern, _Reading.bounds, nocase=nocase)
        except PcreError as wrong:
            raise ConfigError(f"'{pattern}' failed regex compilation: {wrong}", word=word) from None
    return compile_groups(pattern, nocase=nocase, word=word)


def compile_groups(pattern: str, *, nocase: bool = False, word: int | None = 0) -> re.Pattern[str]:
    """A pattern whose groups are wanted: of Python's, whatever RegexOptions says."""
    try:
        # Python warns of sets such as [a--b] that it may read in another way one day
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(_translated(pattern), re.IGNORECASE if nocase else re.NOFLAG)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise ConfigError(f"'{pattern}' failed regex compilation: {wrong}", word=word) from None


def _translated(pattern: str) -> str:
    """``[[:alpha:]]`` is what Python does not know."""
    out: list[str] = []
    at, inside, first = 0, False, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            out.append(pattern[at : at + 2])
            at += 2
            first = False
            continue
        if not inside:
            if char == "[":
                inside = first = True
                if pattern.startswith("[^", at):
                    out.append("[")
                    char = "^"
                    at += 1
            out.append(char)
        elif char == "[":
            named = _NAMED.match(pattern, at)
            if named is None:
                out.append("\\[")
            elif named[1] or named[2] not in _POSIX:
                raise re.error(f"unknown character class name '{named[0]}'")
            else:
                out.append(_POSIX[named[2]])
                at += len(named[0]) - 1
            first = False
        else:
            # a ] that comes first stands for itself
            inside = char != "]" or first
            out.append(char)
            first = False
        at += 1
    return "".join(out)
