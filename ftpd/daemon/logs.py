"""Where the daemon's own log goes: the terminal, SystemLog, or syslog; opened safely, reopened on SIGHUP."""

from __future__ import annotations

import logging
import os
import stat
import sys
from typing import TextIO

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, LineFormatter, logger, set_debug_level
from ftpd.daemon.errors import StartError

_SYSLOG_SOCKET = "/dev/log"


def to_terminal(debug: int = 0) -> None:
    """Everything to stderr, as before the configuration is known and with -n."""
    set_debug_level(debug)
    _use(logging.StreamHandler(sys.stderr), Level.DEBUG)


def to_syslog(level: Level = Level.DEBUG) -> None:
    """To syslog, or nowhere on a machine that has none."""
    if not os.path.exists(_SYSLOG_SOCKET):
        _use(logging.NullHandler(), level)
        return
    # pulls in sockets and pickling, which a daemon with a log file does without
    from logging.handlers import SysLogHandler

    try:
        _use(SysLogHandler(_SYSLOG_SOCKET, SysLogHandler.LOG_DAEMON), level)
    except OSError as error:
        raise StartError(f"unable to log to syslog at {_SYSLOG_SOCKET}: {error.strerror}; name a SystemLog") from None


def to_configured(system_log: str | None, level: str, debug: int) -> None:
    """To SystemLog, or to syslog where there is none; StartError names a file that is not safe or not there."""
    lowest = Level.DEBUG if debug else Level[level.upper()]
    if system_log is None:
        to_syslog(lowest)
    elif system_log == "none":
        _use(logging.NullHandler(), lowest)
    else:
        _use(_LogFile(_open(system_log)), lowest)
    set_debug_level(debug)


class _LogFile(logging.StreamHandler[TextIO]):
    """SystemLog, ours to close; not logging's FileHandler, which opens by name and follows links."""

    def close(self) -> None:
        super().close()
        self.stream.close()


def _use(handler: logging.Handler, level: Level) -> None:
    handler.setFormatter(LineFormatter())
    old = list(logger.handlers)
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    # a log that cannot be written must not end what it reports on
    logging.raiseExceptions = False
    for one in old:
        one.close()


def _open(path: str) -> TextIO:
    """The file, for appending, unless somebody else could have put it, or a link to another, there."""
    folder = os.path.dirname(path)
    # a FIFO that nobody reads must not stop the daemon
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    with acting_as_daemon():
        try:
            found = os.stat(folder)
            if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
                raise StartError(f"unable to open SystemLog {path}: {folder} is world-writable")
            descriptor = os.open(path, flags, 0o640)
        except OSError as error:
            reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
            missing = f": {folder}" if isinstance(error, FileNotFoundError) else ""
            raise StartError(f"unable to open SystemLog {path}: {reason}{missing}") from None
    file = os.fstat(descriptor)
    reason = ""
    if not (stat.S_ISREG(file.st_mode) or stat.S_ISCHR(file.st_mode)):
        reason = "it is no regular file"
    elif stat.S_ISREG(file.st_mode) and file.st_nlink > 1:
        reason = f"it has {file.st_nlink} names, and what is logged would be written into another file (a hard link)"
    if reason:
        os.close(descriptor)
        raise StartError(f"unable to open SystemLog {path}: {reason}")
    return os.fdopen(descriptor, "w", buffering=1, errors="backslashreplace")
