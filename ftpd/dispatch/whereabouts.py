"""Where a path lies for <Directory>: as the machine names it, and with its links followed."""

from __future__ import annotations

from contextlib import suppress

from ftpd.core import paths
from ftpd.core.vocab import Group
from ftpd.dispatch.leading import ON_THE_LINK
from ftpd.dispatch.veil import has_directories
from ftpd.module.command import Command
from ftpd.module.files import Files, Path, Use
from ftpd.module.links import resolved
from ftpd.module.session import Session


def real_path(session: Session, virtual: str) -> str:
    """The path as <Directory> names it: that of the machine, not of the session's root."""
    root = session.files.root if session.files is not None else "/"
    return virtual if root == "/" else f"{root.rstrip('/')}{virtual}".rstrip("/") or "/"


def may_override(session: Session) -> bool:
    """Whether .ftpaccess files count at all; where they do not, nothing is looked for."""
    return session.server.places is not None and session.server.places.overrides


def places_of(command: Command, path: Path, use: Use = "") -> tuple[str, ...]:
    """Where the path lies for <Directory>, links in it followed: where its last name lies, and where that leads to.

    Nowhere else than it says is told as nothing; what has been seen there is on the path.
    """
    session = command.session
    files = session.files
    if files is None or not (may_override(session) or has_directories(session)):
        return ()
    # what is not there, or cannot be reached, the command itself will tell
    try:
        if use and (opened := files.open_at_once(path, use)) is not None:
            path.saw(opened.attributes, opened=opened)
            return ()
        seen = files.look(path, follow=command.name not in ON_THE_LINK)
    except FileNotFoundError:
        path.saw(None, vacant=True)
        return ()
    except OSError:
        return ()
    if seen is None:
        return _followed(command, files, path.virtual)
    path.saw(seen)
    return ()


def _followed(command: Command, files: Files, virtual: str) -> tuple[str, ...]:
    session = command.session
    folder, name = paths.split(virtual)
    try:
        # where the working directory is resolved already, a plain name in it is not looked at
        place = f"{resolved(files, folder, session.settled).rstrip('/')}/{name}".rstrip("/") or "/"
    except OSError:
        return ()
    if command.group in (Group.READ, Group.DIRS, Group.WRITE) and command.name not in ON_THE_LINK:
        with suppress(OSError):
            # STOR makes what a link leads to, too
            making = command.group is Group.WRITE
            return place, resolved(files, place, paths.split(place)[0], to_be_made=making)
    return (place,)
