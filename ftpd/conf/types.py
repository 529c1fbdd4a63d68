"""The types of arguments: functions from the words behind a directive's name to a value.

A parser is any function ``f(words) -> value`` that raises ConfigError.  :func:`takes` tells how many words it
wants: fewer are refused before it is called, more are left out with a warning (ProFTPD ignores them), or refused where
ProFTPD counts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ftpd.conf.directive import ConfigError
from ftpd.conf.patterns import Pattern, compile_pattern

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Parser = Callable[[list[str]], T]

_TRUTH = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}
_UNITS = {"": 0, "b": 0, "kb": 1, "k": 1, "mb": 2, "m": 2, "gb": 3, "g": 3, "tb": 4, "t": 4}
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_DURATION = re.compile(r"\+?\d+(s|sec|m|min|h|hr)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(\+\d|\d\d?):\s*(\+\d|\d\d?):\s*(\+\d|\d\d?)(.*)", re.ASCII | re.DOTALL)
_SIZE = re.compile(r"\+?(\d{1,18})([a-z]*)", re.ASCII | re.IGNORECASE)
_LEADING = re.compile(r"\s*([+-]?\d+)", re.ASCII)
_FRACTION = re.compile(r"\d{1,9}\.\d{1,9}", re.ASCII)


def takes(fewest: int, most: int | None = None, *, strict: bool = False) -> Callable[[F], F]:
    """Say how many words a parser wants; ``most`` None is no upper bound, and with ``strict`` more are a fault."""

    def mark(parser: F) -> F:
        parser.arity = (fewest, most)  # type: ignore[attr-defined]
        parser.strict = strict  # type: ignore[attr-defined]
        return parser

    return mark


def strictly(parser: Parser[T]) -> Parser[T]:
    """The same where ProFTPD refuses a word too many."""
    fewest, most = arity(parser)

    @takes(fewest, most, strict=True)
    def parse(words: list[str]) -> T:
        return parser(words)

    return parse


def arity(parser: Callable[..., Any]) -> tuple[int, int | None]:
    """What :func:`takes` said of the parser; anything goes where it said nothing."""
    found: tuple[int, int | None] = getattr(parser, "arity", (0, None))
    return found


def is_strict(parser: Callable[..., Any]) -> bool:
    """Whether a word too many is a fault."""
    return bool(getattr(parser, "strict", False))


_doubts: list[tuple[str, int | None]] = []


def doubt(message: str, *, word: int | None = None) -> None:
    """For a parser: have the reader warned of words that are taken as ProFTPD takes them, and hardly meant so."""
    _doubts.append((message, word))


def doubts() -> list[tuple[str, int | None]]:
    """What the parsers had doubts of since this was asked last."""
    told = _doubts[:]
    _doubts.clear()
    return told


def _first(words: list[str]) -> str:
    if not words:
        raise ConfigError("missing parameters")
    return words[0]


@takes(0, 0)
def present(words: list[str]) -> bool:
    """A directive without arguments: it is there."""
    return True


def to_boolean(text: str, *, word: int = 0) -> bool:
    """on, yes, true, 1 and their opposites, in any case."""
    try:
        return _TRUTH[text.lower()]
    except KeyError:
        raise ConfigError(
            f"expected Boolean parameter, not '{text}'", right="on or off (yes, no, true, false, 1, 0)", word=word
        ) from None


@takes(1, 1)
def boolean(words: list[str]) -> bool:
    """``on`` or ``off``."""
    return to_boolean(_first(words))


def unpadded(text: str, word: int = 0) -> str:
    """The same without the blanks that strtol(3) passes over."""
    bare = text.lstrip(" \t\n\v\f\r")
    if not bare or bare == text:
        return text
    doubt("the blank in front of the number is passed over", word=word)
    return bare


def to_integer(text: str, low: int = 0, high: int | None = None, *, word: int = 0) -> int:
    """A decimal number within bounds."""
    span = f"between {low} and {high}" if high is not None else f"of at least {low}"
    text = unpadded(text, word)
    value, behind = to_long(text)
    if not text or behind:
        raise ConfigError(f"'{text}' is not a number", right=f"a number {span}", word=word)
    if value < low or (high is not None and value > high):
        raise ConfigError(f"value must be {span}, not {value}", right=f"a number {span}", word=word)
    return value


def to_long(text: str) -> tuple[int, str]:
    """What strtol(3) makes of it: the number, which is 0 where there is none, and what stands behind it.

    >>> to_long(" -5x"), to_long(""), to_long("9223372036854775808")
    ((-5, 'x'), (0, ''), (9223372036854775807, ''))
    """
    found = _LEADING.match(text)
    if found is None:
        return 0, text
    # int() reads no more digits than the largest number has
    digits = found[1].lstrip("+-").lstrip("0")
    value = int(digits[:20] or "0")
    value = max(-value, -(2**63)) if found[1].startswith("-") else min(value, 2**63 - 1)
    return value, text[found.end() :]


def to_leading_integer(text: str, low: int = 0, high: int | None = None, *, word: int = 0) -> int:
    """The same where ProFTPD reads no further than the digits, by atoi(3): ``49152,`` is 49152 there."""
    number, behind = to_long(text)
    if behind == text:
        return to_integer(text, low, high, word=word)
    value = to_integer(str(in_32_bits(number, word)), low, high, word=word)
    if behind:
        doubt(f"'{behind}' behind the number is passed over", word=word)
    return value


def in_32_bits(value: int, word: int = 0) -> int:
    """What is left of it in an ``int`` of C.

    >>> in_32_bits(2**32 + 5), in_32_bits(2**31)
    (5, -2147483648)
    """
    kept = (value + 2**31) % 2**32 - 2**31
    if kept != value:
        doubt(f"{value} is too large, and taken for {kept}", word=word)
    return kept


def integer(low: int = 0, high: int | None = None, *, leading: bool = False) -> Parser[int]:
    """A number within bounds, both included; ``leading`` as :func:`to_leading_integer` has it."""
    read = to_leading_integer if leading else to_integer

    @takes(1, 1)
    def parse(words: list[str]) -> int:
        return read(_first(words), low, high)

    return parse


def to_size(text: str, unit: str = "", *, word: int = 0) -> int:
    """Bytes: ``10``, ``5MB``, or a whole number with its unit as a second word.

    >>> to_size("3", "KB"), to_size("2gb")
    (3072, 2147483648)
    """
    text = unpadded(text, word)
    found = _SIZE.fullmatch(text)
    letters = (found[2] or unit).lower() if found else ""
    if not found or letters not in _UNITS or (found[2] and unit):
        raise ConfigError(
            f"unable to parse: '{f'{text} {unit}'.strip()}' is no size", right=_whole(text, unit), word=word
        )
    return int(found[1]) << 10 * _UNITS[letters]


def _whole(text: str, unit: str) -> str:
    """What is right instead of that; the same size in whole numbers, if it has a fraction.

    >>> _whole("1.5", "Gb"), _whole("0.3kb", ""), _whole("x", "")
    ('1536 MB', '307 B', 'a whole number with B, KB, MB, GB or TB')
    """
    number = text.rstrip("KMGTBkmgtb")
    power = _UNITS.get((text[len(number) :] or unit).lower(), 0)
    if not _FRACTION.fullmatch(number) or not power:
        return "a whole number with B, KB, MB, GB or TB"
    size = float(number) * 1024**power
    while power and size % 1024**power:
        power -= 1
    return f"{int(size / 1024**power)} {('B', 'KB', 'MB', 'GB')[power]}"


@takes(1, 2)
def size(words: list[str]) -> int:
    """A size in bytes: ``10``, ``5MB`` or ``5 MB``."""
    return to_size(_first(words), words[1] if len(words) > 1 else "")


def to_seconds(text: str, *, word: int = 0) -> int:
    """A duration: ``90``, ``90s``, ``5min``, ``2hr`` or ``HH:MM:SS``.

    >>> to_seconds("5min"), to_seconds("01:00:30")
    (300, 3630)
    """
    text = unpadded(text, word)
    if found := _CLOCK.match(text):
        seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
        if found[4]:
            doubt(f"'{found[4]}' is passed over", word=word)
        return seconds
    number, behind = to_long(text)
    # the end of the word is the unit, whatever stands before that: 5mins are 5 seconds, as in ProFTPD
    unit = next((unit for unit in _SECONDS if text.lower().endswith(unit)), "")
    count = -1 if behind == text or (behind and not unit) else in_32_bits(number, word)
    if count < 0:
        right = "seconds, 90s, 5min, 2hr or HH:MM:SS"
        raise ConfigError(f"error parsing timeout value '{text}'", right=right, word=word)
    seconds = count * _SECONDS.get(unit, 1)
    if not _DURATION.fullmatch(text):
        doubt(f"'{text}' is taken for {seconds} seconds", word=word)
    return seconds


@takes(1, 1)
def seconds(words: list[str]) -> int:
    """A duration in seconds; 0 is for the directive to explain."""
    return to_seconds(_first(words))


def to_octal(text: str, most: int = 0o7777, *, what: str = "mode", word: int = 0) -> int:
    """An octal number such as 022 or 0644."""
    text = unpadded(text, word)
    if not re.fullmatch(r"\+?[0-7]{1,12}|-0{1,12}", text) or int(text, 8) > most:
        raise ConfigError(
            f"'{text}' is not a valid {what}", right=f"an octal number up to {most:04o}, as 022", word=word
        )
    return int(text, 8)


@takes(1, 1)
def octal(words: list[str]) -> int:
    """A file mode."""
    return to_octal(_first(words))


class OneUmask(tuple[int, int]):
    """A umask of one word: directories have it as well, unless a line further out has one for them."""

    __slots__ = ()


@takes(1, 2, strict=True)
def umask(words: list[str]) -> tuple[int, int]:
    """The umask of files and that of directories; one word stands for both."""
    files = _to_umask(_first(words), 0)
    if len(words) == 1:
        return OneUmask((files, files))
    return files, _to_umask(words[1], 1)


def _to_umask(text: str, word: int) -> int:
    """What umask(2) makes of it: the nine bits."""
    try:
        mask = to_octal(text, 0o777777777777, what="umask", word=word)
    except ConfigError as wrong:
        raise ConfigError(wrong.message, right="an octal number up to 0777, as 022", word=word) from None
    if mask > 0o777:
        doubt(f"'{text}' is taken for {mask & 0o777:04o}", word=word)
    return mask & 0o777


def umasks(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int]:
    """Two Umasks together, as ProFTPD keeps that of files and that of directories apart.

    >>> umasks(umask(["000"]), umask(["027", "077"])) == (0o000, 0o077)
    True
    """
    if not isinstance(inner, OneUmask) or isinstance(outer, OneUmask):
        return inner
    return inner[0], outer[1]


def one_of(*names: str) -> Parser[str]:
    """One word out of a few, in any case; the value is spelt as here."""
    by_name = {name.lower(): name for name in names}

    @takes(1, 1)
    def parse(words: list[str]) -> str:
        try:
            return by_name[_first(words).lower()]
        except KeyError:
            listed = ", ".join(names[:-1]) + f" or {names[-1]}" if len(names) > 1 else names[0]
            raise ConfigError(f"'{words[0]}' is unknown here", right=listed, word=0) from None

    return parse


def flags(*names: str, exact: bool = False) -> Parser[frozenset[str]]:
    """Option names; the value holds those that are set. In any case, but where ProFTPD is ``exact`` about it."""
    by_name = {name if exact else name.lower(): name for name in names}

    @takes(1)
    def parse(words: list[str]) -> frozenset[str]:
        _first(words)
        chosen = set()
        for index, word in enumerate(words):
            try:
                chosen.add(by_name[word if exact else word.lower()])
            except KeyError:
                raise ConfigError(f"unknown option '{word}'", right=", ".join(names), word=index) from None
        return frozenset(chosen)

    return parse


_ITEM = re.compile(r"[^,\s]*", re.ASCII)


def items(text: str) -> list[str]:
    """What ProFTPD makes of a list in one word: a comma or a blank ends an item, and nothing follows the last comma.

    >>> items("info, reset,"), items(",info"), items("")
    (['info', 'reset'], ['', 'info'], [])
    """
    found = []
    while text := text.lstrip(" \t\r\n\v\f"):
        item = _ITEM.match(text)
        assert item is not None
        found.append(item[0])
        text = text[item.end() + 1 :]
    return found


@takes(1, 1)
def string(words: list[str]) -> str:
    """One word; text with blanks stands in double quotes."""
    return _first(words)


@takes(1)
def words(words: list[str]) -> tuple[str, ...]:
    """All the words, at least one."""
    _first(words)
    return tuple(words)


def to_path(text: str, *, word: int = 0) -> str:
    """An absolute path."""
    if not text.startswith("/"):
        right = f"a path that begins with /, as /etc/{text or 'name'}"
        raise ConfigError(f"('{text}') absolute pathname required", right=right, word=word)
    if "\0" in text:
        raise ConfigError("a path cannot hold a NUL byte", word=word)
    return text


@takes(1, 1)
def path(words: list[str]) -> str:
    """An absolute path."""
    return to_path(_first(words))


@takes(1, 1)
def path_or_none(words: list[str]) -> str:
    """An absolute path, or the word ``none``, which is kept: in a server it silences what <Global> says."""
    return "none" if _first(words).lower() == "none" else to_path(words[0])


@takes(1, 1)
def log_or_none(words: list[str]) -> str:
    """The same of a log that ProFTPD does without where it cannot open it: a word without a ``/`` is none as well."""
    if "/" not in _first(words) and words[0].lower() != "none":
        doubt(f"'{words[0]}' is no path, so nothing is logged; 'none' says so", word=0)
        return "none"
    if words[0].startswith("/") or words[0].lower() == "none":
        return path_or_none(words)
    # a daemon of ProFTPD's is in the root folder when it opens it
    doubt(f"'{words[0]}' is taken for '/{words[0]}', as in ProFTPD", word=0)
    return to_path(f"/{words[0]}")


def none_or(parser: Parser[T], *, right: str = "") -> Parser[T | None]:
    """What ``parser`` takes, or the word ``none`` for None."""

    def parse(words: list[str]) -> T | None:
        if _first(words).lower() == "none":
            return None
        try:
            return parser(words)
        except ConfigError as wrong:
            also = f"'none', or {wrong.right}" if wrong.right else "'none' is taken as well"
            raise ConfigError(wrong.message, right=right or also, word=wrong.word) from None

    fewest, most = arity(parser)
    return takes(fewest, most, strict=is_strict(parser))(parse)


optional_path = none_or(path)
"""An absolute path, or ``none`` for None."""


@takes(1, 1)
def limit_or_none(words: list[str]) -> int | None:
    """A count of at least one, or ``none`` for None (MaxClients and its kin)."""
    text = unpadded(_first(words))
    if text.lower() == "none":
        return None
    number, behind = to_long(text)
    count = 0 if behind else in_32_bits(number)
    if count < 1:
        raise ConfigError(f"parameter must be 'none' or a number greater than 0, not '{text}'", word=0)
    return count


@takes(1, 2, strict=True)
def regex(words: list[str]) -> Pattern:
    """A regular expression, and behind it the flag [NC] or [nocase] where case does not count; no other spelling."""
    if len(words) > 1 and words[1] not in ("[NC]", "[nocase]"):
        raise ConfigError(f"unknown flag '{words[1]}'", right="[NC] or [nocase]", word=1)
    return compile_pattern(_first(words), nocase=len(words) > 1)
