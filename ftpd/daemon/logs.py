"""Where the daemon's own log goes: the terminal, SystemLog, or syslog; opened safely, reopened on SIGHUP."""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import sys

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, LineFormatter, logger, set_debug_level

_SYSLOG_SOCKET = "/dev/log"


class StartError(Exception):
    """Why the daemon cannot start, in one line."""


def to_terminal(debug: int = 0) -> None:
    """Everything to stderr, as before the configuration is known and with -n."""
    set_debug_level(debug)
    _use(logging.StreamHandler(sys.stderr), Level.DEBUG)


def to_configured(system_log: str | None, level: str, debug: int) -> None:
    """To SystemLog, or to syslog where there is none; StartError names a file that is not safe or not there."""
    set_debug_level(debug)
    lowest = Level.DEBUG if debug else Level[level.upper()]
    if system_log == "none":
        _use(logging.NullHandler(), lowest)
    elif system_log is not None:
        with acting_as_daemon():
            _use(
                logging.StreamHandler(os.fdopen(_open(system_log), "w", buffering=1, errors="backslashreplace")), lowest
            )
    elif os.path.exists(_SYSLOG_SOCKET):
        _use(logging.handlers.SysLogHandler(_SYSLOG_SOCKET, logging.handlers.SysLogHandler.LOG_DAEMON), lowest)
    else:
        _use(logging.NullHandler(), lowest)


def _use(handler: logging.Handler, level: Level) -> None:
    handler.setFormatter(LineFormatter())
    old = list(logger.handlers)
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    # a log that cannot be written must not end what it reports on
    logging.raiseExceptions = False
    for one in old:
        stream = getattr(one, "stream", None)
        one.close()
        if stream not in (None, sys.stderr, sys.stdout):
            stream.close()


def _open(path: str) -> int:
    folder = os.path.dirname(path)
    try:
        found = os.stat(folder)
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise StartError(f"unable to open SystemLog {path}: {folder} is world-writable")
        descriptor = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640
        )
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
        raise StartError(f"unable to open SystemLog {path}: {reason}") from None
    return descriptor
