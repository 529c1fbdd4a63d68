"""Directives of mod_core that are read and checked, and have no effect in this version."""

from __future__ import annotations

import re

from ftpd.api import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    LIMIT,
    SERVER,
    ConfigError,
    Multi,
    class_expression,
    group_expression,
    types,
    user_expression,
)
from ftpd.modules._core import PLACES, SERVERS, SESSIONS, module
from ftpd.modules._core_server import only

_EVERYWHERE = PLACES | LIMIT | CLASS
_FOLDERS = ANON | DIRECTORY
_EXPRESSIONS = {"user": user_expression, "group": group_expression, "class": class_expression}


# -- parsers -----------------------------------------------------------------------------------------


@types.takes(1)
def _hidden_files(words: list[str]) -> tuple[str, ...]:
    """A pattern, perhaps with ``!`` before it, or ``none``; behind it whom it is for."""
    if words[0].lower() != "none":
        types.regex([words[0].removeprefix("!")])
    if len(words) > 1:
        if words[1].lower() not in _EXPRESSIONS or len(words) < 3:
            raise ConfigError(f"'{words[1]}' is unknown here", right="user, group or class and an expression", word=1)
        _EXPRESSIONS[words[1].lower()](words[2:])
    return tuple(words)


@types.takes(1)
def _trace(words: list[str]) -> tuple[str, ...]:
    """``channel:level``, ``channel:lowest-highest``; ``session`` may stand first."""
    for index, word in enumerate(words):
        if index == 0 and word == "session" and len(words) > 1:
            continue
        channel, colon, level = word.partition(":")
        if not colon or not channel:
            raise ConfigError(
                f"badly formatted parameter: '{word}'", right="a channel and a level, as auth:10", word=index
            )
        if not re.fullmatch(r"\d{1,3}(-\d{1,3})?", level, re.ASCII):
            raise ConfigError(
                f"error parsing level '{level}' for channel '{channel}'", right=f"{channel}:10", word=index
            )
    return tuple(words)


def signed(*names: str) -> types.Parser[tuple[str, ...]]:
    """Names with a ``+`` or a ``-`` before each."""
    by_name = {name.lower(): name for name in names}

    @types.takes(1)
    def parse(words: list[str]) -> tuple[str, ...]:
        for index, word in enumerate(words):
            if word[:1] not in ("+", "-") or word[1:].lower() not in by_name:
                raise ConfigError(f"bad option: '{word}'", right=f"+ or - and {', '.join(names)}", word=index)
        return tuple(word[0] + by_name[word[1:].lower()] for word in words)

    return parse


# -- the directives ------------------------------------------------------------------------------------

module.directive(
    "AllowOverride", types.boolean, default=False, contexts=SESSIONS | DIRECTORY,
    act=only(False, ".ftpaccess files are not read in this version"),
    usage="on|off", doc="Whether .ftpaccess files in the directories count.",
)  # fmt: skip
module.directive(
    "GroupOwner", types.string, contexts=_FOLDERS | FTPACCESS, inert=True,
    usage="group|~", doc="The group that new files and directories get.",
)  # fmt: skip
module.directive(
    "UserOwner", types.string, contexts=_FOLDERS, inert=True,
    usage="user", doc="The owner that new files and directories get.",
)  # fmt: skip
module.directive_list(
    "HideFiles", _hidden_files, contexts=DIRECTORY | FTPACCESS, inert=True,
    usage="[!]pattern|none [user|group|class expression]", doc="Files that listings leave out.",
)  # fmt: skip
module.directive_list(
    "HideGroup", types.string, contexts=_FOLDERS, inert=True,
    usage="[!]group|~", doc="Leave the files of a group out of listings.",
)  # fmt: skip
module.directive_list(
    "HideUser", types.string, contexts=_FOLDERS, inert=True,
    usage="[!]user|~", doc="Leave the files of a user out of listings.",
)  # fmt: skip
module.directive(
    "HideNoAccess", types.boolean, default=False, contexts=_FOLDERS, act=only(False, "has no effect in this version"),
    usage="on|off", doc="Leave files that the user cannot read out of listings.",
)  # fmt: skip
module.directive(
    "SyslogFacility",
    types.one_of(
        "AUTH", "AUTHPRIV", "CRON", "DAEMON", "FTP", "KERN", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",
        "LOCAL6", "LOCAL7", "LPR", "MAIL", "NEWS", "USER", "UUCP",
    ),
    contexts=SERVER, multi=Multi.LAST, act=only("DAEMON", "the facility is DAEMON in this version"),
    usage="facility", doc="The syslog facility of the daemon's messages.",
)  # fmt: skip
module.directive_list(
    "Trace", _trace, contexts=SERVERS, inert=True,
    usage="[session] channel:level ...", doc="What TraceLog records.",
)  # fmt: skip
module.directive(
    "TraceLog", types.optional_path, contexts=SERVERS, multi=Multi.LAST, inert=True,
    usage="path|none", doc="Where the inner workings are recorded.",
)  # fmt: skip
module.directive(
    "TraceOptions", signed("ConnIPs", "Timestamp", "TimestampMillis"), contexts=SERVERS, inert=True,
    usage="+|-ConnIPs +|-Timestamp +|-TimestampMillis", doc="How the lines of TraceLog look.",
)  # fmt: skip
