"""The table of mod_core, which the files around it fill, and what it keeps of a session."""

from __future__ import annotations

from dataclasses import field

from ftpd.api import ANON, DIRECTORY, FTPACCESS, GLOBAL, SERVER, VHOST, Module, Timer, Transfer, dataclass

module = Module("mod_core", version="1.0")

SERVERS = SERVER | GLOBAL | VHOST
SESSIONS = SERVERS | ANON
PLACES = SESSIONS | DIRECTORY | FTPACCESS


@dataclass(slots=True)
class CoreState:
    """What mod_core remembers of one client."""

    idle: Timer | None = None
    epsv_all: bool = False
    """The client promised to use EPSV for good (RFC 2428 4)."""
    entered: dict[str, float] = field(default_factory=dict)
    """When the client last entered the folders in which DisplayChdir shows a message once."""
    sent: int = 0
    """Bytes of data to the client, listings among them."""
    received: int = 0
    files_sent: int = 0
    files_received: int = 0
    counted: Transfer | None = None
    """What is over but not yet told: its bytes are in here already, for a message that is shown at its end."""

    def count_bytes(self, transfer: Transfer) -> None:
        if self.counted is not transfer:
            self.counted = transfer
            if transfer.direction == "i":
                self.received += transfer.moved
            else:
                self.sent += transfer.moved


state = module.session_state(CoreState)


def number(text: str, most: int) -> int | None:
    """A decimal number as a client may write it, from 0 to ``most``; None for anything else.

    Signs, blanks, underscores and the digits of other scripts, all of which :func:`int` takes, are refused.

    >>> number("042", 255), number("256", 255), number("+5", 255), number("", 255)
    (42, None, None, None)
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        return None
    value = int(text)
    return value if value <= most else None
