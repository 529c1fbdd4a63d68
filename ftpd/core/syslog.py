"""syslog: datagrams as RFC 3164 has them, to whoever listens at /dev/log; a daemon that is away is found again."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time

from ftpd.core.log import Level, Peer, message_of, route_of
from ftpd.core.scribe import Outlet

SOCKET = "/dev/log"

# as in ProFTPD, AUTH is the one that not everybody may read; KERN is the kernel's own, and nobody else has it
FACILITIES = {
    "KERN": 3, "USER": 1, "MAIL": 2, "DAEMON": 3, "AUTH": 10, "LPR": 6, "NEWS": 7, "UUCP": 8, "CRON": 9, "AUTHPRIV": 10,
    "FTP": 11, **{f"LOCAL{number}": 16 + number for number in range(8)},
}  # fmt: skip
SEVERITIES = {
    Level.EMERG: 0, Level.ALERT: 1, Level.CRIT: 2, Level.ERROR: 3, Level.WARN: 4, Level.NOTICE: 5, Level.INFO: 6,
    Level.DEBUG: 7,
}  # fmt: skip
_LONGEST = 8192
"""More than any syslog daemon takes in one message by default."""


class Syslog(Outlet):
    """The system's log. Without a daemon behind it, records wait for one as long as there is room."""

    def __init__(self, path: str = "") -> None:
        super().__init__("syslog")
        self.path = path or SOCKET
        self.facility: int | None = None
        """That of SyslogFacility; without one logins go to AUTHPRIV, all else to DAEMON."""
        self._socket: socket.socket | None = None
        self._streams = False

    def record(self, level: Level, text: str, *, auth: bool = False) -> None:
        """Hand a record over."""
        facility = self.facility
        if facility is None:
            facility = FACILITIES["AUTHPRIV" if auth else "DAEMON"]
        head = f"<{facility * 8 + SEVERITIES[level]}>{time.strftime('%b %e %T')} proftpd[{os.getpid()}]: "
        self.put(f"{head}{text}".encode("utf-8", "backslashreplace")[:_LONGEST])

    def _send(self) -> None:
        try:
            link = self._linked()
            while self._batch:
                record = self._batch[0]
                # a stream needs an end of each record
                sent = link.send(record + b"\0" if self._streams else record)
                if sent < len(record):
                    raise ConnectionError(errno.ECONNRESET, f"{self.path} took a part of a record")
                self._batch.pop(0)
        except BlockingIOError:
            raise
        except OSError as error:
            # the daemon was started anew, perhaps: the next try looks for it again
            self._close()
            raise OSError(error.errno, f"{error.strerror} ({self.path})") from None

    def _linked(self) -> socket.socket:
        if self._socket is None:
            kinds = socket.SOCK_DGRAM, socket.SOCK_STREAM
            for kind in kinds:
                link = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
                try:
                    link.connect(self.path)
                except OSError as error:
                    link.close()
                    if error.errno != errno.EPROTOTYPE or kind is kinds[-1]:
                        raise
                else:
                    self._socket, self._streams = link, kind is socket.SOCK_STREAM
                    break
        assert self._socket is not None
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


syslog = Syslog()
"""The one of this process."""


class SyslogHandler(logging.Handler):
    """The daemon's own records to syslog: ``server (client[ip]) - message``."""

    def emit(self, record: logging.LogRecord) -> None:
        peer: str = getattr(record, "peer", "")
        who = str(peer) or route_of(peer).server
        if "virtualhost" in route_of(peer).hidden:
            who = peer.client if isinstance(peer, Peer) else ""
        for line in message_of(record).split("\n"):
            text = f"{who} - {line}" if who else line
            syslog.record(Level(record.levelno), text, auth=getattr(record, "auth", False))
