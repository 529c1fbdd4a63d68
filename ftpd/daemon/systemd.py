"""What systemd is told (sd_notify(3)) and what it hands over (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import time


def notify(**fields: str | int) -> bool:
    """Send ``READY=1`` and the like; False where no service manager asked for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={value}" for name, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(message.encode(), address)
        except OSError:
            return False
    return True


def notify_reloading() -> bool:
    """RELOADING=1 with the clock value that Type=notify-reload compares."""
    return notify(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)


def inherited_sockets() -> list[socket.socket]:
    """Listening sockets of a .socket unit; empty when this process was not activated by one."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    sockets = [socket.socket(fileno=3 + number) for number in range(count)]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
