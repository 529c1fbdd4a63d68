"""The daemon's own log: ProFTPD's levels and line layout, every record on one line, whatever a client sent."""

from __future__ import annotations

import enum
import logging
import os
import re
import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache

from ftpd.core.record import dataclass

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
    # nearly always there is nothing, which is found out sooner so
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escaped, text)


# -- whose record it is --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TraceStyle:
    """How the lines of TraceLog look (TraceOptions)."""

    timestamp: bool = True
    millis: bool = True
    ends: bool = False


@dataclass(slots=True)
class Route:
    """Where the records of one server and its sessions go, which of them, and how they look."""

    server: str = ""
    """What the server is called in them."""
    level: int | None = None
    """The least urgent that counts; None leaves it to :mod:`logging`."""
    debug: int = 0
    """DebugLevel."""
    handler: logging.Handler | None = None
    """The server's own ServerLog; None is where the daemon's go."""
    hidden: frozenset[str] = frozenset()
    """Parts of the line that LogOptions takes away: timestamp, hostname, virtualhost."""
    labels: bool = False
    """``daemon`` and ``session`` instead of ``proftpd``."""
    channels: Mapping[str, range] = field(default_factory=dict)
    """What is traced of its sessions, see :mod:`ftpd.core.trace`."""
    own_channels: Mapping[str, range] = field(default_factory=dict)
    """What is traced of the daemon's own work."""
    trace_style: TraceStyle = TraceStyle()


class Peer(str):
    """What a record shows of the session it is of, ``server (name[ip])``, and where it therefore goes."""

    __slots__ = ("_ends", "_length", "head", "lines", "route")
    route: Route | None
    head: str
    """What stands between the time and the text of its lines, once there was one."""
    lines: dict[str, bytes]
    """What stands behind the time in lines of which nothing is filled in, by their text."""
    _ends: str | tuple[str, tuple[str, int]]
    _length: int

    def __new__(
        cls, server: str, client: str, route: Route | None = None, ends: str | tuple[str, tuple[str, int]] = ""
    ) -> Peer:  # fmt: skip
        """``ends``: the text for both ends of the connection, or the client's host, and host and port of ours."""
        self = super().__new__(cls, f"{server} ({client})")
        self._length = len(client) + 2
        self.route = route
        self.head = ""
        self.lines = {}
        self._ends = ends
        return self

    # a session keeps its own, so that it is small

    @property
    def client(self) -> str:
        return self[-self._length :]

    @property
    def ends(self) -> str:
        """Both ends of the connection, as TraceOptions +ConnIPs shows them."""
        if isinstance(self._ends, str):
            return self._ends
        there, (here, port) = self._ends
        return f"(client {there}, server {here}:{port})"


_main = Route()


def main_route() -> Route:
    """The route of the main server, which is the daemon's own."""
    return _main


def set_main_route(route: Route) -> None:
    global _main
    _main = route


def route_of(peer: str) -> Route:
    return (peer.route if isinstance(peer, Peer) else None) or _main


# -- how it looks --------------------------------------------------------------------------------------


_MOST_TEXTS = 8
"""Lines of one peer that are remembered: a module may tell of something else each time."""


class LineFormatter(logging.Formatter):
    """``YYYY-MM-DD HH:MM:SS,mmm host proftpd[pid] server (client[ip]): message``, less what LogOptions takes away."""

    def __init__(self) -> None:
        super().__init__()
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record.created, getattr(record, "peer", ""), message_of(record))

    def line(self, when: float, peer: str, text: str) -> str:
        """The line of a text that is safe to be shown."""
        known = peer.__class__ is Peer
        route = (peer.route if known else None) or _main  # type: ignore[attr-defined]
        hidden = route.hidden
        if peer and not (hidden or route.labels):
            head = peer.head if known else ""  # type: ignore[attr-defined]
            return f"{_second(int(when))},{int(when * 1000) % 1000:03d}{head or self._head(peer)}{text}"
        label = ("session" if peer else "daemon") if route.labels else "proftpd"
        parts = [] if "timestamp" in hidden else [stamp(when)]
        if "hostname" not in hidden:
            parts.append(self._host)
        parts.append(f"{label}[{os.getpid()}]")
        if "virtualhost" not in hidden:
            parts.append(escape(peer or route.server))
        elif isinstance(peer, Peer):
            parts.append(escape(peer.client))
        return f"{' '.join(filter(None, parts))}: {text}"

    def rest(self, peer: Peer, text: str) -> bytes | None:
        """What stands behind the time in a line of that text, to be remembered; None where LogOptions change it."""
        route = peer.route or _main
        if route.hidden or route.labels or not peer:
            return None
        if len(peer.lines) >= _MOST_TEXTS:
            peer.lines.clear()
        rest = peer.lines[text] = f"{peer.head or self._head(peer)}{escape(text)}\n".encode("utf-8", "backslashreplace")
        return rest

    def _head(self, peer: str) -> str:
        """What stands between the time and the text; a Peer, which serves one process, remembers it."""
        head = f" {self._host} proftpd[{os.getpid()}] {escape(peer)}: "
        if peer.__class__ is Peer:
            peer.head = head
        return head


class LineHandler(logging.Handler):
    """One that takes a line as it is: who has nothing else to tell needs no record of :mod:`logging` for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = LineFormatter()
        self.setFormatter(self.lines)

    def emit(self, record: logging.LogRecord) -> None:
        self.take(self.format(record))

    def take(self, line: str) -> None:
        """Write it, or see to it that it is written."""
        self.put(f"{line}\n".encode("utf-8", "backslashreplace"))

    def put(self, line: bytes) -> None:
        """The same of its bytes, with the line's end."""
        raise NotImplementedError


def stamp(now: float) -> str:
    """The time as every log of ours writes it.

    >>> stamp(0.5)[10:]
    ' 00:00:00,500'
    """
    return f"{_second(int(now))},{int(now * 1000) % 1000:03d}"


def _stamped(now: float) -> bytes:
    """The same in bytes."""
    return b"%b,%03d" % (_second_in_bytes(int(now)), int(now * 1000) % 1000)


@lru_cache(maxsize=4)
def _second_in_bytes(second: int) -> bytes:
    return _second(second).encode()


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def message_of(record: logging.LogRecord) -> str:
    """The text alone, on one line; of an exception, one line for each of the traceback's behind it."""
    text = escape(_said(record))
    if record.exc_info and record.exc_info[0] is not None:
        lines = "".join(traceback.format_exception(*record.exc_info)).splitlines()
        text += "".join(f"\n    {escape(line)}" for line in lines)
    return text


def _said(record: logging.LogRecord) -> str:
    return _told(str(record.msg), record.args or ())


def _told(message: str, args: tuple[object, ...] | Mapping[str, object]) -> str:
    """``message % args`` as :mod:`logging` means it: one mapping alone is what the names in the message are of."""
    if len(args) == 1 and isinstance(args, tuple) and isinstance(args[0], Mapping) and args[0]:
        args = args[0]
    try:
        return message % args if args else message
    except BaseException as error:
        # a module's exception may fail where it is shown; that it was there is told all the same
        values = args.values() if isinstance(args, Mapping) else args
        return f"{message} (of {', '.join(type(value).__name__ for value in values)}): {type(error).__name__}"


# -- writing -------------------------------------------------------------------------------------------


def heard(level: Level, route: Route | None) -> bool:
    """Whether a record of that level goes anywhere by this route: to be asked where it costs something to make one."""
    least = (route or _main).level
    return logger.isEnabledFor(level) if least is None else level >= least


def _only_handler() -> logging.Handler | None:
    """The one of the daemon's log, where nobody else listens."""
    handlers = logger.handlers
    if len(handlers) != 1 or logger.propagate or logger.filters or logger.disabled or handlers[0].filters:
        return None
    return handlers[0]


def log(
    level: Level,
    message: str,
    *args: object,
    peer: str = "",
    exc_info: BaseException | None = None,
    auth: bool = False,
) -> None:
    """Write one record; ``peer`` says whose session it is of, ``message % args`` what happened.

    ``auth`` marks what concerns logins: syslog keeps it from eyes that may read the rest.
    """
    route = (peer.route if peer.__class__ is Peer else None) or _main
    if heard(level, route):
        write(route, level, message, args, peer, exc_info, auth)


def write(
    route: Route,
    level: Level,
    message: str,
    args: tuple[object, ...],
    peer: str = "",
    exc_info: BaseException | None = None,
    auth: bool = False,
) -> None:
    """The same where it is known already that it is :func:`heard` by this route, the peer's own."""
    handler = route.handler or _only_handler()
    if exc_info is None and isinstance(handler, LineHandler):
        if not args and peer.__class__ is Peer:
            rest = peer.lines.get(message) or handler.lines.rest(peer, message)
            if rest is not None:
                handler.put(_stamped(time.time()) + rest)
                return
        text = _told(message, args) if args else message
        if not (text.isascii() and text.isprintable()):
            text = escape(text)
        handler.take(handler.lines.line(time.time(), peer, text))
        return
    info = None if exc_info is None else (type(exc_info), exc_info, exc_info.__traceback__)
    record = logger.makeRecord(
        logger.name, level, "", 0, message, args, info, extra={"peer": peer, "auth": auth}
    )  # fmt: skip
    (route.handler or logger).handle(record)


def debug(depth: int, message: str, *args: object, peer: str = "") -> None:
    """A DEBUG record that appears from ``DebugLevel depth`` on (0 to 10)."""
    if depth <= route_of(peer).debug:
        log(Level.DEBUG, message, *args, peer=peer)


def debug_level() -> int:
    """The debug level in force for the daemon: that of ``-d`` or ``DebugLevel``."""
    return _main.debug
