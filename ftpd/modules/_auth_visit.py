"""What a client has done so far to get in."""

from __future__ import annotations

from dataclasses import field

from ftpd.api import Timer, dataclass
from ftpd.modules._auth_census import Key
from ftpd.modules._auth_directives import module
from ftpd.modules._auth_known import Regular


@dataclass(slots=True)
class Visit:
    """What a client has done so far to get in; failures are never forgotten while it stays."""

    name: str | None = None
    """The name that waits for its password."""
    failures: int = 0
    over: bool = False
    timer: Timer | None = None
    counted_as: list[Key] = field(default_factory=list)
    came: Regular | Exception | None = None
    """How it came in a short way, or what was in that way, where the whole road is to tell of it."""


visit_of = module.session_state(Visit)
