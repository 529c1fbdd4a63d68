"""What may not wait for the end of a transfer under way, because it would begin or prepare another one."""

from __future__ import annotations

import socket

from ftpd.core.reply import Reply
from ftpd.engine.lines import LineTooLong
from ftpd.engine.request import understand

GRACE = 0.5
"""Seconds that such a command waits for the end of the transfer before it is refused.

A client may speak as soon as it has read, or sent, the last byte: our 226 is on its way then, or our side still has
to hear of the end.
"""
_VERBS = frozenset(
    ["APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU", "RNFR", "RNTO", "EPRT", "EPSV", "PASV", "PORT"]
)
"""Those that ProFTPD answers with 450 during a transfer."""
_CLOSE_WAIT = 8
"""The state of a connection whose other side has said all (tcp_states.h)."""


def refusal(line: bytes | LineTooLong) -> Reply | None:
    """What the line gets while a transfer moves; None for whatever may wait for its end."""
    request = understand(line)
    if isinstance(request, Reply) or request.verb not in _VERBS:
        return None
    return Reply(450, (f"{request.verb}: data transfer in progress",))


def has_said_all(sock: socket.SocketType) -> bool:
    """Whether the client has closed its side: what it sent is still on its way through us."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSE_WAIT
    except OSError:
        return True
