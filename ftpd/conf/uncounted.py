"""Expressions where there is no libpcre2: Python's re has those that cannot run away with it, an automaton the rest."""

from __future__ import annotations

import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
import warnings
from typing import Any

from ftpd.conf.automaton import Automaton, Unfit
from ftpd.conf.pattern import LONGEST, GivenUp, Pattern
from ftpd.conf.posix import PatternError

_STEPS = 200_000
"""About a hundredth of a second of Python's re."""
_ENDLESS_HERE = "there is no libpcre2 on this machine, and a text could be made that takes for ever"
_REMEDY = "install libpcre2 (libpcre2-8-0 or pcre2), which can give a search up; or repeat nothing that repeats itself"


def uncounted(pattern: str, text: str, place: str, *, nocase: bool, letters: bool) -> Pattern:
    """The expression, given in the words of Python's re; PatternError where it is none, or nobody could give it up."""
    flags = re.DOTALL | (re.IGNORECASE if nocase else re.NOFLAG)
    whole: str | bytes = text if letters or not text.isascii() else text.encode()
    try:
        # Python warns of sets such as [a--b] that it may read in another way one day
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(whole, flags)
            tree = sre_parser.parse(whole, flags)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise PatternError(str(wrong)) from None
    degree = _degree(tree) + (not _is_anchored(tree))
    if degree <= _LINEAR:
        return Plain(pattern, compiled, LONGEST, place)
    if not letters:
        try:
            return Stepped(pattern, Automaton(tree), place, nocase=nocase)
        except Unfit:
            pass
    longest = int(_STEPS ** (1 / degree)) if degree < _ENDLESS else 0
    if longest < _SHORTEST:
        raise PatternError(_ENDLESS_HERE, _REMEDY)
    return Plain(pattern, compiled, longest, place)


class Plain(Pattern):
    """An expression of Python's re, for texts that are not too long for it."""

    __slots__ = ("_compiled", "_longest")

    def __init__(self, pattern: str, compiled: re.Pattern[Any], longest: int, place: str) -> None:
        super().__init__(pattern, place, nocase=bool(compiled.flags & re.IGNORECASE))
        self._compiled, self._longest = compiled, longest

    def _search(self, string: str) -> re.Match[Any] | None:
        text = string.encode("utf-8", "surrogateescape") if isinstance(self._compiled.pattern, bytes) else string
        if len(text) > self._longest:
            raise GivenUp
        return self._compiled.search(text)

    def matches(self, string: str) -> bool:
        return self._search(string) is not None

    def find(self, string: str) -> tuple[str, ...] | None:
        found = self._search(string)
        return None if found is None else (found[0], *(group or "" for group in found.groups()))


class Stepped(Pattern):
    """An expression that is searched letter by letter, in one pass."""

    __slots__ = ("_machine",)

    def __init__(self, pattern: str, machine: Automaton, place: str, *, nocase: bool) -> None:
        super().__init__(pattern, place, nocase=nocase)
        self._machine = machine

    def matches(self, string: str) -> bool:
        if len(string) > LONGEST:
            raise GivenUp
        letters = self._machine.is_of_letters
        found = self._machine.search(map(ord, string) if letters else string.encode("utf-8", "surrogateescape"))
        if found is None:
            raise GivenUp
        return found


# -- how long a search may take ----------------------------------------------------------------------------

_ENDLESS = 100.0
_FORK = 0.1
"""What two ways to go on count for: they double what follows, and ten of them make a thousand of it."""
_LINEAR = 1.5
_SHORTEST = 40
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)


def _degree(tree: Any) -> float:
    """The power of a text's length that a match from one place may take; _ENDLESS where there is no such."""
    total = 0.0
    for kind, what in tree:
        if kind in _REPEATS:
            least, most, inner = what
            within = _degree(inner)
            if most > 1 and (within or _forks(inner)):
                total += _ENDLESS
            else:
                total += within + (0 if least == most else 1 if most > 1 else _FORK)
        elif kind is sre.BRANCH:
            total += max(map(_degree, what[1])) + _FORK * (len(what[1]) - 1)
        elif kind is sre.SUBPATTERN:
            total += _degree(what[3])
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            total += _degree(what[1])
        elif kind is sre.ATOMIC_GROUP:
            total += _degree(what)
        elif kind is sre.GROUPREF:
            total += 1
        elif kind is sre.GROUPREF_EXISTS:
            total += max(_degree(what[1]), _degree(what[2] or ())) + _FORK
    return min(total, _ENDLESS)


def _forks(tree: Any) -> bool:
    """Whether there are two ways to match within what is repeated: (a|a)*."""
    return any(
        kind is sre.BRANCH
        or (kind in _REPEATS and (what[0] != what[1] or _forks(what[2])))
        or (kind is sre.SUBPATTERN and _forks(what[3]))
        or kind in (sre.GROUPREF, sre.GROUPREF_EXISTS)
        for kind, what in tree
    )


def _is_anchored(tree: Any) -> bool:
    """Whether every match begins at the beginning."""
    for kind, what in tree:
        if kind is sre.AT:
            return what in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
        if kind is sre.SUBPATTERN:
            return _is_anchored(what[3])
        if kind is sre.BRANCH:
            return all(map(_is_anchored, what[1]))
        return False
    return False
