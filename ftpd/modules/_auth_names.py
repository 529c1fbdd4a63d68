"""Which account a login name means: UserAlias first, then the User of an <Anonymous>, then the name itself."""

from __future__ import annotations

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
    anonymous = [child for child in server.children if child.kind is ANON]
    # as ProFTPD finds them: what stands in a section is found before what stands in the server itself
    for scope in (*anonymous, server):
        for alias, real in scope.values.get(d.user_alias, ()):
            if alias in ("*", login):
                if scope.kind is not ANON:
                    return _target(server, real, _block_of(session, anonymous, real))
                # an alias inside an <Anonymous> leads there even when several blocks share one User
                if scope.settings[d.auth_alias_only]:
                    # whoever the line names: in ProFTPD such a guest is the area's User, and others may own more there
                    return Target(own_value(session, scope, "User"), scope, scope.settings)
                return _target(server, real, scope)
    block = _block_of(session, anonymous, login) if anonymous else None
    if block is not None and block.settings[d.auth_alias_only]:
        block = None
    if server.settings[d.auth_alias_only]:
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
