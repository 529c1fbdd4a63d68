"""What systemd is told (sd_notify(3)), what it hands over (sd_listen_fds(3)), and how often it wants to hear of us."""

from __future__ import annotations

import os
import socket
import time

from ftpd.core.identity import acting_as_daemon
from ftpd.daemon.errors import StartError

_FIRST = 3


def notify(**fields: str | int) -> bool:
    """Send ``READY=1`` and the like; False where no service manager asked for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={value}" for name, value in fields.items())
    with acting_as_daemon(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(message.encode("utf-8", "replace"), address)
        except OSError:
            return False
    return True


def notify_reloading() -> bool:
    """RELOADING=1 with the clock value that Type=notify-reload compares."""
    return notify(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of what systemd waits; None where it asks for none."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    if not wanted.isdigit() or int(wanted) == 0:
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(wanted) / 2_000_000


def inherited_sockets() -> list[socket.socket]:
    """Listening sockets of a .socket unit; empty when this process was not activated by one."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if not (count.isascii() and count.isdigit()):
        raise StartError(f"LISTEN_FDS is '{count}', but has to be the number of sockets that are handed over")
    return [_listening(_FIRST + number) for number in range(int(count))]


def _listening(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(
            f"LISTEN_FDS hands over descriptor {descriptor}, which is no socket: {error.strerror}"
        ) from None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        raise StartError(
            f"LISTEN_FDS hands over descriptor {descriptor}, which is no listening TCP socket; "
            "the .socket unit needs ListenStream= with a port, and Accept=no"
        )
    sock.set_inheritable(False)
    return sock
