"""Events: named moments that modules listen to, each with one typed payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ftpd.module.command import Command
    from ftpd.module.session import Session

T = TypeVar("T", contravariant=True)


class Event(Generic[T]):
    """A moment; listeners get the payload, those registered last are called first."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Event {self.name}>"


STARTUP: Event[None] = Event("core.startup")
RESTART: Event[None] = Event("core.restart")
SHUTDOWN: Event[None] = Event("core.shutdown")
POSTPARSE: Event[None] = Event("core.postparse")

SESSION_OPEN: Event[Session] = Event("core.connect")
"""Before the banner; a listener that raises Refuse ends the connection with that reply."""
SESSION_CLOSE: Event[Session] = Event("core.exit")
LOGGED_IN: Event[Session] = Event("core.logged-in")
INVALID_COMMAND: Event[Session] = Event("core.invalid-command")
BAD_PROTOCOL: Event[Session] = Event("core.bad-protocol")
UNHANDLED_COMMAND: Event[Command] = Event("core.unhandled-command")
TIMEOUT_IDLE: Event[Session] = Event("core.timeout-idle")
TIMEOUT_LOGIN: Event[Session] = Event("core.timeout-login")
TIMEOUT_NO_TRANSFER: Event[Session] = Event("core.timeout-no-transfer")
TIMEOUT_STALLED: Event[Session] = Event("core.timeout-stalled")
MAX_LOGIN_ATTEMPTS: Event[Session] = Event("mod_auth.max-login-attempts")
