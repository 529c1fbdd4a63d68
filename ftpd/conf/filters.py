"""The conditions of <IfModule>, <IfDefine> and <IfVersion>: which lines are read at all."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container

from ftpd.conf.directive import ConfigError, ModuleHost
from ftpd.conf.lexer import Line

COMPATIBLE = "1.3.8"
"""The ProFTPD release whose configuration language this is; what <IfVersion> compares with."""

OPENERS = {"<ifmodule>": "</ifmodule>", "<ifdefine>": "</ifdefine>", "<ifversion>": "</ifversion>"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "=": operator.eq, "==": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def is_filter(name: str, modules: ModuleHost) -> bool:
    """True for an opener, given in lower case. <IfVersion> is there only once its module is."""
    return name in OPENERS and (name != "<ifversion>" or modules.is_loaded("mod_ifversion.c"))


def holds(line: Line, modules: ModuleHost, defines: Container[str], warn: Callable[[str, int], None]) -> bool:
    """Whether the lines below this opener are to be read."""
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
    sign, wanted = ("=", arguments[0]) if len(arguments) == 1 else (arguments[0], arguments[1])
    negated = len(arguments) > 1 and sign.startswith("!")
    sign = sign.removeprefix("!") if negated else sign
    if sign == "~" or (sign in ("=", "==") and wanted.startswith("/")):
        return _matches(wanted) != negated
    if sign not in _COMPARE:
        raise ConfigError(f"unknown comparison operator '{sign}'", right="= == > >= < <= or ~", word=0)
    numbers = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?\w*", wanted, re.ASCII)
    if numbers is None:
        raise ConfigError(
            f"'{wanted}' is not a version", right=f"a version such as {COMPATIBLE}", word=len(arguments) - 1
        )
    ours = tuple(map(int, COMPATIBLE.split(".")))
    return _COMPARE[sign](ours, tuple(int(part or 0) for part in numbers.groups())) != negated


def _matches(pattern: str) -> bool:
    if pattern.startswith("/"):
        if len(pattern) < 2 or not pattern.endswith("/"):
            raise ConfigError("Missing terminating '/' of regular expression", right="/expression/")
        pattern = pattern[1:-1]
    try:
        return re.search(pattern, COMPATIBLE) is not None
    except re.error as wrong:
        raise ConfigError(f"'{pattern}' failed regex compilation: {wrong}") from None
