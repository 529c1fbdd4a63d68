"""The lines of mod_exec: programs with their arguments, what they are run at, and the variables that they find."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ftpd.conf import types
from ftpd.conf.directive import ConfigError
from ftpd.module import logformat

_EVENT_NAMES = {"maxinstances": "core.max-instances", "maxconnectionrate": "core.max-connection-rate"}


class Line(NamedTuple):
    """A program and its arguments; ``verbs`` are the commands it runs at, or the one event."""

    path: str
    arguments: tuple[logformat.Format, ...]
    verbs: frozenset[str] = frozenset()
    rights: str = ""
    """``*`` root's, ``~`` those of the session's user."""


def _program(words: list[str], at: int, verbs: Iterable[str] = (), rights: str = "") -> Line:
    if not words[at].startswith("/") or "\0" in words[at]:
        raise ConfigError("path to program must be a full path", right="a path that begins with /", word=at)
    return Line(words[at], tuple(logformat.Format(word) for word in words[at + 1 :]), frozenset(verbs), rights)


@types.takes(1)
def at_moment(words: list[str]) -> Line:
    """ExecOnConnect /usr/local/bin/hello --ip %a"""
    return _program(words, 0)


@types.takes(2)
def at_commands(words: list[str]) -> Line:
    """ExecOnCommand STOR,APPE /usr/local/bin/arrived %f"""
    verbs = [verb.upper() for verb in re.split(r"[,\s]+", words[0]) if verb]
    if not verbs:
        raise ConfigError("no command is named", right="STOR or STOR,APPE or WRITE or ALL", word=0)
    return _program(words, 1, verbs)


@types.takes(2)
def at_event(words: list[str]) -> Line:
    """ExecOnEvent MaxInstances* /usr/local/bin/alarm"""
    rights = words[0][-1:] if words[0][-1:] in ("*", "~") else ""
    name = words[0].removesuffix(rights)
    return _program(words, 1, [_EVENT_NAMES.get(name.lower(), name)], rights)


@types.takes(2, 2)
def variable(words: list[str]) -> tuple[str, logformat.Format | None]:
    """A name and a text; ``-`` takes the daemon's own value."""
    name = words[0].upper()
    if not name or "=" in name or "\0" in name:
        raise ConfigError(f"'{words[0]}' cannot name an environment variable", right="a name such as PATH", word=0)
    return name, None if words[1] == "-" else logformat.Format(words[1])
