"""The texts of rewriting: what their variables stand for while the argument of a command is changed by a rule."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ftpd.module.command import Command
from ftpd.module.home import meant
from ftpd.module.template import LookUp, Template

_SUB_COMMANDS = frozenset({"SITE CHGRP", "SITE CHMOD"})
"""The ones that ProFTPD rewrites behind their name; of all others the argument of SITE is the subject."""


class Moment:
    """One rule at work: the command, its verb and argument as rules see them, and the groups that were found."""

    def __init__(self, cmd: Command, look_up: LookUp[Moment]) -> None:
        self.cmd = cmd
        self.name, self.subject = _subject(cmd)
        self.look_up = look_up
        """How a map is asked."""
        self.rule: tuple[str, ...] = ()
        self.condition: tuple[str, ...] = ()


def _subject(cmd: Command) -> tuple[str, str]:
    """The verb and the argument: ``SITE`` and ``UTIME ...``, but ``SITE CHMOD`` and ``644 a``."""
    parent, _, sub = cmd.name.partition(" ")
    if parent == "SITE" and sub and cmd.name not in _SUB_COMMANDS:
        return "SITE", f"{sub} {cmd.argument}"
    return cmd.name, cmd.argument


def _group(groups: tuple[str, ...], number: int) -> str:
    return groups[number] if number < len(groups) else ""


_PATH_VERBS = frozenset(
    ["APPE", "RETR", "STOR", "DELE", "MKD", "MDTM", "RMD", "SIZE", "STOU", "XMKD", "XRMD", "SITE CHGRP", "SITE CHMOD"]
)


def _path(moment: Moment) -> str:
    """The path as the client sees it; of SITE CHMOD that is what follows the mode."""
    if moment.name not in _PATH_VERBS:
        return ""
    given = moment.subject.partition(" ")[2] if moment.name in _SUB_COMMANDS else moment.subject
    return meant(moment.cmd.session, given, moment.cmd.name)


def _renamed(moment: Moment) -> str:
    source = moment.cmd.session.rename_from
    return str(getattr(source, "virtual", "")) if moment.name == "RNTO" else ""


def _now(pattern: str) -> Callable[[Moment], str]:
    return lambda moment: time.strftime(pattern)


_VARIABLES: dict[str, Callable[[Moment], str]] = {
    "a": lambda moment: moment.cmd.session.remote.host,
    "c": lambda moment: moment.cmd.session.class_name,
    "F": _path,
    "f": lambda moment: moment.subject,
    "G": lambda moment: ",".join(name for _, name in moment.cmd.session.groups[1:]),
    "g": lambda moment: moment.cmd.session.groups[0][1] if moment.cmd.session.groups else "",
    "h": lambda moment: moment.cmd.session.remote_name,
    "m": lambda moment: moment.name,
    "P": lambda moment: str(os.getpid()),
    "p": lambda moment: str(moment.cmd.session.local.port),
    "t": lambda moment: str(int(time.time())),
    "U": lambda moment: moment.cmd.session.login,
    "u": lambda moment: moment.cmd.session.user or moment.cmd.notes.get("mod_auth.admitted", ""),
    "v": lambda moment: str(moment.cmd.setting("ServerName", "")),
    "w": _renamed,
    "TIME": _now("%Y%m%d%H%M%S"),
    "TIME_YEAR": _now("%Y"),
    "TIME_MON": _now("%m"),
    "TIME_DAY": _now("%d"),
    "TIME_WDAY": _now("%w"),
    "TIME_HOUR": _now("%H"),
    "TIME_MIN": _now("%M"),
    "TIME_SEC": _now("%S"),
}


def _meaning(sign: str, word: str) -> Callable[[Moment], str] | None:
    if word.isdigit():
        number = int(word)
        if sign == "$":
            return lambda moment: _group(moment.rule, number)
        if sign == "%":
            return lambda moment: _group(moment.condition, number)
    if sign == "{" and word.startswith("ENV:"):
        return lambda moment: os.environ.get(word[4:], "")
    return _VARIABLES.get(word)


async def _mapped(moment: Moment, name: str, key: str, has_default: bool) -> str | None:
    return await moment.look_up(moment, name, key, has_default)


Text = Template[Moment]


def text(words: str) -> Text:
    """``$N %N %v %{...} ${map:key|default}``"""
    return Template(words, _meaning, _mapped)
