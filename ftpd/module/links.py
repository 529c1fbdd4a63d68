"""Where a path really leads: its symbolic links followed inside the session's root, for PWD and for <Limit>."""

from __future__ import annotations

import errno
import os
import stat

from ftpd.core.paths import split
from ftpd.module.files import Files, Path

_MOST_LINKS = 40
"""Symbolic links followed in one path: the kernel's own limit (path_resolution(7))."""


def resolved(files: Files, virtual: str, known: str, *, to_be_made: bool = False) -> str:
    """The path with its symbolic links followed, as PWD is to show it; OSError where nothing is.

    ``known`` is a path that is resolved already: no component of it is looked at again.  What is ``to_be_made`` need
    not be there, but the folder it would be in.
    """
    done, rest = "/", virtual.strip("/").split("/") if virtual != "/" else []
    if known != "/" and f"{virtual}/".startswith(f"{known}/"):
        done, rest = known, virtual[len(known) :].strip("/").split("/") if virtual != known else []
    links = 0
    while rest:
        name = rest.pop(0)
        if name == "..":
            # only a link's text has it: what it goes back from is where the link before it led, as for the kernel
            done = split(done)[0]
            continue
        here = Path(f"{done.rstrip('/')}/{name}")
        try:
            is_link = stat.S_ISLNK(files.lstat(here).st_mode)
        except FileNotFoundError:
            if to_be_made and not rest:
                return here.virtual
            raise
        if is_link:
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = files.readlink(here)
            rest = [*(part for part in target.split("/") if part not in ("", ".")), *rest]
            done = "/" if target.startswith("/") else done
        else:
            done = here.virtual
    return done
