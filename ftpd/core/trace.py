"""Tracing: what happens inside, by channel and level, for who looks for a fault; off, it costs a look at a flag."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import time

from ftpd.core.log import Peer, escape, route_of, stamp

CHANNELS = (
    "auth", "auth.pam", "binding", "class", "command", "config", "data", "delay", "directory", "dns", "event", "extlog",
    "ident", "inet", "lock", "log", "module", "netio", "response", "signal", "timer", "xfer",
)  # fmt: skip
"""What DEFAULT stands for: the channels on which something is said in this version."""

active = False
"""Whether anything is traced anywhere; to be looked at before :func:`say` is called where it matters."""


loud = False
"""Whether somebody wants to read of each command's way through the modules: here, or with DebugLevel 4."""

_write: Callable[[str], None] | None = None


def configure(write: Callable[[str], None] | None, *, commands: bool = False) -> None:
    """Begin to trace with ``write``, or end it; ``commands`` asks for each command's way in any case."""
    global active, loud, _write
    _write, active = write, write is not None
    loud = active or commands


def say(channel: str, level: int, message: str, *args: object, peer: str = "") -> None:
    """Write a line if its channel is open as far as ``level``."""
    if not active:
        return
    route = route_of(peer)
    if level not in (route.channels if peer else route.own_channels).get(channel, ()):
        return
    assert _write is not None
    text = escape(message % args if args else message)
    style = route.trace_style
    when = stamp(time()) if style.millis else stamp(time())[:-4]
    parts = [when] if style.timestamp else []
    parts.append(f"[{os.getpid()}]")
    if style.ends and isinstance(peer, Peer) and peer.ends:
        parts.append(peer.ends)
    _write(f"{' '.join(parts)} <{channel}:{level}>: {text}")
