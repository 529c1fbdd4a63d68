"""Where a path really leads: its symbolic links followed inside the session's root, for PWD and for <Limit>."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ftpd.core.paths import split, within
from ftpd.module.files import Files, Path

_MOST_LINKS = 40
"""Symbolic links followed in one path: the kernel's own limit (path_resolution(7))."""


class _Nowhere(FileNotFoundError):
    """The way ends where nothing is."""

    def __init__(self, place: str, *, last: bool, own: bool) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), place)
        self.place = place if last else None
        """Where the last name of the path would be; None where its folder is missing, too."""
        self.own = own
        """A link that was followed begins with the root's own path."""


def resolved(files: Files, virtual: str, known: str, *, to_be_made: bool = False) -> str:
    """The path with its symbolic links followed, as PWD is to show it; OSError where nothing is.

    ``known`` is a path that is resolved already: no component of it is looked at again.  What is ``to_be_made`` need
    not be there, but the folder it would be in.  As for whoever opens it, an absolute link that leads nowhere and
    begins with the root's own path is taken from the root.
    """
    if virtual == known:
        return virtual
    with suppress(OSError):
        if files.look(Path(virtual)) is not None:
            return virtual
    own, place = False, None
    while True:
        try:
            return _followed(files, virtual, known, own=own)
        except _Nowhere as nowhere:
            # the exception is not kept: its traceback holds this frame, and with it the descriptor of the root
            if place is None:
                place = nowhere.place
            if nowhere.own and not own:
                own = True
                continue
            if to_be_made and place is not None:
                return place
            raise


def _followed(files: Files, virtual: str, known: str, *, own: bool) -> str:
    done, rest = "/", virtual.strip("/").split("/") if virtual != "/" else []
    if known != "/" and f"{virtual}/".startswith(f"{known}/"):
        done, rest = known, virtual[len(known) :].strip("/").split("/") if virtual != known else []
    links, met = 0, False
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
            raise _Nowhere(here.virtual, last=not rest, own=met) from None
        if is_link:
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = files.readlink(here)
            inside = within(target, files.root)
            met = met or inside != target
            target = inside if own else target
            rest = [*(part for part in target.split("/") if part not in ("", ".")), *rest]
            done = "/" if target.startswith("/") else done
        else:
            done = here.virtual
    return done
