"""The lines of mod_exec: programs with their arguments, what they are run at, and the variables that they find."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ftpd.conf import types
from ftpd.conf.directive import ANON, DIRECTORY, FTPACCESS, GLOBAL, SERVER, VHOST, ConfigError, Directive, Reading
from ftpd.module import logformat
from ftpd.module.command import Command
from ftpd.module.table import Module

_SERVERS = SERVER | GLOBAL | VHOST

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
def _at_moment(words: list[str]) -> Line:
    """ExecOnConnect /usr/local/bin/hello --ip %a"""
    return _program(words, 0)


@types.takes(2)
def _at_commands(words: list[str]) -> Line:
    """ExecOnCommand STOR,APPE /usr/local/bin/arrived %f"""
    verbs = [verb.upper() for verb in re.split(r"[,\s]+", words[0]) if verb]
    if not verbs:
        raise ConfigError("no command is named", right="STOR or STOR,APPE or WRITE or ALL", word=0)
    return _program(words, 1, verbs)


@types.takes(2)
def _at_event(words: list[str]) -> Line:
    """ExecOnEvent MaxInstances* /usr/local/bin/alarm"""
    rights = words[0][-1:] if words[0][-1:] in ("*", "~") else ""
    name = words[0].removesuffix(rights)
    return _program(words, 1, [_EVENT_NAMES.get(name.lower(), name)], rights)


@types.takes(2, 2)
def _variable(words: list[str]) -> tuple[str, logformat.Format | None]:
    """A name and a text; ``-`` takes the daemon's own value."""
    name = words[0].upper()
    if not name or "=" in name or "\0" in name:
        raise ConfigError(f"'{words[0]}' cannot name an environment variable", right="a name such as PATH", word=0)
    return name, None if words[1] == "-" else logformat.Format(words[1])


def lines_of(cmd: Command, directive: Directive[tuple[Line, ...]]) -> Iterator[Line]:
    """Those that stand for the command, by its name or the group that it is in."""
    names = {"ALL", cmd.name, cmd.name.partition(" ")[0], cmd.name.replace(" ", "_")}
    if cmd.group.value:
        names.add(cmd.group.value)
    return (line for line in cmd.session.settings[directive] if not names.isdisjoint(line.verbs))


class ExecLines:
    """The directives, which the module declares as its own; ``listen`` is told of each line that waits for an event."""

    def __init__(self, module: Module, listen: Callable[[Reading, Line], None]) -> None:
        def at_commands(name: str, doc: str) -> Directive[tuple[Line, ...]]:
            places, usage = _SERVERS | ANON | DIRECTORY, "cmds path [arg1 arg2 ...]"
            return module.directive_list(name, _at_commands, contexts=places, usage=usage, doc=doc)

        def at_moment(name: str, doc: str) -> Directive[tuple[Line, ...]]:
            usage = "path [arg1 arg2 ...]"
            return module.directive_list(name, _at_moment, contexts=_SERVERS, usage=usage, doc=doc)

        self.engine = module.directive(
            "ExecEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
            doc="Whether programs are run at all.",
        )  # fmt: skip
        self.enable = module.directive(
            "ExecEnable", types.boolean, default=True, contexts=ANON | DIRECTORY | FTPACCESS, usage="on|off",
            doc="Whether commands run programs in this folder or for these visitors.",
        )  # fmt: skip
        self.before_command = at_commands("ExecBeforeCommand", "A program to run before these commands.")
        self.on_command = at_commands("ExecOnCommand", "A program to run after these commands succeeded.")
        self.on_error = at_commands("ExecOnError", "A program to run after these commands failed.")
        self.on_connect = at_moment("ExecOnConnect", "A program to run when a client connects.")
        self.on_exit = at_moment("ExecOnExit", "A program to run when a client has gone.")
        self.on_restart = at_moment("ExecOnRestart", "A program to run when the configuration was read again.")
        self.on_event = module.directive_list(
            "ExecOnEvent", _at_event, contexts=_SERVERS, usage="event[*|~] path [arg1 arg2 ...]", act=listen,
            doc="A program to run when something happens: MaxInstances, or an event by its name.",
        )  # fmt: skip
        self.environ = module.directive_list(
            "ExecEnviron", _variable, contexts=_SERVERS, usage="key value",
            doc="A variable of the programs' environment, which is empty otherwise.",
        )  # fmt: skip
        self.log_file = module.directive(
            "ExecLog", types.log_or_none, contexts=_SERVERS, usage='file|"none"',
            doc="Where it is told what was run and how it ended.",
        )  # fmt: skip
        self.options = module.directive_list(
            "ExecOptions", types.flags("logStdout", "logStderr", "sendStdout", "useStdin", exact=True),
            contexts=_SERVERS, usage="opt1 ...",
            doc="What becomes of the programs' output, and how they get their arguments.",
        )  # fmt: skip
        self.timeout = module.directive(
            "ExecTimeout", types.seconds, default=0, contexts=_SERVERS, usage="seconds",
            doc="How long a program may run; 0 is for ever.",
        )  # fmt: skip
