"""The conditions of <IfModule>, <IfDefine> and <IfVersion>: which lines are read at all."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container

from ftpd.conf.directive import ConfigError, ModuleHost
from ftpd.conf.lexer import Line
from ftpd.conf.patterns import compile_pattern

COMPATIBLE = "1.3.8"
"""The ProFTPD release whose configuration language this is; what <IfVersion> compares with."""

OPENERS = {"<ifmodule>": "</ifmodule>", "<ifdefine>": "</ifdefine>", "<ifversion>": "</ifversion>"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "=": operator.eq, "==": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def is_filter(name: str, modules: ModuleHost) -> bool:
    """True for an opener, given in lower case. <IfVersion> is there once its module is, or where that was taken out."""
    if name == "<ifversion>":
        return _has_versions(modules) or modules.directives.leaves_out(name)
    return name in OPENERS


def _has_versions(modules: ModuleHost) -> bool:
    return modules.is_loaded("mod_ifversion.c")


def holds(line: Line, modules: ModuleHost, defines: Container[str], warn: Callable[[str, int], None]) -> bool:
    """Whether the lines below this opener are to be read."""
    if line.name == "<ifversion>" and not _has_versions(modules):
        return False
    arguments = line.words[1:]
    if not arguments or not arguments[0]:
        raise ConfigError("missing parameters", right=_USAGE[line.name])
    if line.name == "<ifversion>":
        return _version(arguments)
    wanted = arguments[0].removeprefix("!")
    negated = wanted != arguments[0]
    if line.name == "<ifdefine>":
        return (wanted in defines) != negated
    # ProFTPD compares the file's name: without .c nothing is ever found
    if not wanted.endswith((".c", ".py")):
        warn(f"no module is called '{wanted}', so this never holds; a module's name here ends in .c", 0)
        return negated
    return modules.is_loaded(wanted) != negated


_USAGE = {
    "<ifmodule>": "<IfModule [!]mod_name.c>",
    "<ifdefine>": "<IfDefine [!]LABEL>",
    "<ifversion>": "<IfVersion [[!]operator] version>",
}


def _version(arguments: list[str]) -> bool:
    if len(arguments) > 2:
        raise ConfigError("wrong number of parameters", right=_USAGE["<ifversion>"], word=2)
    sign, wanted = ("=", arguments[0]) if len(arguments) == 1 else (arguments[0], arguments[1])
    negated = len(arguments) > 1 and sign.startswith("!")
    sign = sign.removeprefix("!") if negated else sign
    word = len(arguments) - 1
    if sign == "~" or (sign in ("=", "==") and wanted.startswith("/")):
        # ProFTPD takes a pattern that does not match for a faulty line; its document promises a section left out
        return _matches(wanted, word) != negated
    if sign not in _COMPARE:
        raise ConfigError(f"unknown comparison operator '{arguments[0]}'", right="= == > >= < <= or ~", word=0)
    theirs, ours = _rank(wanted), _rank(COMPATIBLE)
    if theirs is None or ours is None:
        raise ConfigError(f"'{wanted}' is not a version", right=f"a version such as {COMPATIBLE}", word=word)
    return _COMPARE[sign](ours, theirs) != negated


_VERSION = re.compile(r"(\d{1,9})(?:\.(\d{1,9})(?:\.(\d{1,9})(?:rc(\d{0,9})|([a-z]))?)?)?", re.ASCII | re.IGNORECASE)


def _rank(version: str) -> tuple[int, ...] | None:
    """Numbers in the order of releases: 1.3.8rc1, 1.3.8rc2, 1.3.8, 1.3.8a; None when it is no version."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    major, minor, revision, candidate, letter = found.groups()
    numbers = tuple(int(part or 0) for part in (major, minor, revision))
    if candidate is not None:
        return *numbers, -1, int(candidate or 0)
    return *numbers, ord(letter.lower()) if letter else 0, 0


def _matches(pattern: str, word: int) -> bool:
    if pattern.startswith("/"):
        if len(pattern) < 2 or not pattern.endswith("/"):
            raise ConfigError("Missing terminating '/' of regular expression", right="/expression/")
        pattern = pattern[1:-1]
    return compile_pattern(pattern, nocase=True, word=word).search(COMPATIBLE) is not None
