"""Options of the control and data connections' sockets, as SocketOptions and TCPNoDelay want them."""

from __future__ import annotations

import socket

from ftpd.core import trace
from ftpd.core.log import debug
from ftpd.core.record import dataclass

_NAMES = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): "SO_KEEPALIVE",
    (socket.SOL_SOCKET, socket.SO_RCVBUF): "SO_RCVBUF",
    (socket.SOL_SOCKET, socket.SO_SNDBUF): "SO_SNDBUF",
    (socket.IPPROTO_TCP, socket.TCP_MAXSEG): "TCP_MAXSEG",
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): "TCP_KEEPIDLE",
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): "TCP_KEEPCNT",
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): "TCP_KEEPINTVL",
}
"""What ProFTPD calls them where it traces."""


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What is not named stays as the kernel has it."""

    no_delay: bool = True
    keepalive: bool | tuple[int, int, int] | None = None
    """On, off, or the seconds until the first probe, how many there are, and the seconds between them."""
    send_buffer: int = 0
    receive_buffer: int = 0
    max_segment: int = 0

    def apply(self, sock: socket.SocketType) -> None:
        """Best before the socket listens or connects: the window's scale is agreed on then."""
        for level, option, value in self._wanted():
            try:
                sock.setsockopt(level, option, value)
            except OSError as error:
                debug(3, "socket option %d cannot be %d: %s", option, value, error)
            else:
                if trace.active:
                    name = _NAMES.get((level, option), str(option))
                    trace.say("inet", 15, "enabled %s %d on socket fd %d", name, value, sock.fileno())

    def _wanted(self) -> list[tuple[int, int, int]]:
        wanted = []
        if self.max_segment:
            wanted.append((socket.IPPROTO_TCP, socket.TCP_MAXSEG, self.max_segment))
        if self.receive_buffer:
            wanted.append((socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer))
        if self.send_buffer:
            wanted.append((socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer))
        if self.keepalive is not None:
            wanted.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(self.keepalive is not False)))
        if isinstance(self.keepalive, tuple):
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPCNT, socket.TCP_KEEPINTVL)
            wanted += [(socket.IPPROTO_TCP, *pair) for pair in zip(options, self.keepalive, strict=True)]
        return wanted


DEFAULT = SocketOptions()
