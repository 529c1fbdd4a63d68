"""Events: named moments that modules listen to, each with one typed payload."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.module.command import Command
    from ftpd.module.session import Session

T = TypeVar("T", contravariant=True)


class Event(Generic[T]):
    """A moment; listeners get the payload, those registered last are called first.

    At one that ``may_refuse`` a listener's Refuse is the client's answer; at all others something has happened already,
    and a Refuse is a fault like any other.
    """

    __slots__ = ("__weakref__", "may_refuse", "name")

    def __init__(self, name: str, *, may_refuse: bool = False) -> None:
        self.name = name
        self.may_refuse = may_refuse
        _by_name[name] = self

    def __repr__(self) -> str:
        return f"<Event {self.name}>"


@dataclass(slots=True)
class Rehousing:
    """Somebody is to be let in: the home is the argument of ``command``, ``work`` is awaited before it is used."""

    command: Command
    work: list[Awaitable[None]] = field(default_factory=list)


class Sent(NamedTuple):
    """So many files went whole to the client of the session, or came from it, so many bytes altogether."""

    session: Session
    files: int
    moved: int


_by_name: WeakValueDictionary[str, Event[Any]] = WeakValueDictionary()


def event_named(name: str) -> Event[Any] | None:
    """The event that a configuration means; that of a module is there once the module is loaded, the last one wins."""
    return _by_name.get(name)


STARTUP: Event[None] = Event("core.startup")
RESTART: Event[None] = Event("core.restart")
SHUTDOWN: Event[None] = Event("core.shutdown")
POSTPARSE: Event[None] = Event("core.postparse")

SIGNAL_USR2: Event[None] = Event("core.signal.USR2")
"""Somebody has sent the daemon this signal, which means what modules make of it."""

SESSION_OPEN: Event[Session] = Event("core.connect", may_refuse=True)
"""Before the banner; a listener that raises Refuse ends the connection with that reply."""
SESSION_REINIT: Event[Session] = Event("core.session-reinit", may_refuse=True)
"""A client goes on at another virtual host (HOST): what was taken from the settings of the first is to be renewed."""
SESSION_CLOSE: Event[Session] = Event("core.exit")
FILES_SENT: Event[Sent] = Event("core.files-sent")
"""Some files went out whose sending was decided with that of one before; POST and CMD were not asked.

The bytes of listings that went out so are among them; these are no files.
"""
FILES_RECEIVED: Event[Sent] = Event("core.files-received")
"""The same of files that came in, of which nobody had anything to record."""
WORK_DONE: Event[Session] = Event("core.work-done")
"""Long work without a data connection (a copy, a checksum) has come to its end: timers count from here."""
LOGGED_IN: Event[Session] = Event("core.logged-in", may_refuse=True)
INVALID_COMMAND: Event[Session] = Event("core.invalid-command")
BAD_PROTOCOL: Event[Session] = Event("core.bad-protocol")
UNHANDLED_COMMAND: Event[Command] = Event("core.unhandled-command")
TIMEOUT_IDLE: Event[Session] = Event("core.timeout-idle")
TIMEOUT_LOGIN: Event[Session] = Event("core.timeout-login")
TIMEOUT_NO_TRANSFER: Event[Session] = Event("core.timeout-no-transfer")
TIMEOUT_STALLED: Event[Session] = Event("core.timeout-stalled")
MAX_COMMAND_RATE: Event[Session] = Event("core.max-command-rate")
MAX_CONNECTION_RATE: Event[None] = Event("core.max-connection-rate")
MAX_INSTANCES: Event[None] = Event("core.max-instances")
"""A connection was turned away because MaxInstances are served."""
REWRITE_HOME: Event[Rehousing] = Event("mod_auth.rewrite-home", may_refuse=True)
MAX_LOGIN_ATTEMPTS: Event[Session] = Event("mod_auth.max-login-attempts")
