"""WtmpLog: logins and logouts in the system's wtmp, where last(1) looks for them."""

from __future__ import annotations

import ipaddress
import os
import struct
import time

from ftpd.api import LOGGED_IN, SESSION_CLOSE, Level, Session, dataclass, logfile
from ftpd.modules._log_config import module

WTMP = "/var/log/wtmp"

_USER_PROCESS, _DEAD_PROCESS = 7, 8
# utmp(5): where 32-bit programs may share the file, the times in it are 32 bits wide
_NARROW = os.uname().machine in ("x86_64", "i686", "i586", "s390x", "ppc64le", "ppc64", "armv7l", "mips64")
_LAYOUT = struct.Struct("=hxxi32s4s32s256shhiii16s20x" if _NARROW else "@hi32s4s32s256shhqqq16s20x4x")


@dataclass(slots=True)
class _Login:
    """Whether this session stands in wtmp, so that its end has to as well."""

    recorded: bool = False


_login = module.session_state(_Login)


@module.on(LOGGED_IN)
def record_login(session: Session) -> None:
    if session.setting("WtmpLog", False):
        session[_login].recorded = True
        _put(session, _USER_PROCESS, session.user or "")


@module.on(SESSION_CLOSE)
def record_logout(session: Session) -> None:
    if _login in session and session[_login].recorded:
        _put(session, _DEAD_PROCESS, "")


def _put(session: Session, kind: int, user: str) -> None:
    logfile.at(WTMP, "WtmpLog", make=False, complaint=_complaint(session)).put(entry(session, kind, user, time.time()))


def _complaint(session: Session) -> Level:
    """Nobody asked for it where it is on by default: then an unprivileged daemon need not complain."""
    key = session.modules.directive("WtmpLog")
    return Level.WARN if key is not None and key in session.settings else Level.DEBUG


def entry(session: Session, kind: int, user: str, now: float) -> bytes:
    """One record; the line is one of its own for each session, by which last(1) finds the logout to a login."""
    line = f"ftpd{os.getpid()}.{session.id}"
    address = ipaddress.ip_address(session.remote.host.partition("%")[0]).packed
    return _LAYOUT.pack(
        kind, os.getpid(), _text(line), _text(line[-4:]), _text(user), _text(session.remote_name), 0, 0, 0,
        int(now), int(now % 1 * 1e6), address,
    )  # fmt: skip


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")
