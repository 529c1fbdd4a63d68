"""Message files for clients (DisplayConnect and its kin): where they are looked for, and their lines."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ftpd.api import Excess, Path, Session, at_file, close_file, normalise
from ftpd.modules._display_cookies import default_admin, filled

__all__ = ["changed_at", "default_admin", "lines_of", "of_machine", "of_session"]

MOST = 64 * 1024
"""Bytes of a message that are shown; more than that is not a message."""
_LONGEST = 1023
"""Bytes of a line; a longer one goes on in the next, as in ProFTPD."""
_PLAINLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def lines_of(name: str, session: Session, *, from_outside: bool = False) -> list[str]:
    """The lines of the file that a directive names; none where there is no such file.

    A relative name lies in the client's folder. A full one lies on the machine, though the session may have a root
    of its own, and in that root where the machine has none; in an anonymous area it lies in the area and nowhere else,
    but what is shown to those outside, too.
    """
    for place in _places(name, session, from_outside=from_outside):
        lines = of_machine(place, session) if isinstance(place, str) else of_session(place, session)
        if lines:
            return lines
    return []


def changed_at(name: str, session: Session) -> float:
    """When that file was changed last; 0 where there is none."""
    for place in _places(name, session):
        try:
            if isinstance(place, str):
                return os.stat(place).st_mtime
            if session.files is not None:
                return session.files.stat(place).st_mtime
        except OSError:
            continue
    return 0.0


def _places(name: str, session: Session, *, from_outside: bool = False) -> Iterator[str | Path]:
    if name == "~" or name.startswith("~/"):
        jailed = session.files is not None and session.files.root != "/"
        yield Path(normalise("/", name[1:] if jailed else session.home + name[1:]))
        return
    if name.startswith("/") and (from_outside or session.anonymous is None):
        yield name
    yield Path(normalise(session.cwd, name))


def of_machine(path: str, session: Session) -> list[str]:
    """The lines of a file by its path on the machine, read as the daemon's User; none if it is not there."""
    try:
        descriptor = os.open(path, _PLAINLY)
    except OSError:
        return []
    return _lines(descriptor, session)


def of_session(path: Path, session: Session) -> list[str]:
    """The lines of a file that the user sees; none if it is not there for the user."""
    if session.files is None:
        return []
    try:
        descriptor = session.files.open_read(path)
    except (OSError, Excess):
        return []
    return _lines(descriptor, session)


def _lines(descriptor: int, session: Session) -> list[str]:
    try:
        raw = at_file(descriptor, lambda fd: os.read(fd, MOST))
    except OSError:
        raw = b""
    finally:
        close_file(descriptor)
    return filled((line.decode("utf-8", "surrogateescape") for line in _parts(raw)), session)


def _parts(raw: bytes) -> Iterator[bytes]:
    """The lines, up to a NUL in one, and those that are too long in several.

    >>> list(_parts(b"a\\0b\\r\\n\\n")), [len(part) for part in _parts(b"c" * 2047)]
    ([b'a', b''], [1023, 1023, 1])
    """
    for line in raw.splitlines():
        shown = line.partition(b"\0")[0]
        yield shown[:_LONGEST]
        for start in range(_LONGEST, len(shown), _LONGEST):
            yield shown[start : start + _LONGEST]
