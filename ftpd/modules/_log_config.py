"""The directives of mod_log, and what their words mean."""

from __future__ import annotations

import re

from ftpd.api import ANON, GLOBAL, SERVER, VHOST, Class, ConfigError, Level, Module, Reading, logformat, types

module = Module("mod_log", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_SESSIONS = _SERVERS | ANON

_CLASSES = {
    "ALL": Class.ALL, "NONE": Class.NONE, "AUTH": Class.AUTH, "INFO": Class.INFO, "DIRS": Class.DIRS,
    "READ": Class.READ, "WRITE": Class.WRITE, "MISC": Class.MISC, "SEC": Class.SEC, "SECURE": Class.SEC,
    "CONNECT": Class.CONNECT, "EXIT": Class.DISCONNECT, "DISCONNECT": Class.DISCONNECT, "SSH": Class.SSH,
    "SFTP": Class.SFTP,
}  # fmt: skip
_LEVELS = {
    "emerg": Level.EMERG, "alert": Level.ALERT, "crit": Level.CRIT, "error": Level.ERROR, "warn": Level.WARN,
    "notice": Level.NOTICE, "info": Level.INFO, "debug": Level.DEBUG,
}  # fmt: skip
_OPTIONS = ("Timestamp", "Hostname", "VirtualHost", "RoleBasedProcessLabels")


class Filter:
    """Which commands an ExtendedLog is of."""

    __slots__ = ("_added", "_classes", "_removed", "_unknown", "_unwanted", "ambiguous")

    def __init__(self, words: str | None) -> None:
        """``words`` are classes, and behind a ``+`` verbs; None means everything."""
        classes, _, verbs = (words or "ALL,CONNECT,EXIT").partition("+")
        named = [name for name in re.split(r"[,|]", classes) if name]
        for name in named:
            if name.removeprefix("!").upper() not in _CLASSES:
                raise ConfigError(f"invalid log class '{name}' in '{words}'", right=", ".join(_CLASSES), word=1)
        wanted, unwanted = Class.NONE, Class.NONE
        for name in named:
            if name.startswith("!"):
                unwanted |= _CLASSES[name[1:].upper()]
            elif name.upper() == "NONE":
                # begins anew, as in ProFTPD
                wanted = Class.NONE
            else:
                wanted |= _CLASSES[name.upper()]
        if named and all(name.startswith("!") for name in named):
            # all but these
            wanted = Class.ALL
        self._classes, self._unwanted = wanted & ~unwanted, unwanted
        self._unknown = Class.ALL in self._classes
        """A verb that no module knows has no class: it is logged by who wants everything."""
        signs = [name.startswith("!") for name in named]
        self.ambiguous = signs != sorted(signs)
        """A class to include stands behind one to exclude."""
        listed = [verb.upper().replace("SITE_", "SITE ") for verb in verbs.split(",") if verb]
        self._added = frozenset(verb for verb in listed if not verb.startswith("!"))
        self._removed = frozenset(verb[1:] for verb in listed if verb.startswith("!"))

    def wants(self, verb: str, classes: Class) -> bool:
        names = {verb, verb.partition(" ")[0]}
        if names & self._removed:
            return False
        if names & self._added:
            return True
        if classes & self._unwanted:
            # RNFR is of WRITE as well as of MISC: one class that is not wanted is enough
            return False
        return bool(classes & self._classes) if classes else self._unknown


class Extended:
    """One ExtendedLog line; the format and the permission for links are known when all lines are read."""

    __slots__ = ("anonymous", "filter", "follow", "form", "level", "name", "path")

    def __init__(self, path: str, level: Level | None, filter: Filter, name: str | None) -> None:
        self.path = path
        """Absolute; empty for syslog."""
        self.level = level
        """Of syslog."""
        self.filter = filter
        self.name = name
        """Of its LogFormat."""
        self.form: logformat.Format | None = None
        self.follow = False
        self.anonymous = False
        """It stands in an <Anonymous>."""

    @property
    def ends(self) -> bool:
        """``none``: the logs of what is around this section do not count in it."""
        return not self.path and self.level is None


# -- parsers -------------------------------------------------------------------------------------------


@types.takes(1, 1)
def _system_log(words: list[str]) -> str:
    """A path or ``none``; ``off`` is no name that anybody gives a log."""
    if words[0].lower() == "off":
        types.doubt(f"'{words[0]}' is taken for 'none'; ProFTPD makes a file of that name where it is started", word=0)
        return "none"
    return types.path_or_none(words)


@types.takes(1, 3)
def _extended_log(words: list[str]) -> Extended:
    """``path|syslog:level [classes [format]]``."""
    target, classes, name = (*words, None, None)[:3]
    assert target is not None
    filter = Filter(classes)
    if target[:7].lower() == "syslog:":
        level = _LEVELS.get(target[7:].lower())
        if level is None:
            right = f"syslog: and one of {', '.join(_LEVELS)}"
            raise ConfigError(f"'{target}' names no level of syslog", right=right, word=0)
        return Extended("", level, filter, name)
    if target.lower() in ("none", "off"):
        return Extended("", None, filter, name)
    if not target.startswith("/"):
        raise ConfigError(f"relative paths not allowed: '{target}'", right="a path that begins with /", word=0)
    return Extended(target, None, filter, name)


@types.takes(2, 2)
def _log_format(words: list[str]) -> tuple[str, logformat.Format]:
    """A name, and the text with its variables."""
    if not words[0]:
        raise ConfigError("missing required name parameter", right='LogFormat name "%h %u %r"', word=0)
    return words[0], logformat.Format(words[1])


@types.takes(1)
def _log_options(words: list[str]) -> tuple[str, ...]:
    names = {name.lower(): name for name in _OPTIONS}
    for index, word in enumerate(words):
        if word[:1] not in ("+", "-") or word[1:].lower() not in names:
            raise ConfigError(f"bad LogOption: '{word}'", right=f"+ or - and {', '.join(_OPTIONS)}", word=index)
    return tuple(word[0] + names[word[1:].lower()] for word in words)


def _misread_by_proftpd(reading: Reading, value: Extended) -> None:
    """ProFTPD takes every class behind the first ``!`` for excluded; who relied on it has to see the difference."""
    if value.filter.ambiguous:
        reading.warn("classes behind one with ! count as they are written here; ProFTPD excludes them too", word=1)


# -- the directives ------------------------------------------------------------------------------------

module.directive(
    "SystemLog", _system_log, contexts=SERVER | GLOBAL,
    usage="path|none", doc="Where the daemon's own messages go, instead of to syslog.",
)  # fmt: skip
allow_symlinks = module.directive(
    "AllowLogSymlinks", types.boolean, default=False, contexts=_SERVERS,
    usage="on|off", doc="Whether a log may be a symbolic link.",
)  # fmt: skip
module.directive(
    "ServerLog", types.log_or_none, contexts=_SERVERS,
    usage="path|none", doc="Where the messages about one server's sessions go, instead of to SystemLog.",
)  # fmt: skip
module.directive(
    "LogOptions", _log_options, contexts=_SERVERS,
    usage="+|-Timestamp|Hostname|VirtualHost|RoleBasedProcessLabels ...", doc="How the lines of SystemLog look.",
)  # fmt: skip
log_format = module.directive_list(
    "LogFormat", _log_format, contexts=SERVER | GLOBAL,
    usage='name "format"', doc="The layout of an ExtendedLog.",
)  # fmt: skip
extended_log = module.directive_list(
    "ExtendedLog", _extended_log, contexts=_SESSIONS, act=_misread_by_proftpd,
    usage="path|syslog:level|none [classes [format]]", doc="A line for each command of some classes.",
)  # fmt: skip
