"""Regular expressions of the configuration: which engine searches for them, so that no text holds everybody up."""

from __future__ import annotations

from typing import NamedTuple

from ftpd.conf import pcre
from ftpd.conf.counted import Counted
from ftpd.conf.directive import ConfigError
from ftpd.conf.pattern import GivenUp, Pattern
from ftpd.conf.posix import Dialect, Engine, PatternError, Unclosed, translated
from ftpd.conf.uncounted import uncounted

__all__ = ["GivenUp", "Pattern", "bound_patterns", "compile_groups", "compile_pattern", "denies", "patterns_at"]


class Bounds(NamedTuple):
    """What RegexOptions says; None is what holds without it."""

    steps: int | None = None
    depth: int | None = None
    dialect: Dialect = Dialect.EXTENDED


class _Reading:
    """Where the configuration that is being read has come to."""

    bounds = Bounds()
    place = ""


def unbound_patterns() -> None:
    """A configuration begins to be read: nothing has been said yet."""
    _Reading.bounds = Bounds()


def patterns_at(place: str) -> None:
    """Expressions that are compiled from now on stand there."""
    _Reading.place = place


def bound_patterns(steps: int | None, depth: int | None, engine: str = "") -> bool:
    """Have expressions from now on take that many steps at most; False where nobody here counts them.

    ``engine`` is whose expressions they are, POSIX, PCRE or PCRE2; where it is not said, they are both.
    """
    dialect = Dialect.POSIX if engine == "POSIX" else Dialect.PCRE if engine else Dialect.EXTENDED
    _Reading.bounds = Bounds(steps, depth, dialect)
    return pcre.library() is not None


def denies(pattern: Pattern, text: str) -> bool:
    """Whether the pattern of a filter that denies is for that text: where nobody can tell, it is."""
    return pattern.denies(text)


def compile_pattern(pattern: str, *, nocase: bool = False, word: int | None = 0) -> Pattern:
    """The compiled pattern; ConfigError with the engine's own words when it is none.

    >>> bool(compile_pattern("^[[:alpha:]_]+$").search("a_b"))
    True
    """
    return _compiled(pattern, nocase, word, letters=False)


def compile_groups(pattern: str, *, nocase: bool = False, word: int | None = 0) -> Pattern:
    """A pattern whose groups are wanted: it sees letters, so that no group ends within one."""
    return _compiled(pattern, nocase, word, letters=True)


def _compiled(pattern: str, nocase: bool, word: int | None, *, letters: bool) -> Pattern:
    dialect = _Reading.bounds.dialect
    try:
        try:
            return _read_as(dialect, pattern, nocase, letters)
        except Unclosed:
            if dialect is not Dialect.EXTENDED:
                raise
            return _read_as(Dialect.POSIX, pattern, nocase, letters)
    except PatternError as wrong:
        raise ConfigError(f"'{pattern}' failed regex compilation: {wrong}", right=wrong.right, word=word) from None


def _read_as(dialect: Dialect, pattern: str, nocase: bool, letters: bool) -> Pattern:
    bounds, place = _Reading.bounds, _Reading.place
    if pcre.library() is None:
        text = translated(pattern, dialect, Engine.PYTHON)
        return uncounted(pattern, text, place, nocase=nocase, letters=letters)
    text = translated(pattern, dialect, Engine.PCRE)
    return Counted(
        pattern, text, place, nocase=nocase, letters=letters, steps=bounds.steps, depth=bounds.depth
    )  # fmt: skip
