"""What ``~`` at the beginning of a path means: the client's home, unless something in its folder is called so."""

from __future__ import annotations

from contextlib import suppress

from ftpd.core.paths import normalise
from ftpd.module.files import Path
from ftpd.module.session import Session

MAKING = frozenset({"APPE", "MKD", "RNTO", "STOR", "STOU", "XMKD"})
"""The verbs that make something where nothing is."""
_NAMING = MAKING | {"SITE COPY", "SITE CPTO", "SITE MKDIR", "SITE SYMLINK"}


def meant(session: Session, given: str, verb: str = "") -> str:
    """The absolute virtual path that ``given`` names.  A home that the session's root does not hold is the root.

    For a ``verb`` that makes something, ``~`` alone is the name of that: the home is there already.
    """
    cwd = session.cwd
    if given[:1] != "~" or given[1:2] not in ("", "/") or session.files is None or (given == "~" and verb in _NAMING):
        return normalise(cwd, given)
    with suppress(OSError):
        session.files.lstat(Path(normalise(cwd, "~")))
        return normalise(cwd, given)
    root, home = session.files.root.rstrip("/"), session.home
    inside = home[len(root) :] if f"{home}/".startswith(f"{root}/") else "/"
    return normalise(inside or "/", given[2:])
