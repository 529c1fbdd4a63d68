"""What a start would come upon that no line shows: files of the daemon's own that cannot be, ports that are taken."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

from ftpd.conf.faults import Fault
from ftpd.conf.tree import Config
from ftpd.core.identity import acting_as_daemon
from ftpd.core.scoreboard import alive
from ftpd.daemon import logs, pidfile
from ftpd.daemon.listen import Endpoint
from ftpd.daemon.plan import Plan

_LISTENS = "0A"
_EVERYWHERE = {"0.0.0.0", "::"}


def obstacles(config: Config, *, terminal: bool = False) -> list[Fault]:
    """What would end a start, with the lines that ask for it; nothing is made. A ``terminal`` stands for SystemLog."""
    found = logs.unopened(config, terminal=terminal)
    if next((value for key, value in config.main.values.items() if key.name == "ServerType"), None) != "inetd":
        found += pidfile.unwritable(config)
    return found


def doubts(plan: Plan) -> list[Fault]:
    """What may be otherwise when the daemon starts, or does not matter to each start."""
    unnamed = [] if plan.options.foreground else pidfile.unwritable_default(plan.settings, plan.options.config)
    return [*unnamed, *taken(plan)]


def taken(plan: Plan) -> list[Fault]:
    """The ports at which somebody else listens now: a start would have to wait for that one's end.

    Where the daemon of this PidFile runs, it is asked whether that may read its configuration again. Only looked at:
    a port that was tried for a moment could not be had by a daemon that starts in it.
    """
    if plan.settings.inetd or plan.settings.reuse_port or _runs(plan.settings.pid_file):
        return []
    others = _listeners()
    return [
        Fault(
            plan.options.config,
            0,
            "",
            f"somebody listens at {host}, port {port} now: a start would end with 'Address already in use'",
            "end what listens there first, or another Port",
        )
        for host, port in plan.bindings.endpoints
        if any(port == other_port and (host == other or {host, other} & _EVERYWHERE) for other, other_port in others)
    ]


def _runs(pid_file: str) -> bool:
    with acting_as_daemon(), suppress(OSError, ValueError), open(pid_file, encoding="ascii") as file:
        return alive(int(file.read(20)))
    return False


def _listeners() -> set[Endpoint]:
    """Where TCP sockets listen on this machine (proc(5): hexadecimal, each word in the machine's byte order)."""
    found = set()
    for path, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS:
                    found.add(_endpoint(fields[1], family))
    return found


def _endpoint(written: str, family: socket.AddressFamily) -> Endpoint:
    host, _, port = written.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(family, packed), int(port, 16)
