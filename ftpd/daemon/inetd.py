"""What must not happen when inetd starts us: that messages for the administrator reach the client."""

from __future__ import annotations

import os
import stat

from ftpd.daemon import logs


def keep_messages_from_the_client() -> bool:
    """True when standard error is the client's connection, as inetd has it: messages go to syslog from now on."""
    if not is_socket(0):
        return False
    client = os.fstat(0)
    ours = [fd for fd in (1, 2) if is_socket(fd) and os.path.samestat(os.fstat(fd), client)]
    for descriptor in ours:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
    if ours:
        logs.to_syslog()
    return bool(ours)


def is_socket(descriptor: int) -> bool:
    """Whether that descriptor is open and a socket."""
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False
