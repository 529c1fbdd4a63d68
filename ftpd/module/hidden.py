"""What HideFiles, HideUser, HideGroup and HideNoAccess keep from a client: by an entry's name, or by its attributes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from ftpd.conf.directive import Settings
from ftpd.conf.expr import Expression
from ftpd.conf.patterns import Pattern, denies
from ftpd.core.record import dataclass
from ftpd.module import acls
from ftpd.module.files import Files, Path
from ftpd.module.session import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NameRule:
    """A line of HideFiles."""

    pattern: Pattern | None
    """None hides nothing: it ends the search where a folder is to be free of what holds further out."""
    negated: bool = False
    kind: str = ""
    """``user``, ``group``, ``class``, or empty: the line is for everybody."""
    whom: Expression | None = None

    def is_for(self, session: Session) -> bool:
        if self.whom is None:
            return True
        # a line that nobody can tell of hides
        unsure = self.pattern is not None
        if self.kind == "group":
            return self.whom.matches(tuple(name for _, name in session.groups), unsure=unsure)
        name = session.user if self.kind == "user" else session.class_name
        return self.whom.matches((name,) if name else None, unsure=unsure)


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """A line of HideUser or HideGroup; ``~`` is the client's own."""

    name: str
    negated: bool = False


class Hiding:
    """What is hidden in one place from one session."""

    __slots__ = ("_acls", "_gids", "_negated", "_pattern", "_readers", "_uids", "by_attributes")

    def __init__(self, session: Session, settings: Settings) -> None:
        self._pattern: Pattern | None = None
        self._negated = False
        rules: tuple[NameRule, ...] = _value(session, settings, "HideFiles", ())
        for rule in rules:
            # the first line that is for this client decides, as with ProFTPD
            if rule.is_for(session):
                self._pattern, self._negated = rule.pattern, rule.negated
                break
        accounts, account = session.modules.accounts, session.account
        # the names that the login told are known without asking anybody
        users = {} if account is None else {"~": account.uid, session.user or "~": account.uid}
        groups = {name: gid for gid, name in session.groups} | ({} if account is None else {"~": account.gid})
        self._uids = _ids(
            _value(session, settings, "HideUser", ()), users, lambda name: accounts.name_uid(session, name)
        )
        self._gids = _ids(
            _value(session, settings, "HideGroup", ()), groups, lambda name: accounts.name_gid(session, name)
        )
        no_access = _value(session, settings, "HideNoAccess", False)
        self._readers: Files | None = session.files if no_access else None
        """Whose files are hidden that cannot be read; None where they are not."""
        self._acls = self._readers is not None and acls.count(session)
        self.by_attributes = bool(self._uids or self._gids or self._readers)
        """Whether attributes matter at all."""

    def __bool__(self) -> bool:
        return self._pattern is not None or self.by_attributes

    def name(self, name: str) -> bool:
        """Whether an entry of that name is hidden."""
        pattern = self._pattern
        if pattern is None:
            return False
        return pattern.search(name) is None if self._negated else denies(pattern, name)

    def attributes(self, found: os.stat_result, path: Path) -> bool:
        """Whether an entry with these attributes, which ``path`` leads to, is hidden."""
        return (
            _owned(self._uids, found.st_uid)
            or _owned(self._gids, found.st_gid)
            or (self._readers is not None and not self._open(self._readers, found, path))
        )

    def _open(self, files: Files, found: os.stat_result, path: Path) -> bool:
        if stat.S_ISLNK(found.st_mode):
            # it leads nowhere, and nobody can be kept from there
            return True
        mode = os.X_OK if stat.S_ISDIR(found.st_mode) else os.R_OK
        return acls.may(files, path, found, mode) if self._acls else files.may(found, mode)


def _value(session: Session, settings: Settings, name: str, default: T) -> T:
    key = session.modules.directive(name)
    return default if key is None else settings[key]


def _ids(
    rules: tuple[OwnerRule, ...], known: Mapping[str, int], look_up: Callable[[str], int | None]
) -> tuple[tuple[int, bool], ...]:
    """The numbers that rules name, and which of them are negated; a name that nobody has hides nothing."""
    found = ((known[rule.name] if rule.name in known else look_up(rule.name), rule.negated) for rule in rules)
    return tuple((number, negated) for number, negated in found if number is not None)


def _owned(rules: tuple[tuple[int, bool], ...], owner: int) -> bool:
    for number, negated in rules:
        if owner == number:
            return not negated
        if negated:
            return True
    return False


class Veil(Protocol):
    """What lies between a client and the entries of one folder."""

    @property
    def looks(self) -> bool:
        """Whether names are not enough, and :meth:`shows` must be asked of each entry; of links it always must."""

    def names(self, names: list[str]) -> list[str]:
        """Those that may be shown, as far as names tell."""

    def shows(self, name: str, attributes: os.stat_result, *, aim: bool = True) -> bool:
        """Whether the entry may be shown; the attributes are those of the entry itself, be it a link.

        Without ``aim`` the name of what a link leads to does not matter.
        """

    def leads(self, name: str) -> bool:
        """Whether a link of that name may be shown as far as its own name tells, HideFiles aside."""

    def admits(self, attributes: os.stat_result) -> bool:
        """Whether the folder itself may be shown, by all but its name."""
