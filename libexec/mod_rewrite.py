"""mod_rewrite -- change the argument of a command by rules, before anything else looks at it."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ftpd.api import (
    ANON,
    DIRECTORY,
    GLOBAL,
    REWRITE_HOME,
    SERVER,
    VHOST,
    Command,
    ConfigError,
    GivenUp,
    Module,
    Pattern,
    Reading,
    Refuse,
    Rehousing,
    compile_groups,
    conversions,
    logfile,
    lookup,
    normalise,
    template,
    types,
)

module = Module("rewrite", version="1.2")

_SERVERS = SERVER | GLOBAL | VHOST
_PLACES = _SERVERS | ANON | DIRECTORY
_SECRET = frozenset({"PASS", "ACCT", "ADAT"})
_SUB_COMMANDS = frozenset({"SITE CHGRP", "SITE CHMOD"})
"""The ones that ProFTPD rewrites behind their name; of all others the argument of SITE is the subject."""
_LONGEST = 4096
"""A subject is never longer than a path can be."""


# -- what the variables of a text stand for -----------------------------------------------------------------


class Moment:
    """One rule at work: the command, its subject, and the groups that were found."""

    def __init__(self, cmd: Command, name: str, subject: str) -> None:
        self.cmd = cmd
        self.name = name
        self.subject = subject
        self.rule: tuple[str, ...] = ()
        self.condition: tuple[str, ...] = ()


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
    return normalise(moment.cmd.session.cwd, given)


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
    "u": lambda moment: moment.cmd.session.user or "",
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


Text = template.Template[Moment]


def _text(words: str) -> Text:
    """``$N %N %v %{...} ${map:key|default}``"""
    return template.Template(words, _meaning, _mapped)


# -- directives ---------------------------------------------------------------------------------------------


class Condition(NamedTuple):
    """``subject pattern [flags]``."""

    subject: Text
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
    substitution: Text
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
def condition(words: list[str]) -> Condition:
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
    return Condition(_text(words[0]), operator, pattern, text != words[1], nocase, "or" in flags)


@types.takes(2, 3)
def rule(words: list[str]) -> Rule:
    """RewriteRule ^(.*)\\.TXT$ $1.txt [L]"""
    flags = _flags(words)
    text = words[0].removeprefix("!")
    unknown = tuple(sorted(flags - {"nc", "l"}))
    pattern = _compiled(text, words, 0, nocase="nc" in flags)
    return Rule(pattern, text != words[0], _text(words[1]), "l" in flags, unknown, [])


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
def rewrite_map(words: list[str]) -> Map:
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


engine = module.directive(
    "RewriteEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether commands are rewritten at all.",
)  # fmt: skip
conditions = module.directive_list(
    "RewriteCondition", condition, contexts=_PLACES, usage="condition pattern [flags]", act=wait_for_rule,
    doc="What must hold besides for the RewriteRule that follows.",
)  # fmt: skip
rules = module.directive_list(
    "RewriteRule", rule, contexts=_PLACES, usage="pattern substitution [flags]", act=take_conditions,
    doc="The argument that takes the place of one that matches.",
)  # fmt: skip
maps = module.directive_list(
    "RewriteMap", rewrite_map, contexts=_SERVERS, usage="map-name map-type:map-source",
    doc="A table, a FIFO or a function that ${map-name:key|default} asks.",
)  # fmt: skip
max_replace = module.directive(
    "RewriteMaxReplace", types.integer(1), default=8, contexts=_SERVERS, usage="count",
    doc="The most occurrences that int:replaceall replaces; a text with more is left as it is.",
)  # fmt: skip
lock_file = module.directive(
    "RewriteLock", types.path, contexts=_SERVERS, usage="file",
    doc="The file that is locked while a FIFO is asked, so that two daemons do not talk at once.",
)  # fmt: skip
log_file = module.directive(
    "RewriteLog", types.path_or_none, contexts=_SERVERS, usage='file|"none"',
    doc="Where the rewriting of each command is told.",
)  # fmt: skip
_log = logfile.ModuleLog("RewriteLog", f"mod_rewrite/{module.version}")


def tell(cmd: Command, message: str) -> None:
    settings = cmd.session.server.settings
    _log.write(settings[log_file], message, follow=cmd.session.setting("AllowLogSymlinks", False))


# -- rewriting ----------------------------------------------------------------------------------------------


@module.pre()
async def rewrite(cmd: Command) -> None:
    session = cmd.session
    if not session.server.settings[engine] or not cmd.argument:
        return
    for one in session.settings[rules]:
        moment = Moment(cmd, *_subject(cmd))
        if not await _applies(moment, one):
            continue
        argument = await one.substitution.fill(moment)
        _note_groups(moment)
        if argument:
            _replace(moment, argument)
        else:
            tell(cmd, f"{moment.name}: the new argument is empty, which is not allowed: it stays as it was")
        if one.last:
            return


@module.on(REWRITE_HOME)
def rewrite_home(rehousing: Rehousing) -> None:
    """RewriteHome of mod_auth: the home is looked at as the argument of a command REWRITE_HOME."""
    rehousing.work.append(rewrite(rehousing.command))


def _subject(cmd: Command) -> tuple[str, str]:
    """The verb and the argument as rules see them: ``SITE`` and ``UTIME ...``, but ``SITE CHMOD`` and ``644 a``."""
    parent, _, sub = cmd.name.partition(" ")
    if parent == "SITE" and sub and cmd.name not in _SUB_COMMANDS:
        return "SITE", f"{sub} {cmd.argument}"
    return cmd.name, cmd.argument


def _replace(moment: Moment, argument: str) -> None:
    cmd = moment.cmd
    parent, _, sub = cmd.name.partition(" ")
    try:
        if sub and moment.name == parent:
            named, _, rest = argument.partition(" ")
            if named.upper() != sub:
                raise ValueError(f"a rule cannot make SITE {named} of {cmd.name}")
            argument = rest
        cmd.rewrite(argument)
    except ValueError as wrong:
        tell(cmd, f"{moment.name}: {wrong}: it stays as it was")
        return
    shown = "(hidden)" if cmd.name in _SECRET else f"'{argument}'"
    tell(cmd, f"{moment.name}: argument now {shown}")


def _note_groups(moment: Moment) -> None:
    """``$N`` and ``%N`` for other modules and for logs: ``%{note:mod_rewrite.$1}``."""
    if moment.cmd.name in _SECRET:
        return
    for sign, groups in (("$", moment.rule), ("%", moment.condition)):
        for number, text in enumerate(groups[:10]):
            moment.cmd.notes.setdefault(f"mod_rewrite.{sign}{number}", text)


async def _applies(moment: Moment, one: Rule) -> bool:
    found = _search(moment, one.pattern, moment.subject)
    if (found is not None) == one.negated:
        return False
    moment.rule = found or ()
    holds = True
    satisfied = False
    """A condition of the present row of [OR]s held: the rest of the row need not be asked."""
    for part in one.conditions:
        if satisfied:
            satisfied = part.or_next
            continue
        holds = await _holds(moment, part)
        if holds:
            satisfied = part.or_next
        elif not part.or_next:
            return False
    return holds


async def _holds(moment: Moment, part: Condition) -> bool:
    text = await part.subject.fill(moment)
    if isinstance(part.pattern, Pattern):
        found = _search(moment, part.pattern, text)
        moment.condition = found or ()
        held = found is not None
    elif part.operator.startswith("-"):
        held = _is(moment.cmd, text, part.operator)
    else:
        left, right = (text.lower(), part.pattern.lower()) if part.nocase else (text, part.pattern)
        held = left < right if part.operator == "<" else left > right if part.operator == ">" else left == right
    return held != part.negated


def _search(moment: Moment, pattern: Pattern, text: str) -> tuple[str, ...] | None:
    """What matches, and its groups. Where nobody can tell, the command is refused: a rule may be there for safety."""
    if len(text) > _LONGEST:
        raise Refuse(501, f"{moment.name}: the argument is too long")
    try:
        return pattern.groups(text)
    except GivenUp:
        raise Refuse(501, f"{moment.name}: the argument takes too long to be compared") from None


def _is(cmd: Command, text: str, test: str) -> bool:
    """What lies at the path, for who may see it; links are not followed, as in ProFTPD."""
    try:
        found = cmd.files.lstat(cmd.path(text))
    except (OSError, Refuse):
        return False
    if test == "-d":
        return stat.S_ISDIR(found.st_mode)
    if test == "-l":
        return stat.S_ISLNK(found.st_mode)
    return stat.S_ISREG(found.st_mode) and (test == "-f" or found.st_size > 0)


# -- maps ---------------------------------------------------------------------------------------------------


_tables = lookup.TextTables()


async def _mapped(moment: Moment, name: str, key: str, has_default: bool) -> str | None:
    """The map's value for the key; None where the default is wanted."""
    cmd = moment.cmd
    settings = cmd.session.server.settings
    chosen = next((one for one in settings[maps] if one.name == name), None)
    if chosen is None:
        tell(cmd, f"there is no RewriteMap '{name}'")
        return None
    try:
        if chosen.kind == "int":
            if chosen.source == "replaceall":
                return conversions.replace_all(key, settings[max_replace], keep=not has_default)
            return conversions.BY_NAME[chosen.source](key)
        if chosen.kind == "txt":
            return await _tables.find(cmd, chosen.source, key)
        if len(key) > _LONGEST or "\n" in key:
            return None
        lock = settings[lock_file]
        return await cmd.offload(lambda: lookup.ask_fifo(chosen.source, key, lock), "rewrite")
    except (OSError, ValueError) as error:
        tell(cmd, f"RewriteMap '{name}': {error}")
        return None
