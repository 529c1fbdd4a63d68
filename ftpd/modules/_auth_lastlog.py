"""UseLastlog: the machine's record of when and from where each user was last here, as lastlog(8) shows it."""

from __future__ import annotations

import os
import struct
import time

from ftpd.api import Level, Session, acting_as_daemon

LASTLOG = "/var/log/lastlog"
_RECORD = struct.Struct("=i32s256s")
"""``struct lastlog`` of <lastlog.h>; the record of a user stands at the user id."""


def record_login(session: Session, uid: int) -> None:
    """Write the record; for a thread. A machine without a lastlog keeps none: only the log hears of a fault."""
    line = f"ftpd{os.getpid()}".encode()
    host = session.remote_name.encode("ascii", "replace")
    try:
        with acting_as_daemon():
            file = os.open(LASTLOG, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                os.pwrite(file, _RECORD.pack(int(time.time()), line, host), uid * _RECORD.size)
            finally:
                os.close(file)
    except FileNotFoundError:
        return
    except (OSError, struct.error) as error:
        session.log(Level.WARN, "UseLastlog: unable to write to %s: %s", LASTLOG, error)
