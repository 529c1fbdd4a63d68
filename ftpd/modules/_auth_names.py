"""Which account a login name means: UserAlias first, then the User of an <Anonymous>, then the name itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftpd.api import ANON, Scope, Session, Settings, dataclass
from ftpd.modules import _auth_directives as d


@dataclass(frozen=True, slots=True)
class Target:
    """What a login name stands for; ``user`` is None where only aliases may log in and the name is none.

    And where the area that only aliases lead to has no User.
    """

    user: str | None
    anonymous: Scope | None
    settings: Settings

    def wants_password(self) -> bool:
        return self.anonymous is None or self.settings[d.anon_require_password]


def target_of(session: Session, login: str) -> Target:
    """The account and the <Anonymous> that ``USER login`` leads to."""
    server = session.server
    # the one written last comes first, as ProFTPD finds them
    areas = [child for child in server.children if child.kind is ANON]
    for real, area in _aliases(server, areas, login):
        only = _only_aliases(server, area or (areas[0] if areas else None))
        if only is False and areas:
            # a line that says off takes the aliases away that are found in its area, as in ProFTPD
            break
        if area is None:
            return _target(server, real, _block_of(session, areas, real))
        # an alias inside an <Anonymous> leads there even when several blocks share one User
        if only:
            # whoever the line names: in ProFTPD such a guest is the area's User, and others may own more there
            return Target(own_value(session, area, "User"), area, area.settings)
        return _target(server, real, area)
    return _by_name(session, areas, login)


def _aliases(server: Scope, areas: list[Scope], login: str) -> Iterator[tuple[str, Scope | None]]:
    """Whom the lines that mean the login name, and in which area they stand; in the order in which they count.

    To ProFTPD those of the server stand in each area, too, behind those of its own: so they come after the first area.
    """
    for scope in (*areas[:1], server, *areas[1:]):
        for alias, real in scope.values.get(d.user_alias, ()):
            if alias in ("*", login):
                yield real, scope if scope.kind is ANON else None


def _only_aliases(server: Scope, area: Scope | None) -> bool | None:
    """What AuthAliasOnly says in an area, or in the server; None where no line says anything."""
    said: bool | None = server.values.get(d.auth_alias_only)
    return said if area is None else area.values.get(d.auth_alias_only, said)


def _by_name(session: Session, areas: list[Scope], login: str) -> Target:
    """Where the name itself leads, which is no alias."""
    server = session.server
    block = _block_of(session, areas, login) if areas else None
    if _only_aliases(server, areas[0] if areas else None):
        # what the first area says counts for the server as well, as in ProFTPD
        return Target(None, None, (block or server).settings)
    if block is not None and _only_aliases(server, block):
        block = None
    if block is None and _only_aliases(server, None):
        # and off in an area does not open the server, which it does in ProFTPD
        return Target(None, None, server.settings)
    return _target(server, login, block)


def _target(server: Scope, user: str, block: Scope | None) -> Target:
    return Target(user, block, (block or server).settings)


def _block_of(session: Session, sections: list[Scope], user: str) -> Scope | None:
    return next((scope for scope in sections if own_value(session, scope, "User") == user), None)


def own_value(session: Session, scope: Scope, directive: str) -> Any:
    """What a section says itself with a directive of another module; None when it says nothing."""
    key = session.modules.directive(directive)
    return None if key is None else scope.values.get(key)
