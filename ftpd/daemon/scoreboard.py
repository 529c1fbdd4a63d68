"""The scoreboard that a configuration asks for; where it cannot be made, clients are served all the same."""

from __future__ import annotations

import os
import time

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.core.scoreboard import Board, CommonBoard
from ftpd.daemon.values import DaemonSettings


def differs(before: DaemonSettings, after: DaemonSettings) -> bool:
    return (before.scoreboard, before.scoreboard_mutex) != (after.scoreboard, after.scoreboard_mutex)


def opened(settings: DaemonSettings) -> Board | None:
    """The board, empty but for inetd's other clients; None where there is to be none, or it could not be made."""
    if settings.scoreboard is None:
        return None
    try:
        with acting_as_daemon():
            now, mutex = int(time.time()), settings.scoreboard_mutex
            if settings.inetd:
                return CommonBoard(settings.scoreboard, mutex, started=now, scrub=settings.scoreboard_scrub)
            return Board(settings.scoreboard, mutex, pid=os.getpid(), started=now)
    except OSError as error:
        reason = (
            error.strerror if error.filename in (None, settings.scoreboard) else f"{error.strerror}: {error.filename}"
        )
        level = Level.WARN if settings.scoreboard_wanted else Level.INFO
        log(level, "ScoreboardFile %s is not kept, ftpwho will not see who is on: %s", settings.scoreboard, reason)
        return None
