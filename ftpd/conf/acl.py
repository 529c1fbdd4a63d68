"""What stands inside <Limit> and <Class>: the directives, the words that <Limit> takes, and who is in a class."""

from __future__ import annotations

from collections.abc import Callable
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
from ftpd.conf.types import boolean, one_of, present, strictly, takes
from ftpd.core.record import dataclass
from ftpd.core.vocab import Group

if TYPE_CHECKING:
    from ftpd.conf.tree import Config, Scope


@dataclass(frozen=True, slots=True, eq=False)
class Who:
    """The client as <Limit> and <Class> see it; ``user`` is None before login. What is said of one is kept by it."""

    user: str | None = None
    groups: tuple[str, ...] = ()
    class_name: str = ""
    address: Address | None = None
    hostname: str | None = None
    """The name of the address; None where UseReverseDNS is off, and no name pattern matches then."""


_CORE = "mod_core"


# -- parsers -----------------------------------------------------------------------------------------


@takes(1, 2, strict=True)
def order(words: list[str]) -> str:
    """``allow,deny`` or ``deny,allow``; a blank may stand behind the comma."""
    text = "".join(words).lower()
    if text not in ("allow,deny", "deny,allow"):
        raise ConfigError(f"'{' '.join(words)}': invalid argument", right="allow,deny or deny,allow", word=0)
    return text


def _addresses(name: str) -> Callable[[list[str]], AddressList]:
    usage = f"{name} {'' if name == 'From' else '[from] '}all|none|host|network[,...]"

    def parse(words: list[str]) -> AddressList:
        skip = 0
        while name != "From" and words[skip : skip + 1] and words[skip].lower() == "from":
            skip += 1
        asked = words[skip:]
        if name != "From":
            asked = _alone(asked, skip, name)
        try:
            found = AddressList(asked)
        except ConfigError as wrong:
            place = None if wrong.word is None else wrong.word + skip
            raise ConfigError(wrong.message, right=wrong.right, word=place) from None
        found.doubts = [(message, word + skip) for message, word in found.doubts]
        if len(asked) < len(words) - skip:
            found.doubts.append((f"what follows '{asked[0]}' is ignored, as in ProFTPD", skip + 1))
        if not found:
            raise ConfigError("missing parameters", right=usage)
        return found

    return parse


_EVERYBODY = frozenset({"all", "none"})


def _alone(words: list[str], skip: int, name: str) -> list[str]:
    """``all`` or ``none`` in front is the whole line; behind something it would make it mean nothing."""
    if words and words[0].lower() in _EVERYBODY:
        return words[:1]
    for index, word in enumerate(words):
        for token in word.split(","):
            if token.lower() in _EVERYBODY:
                raise ConfigError(
                    f"'{token}' does not go with addresses",
                    right=f"{name} from {token.lower()}, or the addresses without it",
                    word=index + skip,
                )
    return words


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


def _some(read: Callable[[list[str]], Expression]) -> Callable[[list[str]], Expression]:
    """An expression of a <Limit>, where one that can hardly be meant so would open what is to be shut."""

    @takes(1)
    def parse(words: list[str]) -> Expression:
        expression = read(words)
        if expression.vague:
            raise ConfigError(expression.vague, right="one or more names", word=0)
        return expression

    return parse


_PLACES = ANON | LIMIT | DIRECTORY | FTPACCESS
ORDER: Directive[str] = Directive(
    "Order", order, default="allow,deny", contexts=LIMIT, usage="allow,deny|deny,allow", module=_CORE, inherit=False
)  # fmt: skip
ALLOW: Directive[tuple[AddressList, ...]] = _limit("Allow", _addresses("Allow"), "[from] all|none|host|network[,...]")
DENY: Directive[tuple[AddressList, ...]] = _limit("Deny", _addresses("Deny"), "[from] all|none|host|network[,...]")
ALLOW_ALL: Directive[bool] = Directive(
    "AllowAll", strictly(present), default=False, contexts=_PLACES, module=_CORE, inherit=False
)  # fmt: skip
DENY_ALL: Directive[bool] = Directive(
    "DenyAll", strictly(present), default=False, contexts=_PLACES, module=_CORE, inherit=False
)  # fmt: skip
ALLOW_USER: Directive[tuple[Expression, ...]] = _limit(
    "AllowUser", _some(user_expression), "[AND|OR|regex] user-expression"
)  # fmt: skip
DENY_USER: Directive[tuple[Expression, ...]] = _limit(
    "DenyUser", _some(user_expression), "[AND|OR|regex] user-expression"
)  # fmt: skip
ALLOW_GROUP: Directive[tuple[Expression, ...]] = _limit(
    "AllowGroup", _some(group_expression), "[AND|OR|regex] group-expression"
)  # fmt: skip
DENY_GROUP: Directive[tuple[Expression, ...]] = _limit(
    "DenyGroup", _some(group_expression), "[AND|OR|regex] group-expression"
)  # fmt: skip
ALLOW_CLASS: Directive[tuple[Expression, ...]] = _limit(
    "AllowClass", _some(class_expression), "[AND|OR|regex] class-expression"
)  # fmt: skip
DENY_CLASS: Directive[tuple[Expression, ...]] = _limit(
    "DenyClass", _some(class_expression), "[AND|OR|regex] class-expression"
)  # fmt: skip
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
    "Satisfy": "Whether one address of From is enough for a class, or all must hold.",
}

LIMIT_DIRECTIVES: tuple[Directive[Any], ...] = (
    ORDER, ALLOW, DENY, ALLOW_ALL, DENY_ALL, ALLOW_USER, DENY_USER, ALLOW_GROUP, DENY_GROUP, ALLOW_CLASS, DENY_CLASS,
    IGNORE_HIDDEN, FROM, SATISFY,
)  # fmt: skip
for _directive in LIMIT_DIRECTIVES:
    _directive.doc = _DOCS[_directive.name]


# -- the words of <Limit> ----------------------------------------------------------------------------

_TWINS = {"CDUP": "XCUP", "MKD": "XMKD", "PWD": "XPWD", "RMD": "XRMD"}
_TWINS |= {there: here for here, there in _TWINS.items()}
# the other way round ProFTPD keeps them apart, and nobody gets around anything by that
_TWINS["CWD"] = "XCWD"
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


# -- <Class> -----------------------------------------------------------------------------------------


def class_of(config: Config, who: Who) -> str:
    """The name of the first class that the client's address satisfies; empty when there is none."""
    return next((scope.args[0] for scope in config.classes if _satisfied(scope, who)), "")


def in_class(config: Config, name: str, who: Who) -> bool:
    """Whether the address satisfies the class of that name, be it the first one that it does or not."""
    return any(scope.args[0] == name and _satisfied(scope, who) for scope in config.classes)


def _satisfied(scope: Scope, who: Who) -> bool:
    """Each address of each From line is a rule of its own, as in ProFTPD."""
    lines = scope.settings[FROM]
    held = (rule for line in lines for rule in line.rules(who.address, who.hostname))
    return bool(lines) and (all(held) if scope.settings[SATISFY] == "all" else any(held))


def lets_nearly_all_in(scope: Scope) -> bool:
    """Whether a <Class> has a ``!`` that keeps nobody out: without ``Satisfy all`` any other address is enough."""
    lines = scope.values.get(FROM, ())
    return (
        scope.values.get(SATISFY) != "all" and sum(map(len, lines)) > 1 and any(line.excludes for line in lines)
    )  # fmt: skip
