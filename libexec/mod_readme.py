"""mod_readme -- tell a client that comes to a folder which files in it the administrator wants to be read."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from time import ctime

from ftpd.api import (
    ANON,
    GLOBAL,
    SERVER,
    VHOST,
    Command,
    ConfigError,
    Folder,
    Module,
    Refuse,
    debug,
    globbing,
    listing,
    types,
)

module = Module("readme", version="1.0")

# the search runs at each change of the folder, in line: it may not become a search through thousands of names
_LIMITS = globbing.Limits(matches=20, expansions=100, work=20_000)


@types.takes(1, 1)
def pattern(words: list[str]) -> str:
    """A file name or a pattern."""
    if not words[0].strip():
        raise ConfigError("an empty name is in no folder", right="a file name or a pattern, as README*", word=0)
    return words[0]


readmes = module.directive_list(
    "DisplayReadme", pattern, contexts=SERVER | GLOBAL | VHOST | ANON, usage="path|pattern",
    doc="The files that a client is asked to read when it comes to their folder.",
)  # fmt: skip


@module.post("CWD", "XCWD", "CDUP", "XCUP")
def on_arrival(cmd: Command) -> None:
    lines = list(_announcements(cmd))
    if lines:
        cmd.ok(250, *lines)


@module.log("PASS")
def on_login(cmd: Command) -> None:
    # in the LOG phase, so that it stands behind what DisplayLogin shows
    lines = list(_announcements(cmd))
    if lines and cmd.session.logged_in:
        cmd.ok(230, "", *lines)


def _announcements(cmd: Command) -> Iterator[str]:
    for wanted in cmd.session.settings[readmes]:
        try:
            for name, attributes in _found(cmd, wanted):
                yield f"Please read the file {listing.shown(name)}"
                days = _days_since(attributes.st_mtime)
                age = f"{days} day{'' if days == 1 else 's'} ago"
                yield f"   it was last modified on {ctime(attributes.st_mtime)} - {age}"
        except globbing.GlobLimit as limit:
            debug(3, "DisplayReadme %s: %s", wanted, limit, peer=cmd.session.peer)


def _found(cmd: Command, wanted: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files that the session sees under that name, as the client would name them from where it is."""
    cwd = cmd.session.cwd

    def open_folder(virtual: str) -> AbstractContextManager[Folder]:
        return cmd.files.open_folder(cmd.path(virtual))

    try:
        for virtual in globbing.glob(cwd, wanted, open_folder, _LIMITS):
            try:
                attributes = cmd.files.stat(cmd.path(virtual))
            except OSError:
                continue
            yield virtual if wanted.startswith("/") else posixpath.relpath(virtual, cwd), attributes
    except Refuse:
        return  # a folder that the configuration closes to this client holds nothing for it to read


def _days_since(moment: float) -> int:
    """Whole days of the calendar (UTC) between then and today."""
    then = datetime.fromtimestamp(moment, UTC).date()
    return (datetime.now(UTC).date() - then).days
