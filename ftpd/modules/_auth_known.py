"""Who has been let in before: what then followed from the configuration alone is not worked out again.

The account, its groups and its password are asked for with each login, and so are all limits and whatever else may be
otherwise by then; only where the account and the groups are as they were counts what is kept here.
"""

from __future__ import annotations

from ftpd.api import Assurance, Session, dataclass
from ftpd.modules._auth_login import Visitor
from ftpd.modules._auth_place import Plan

_MOST = 1024
"""Logins that are remembered by one generation of modules."""
_REGULARS = object()


@dataclass(frozen=True, slots=True)
class Regular:
    """One who was let in, and what the configuration gives him."""

    visitor: Visitor
    plan: Plan
    umask: int
    show_links: bool
    granted: str
    """What he was answered."""
    longest: int
    """Bytes of the longest password that is looked at."""
    asks_lists: bool
    """Whether /etc/shells or /etc/ftpusers has a say."""
    assurance: Assurance | None
    """Whether he is still the same to all who were asked; None: they are to be asked again each time."""


def regular(session: Session) -> Regular | None:
    """Whoever came to this server by the session's login name; by the same name, the same account is asked for."""
    known: dict[object, Regular] | None = session.modules.kept.get(_REGULARS)
    return None if known is None else known.get((session.server, session.login))


def remember(session: Session, one: Regular) -> None:
    """He has been let in. What holds a hash is not kept, nor what has to be looked at each time."""
    if not one.plan.lasts or one.visitor.without_password or one.visitor.account.password is not None:
        return
    known: dict[object, Regular] = session.modules.kept.setdefault(_REGULARS, {})
    if len(known) >= _MOST:
        known.clear()
    known[session.server, session.login] = one
