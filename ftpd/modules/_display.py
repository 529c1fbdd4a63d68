"""Message files for clients: their lines, with the %-variables in them replaced (DisplayConnect and its kin)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable

from ftpd.api import Path, Session

MOST = 64 * 1024
"""Bytes of a message that are shown; more than that is not a message."""

_VARIABLE = re.compile(r"%(?:\{time:([^}]*)\}|([A-Za-z]))")
_SHORT: dict[str, Callable[[Session], str]] = {
    "C": lambda session: session.cwd,
    "E": lambda session: session.setting("ServerAdmin", "") or default_admin(session),
    "L": lambda session: session.local.host,
    "R": lambda session: session.remote_name,
    "T": lambda session: time.strftime("%a %b %d %H:%M:%S %Y"),
    "U": lambda session: session.login or "NONE",
    "u": lambda session: "UNKNOWN",
    "V": lambda session: session.setting("ServerName", ""),
    "x": lambda session: session.class_name or "(unknown)",
}


def default_admin(session: Session) -> str:
    """Who ServerAdmin is where the configuration does not say."""
    return f"root@{session.server.args[0] if session.server.args else session.local.host}"


def of_machine(path: str, session: Session) -> list[str]:
    """The lines of a file by its path on the machine, read with the daemon's own rights; none if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    return _lines(descriptor, session)


def of_session(path: Path, session: Session) -> list[str]:
    """The lines of a file that the user sees; none if it is not there for the user."""
    if session.files is None:
        return []
    try:
        descriptor = session.files.open_read(path)
    except OSError:
        return []
    return _lines(descriptor, session)


def _lines(descriptor: int, session: Session) -> list[str]:
    try:
        raw = os.read(descriptor, MOST)
    except OSError:
        raw = b""
    finally:
        os.close(descriptor)
    return filled(raw.decode("utf-8", "surrogateescape").splitlines(), session)


def filled(lines: Iterable[str], session: Session) -> list[str]:
    """The lines with their variables replaced; what is no variable stays as it is, and values are taken literally."""

    def value(found: re.Match[str]) -> str:
        if found[1] is not None:
            return time.strftime(found[1])
        get = _SHORT.get(found[2])
        return found[0] if get is None else get(session)

    return [_VARIABLE.sub(value, line) for line in lines]
