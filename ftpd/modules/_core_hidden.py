"""The directives that keep entries out of listings; with IgnoreHidden in a <Limit> they are not there at all."""

from __future__ import annotations

from ftpd.api import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    ConfigError,
    class_expression,
    for_whom,
    group_expression,
    hidden,
    types,
    user_expression,
)
from ftpd.modules._core import module

_FOLDERS = ANON | DIRECTORY
_EXPRESSIONS = {"user": user_expression, "group": group_expression, "class": class_expression}


@types.takes(1)
def _name_rule(words: list[str]) -> hidden.NameRule:
    """A pattern, perhaps with ``!`` before it, or ``none``; behind it whom it is for."""
    negated = words[0].startswith("!")
    pattern = None if words[0].lower() == "none" else types.regex([words[0].removeprefix("!")])
    if len(words) == 1:
        return hidden.NameRule(pattern, negated)
    kind = words[1].lower()
    if kind not in _EXPRESSIONS or len(words) < 3:
        raise ConfigError(f"'{words[1]}' is unknown here", right="user, group or class and an expression", word=1)
    return hidden.NameRule(pattern, negated, kind, _EXPRESSIONS[kind](for_whom(words[2:], 2)))


@types.takes(1, 1)
def _owner_rule(words: list[str]) -> hidden.OwnerRule:
    name = words[0].removeprefix("!")
    if not name:
        raise ConfigError("'!' has no name behind it", right="!~", word=0)
    return hidden.OwnerRule(name, words[0].startswith("!"))


module.directive_list(
    "HideFiles", _name_rule, contexts=DIRECTORY | FTPACCESS,
    usage="[!]pattern|none [user|group|class expression]", doc="Names that listings leave out.",
)  # fmt: skip


def _inner(inner: tuple[hidden.OwnerRule, ...], _outer: tuple[hidden.OwnerRule, ...]) -> tuple[hidden.OwnerRule, ...]:
    """A section with lines of its own has none of those around it, as with ProFTPD."""
    return inner


module.directive_list(
    "HideGroup", _owner_rule, contexts=_FOLDERS, combine=_inner,
    usage="[!]group|~", doc="Leave the files of a group out of listings.",
)  # fmt: skip
module.directive_list(
    "HideUser", _owner_rule, contexts=_FOLDERS, combine=_inner,
    usage="[!]user|~", doc="Leave the files of a user out of listings.",
)  # fmt: skip
module.directive(
    "HideNoAccess", types.boolean, default=False, contexts=_FOLDERS,
    usage="on|off", doc="Leave what the user may not read or enter out of listings.",
)  # fmt: skip
