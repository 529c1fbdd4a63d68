"""The lines of mod_rewrite: conditions, the rules that they stand before, and the maps that are asked for values."""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ftpd.conf import types
from ftpd.conf.directive import ConfigError, Reading
from ftpd.conf.patterns import Pattern, compile_groups
from ftpd.module import conversions, rewritetext


class Condition(NamedTuple):
    """``subject pattern [flags]``."""

    subject: rewritetext.Text
    operator: str
    """``re``, one of ``< > =``, or one of ``-d -f -l -s``."""
    pattern: Pattern | str
    negated: bool
    nocase: bool
    or_next: bool


class Rule(NamedTuple):
    """``pattern substitution [flags]`` under the conditions that stood before it."""

    pattern: Pattern
    negated: bool
    substitution: rewritetext.Text
    last: bool
    unknown_flags: tuple[str, ...]
    conditions: list[Condition]


_waiting: WeakKeyDictionary[Reading, list[Condition]] = WeakKeyDictionary()
"""Conditions that were read and whose rule is still to come, for each configuration that is being read."""


def _flags(words: list[str]) -> set[str]:
    if len(words) < 3:
        return set()
    if len(words[2]) < 2 or words[2][0] != "[" or words[2][-1] != "]":
        raise ConfigError(f"badly formatted flags parameter: '{words[2]}'", right="[NC] or [NC,OR]", word=2)
    names = {"nocase": "nc", "ornext": "or", "last": "l"}
    return {names.get(flag, flag) for flag in re.split(r"[,\s]+", words[2][1:-1].strip().lower()) if flag}


def _compiled(text: str, words: list[str], word: int, *, nocase: bool) -> Pattern:
    try:
        return compile_groups(text, nocase=nocase)
    except ConfigError as wrong:
        raise ConfigError(f"unable to compile the pattern: {wrong.message}", right=wrong.right, word=word) from None


@types.takes(2, 3)
def condition_line(words: list[str]) -> Condition:
    """RewriteCondition %m ^STOR$ [NC]"""
    flags = _flags(words)
    if len(words) > 2 and not flags & {"nc", "or"}:
        raise ConfigError(f"unknown RewriteCondition flags '{words[2]}'", right="[NC], [OR] or [NC,OR]", word=2)
    text = words[1].removeprefix("!")
    nocase = "nc" in flags
    operator: str = "re"
    pattern: Pattern | str = ""
    if text in ("-d", "-f", "-l", "-s"):
        operator = text
    elif text[:1] in ("<", ">", "="):
        operator, pattern = text[0], text[1:].replace('""', "")
    else:
        pattern = _compiled(text, words, 1, nocase=nocase)
    return Condition(rewritetext.text(words[0]), operator, pattern, text != words[1], nocase, "or" in flags)


@types.takes(2, 3)
def rule_line(words: list[str]) -> Rule:
    """RewriteRule ^(.*)\\.TXT$ $1.txt [L]"""
    flags = _flags(words)
    text = words[0].removeprefix("!")
    unknown = tuple(sorted(flags - {"nc", "l"}))
    pattern = _compiled(text, words, 0, nocase="nc" in flags)
    return Rule(pattern, text != words[0], rewritetext.text(words[1]), "l" in flags, unknown, [])


def wait_for_rule(reading: Reading, value: Condition) -> None:
    _waiting.setdefault(reading, []).append(value)


def take_conditions(reading: Reading, value: Rule) -> None:
    value.conditions.extend(_waiting.pop(reading, []))
    if not value.conditions:
        reading.warn("a rule without a RewriteCondition before it rewrites every command, PASS among them")
    if value.unknown_flags:
        reading.warn(f"the flags {', '.join(value.unknown_flags)} mean nothing here; NC and L do", word=2)


class Map(NamedTuple):
    """``name txt|fifo|int:source``."""

    name: str
    kind: str
    source: str


@types.takes(2, 2)
def map_line(words: list[str]) -> Map:
    """RewriteMap users txt:/etc/proftpd/users.txt"""
    kind, colon, source = words[1].partition(":")
    if not colon:
        right = "txt:/path, fifo:/path or int:function"
        raise ConfigError(f"invalid RewriteMap parameter: '{words[1]}'", right=right, word=1)
    if kind == "int":
        if source != "replaceall" and not conversions.is_known(source):
            right = ", ".join(["replaceall", *conversions.BY_NAME])
            raise ConfigError(f"unknown internal map function requested: '{source}'", right=right, word=1)
    elif kind not in ("txt", "fifo"):
        raise ConfigError(f"invalid RewriteMap map type: '{kind}'", right="txt, fifo or int", word=1)
    elif not source.startswith("/"):
        raise ConfigError(f"{kind}: absolute path required, not '{source}'", right=f"{kind}:/path", word=1)
    elif kind == "fifo":
        try:
            if not stat.S_ISFIFO(os.stat(source).st_mode):
                raise ConfigError(f"'{source}' is not a FIFO", right=f"one made by: mkfifo {source}", word=1)
        except OSError as error:
            raise ConfigError(f"fifo '{source}': {error.strerror}", right=f"mkfifo {source}", word=1) from None
    return Map(words[0], kind, source)
