"""The daemon's own log: ProFTPD's levels and line layout, every record on one line, whatever a client sent."""

from __future__ import annotations

import enum
import logging
import os
import re
import socket
import time

logger = logging.getLogger("ftpd")


class Level(enum.IntEnum):
    """syslog levels as ``SyslogLevel`` names them, mapped on those of :mod:`logging`."""

    EMERG = 60
    ALERT = 55
    CRIT = 50
    ERROR = 40
    WARN = 30
    NOTICE = 25
    INFO = 20
    DEBUG = 10


for _level in Level:
    logging.addLevelName(_level, _level.name)

# C0, DEL, C1, the line and paragraph separators, the bidirectional controls, and bytes that are not UTF-8
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def escape(text: str) -> str:
    """The text with all that could forge or hide a log line made visible.

    >>> escape("a\\r\\nb\\x1b[31m")
    'a\\\\x0d\\\\x0ab\\\\x1b[31m'
    """
    return _UNSAFE.sub(_escaped, text)


class LineFormatter(logging.Formatter):
    """``YYYY-MM-DD HH:MM:SS,mmm host proftpd[pid] server (client[ip]): message``."""

    def __init__(self, *, role: str = "proftpd") -> None:
        super().__init__()
        self._host = socket.gethostname()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        peer = getattr(record, "peer", "")
        text = escape(record.getMessage())
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            text += "".join(f"\n    {escape(line)}" for line in record.exc_text.splitlines())
        where = f"{self._host} {self._role}[{os.getpid()}]"
        return f"{stamp},{int(record.msecs):03d} {where}{f' {escape(peer)}' if peer else ''}: {text}"


def log(level: Level, message: str, *args: object, peer: str = "", exc_info: BaseException | None = None) -> None:
    """Write one record; ``peer`` says whose session it is of, ``message % args`` what happened."""
    logger.log(level, message, *args, extra={"peer": peer}, exc_info=exc_info)


def debug(depth: int, message: str, *args: object, peer: str = "") -> None:
    """A DEBUG record that appears from ``DebugLevel depth`` on (0 to 10)."""
    if depth <= debug_level():
        logger.log(Level.DEBUG, message, *args, extra={"peer": peer})


_debug_level = 0


def debug_level() -> int:
    """The debug level in force: that of ``-d`` or ``DebugLevel``."""
    return _debug_level


def set_debug_level(depth: int) -> None:
    global _debug_level
    _debug_level = depth
