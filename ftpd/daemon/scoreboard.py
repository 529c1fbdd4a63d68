"""The scoreboard that a configuration asks for; where it cannot be made, clients are served all the same."""

from __future__ import annotations

import os
import time

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.core.scoreboard import Board
from ftpd.daemon.values import DaemonSettings


def differs(before: DaemonSettings, after: DaemonSettings) -> bool:
    return (before.scoreboard, before.scoreboard_mutex) != (after.scoreboard, after.scoreboard_mutex)


def opened(settings: DaemonSettings) -> Board | None:
    """The board, empty; None where there is to be none, or where it could not be made."""
    if settings.scoreboard is None:
        return None
    try:
        with acting_as_daemon():
            pid = 0 if settings.inetd else os.getpid()
            return Board(settings.scoreboard, settings.scoreboard_mutex, pid=pid, started=int(time.time()))
    except OSError as error:
        reason = (
            error.strerror if error.filename in (None, settings.scoreboard) else f"{error.strerror}: {error.filename}"
        )
        level = Level.WARN if settings.scoreboard_wanted else Level.INFO
        log(level, "ScoreboardFile %s is not kept, ftpwho will not see who is on: %s", settings.scoreboard, reason)
        return None
