"""Paths of which nothing is said, or of which all has been asked before that there is to ask: they pass at once."""

from __future__ import annotations

from ftpd.conf import resolve
from ftpd.conf.acl import Who
from ftpd.conf.directive import Settings
from ftpd.conf.levels import Chain
from ftpd.conf.tree import Scope
from ftpd.dispatch.access import who
from ftpd.dispatch.whereabouts import places_of, real_path
from ftpd.module.command import Command
from ftpd.module.files import Path, Use
from ftpd.module.session import Session

_REMEMBERED = 1024
_LONGEST = 255
"""Letters of the longest path that is remembered: what clients make up is not to fill the memory."""


def nothing_is_said(session: Session) -> bool:
    """Whether no line of the configuration says anything of one path only to this session."""
    places = session.server.places
    return places is not None and (places.silent or (session.anonymous is None and places.silent_to_users))


def unquestioned(command: Command, given: str, virtual: str, access: Chain, use: Use) -> Path | None:
    """The path where nothing is said of any in the whole configuration, and no link leads to where a file says some."""
    session = command.session
    places = session.server.places
    if access or not nothing_is_said(session):
        return None
    assert places is not None
    level = session.server if session.anonymous is None else session.anonymous
    path = Path(virtual, given, level.settings, False, virtual, plain=not places.hides)
    return None if places_of(command, path, use) else path


_Passing = tuple[Scope | None, str, str, str, str, Who]


def _passing(session: Session, verb: str, virtual: str) -> _Passing:
    root = session.files.root if session.files is not None else ""
    return session.anonymous, root, session.home, virtual, verb, who(session)


def settings_passed(session: Session, verb: str, virtual: str) -> Settings | None:
    """What is configured at a path where all has been asked before that there is to ask of it."""
    places = session.server.places
    if places is None or not places.passes:
        return None
    return places.passes.get(_passing(session, verb, virtual))


def known_to_pass(command: Command, given: str, virtual: str, access: Chain, use: Use) -> Path | None:
    """The path where all has been asked before that there is to ask of it, and no link is on the way."""
    settings = None if access else settings_passed(command.session, command.name, virtual)
    if settings is None:
        return None
    path = Path(virtual, given, settings, False, virtual)
    # a folder may be opened as it is looked at, as nobody but the command sees it
    return None if places_of(command, path, use if use == "enter" else "") else path


def remember_to_pass(command: Command, path: Path) -> None:
    session = command.session
    places = session.server.places
    # what goes by more than the names of things is asked each time
    if places is None or places.ignores or places.bars or len(path.virtual) > _LONGEST:
        return
    real = real_path(session, path.virtual)
    verb = command.name.replace(" ", "_")
    client = who(session)
    if not resolve.passes(
        session.server, session.anonymous, real, verb, command.group, client, session.home, session.user or ""
    ):
        return
    if len(places.passes) >= _REMEMBERED:
        places.passes.clear()
    places.passes[_passing(session, command.name, path.virtual)] = path.settings
