"""The %-variables of message files: what each stands for at the moment the client is shown it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from ftpd.api import Path, Scope, Session
from ftpd.modules._auth_census import census, most, most_of_class
from ftpd.modules._core import state
from ftpd.modules._core_server import is_address

_NONE = "(none)"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_MOST_DIGITS = 10_000
"""A number larger than this is told in the next unit."""

Value = Callable[[Session], object]


def filled(lines: Iterable[str], session: Session) -> list[str]:
    """The lines with their variables replaced; what is no variable stays as it is, and values are taken literally."""

    def value(found: re.Match[str]) -> str:
        if found[1] is not None:
            return _printable(_named(found[1], session))
        get = _LETTERS.get(found[2])
        return found[0] if get is None else _printable(str(get(session)))

    return [_VARIABLE.sub(value, line) for line in lines]


_VARIABLE = re.compile(r"%(?:\{([^}]*)\}|([A-Za-z]))")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def _printable(value: str) -> str:
    """A folder's name with a line end in it must not look like a reply of the server."""
    return _UNPRINTABLE.sub("?", value)


def _named(name: str, session: Session) -> str:
    kind, colon, rest = name.partition(":")
    if colon and kind == "time":
        return time.strftime(rest)
    if colon and kind == "env":
        return _environment(rest, session)
    if colon and kind == "note":
        return session.notes.get(rest, _NONE)
    total = _TOTALS.get(name)
    return _NONE if total is None else str(total(session))


def _environment(name: str, session: Session) -> str:
    """SetEnv's word counts before the daemon's own environment, and the server's before that of the main server."""
    server: Scope | None = session.server
    while server is not None:
        if name in _said(session, server, "UnsetEnv"):
            return _NONE
        found = dict(_said(session, server, "SetEnv")).get(name)
        if found:
            return str(found)
        server = server.parent
    return os.environ.get(name, _NONE)


def _said(session: Session, server: Scope, name: str) -> Any:
    key = session.modules.directive(name)
    return () if key is None else server.values.get(key, ())


def _folder(session: Session) -> str:
    return session.cwd if session.logged_in else _NONE


def _free(session: Session) -> int:
    """Bytes free on the file system that the client is on."""
    files = session.files
    try:
        there = os.statvfs("/" if files is None else files.real(Path(session.cwd)))
    except OSError:
        return 0
    return there.f_bavail * there.f_frsize


def _short(size: int) -> str:
    """A size with a unit: ``76GB``.

    >>> _short(10_000), _short(15_000), _short(82_264_227_840)
    ('10000B', '14kB', '76GB')
    """
    unit = 0
    while size > _MOST_DIGITS and unit < len(_UNITS) - 1:
        size, unit = size >> 10, unit + 1
    return f"{size}{_UNITS[unit]}"


def _total(session: Session) -> int:
    kept = session[state]
    return kept.sent + kept.received


def _of_this_transfer(session: Session) -> int:
    """What was moved by the transfer whose message is shown."""
    transfer = session[state].counted
    return 0 if transfer is None else transfer.moved


def known_as(session: Session) -> str:
    """The address that clients know the server by, which behind NAT is not the one that it has."""
    told = session.setting("MasqueradeAddress", "")
    # a name that had no address when the configuration was read is still a name
    return told if told and is_address(told) else session.local.host


def default_admin(session: Session) -> str:
    """Who ServerAdmin is where the configuration does not say."""
    return f"root@{session.server.args[0] if session.server.args else session.local.host}"


_LETTERS: dict[str, Value] = {
    "C": _folder,
    "E": lambda session: session.setting("ServerAdmin", "") or default_admin(session),
    "F": lambda session: _free(session) >> 10,
    "f": lambda session: _short(_free(session)),
    "i": lambda session: session[state].files_received,
    "K": lambda session: _total(session) >> 10,
    "k": lambda session: _short(_total(session)),
    "L": known_as,
    "M": lambda session: most(session),
    "N": lambda session: census.clients(session),
    "o": lambda session: session[state].files_sent,
    "R": lambda session: session.remote_name,
    "T": lambda session: time.strftime("%a %b %d %H:%M:%S %Y"),
    "t": lambda session: session[state].files_received + session[state].files_sent,
    "U": lambda session: session.login if session.logged_in else "",
    "u": lambda session: session.notes.get("mod_ident.rfc1413-ident", "UNKNOWN"),
    "V": lambda session: session.setting("ServerName", ""),
    "x": lambda session: session.class_name or "(unknown)",
    "y": lambda session: census.clients_of_class(session),
    "z": lambda session: most_of_class(session),
}
_TOTALS: dict[str, Value] = {
    "bytes_xfer": _of_this_transfer,
    "total_bytes_in": lambda session: session[state].received,
    "total_bytes_out": lambda session: session[state].sent,
    "total_bytes_xfer": _total,
    "total_files_in": lambda session: session[state].files_received,
    "total_files_out": lambda session: session[state].files_sent,
    "total_files_xfer": lambda session: session[state].files_received + session[state].files_sent,
}
