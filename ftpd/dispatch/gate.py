"""The one gate for every path that a client names: what the configuration says of it, links in it followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any
from weakref import WeakSet

from ftpd.conf import resolve
from ftpd.conf.acl import words_of
from ftpd.conf.directive import Directive, Settings
from ftpd.conf.levels import Chain
from ftpd.conf.tree import Scope
from ftpd.core import paths, trace
from ftpd.core.answers import Answers
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Group
from ftpd.dispatch.access import AccessFiles, who
from ftpd.dispatch.admission import limits_login
from ftpd.dispatch.inside import Inside
from ftpd.dispatch.leading import asked_for
from ftpd.dispatch.passing import known_to_pass, nothing_is_said, remember_to_pass, settings_passed, unquestioned
from ftpd.dispatch.veil import FolderVeil, has_directories
from ftpd.dispatch.whereabouts import may_override, places_of, real_path
from ftpd.module.command import Command
from ftpd.module.files import Files, Path, Use
from ftpd.module.hidden import Hiding, Veil
from ftpd.module.home import MAKING, meant
from ftpd.module.logformat import named_path
from ftpd.module.session import Session


def limit_allows(command: Command, virtual: str, access: Chain = ()) -> bool:
    """Whether <Limit> lets this client use the command's verb on that path; ``access``: the .ftpaccess that count."""
    session = command.session
    places = session.server.places
    if not access and places is not None and not places.limits:
        return True
    verb = command.name.replace(" ", "_")
    return resolve.limit(
        session.server,
        session.anonymous,
        real_path(session, virtual),
        verb,
        command.group,
        lambda: who(session),
        home=session.home,
        user=session.user or "",
        argument=command.line,
        access=access,
    ).allowed


def _barred(session: Session, path: Path, place: str, access: Chain) -> bool:
    """Whether a bare DenyAll of a <Directory> or <Anonymous> hides what is there; what is not there may be made."""
    places = session.server.places
    if places is not None and not places.bars and not access:
        return False
    if session.files is None or not resolve.barred(
        session.server,
        session.anonymous,
        real_path(session, place),
        home=session.home,
        user=session.user or "",
        access=access,
    ):
        return False
    try:
        session.files.lstat(path)
    except OSError:
        return False
    return True


_LONG = 256
"""Letters of a path that may be one of more than a hundred folders."""
_FAR = 256
"""Folders on a way that is gone off the loop before a command goes it."""


def _is_far(virtual: str) -> bool:
    return virtual.count("/") > _FAR


def _go_ahead(files: Files, virtual: str, look: Callable[[], None] | None) -> None:
    """Go the way once: of thousands of folders the kernel has none at hand, and is ten times as fast then."""
    if look is not None:
        look()
    # what is wrong there the command itself will tell
    with suppress(OSError):
        files.lstat(Path(virtual))


def _ignored(command: Command, path: Path, place: str, virtual_access: Chain, access: Chain) -> bool:
    """Whether IgnoreHidden makes the path one where nothing is: by its own name, or by that of where it leads.

    ``virtual_access`` and ``access`` are the .ftpaccess files that count at the two.
    """
    session = command.session
    files = session.files
    assert session.server.places is not None
    if files is None or not (session.server.places.ignores or virtual_access or access):
        return False
    try:
        found = files.stat(path)
    except OSError:
        found = None
    for virtual, chain in {path.virtual: virtual_access, place: access}.items():
        folder, name = paths.split(virtual)
        if not resolve.ignores_hidden(
            session.server,
            session.anonymous,
            real_path(session, virtual),
            command.name.replace(" ", "_"),
            command.group,
            home=session.home,
            user=session.user or "",
            access=chain,
        ):
            continue
        if Hiding(session, command.gate.settings_at(session, folder)).name(name):
            return True
        if found is not None and Hiding(session, path.settings).attributes(found, path):
            return True
    return False


class PathGate:
    """Turns what a client wrote into a :class:`Path`, or refuses it."""

    __slots__ = ("_access", "_lent")

    def __init__(self, access: AccessFiles) -> None:
        self._access = access
        self._lent: WeakSet[Answers] = WeakSet()
        """What sessions take to be so because no .ftpaccess file says otherwise."""

    def allows(self, command: Command) -> bool:
        session = command.session
        places = session.server.places
        assert places is not None
        access = self._access.at(session, session.cwd) if places.overrides else ()
        if not access and places.limits.isdisjoint(words_of(command.name, command.group)):
            # nearly always: no <Limit> speaks of the verb, wherever the client is
            return True
        return limit_allows(command, session.cwd, access)

    def path(self, command: Command, given: str, refusal: tuple[int, str], use: Use) -> Path:
        session = command.session
        if session.user is None:
            raise Refuse(530, "Please login with USER and PASS")
        recode = session.recode
        if recode is not None and recode.strict and recode.failed:
            raise Refuse(550, f"{given}: Illegal character sequence in filename")
        if "\0" in given:
            raise Refuse(501, f"{command.name}: a NUL byte cannot be part of a file name")
        virtual = meant(session, given, command.name) if given[:1] == "~" else paths.normalise(session.cwd, given)
        access = self._at(command, virtual)
        path = (
            unquestioned(command, given, virtual, access, use)
            or known_to_pass(command, given, virtual, access, use)
            or self._judged(command, given, virtual, access, refusal)
        )
        if trace.active:
            where = real_path(session, path.place)
            trace.say("directory", 3, "'%s' is '%s' on this machine", given, where, peer=session.peer)
        if use in ("", "write"):
            umask = session.modules.directive("Umask")
            if umask is not None and session.files is not None:
                session.files.umask, session.files.folder_umask = path.settings[umask]
        return path

    def _judged(self, command: Command, given: str, virtual: str, access: Chain, refusal: tuple[int, str]) -> Path:
        """The path, after all that the configuration says of it has been asked."""
        session = command.session
        given_access, looked = access, Path(virtual)
        lies_at = places_of(command, looked)
        place = (virtual, *lies_at)[-1]
        asked = {
            one: access if one == virtual else self._at(command, one)
            for one in self._asked_for(command, virtual, lies_at)
        }
        for one, there in asked.items():
            if not limit_allows(command, one, there):
                raise Refuse(*refusal)
        access = asked[place]
        path = Path(virtual, given, _settings(session, place, access), False, place, looked.seen, looked.vacant)
        if _ignored(command, path, place, given_access, access):
            if command.name in MAKING:
                raise Refuse(550, f"{given}: {os.strerror(errno.ENOENT)}")
            path = replace(path, absent=True, seen=None, vacant=False)
        if any(_barred(session, path, one, there) for one, there in asked.items()):
            code, text = refusal
            # not the command is denied here, but what is there
            raise Refuse(code, text.replace(os.strerror(errno.EPERM), os.strerror(errno.EACCES)))
        if not given_access and not lies_at:
            remember_to_pass(command, path)
        return path

    def is_there(self, command: Command, given: str, *, follow: bool) -> os.stat_result:
        session = command.session
        assert session.files is not None
        virtual = meant(session, given, command.name)
        access, lies_at = self._at(command, virtual), places_of(command, Path(virtual))
        place = (virtual, *lies_at)[-1]
        at_place = access if place == virtual else self._at(command, place)
        path = Path(virtual, given, _settings(session, place, at_place), False, place)
        path = replace(path, absent=_ignored(command, path, place, access, at_place))
        return session.files.stat(path) if follow else session.files.lstat(path)

    def _asked_for(self, command: Command, virtual: str, lies_at: tuple[str, ...]) -> tuple[str, ...]:
        files = command.session.files

        def mode() -> int:
            with suppress(OSError):
                return 0 if files is None else files.stat(Path(virtual)).st_mode
            return 0

        return asked_for(command.name, virtual, lies_at, mode)

    def placed(self, command: Command, virtual: str) -> tuple[str, Chain]:
        """Where a path leads when its links are followed, and the .ftpaccess files that count there."""
        place = (virtual, *places_of(command, Path(virtual)))[-1]
        return place, self._at(command, place)

    def asked_for(self, command: Command, virtual: str) -> Iterator[tuple[str, Chain]]:
        """The paths at which <Limit> has to let the command be used on that one, each with its .ftpaccess files."""
        for place in self._asked_for(command, virtual, places_of(command, Path(virtual))):
            yield place, self._at(command, place)

    def ahead(self, command: Command) -> Callable[[], None] | None:
        session = command.session
        files = session.files
        if len(session.cwd) + len(command.argument) < _LONG or files is None:
            return None
        named = named_path(command) or paths.normalise(session.cwd, command.argument)
        look = self._access.ahead(session, named) if may_override(session) else None
        return look if command.group is Group.NONE or not _is_far(named) else partial(_go_ahead, files, named, look)

    def _at(self, command: Command, place: str) -> Chain:
        if not may_override(command.session):
            return ()
        # what reads or writes a file need not be asked whether it is a folder with rules of its own
        folder = command.group is not Group.READ and command.name not in _OF_FILES
        return self._access.at(command.session, place, folder=folder)

    def veil(self, command: Command, folder: Path) -> Veil | None:
        if folder.plain:
            return None
        session = command.session
        places = session.server.places
        assert places is not None
        verb = command.name.replace(" ", "_")
        access = self._at(command, folder.place or folder.virtual)
        limited = places.bars or bool(access) or not places.inner.isdisjoint(words_of(verb, command.group))
        if session.files is None or not (limited or places.hides):
            return None

        def allowed(virtual: str) -> bool:
            return limit_allows(command, virtual, access) and not _barred(session, Path(virtual), virtual, access)

        veil = FolderVeil(session, folder, lambda virtual: real_path(session, virtual), allowed if limited else None)
        return veil if veil else None

    def inside(self, command: Command, folder: Path, directive: Directive[Any]) -> Callable[[str], Settings] | None:
        session = command.session
        places = session.server.places
        if folder.plain or places is None or directive.name not in places.told:
            return None
        access = self._at(command, folder.place or folder.virtual)

        def elsewhere(virtual: str) -> Settings:
            return self.settings_at(session, virtual)

        return Inside(session, folder, access, partial(real_path, session), elsewhere)

    def ignores_dotted(self, command: Command, folder: Path) -> bool:
        session = command.session
        place = folder.place or folder.virtual
        return resolve.ignores_dotted(
            session.server,
            session.anonymous,
            real_path(session, place),
            command.name,
            command.group,
            home=session.home,
            user=session.user or "",
            access=self._at(command, place),
        )

    def settings_at(self, session: Session, virtual: str) -> Settings:
        places = session.server.places
        access = self._access.at(session, virtual) if places is not None and places.overrides else ()
        if not access and places is not None and not places.any and session.anonymous is None:
            return session.server.settings
        return _settings(session, virtual, access)

    def bare_until(self, session: Session, folder: str) -> float:
        """Until when no .ftpaccess file is taken to count in that folder; 0 where one may."""
        if session.files is None or _is_far(folder):
            return 0.0
        return self._access.absent_until(session.files.root, folder) if may_override(session) else inf

    def holds_until(self, session: Session, answers: Answers) -> float:
        return self._bare_until(session, answers, session.cwd)

    def _bare_until(self, session: Session, answers: Answers, folder: str) -> float:
        if session.files is None or not may_override(session):
            return inf
        self._lent.add(answers)
        return self._access.absent_until(session.files.root, folder)

    def names_pass_until(self, session: Session, answers: Answers, folder: str) -> float:
        return self.names_lead_until(session, answers, folder) if nothing_is_said(session) else 0.0

    def names_lead_until(self, session: Session, answers: Answers, folder: str) -> float:
        """The same for who enters folders by their names, and asks :meth:`entered` of each."""
        if session.user is None or session.recode is not None or _is_far(folder):
            return 0.0
        if may_override(session) and self._access.at(session, folder):
            return 0.0
        return self._bare_until(session, answers, folder)

    def entered(self, session: Session, verb: str, virtual: str) -> Settings | None:
        """What is configured for who enters that folder by the verb; no link leads there and no .ftpaccess counts.

        None where there is more to find out, be it whether that is allowed.
        """
        if nothing_is_said(session):
            return session.settings
        return settings_passed(session, verb, virtual)

    def forget(self) -> None:
        self._access.forget()
        for answers in self._lent:
            answers.clear()
        self._lent.clear()

    def login(self, session: Session, anonymous: Scope | None, user: str, groups: tuple[str, ...]) -> bool | None:
        if not limits_login(session.server):
            return None
        client = replace(who(session), user=user, groups=groups)
        verdict = resolve.login_allowed(session.server, anonymous, client)
        return verdict.allowed if verdict.explicit else None

    def limits_login(self, server: Scope) -> bool:
        return limits_login(server)


_OF_FILES = frozenset({"STOR", "APPE", "STOU", "DELE"})


def _settings(session: Session, virtual: str, access: Chain) -> Settings:
    if not access and not has_directories(session):
        return session.server.settings if session.anonymous is None else session.anonymous.settings
    return resolve.settings_at(
        session.server,
        session.anonymous,
        real_path(session, virtual),
        home=session.home,
        user=session.user or "",
        access=access,
    )
