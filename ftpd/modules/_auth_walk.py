"""Walking to a folder of the machine component by component, so that no link of a user's making leads astray."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
"""The kernel's own limit (path_resolution(7))."""

Follow = Callable[[os.stat_result], bool]
Missing = Callable[[int, str], None]


class LinkOnTheWay(OSError):
    """A symbolic link stands where none may be followed; ``at`` is its name."""

    def __init__(self, at: str) -> None:
        super().__init__(errno.ELOOP, "A symbolic link on the way is not to be followed", at)
        self.at = at


def no_link(link: os.stat_result) -> bool:
    return False


def links_of_the_system(link: os.stat_result) -> bool:
    """Only root, or who else runs the daemon, may send us elsewhere."""
    return link.st_uid in (0, os.geteuid())


def open_folder(path: str, follow: Follow, missing: Missing | None = None) -> int:
    """An O_PATH descriptor of the folder; the links on the way are followed where ``follow`` says so.

    ``missing`` is asked to make a component that is not there, in the folder whose descriptor it gets.
    """
    here, links = os.open("/", _LOOK | os.O_DIRECTORY), 0
    rest = [part for part in path.split("/") if part]
    try:
        while rest:
            name = rest.pop(0)
            there = _step(here, name, missing)
            try:
                known = os.fstat(there)
                if stat.S_ISLNK(known.st_mode):
                    links += 1
                    if links > _MOST_LINKS or not follow(known):
                        raise LinkOnTheWay(name)
                    target = os.readlink("", dir_fd=there)
                    rest = [*(part for part in target.split("/") if part), *rest]
                    if not target.startswith("/"):
                        continue
                    onward = os.open("/", _LOOK | os.O_DIRECTORY)
                elif stat.S_ISDIR(known.st_mode):
                    onward = os.dup(there)
                else:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            finally:
                os.close(there)
            os.close(here)
            here = onward
    except BaseException:
        os.close(here)
        raise
    return here


def _step(here: int, name: str, missing: Missing | None) -> int:
    try:
        return os.open(name, _LOOK, dir_fd=here)
    except FileNotFoundError:
        if missing is None:
            raise
        missing(here, name)
        return os.open(name, _LOOK, dir_fd=here)
