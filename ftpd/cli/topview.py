"""What ftptop shows: the scoreboard as lines for a screen of some width, and which sessions are among them."""

from __future__ import annotations

from time import ctime

from ftpd.cli.board import of_server, percent, span, up_for
from ftpd.core.record import dataclass
from ftpd.core.scoreboard import IDLE, NOBODY, Entry, Scores

AUTHENTICATING, IDLING, DOWNLOADING, UPLOADING, LISTING, OTHER = "AIDULC"
_KINDS = {
    IDLE: IDLING,
    "RETR": DOWNLOADING,
    "STOR": UPLOADING,
    "STOU": UPLOADING,
    "APPE": UPLOADING,
    "LIST": LISTING,
    "NLST": LISTING,
    "MLSD": LISTING,
}
_NARROW = 80
"""Columns that the lines are made for; what a screen has more goes to user, client and server first."""


@dataclass(frozen=True)
class View:
    """What is asked for."""

    server: str | None = None
    only: frozenset[str] = frozenset()
    """The kinds that are shown; none means all."""
    hidden: frozenset[str] = frozenset()
    speeds: bool = False

    def shows(self, entry: Entry) -> bool:
        """Whether a session is among the lines."""
        which = kind(entry)
        if self.speeds and which not in (DOWNLOADING, UPLOADING):
            return False
        return which not in self.hidden and (not self.only or which in self.only)


def kind(entry: Entry) -> str:
    """The letter in the column S."""
    return AUTHENTICATING if entry.user == NOBODY else _KINDS.get(entry.command, OTHER)


def head(found: Scores, view: View, now: float) -> list[str]:
    """Two lines that tell of all sessions of the server, shown or not."""
    entries = of_server(found.entries, view.server)
    kinds = [kind(entry) for entry in entries]
    up = f", up for {up_for(found, now)}" if found.pid else ""
    counts = ", ".join(
        f"{kinds.count(which)} {what}"
        for which, what in ((DOWNLOADING, "downloading"), (UPLOADING, "uploading"), (IDLING, "idle"))
    )
    shown = sum(map(view.shows, entries))
    rest = f" ({shown} shown)" if shown != len(entries) else ""
    return [f"ftptop: {ctime(now)}{up}", f"{len(entries)} Total FTP Sessions: {counts}{rest}"]


def columns(view: View, width: int) -> str:
    """The line above the sessions."""
    user, client, server = _widths(width)
    if view.speeds:
        return f"{'PID':<7} S {'USER':<{user}} {'CLIENT':<{client}} {'KB/s':>10} {'%DONE':>5} COMMAND"
    return f"{'PID':<7} S {'USER':<{user}} {'CLIENT':<{client}} {'SERVER':<{server}} {'TIME':<6} COMMAND"


def lines(found: Scores, view: View, now: float, width: int) -> list[str]:
    """A line for each session that is shown, those that were first on first."""
    user, client, server = _widths(width)
    made = []
    for entry in of_server(found.entries, view.server):
        if not view.shows(entry):
            continue
        who = f"{entry.pid:<7d} {kind(entry)} {_cut(entry.user, user)} {_cut(entry.name or entry.address, client)}"
        if view.speeds:
            rest = f"{_speed(entry)} {_done(entry)} {entry.command} {entry.argument}"
        else:
            rest = f"{_cut(entry.server, server)} {span(now - entry.began):<6} {_what(entry)}"
        made.append(_plain(f"{who} {rest}".rstrip())[:width])
    return made


def _widths(width: int) -> tuple[int, int, int]:
    """Those of user, client and server."""
    more = max(width - _NARROW, 0)
    return 8 + min(more // 8, 12), 16 + min(more // 4, 30), 15 + min(more // 8, 12)


def _cut(text: str, room: int) -> str:
    return f"{text[:room]:<{room}}"


def _plain(text: str) -> str:
    """Nothing that a terminal would take for more than letters, whoever wrote the scoreboard."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def _what(entry: Entry) -> str:
    if entry.user == NOBODY:
        return "(authenticating)"
    return IDLE if entry.command == IDLE else f"{entry.command} {entry.argument}".rstrip()


def _speed(entry: Entry) -> str:
    if not entry.elapsed or not entry.length:
        return f"{'-':>10}"
    return f"{entry.length / 1024 / (entry.elapsed / 1000):10.2f}"


def _done(entry: Entry) -> str:
    # how much an upload will be nobody knows
    return f"{percent(entry):5d}" if entry.command == "RETR" and entry.size else "(n/a)"
