"""Who has just come and says a name first: answered as others were who said the same, having come there alike."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ftpd.module.handler import Alikeness
from ftpd.module.session import Session

if TYPE_CHECKING:
    from ftpd.dispatch.registry import Generation

_KEY = object()
_MOST, _MOST_NAMES = 256, 256
"""Ways to come that are remembered by one generation, and names of each."""
_TRUSTED = 30.0
"""Seconds for which any of it is believed at the longest."""

Naming = Callable[[Session], None]
Again = Callable[[Session, str], bool]


class Proved(NamedTuple):
    """By what one who had said a name, and nothing else, was let in."""

    verb: bytes
    """With its blank."""
    again: Again
    """Lets another in who proves it with that argument; False: it takes the whole road to find that out."""
    said: bytes
    alike: tuple[Alikeness, ...]


class Named(NamedTuple):
    """What a name was answered."""

    said: bytes
    naming: Naming
    """Has a session be one that has said the name."""
    alike: tuple[Alikeness, ...]
    """Whether it is so for a session, where that hangs on more than how it has come."""
    until: float
    proved: Proved | None = None
    """What mostly follows."""


class Strangers:
    """Those who have come alike."""

    __slots__ = ("names", "verb")

    def __init__(self) -> None:
        self.verb = b""
        """The verb of the names, with its blank; empty as long as nobody has said one."""
        self.names: dict[bytes, Named] = {}

    def keep(self, verb: bytes, name: bytes, named: Named) -> None:
        if verb != self.verb or len(self.names) >= _MOST_NAMES:
            self.names.clear()
        self.verb = verb
        self.names[name] = named._replace(until=min(named.until, monotonic() + _TRUSTED))

    def known(self, name: bytes, session: Session) -> Named | None:
        named = self.names.get(name)
        if named is None or named.until <= monotonic() or not all(alike(session) for alike in named.alike):
            return None
        return named


def strangers_of(generation: Generation, session: Session) -> Strangers | None:
    """Those who have come as this session has, of which nothing else may be known yet; None where nobody can."""
    if session.recode is not None or session.translation is not None or session.login:
        return None
    who = (
        session.server, session.settings, session.remote.host, session.remote_name, session.local, session.class_name,
        session.protocol, session.data_type,
    )  # fmt: skip
    known: dict[Any, Strangers] = generation.kept.setdefault(_KEY, {})
    found = known.get(who)
    if found is None:
        if len(known) >= _MOST:
            known.clear()
        found = known[who] = Strangers()
    return found
