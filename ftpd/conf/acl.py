"""What stands inside <Limit> and <Class>: the directives, and whether they let a client pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ftpd.conf.addresses import Address, AddressList
from ftpd.conf.directive import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    LIMIT,
    ConfigError,
    Context,
    Directive,
    Multi,
    Reading,
)
from ftpd.conf.expr import Expression, class_expression, group_expression, user_expression
from ftpd.conf.types import boolean, one_of, present, takes
from ftpd.core.vocab import Group

if TYPE_CHECKING:
    from ftpd.conf.tree import Config, Scope


@dataclass(frozen=True, slots=True)
class Who:
    """The client as <Limit> and <Class> see it; ``user`` is None before login."""

    user: str | None = None
    groups: tuple[str, ...] = ()
    class_name: str = ""
    address: Address | None = None
    hostname: str | None = None
    """The name of the address; None where UseReverseDNS is off, and no name pattern matches then."""


_CORE = "mod_core"


# -- parsers -----------------------------------------------------------------------------------------


@takes(1)
def order(words: list[str]) -> str:
    """``allow,deny`` or ``deny,allow``; a blank may stand behind the comma."""
    text = "".join(words).lower()
    if text not in ("allow,deny", "deny,allow"):
        raise ConfigError(f"'{' '.join(words)}': invalid argument", right="allow,deny or deny,allow", word=0)
    return text


def _addresses(name: str) -> Callable[[list[str]], AddressList]:
    usage = f"{name} {'' if name == 'From' else '[from] '}all|none|host|network[,...]"

    def parse(words: list[str]) -> AddressList:
        skip = 1 if words and words[0].lower() == "from" and name != "From" else 0
        try:
            found = AddressList(words[skip:])
        except ConfigError as wrong:
            place = None if wrong.word is None else wrong.word + skip
            raise ConfigError(wrong.message, right=wrong.right, word=place) from None
        found.doubts = [(message, word + skip) for message, word in found.doubts]
        if not found:
            raise ConfigError("missing parameters", right=usage)
        return found

    return parse


def _tell_doubts(reading: Reading, value: object) -> None:
    """Warn of addresses that will hardly mean what was meant."""
    for message, word in value.doubts if isinstance(value, AddressList) else ():
        reading.warn(message, word=word)


def _limit(name: str, parse: Callable[[list[str]], Any], usage: str, contexts: Context = LIMIT) -> Directive[Any]:
    return Directive(
        name,
        parse,
        default=(),
        contexts=contexts,
        multi=Multi.LIST,
        usage=usage,
        module=_CORE,
        inherit=False,
        act=_tell_doubts,
    )


_PLACES = ANON | LIMIT | DIRECTORY | FTPACCESS
ORDER: Directive[str] = Directive(
    "Order", order, default="allow,deny", contexts=LIMIT, usage="allow,deny|deny,allow", module=_CORE, inherit=False
)  # fmt: skip
ALLOW: Directive[tuple[AddressList, ...]] = _limit("Allow", _addresses("Allow"), "[from] all|none|host|network[,...]")
DENY: Directive[tuple[AddressList, ...]] = _limit("Deny", _addresses("Deny"), "[from] all|none|host|network[,...]")
ALLOW_ALL: Directive[bool] = Directive(
    "AllowAll", present, default=False, contexts=_PLACES, module=_CORE, inherit=False
)  # fmt: skip
DENY_ALL: Directive[bool] = Directive(
    "DenyAll", present, default=False, contexts=_PLACES, module=_CORE, inherit=False
)  # fmt: skip
ALLOW_USER: Directive[tuple[Expression, ...]] = _limit("AllowUser", user_expression, "[AND|OR|regex] user-expression")
DENY_USER: Directive[tuple[Expression, ...]] = _limit("DenyUser", user_expression, "[AND|OR|regex] user-expression")
ALLOW_GROUP: Directive[tuple[Expression, ...]] = _limit(
    "AllowGroup", group_expression, "[AND|OR|regex] group-expression"
)
DENY_GROUP: Directive[tuple[Expression, ...]] = _limit("DenyGroup", group_expression, "[AND|OR|regex] group-expression")
ALLOW_CLASS: Directive[tuple[Expression, ...]] = _limit(
    "AllowClass", class_expression, "[AND|OR|regex] class-expression"
)
DENY_CLASS: Directive[tuple[Expression, ...]] = _limit("DenyClass", class_expression, "[AND|OR|regex] class-expression")
IGNORE_HIDDEN: Directive[bool] = Directive(
    "IgnoreHidden", boolean, default=False, contexts=LIMIT, usage="on|off", module=_CORE, inherit=False
)  # fmt: skip
FROM: Directive[tuple[AddressList, ...]] = _limit("From", _addresses("From"), "all|none|host|network[,...]", CLASS)
SATISFY: Directive[str] = Directive(
    "Satisfy", one_of("any", "all"), default="any", contexts=CLASS, multi=Multi.LAST, usage="any|all", module=_CORE,
    inherit=False,
)  # fmt: skip

_DOCS = {
    "Order": "Whether the Allow or the Deny lines of a <Limit> are asked first, and what holds when none applies.",
    "Allow": "Addresses and host names that may use the limited commands.",
    "Deny": "Addresses and host names that may not use the limited commands.",
    "AllowAll": "Everybody may; outside <Limit> it lifts a DenyAll further out.",
    "DenyAll": "Nobody may; outside <Limit> it hides what is there already.",
    "AllowUser": "Users who may use the limited commands.",
    "DenyUser": "Users who may not use the limited commands.",
    "AllowGroup": "Groups whose members may use the limited commands.",
    "DenyGroup": "Groups whose members may not use the limited commands.",
    "AllowClass": "Classes of clients that may use the limited commands.",
    "DenyClass": "Classes of clients that may not use the limited commands.",
    "IgnoreHidden": "Whether hidden files do not exist for the limited commands.",
    "From": "The addresses and host names that belong to a class.",
    "Satisfy": "Whether one From line of a class is enough, or all must hold.",
}

LIMIT_DIRECTIVES: tuple[Directive[Any], ...] = (
    ORDER, ALLOW, DENY, ALLOW_ALL, DENY_ALL, ALLOW_USER, DENY_USER, ALLOW_GROUP, DENY_GROUP, ALLOW_CLASS, DENY_CLASS,
    IGNORE_HIDDEN, FROM, SATISFY,
)  # fmt: skip
for _directive in LIMIT_DIRECTIVES:
    _directive.doc = _DOCS[_directive.name]


# -- <Limit> -----------------------------------------------------------------------------------------

_TWINS = {"CDUP": "XCUP", "MKD": "XMKD", "PWD": "XPWD", "RMD": "XRMD"}
_TWINS |= {there: here for here, there in _TWINS.items()}
_NOT_OF_ALL = frozenset({"EPRT", "EPSV", "PASV", "PORT", "PROT", "LOGIN", "SITE_HELP"})


@lru_cache(maxsize=1024)
def words_of(verb: str, group: Group | str | None) -> tuple[str, ...]:
    """The words of <Limit> that cover a verb, in the order in which they are searched for."""
    verb = verb.upper().replace(" ", "_")
    name = group.value if isinstance(group, Group) else group or ""
    words = (verb, name) if name and name != verb else (verb,)
    return words if verb in _NOT_OF_ALL or verb.startswith("OPTS") else (*words, "ALL")


def named_words(args: list[str]) -> frozenset[str]:
    """What a <Limit> with these arguments names, the twins of MKD and its like included."""
    words = {arg.upper().replace(" ", "_") for arg in args}
    return frozenset(words | {_TWINS[word] for word in words if word in _TWINS})


class Rule:
    """One <Limit>, compiled: :meth:`opinion` is all that a command asks of it."""

    __slots__ = ("_allow_filter", "_deny_filter", "_deny_first", "_values", "words")

    def __init__(self, scope: Scope) -> None:
        self.words = named_words(scope.args)
        self._values = {directive.name: value for directive, value in scope.values.items()}
        self._deny_first = self._values.get("Order") == "deny,allow"
        # declared by mod_core, and known here by name only
        self._allow_filter = _pattern(self._values.get("AllowFilter"))
        self._deny_filter = _pattern(self._values.get("DenyFilter"))

    @property
    def ignores_hidden(self) -> bool | None:
        """The value of IgnoreHidden; None when it is not set."""
        found: bool | None = self._values.get("IgnoreHidden")
        return found

    @property
    def filters(self) -> bool:
        """Whether an AllowFilter or DenyFilter looks at the argument of the command, too."""
        return self._allow_filter is not None or self._deny_filter is not None

    def opinion(self, who: Who, argument: str = "") -> bool | None:
        """True to allow and False to deny, both ending the search; None is no opinion."""
        if self._deny_first:
            return self._denying(who, argument) is None and self._allowing(who, argument) is not None
        if self._allowing(who, argument) is not None:
            return True
        return False if self._denying(who, argument) is not None else None

    def because(self, who: Who, argument: str = "") -> Line | None:
        """The line that makes the opinion; None where there is none, or where it is that nothing was allowed."""
        first, then = (self._denying, self._allowing) if self._deny_first else (self._allowing, self._denying)
        return first(who, argument) or then(who, argument)

    def _allowing(self, who: Who, argument: str) -> Line | None:
        """The first line that lets the client pass, in the order in which ProFTPD asks."""
        values = self._values
        # nobody is logged in at connect: a rule for some users must not shut all of them out
        known = who.user is not None
        if "AllowUser" in values and (found := _meant(values["AllowUser"], _user(who), always=not known)) is not None:
            return "AllowUser", found
        if "AllowGroup" in values and (found := _meant(values["AllowGroup"], who.groups, always=not known)) is not None:
            return "AllowGroup", found
        if "AllowClass" in values and (found := _meant(values["AllowClass"], _class(who))) is not None:
            return "AllowClass", found
        if "Allow" in values and (found := _from(values["Allow"], who)) is not None:
            return "Allow", found
        if self._allow_filter is not None and self._allow_filter.search(argument) is not None:
            return "AllowFilter", 0
        return ("AllowAll", 0) if "AllowAll" in values else None

    def _denying(self, who: Who, argument: str) -> Line | None:
        values = self._values
        if "DenyAll" in values:
            return "DenyAll", 0
        if who.user is not None:
            if "DenyUser" in values and (found := _meant(values["DenyUser"], _user(who))) is not None:
                return "DenyUser", found
            if "DenyGroup" in values and (found := _meant(values["DenyGroup"], who.groups)) is not None:
                return "DenyGroup", found
        if "DenyClass" in values and (found := _meant(values["DenyClass"], _class(who))) is not None:
            return "DenyClass", found
        if "Deny" in values and (found := _from(values["Deny"], who)) is not None:
            return "Deny", found
        if self._deny_filter is not None and self._deny_filter.search(argument) is not None:
            return "DenyFilter", 0
        return None


Line = tuple[str, int]
"""A directive's name, and which of its lines in the section: 0 is the first."""


def _meant(expressions: tuple[Expression, ...], names: tuple[str, ...] | None, *, always: bool = False) -> int | None:
    return next((at for at, expression in enumerate(expressions) if always or expression.matches(names)), None)


def _from(lines: tuple[AddressList, ...], who: Who) -> int | None:
    return next((at for at, line in enumerate(lines) if line.matches(who.address, who.hostname)), None)


def _user(who: Who) -> tuple[str, ...] | None:
    return (who.user,) if who.user is not None else None


def _class(who: Who) -> tuple[str, ...] | None:
    return (who.class_name,) if who.class_name else None


def _pattern(value: object) -> re.Pattern[str] | None:
    return value if isinstance(value, re.Pattern) else None


# -- <Class> -----------------------------------------------------------------------------------------


def class_of(config: Config, who: Who) -> str:
    """The name of the first class that the client's address satisfies; empty when there is none."""
    for scope in config.classes:
        lines = scope.settings[FROM]
        meant = (line.matches(who.address, who.hostname) for line in lines)
        if lines and (all(meant) if scope.settings[SATISFY] == "all" else any(meant)):
            return scope.args[0]
    return ""
