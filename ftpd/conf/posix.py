"""Expressions as proftpd.conf writes them, POSIX extended or Perl's, in the words of the engine that will search."""

from __future__ import annotations

import re
from enum import Enum


class Dialect(Enum):
    """What an expression is read as."""

    EXTENDED = "what PCRE reads, and what only POSIX knows besides"
    POSIX = "POSIX extended, as regcomp of the GNU library reads it"
    PCRE = "what PCRE reads, and nothing else"


class Engine(Enum):
    """Whose words are wanted."""

    PCRE = "libpcre2"
    PYTHON = "Python's re"


class PatternError(Exception):
    """What is wrong with an expression, and what would be right."""

    def __init__(self, message: str, right: str = "") -> None:
        super().__init__(message)
        self.right = right


class Unclosed(PatternError):
    """A [ without its ]: PCRE takes the ] of ``[^/\\]`` for a letter, and POSIX does not."""


_INTERVAL = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}|\{,([0-9]+)\}")
_HIGHEST = 0x7FFF
_MOST_WRAPPED = 100
_LONGEST = 16 * 1024
_LITERAL_TO_PCRE = frozenset("iIjJlLmMOqTuUyY")
"""Letters that mean nothing behind a backslash; to PCRE they are a fault, to POSIX themselves."""
_BRACED = frozenset("gkNopPx")
_WORD_START, _WORD_END = r"(?:\b(?=\w))", r"(?:\b(?<=\w))"
_GNU = {
    "<": _WORD_START, ">": _WORD_END, "`": r"\A",
    "b": r"\b", "B": r"\B", "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S",
}  # fmt: skip
_ASSERTIONS = frozenset("<>bBAZzG`'")
_PYTHON = {"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t]", "e": r"\x1b", "N": "[^\\n]", "R": r"(?:\r\n|[\n\v\f\r\x85])"}
_SETS = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "ascii": "\\x00-\\x7f", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v", "upper": "A-Z", "word": "a-zA-Z0-9_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def translated(pattern: str, dialect: Dialect, engine: Engine) -> str:
    """The expression in the engine's words, to be compiled so that ``.`` is any character.

    >>> translated(r"\\<a{,3}$", Dialect.EXTENDED, Engine.PYTHON)
    '(?:\\\\b(?=\\\\w))a{0,3}\\\\Z'
    """
    if len(pattern) > _LONGEST:
        raise PatternError(f"it is longer than {_LONGEST} letters")
    if dialect is Dialect.PCRE and engine is Engine.PCRE:
        return pattern
    return _Translation(pattern, dialect, engine).whole()


class _Translation:
    """One expression, read from left to right."""

    def __init__(self, pattern: str, dialect: Dialect, engine: Engine) -> None:
        self.pattern = pattern
        self.posix = dialect is Dialect.POSIX
        self.extended = dialect is not Dialect.PCRE
        self.python = engine is Engine.PYTHON
        self.end = r"\Z" if self.python else r"\z"
        self.out: list[str] = []
        self.atom: int | None = None
        """Where in ``out`` begins what a * would repeat; None where there is nothing to repeat."""
        self.repeats = 0
        """How many signs of repetition stand behind it already, a ? or + that makes one lazy or possessive counted."""
        self.opened: list[int] = []
        self.wrapped = 0

    def whole(self) -> str:
        pattern, at = self.pattern, 0
        while at < len(pattern):
            at = self._take(pattern[at], at)
        return "".join(self.out)

    def _take(self, char: str, at: int) -> int:
        """Read on at a character; where the next one stands."""
        if char == "\\":
            return self._escape(at + 1)
        if char == "[":
            text, at = _Set(self.pattern, at + 1, self.posix, self.extended, self.python).read()
            self._atom(text)
            return at
        if char in "*+?{":
            return self._repeat(char, at)
        if char == "(":
            return self._open(at)
        if char == ")":
            self._close()
        elif char in "|^$":
            self.out.append(self.end if char == "$" else char)
            self.atom = None
        else:
            self._atom(char)
        return at + 1

    def _atom(self, text: str) -> None:
        self.atom, self.repeats = len(self.out), 0
        self.out.append(text)

    def _assertion(self, text: str) -> None:
        self.out.append(text)
        self.atom = None

    # -- groups ----------------------------------------------------------------------------------------

    def _open(self, at: int) -> int:
        follows = self.pattern[at + 1 : at + 2]
        if self.posix and follows in ("*", "+", "?", "{"):
            raise PatternError("nothing to repeat")
        if self.pattern.startswith("(?#", at):
            closed = self.pattern.find(")", at)
            if closed < 0:
                raise PatternError("missing ) after (?# comment")
            return closed + 1
        self.opened.append(len(self.out))
        special = follows in ("?", "*")
        self.out.append("(" + follows if special else "(")
        self.atom = None
        return at + 1 + special

    def _close(self) -> None:
        if self.opened:
            self.atom, self.repeats = self.opened.pop(), 0
            self.out.append(")")
        else:
            # to POSIX a ) without its mate is a letter
            self._atom("\\)" if self.extended else ")")

    # -- repetitions -----------------------------------------------------------------------------------

    def _repeat(self, char: str, at: int) -> int:
        sign, after = char, at + 1
        if char == "{":
            found = _INTERVAL.match(self.pattern, at)
            if found is None:
                if self.posix:
                    raise PatternError("unmatched {")
                self._atom("\\{")
                return after
            sign, after = self._interval(found), found.end()
        if self.atom is None:
            if self.posix:
                raise PatternError("nothing to repeat")
            self.out.append(sign)
        elif not self.repeats or (not self.posix and self.repeats == 1 and char in "+?"):
            self.out.append(sign)
            self.repeats += 1
        else:
            self.wrapped += 1
            if self.wrapped > _MOST_WRAPPED:
                raise PatternError("too many repetitions of repetitions")
            self.out[self.atom :] = ["(?:", *self.out[self.atom :], ")", sign]
            self.repeats = 1
        return after

    def _interval(self, found: re.Match[str]) -> str:
        least, comma, most, only = found.groups()
        if only is not None:
            if not self.extended:
                return "\\{," + only + "}"
            least, comma, most = "0", ",", only
        if max(int(least), int(most or 0)) > _HIGHEST * (1 if self.posix else 2) + 1 - self.posix:
            raise PatternError("number too big in {} quantifier")
        if most and int(most) < int(least):
            raise PatternError("numbers out of order in {} quantifier")
        return f"{{{least}{comma}{most}}}"

    # -- what a backslash makes --------------------------------------------------------------------------

    def _escape(self, at: int) -> int:
        char = self.pattern[at : at + 1]
        if not char:
            raise PatternError("\\ at end of pattern")
        after = at + 1
        if self.posix:
            text = _GNU.get(char) or (self.end if char == "'" else f"\\{char}" if _is_sign(char) else _literal(char))
        elif char in "<>" and self.extended:
            text = _GNU[char]
        elif char in _LITERAL_TO_PCRE and self.extended:
            text = char
        elif char == "Q":
            return self._quoted(after)
        else:
            closed = self.pattern.find("}", after) if char in _BRACED and self.pattern.startswith("{", after) else -1
            if closed > 0:
                after = closed + 1
            elif char == "c":
                after += 1
            text = "\\" + self.pattern[at:after]
            if self.python:
                text = _PYTHON.get(self.pattern[at:after], text)
        if char in _ASSERTIONS and (self.posix or char not in "`'") and (self.extended or char not in "<>"):
            self._assertion(text)
        else:
            self._atom(text)
        return after

    def _quoted(self, at: int) -> int:
        r"""\Q...\E, where everything is a letter."""
        closed = self.pattern.find("\\E", at)
        for char in self.pattern[at : closed if closed >= 0 else len(self.pattern)]:
            self._atom(re.escape(char) if char.isascii() else char)
        return len(self.pattern) if closed < 0 else closed + 2


def _is_sign(char: str) -> bool:
    return not (char.isascii() and char.isalnum()) or char in "123456789"


def _literal(char: str) -> str:
    return char if char.isalnum() else f"\\{char}"


class _Set:
    """What stands between brackets."""

    def __init__(self, pattern: str, at: int, posix: bool, extended: bool, python: bool) -> None:
        self.pattern, self.at = pattern, at
        self.posix, self.extended, self.python = posix, extended, python

    def read(self) -> tuple[str, int]:
        """The set in the engine's words, and where the pattern goes on behind it."""
        pattern, out = self.pattern, ["["]
        if pattern.startswith("^", self.at):
            out.append("^")
            self.at += 1
        first = self.at
        while self.at < len(pattern):
            char = pattern[self.at]
            if char == "]" and self.at > first:
                out.append("]")
                return "".join(out), self.at + 1
            out.append(self._member(char))
        raise Unclosed("missing terminating ] for character class")

    def _member(self, char: str) -> str:
        at = self.at
        self.at += 1
        if char == "[":
            return self._named(at)
        if char == "\\":
            return self._escape(at)
        return f"\\{char}" if char in "]&~|" else char

    def _named(self, at: int) -> str:
        """[:alpha:], [.-.] and [=a=]; any other [ is a letter."""
        kind = self.pattern[at + 1 : at + 2]
        closed = self.pattern.find(f"{kind}]", at + 2) if kind in (":", ".", "=") else -1
        if closed < 0:
            return "\\["
        name = self.pattern[at + 2 : closed]
        if kind == ":":
            if not name.removeprefix("^").isalpha() and name not in ("<", ">"):
                return "\\["
            self.at = closed + 2
            if not self.python:
                return f"[:{name}:]"
            if name not in _SETS:
                raise PatternError(f"unknown character class name '[:{name}:]'")
            return _SETS[name]
        if len(name) != 1:
            raise PatternError("invalid collation character")
        self.at = closed + 2
        return name if name.isalnum() else f"\\{name}"

    def _escape(self, at: int) -> str:
        if self.posix:
            return "\\\\"
        char = self.pattern[at + 1 : at + 2]
        if not char:
            raise PatternError("\\ at end of pattern")
        self.at += 1
        if char in _LITERAL_TO_PCRE and self.extended:
            return char
        end = self.pattern.find("}", self.at) if char in _BRACED and self.pattern.startswith("{", self.at) else -1
        self.at = max(self.at, end + 1)
        text = "\\" + self.pattern[at + 1 : self.at]
        return {"\\h": " \\t", "\\e": "\\x1b"}.get(text, text) if self.python else text
