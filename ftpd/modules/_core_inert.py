"""Directives of mod_core that are read and checked, and have no effect in this version."""

from __future__ import annotations

from ftpd.api import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    ConfigError,
    class_expression,
    group_expression,
    types,
    user_expression,
)
from ftpd.modules._core import module
from ftpd.modules._core_server import only

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


# -- the directives ------------------------------------------------------------------------------------

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
