"""One <Limit>, compiled: what it says of a client, however many lines it has."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from ftpd.conf.acl import named_words
from ftpd.conf.addresses import AddressIndex
from ftpd.conf.expr import ExpressionIndex
from ftpd.conf.patterns import Pattern, denies

if TYPE_CHECKING:
    from ftpd.conf.acl import Who
    from ftpd.conf.tree import Scope

Line = tuple[str, int]
"""A directive's name, and which of its lines in the section: 0 is the first."""


_FEW = 16
_REMEMBERED = 1024


class Rule:
    """What a <Limit> is asked: :meth:`opinion` for one command, :meth:`stance` for all of a client's."""

    __slots__ = (
        "_indices", "_known", "allow_all", "allow_filter", "deny_all", "deny_filter", "deny_first", "ignores_hidden",
        "words",
    )  # fmt: skip

    def __init__(self, scope: Scope) -> None:
        values = {directive.name: value for directive, value in scope.values.items()}
        self.words = named_words(scope.args)
        self.deny_first = values.get("Order") == "deny,allow"
        self.allow_all, self.deny_all = "AllowAll" in values, "DenyAll" in values
        # declared by mod_core, and known here by name only
        self.allow_filter = _pattern(values.get("AllowFilter"))
        self.deny_filter = _pattern(values.get("DenyFilter"))
        self.ignores_hidden: bool | None = values.get("IgnoreHidden")
        """The value of IgnoreHidden; None when it is not set."""
        self._known: dict[Who, Stance] | None = None
        """What was said so far, of a section with so many lines to be tried that it pays."""
        self._indices: dict[str, Any] = {
            name: AddressIndex(values[name])
            if name in ("Allow", "Deny")
            else ExpressionIndex(values[name], unsure=name in _DENYING)
            for name in (*_ALLOWING, *_DENYING)
            if name in values
        }
        if sum(len(index.tried) for index in self._indices.values()) > _FEW:
            self._known = {}

    @property
    def filters(self) -> bool:
        """Whether an AllowFilter or DenyFilter looks at the argument of the command, too."""
        return self.allow_filter is not None or self.deny_filter is not None

    def opinion(self, who: Who, argument: str | None = None) -> bool | None:
        """True to allow and False to deny, both ending the search; None is no opinion.

        Filters are asked of an argument only: whoever logs in has none.
        """
        return self.stance(who).opinion(argument)

    def because(self, who: Who, argument: str | None = None) -> Line | None:
        """The line that makes the opinion; None where there is none, or where it is that nothing was allowed."""
        return self.stance(who).because(argument)

    def stance(self, who: Who) -> Stance:
        """What it says of a client, but for its filters."""
        known = self._known
        if known is None:
            return self._stance(who)
        found = known.get(who)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[who] = self._stance(who)
        return found

    def _stance(self, who: Who) -> Stance:
        denying = ("DenyAll", 0) if self.deny_all else self._first(_DENYING, who)
        return Stance(self, self._first(_ALLOWING, who), denying)

    def _first(self, names: Collection[str], who: Who) -> Line | None:
        """The first line of these directives that means the client, in the order in which ProFTPD asks."""
        for name in names:
            index = self._indices.get(name)
            if index is not None and (at := _asked(index, name, who)) is not None:
                return name, at
        return None


class Stance(NamedTuple):
    """What a <Limit> says of one client, whose arguments its filters still want to see."""

    rule: Rule
    allowing: Line | None
    denying: Line | None

    @property
    def settled(self) -> bool:
        """Whether the argument makes no difference."""
        return not self.rule.filters or (self.denying if self.rule.deny_first else self.allowing) is not None

    def opinion(self, argument: str | None = None) -> bool | None:
        """As :meth:`Rule.opinion`."""
        if self.rule.deny_first:
            return self._denied(argument) is None and self._allowed(argument) is not None
        if self._allowed(argument) is not None:
            return True
        return False if self._denied(argument) is not None else None

    def because(self, argument: str | None = None) -> Line | None:
        """As :meth:`Rule.because`."""
        first, then = (self._denied, self._allowed) if self.rule.deny_first else (self._allowed, self._denied)
        return first(argument) or then(argument)

    def _allowed(self, argument: str | None) -> Line | None:
        if self.allowing is not None:
            return self.allowing
        pattern = self.rule.allow_filter
        if pattern is not None and argument is not None and pattern.search(argument) is not None:
            return "AllowFilter", 0
        return ("AllowAll", 0) if self.rule.allow_all else None

    def _denied(self, argument: str | None) -> Line | None:
        pattern = self.rule.deny_filter
        if self.denying is None and pattern is not None and argument is not None and denies(pattern, argument):
            return "DenyFilter", 0
        return self.denying


_ALLOWING = ("AllowUser", "AllowGroup", "AllowClass", "Allow")
_DENYING = ("DenyUser", "DenyGroup", "DenyClass", "Deny")


def _asked(index: Any, name: str, who: Who) -> int | None:
    """Which line of the directive is the first to mean the client."""
    found: int | None
    if name in ("Allow", "Deny"):
        found = index.first(who.address, who.hostname)
    elif name in ("AllowClass", "DenyClass"):
        found = index.first((who.class_name,) if who.class_name else None)
    elif who.user is None:
        # nobody is logged in at connect: a rule for some users must not shut all of them out
        found = 0 if name in ("AllowUser", "AllowGroup") else None
    else:
        found = index.first((who.user,) if name in ("AllowUser", "DenyUser") else who.groups)
    return found


def _pattern(value: object) -> Pattern | None:
    return value if isinstance(value, Pattern) else None
