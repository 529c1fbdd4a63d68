"""What lies between a client and the entries of a folder: HideFiles and its like, and <Limit> of single entries."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ftpd.conf import resolve
from ftpd.conf.levels import Chain
from ftpd.core.paths import normalise, split, within
from ftpd.module.files import Path
from ftpd.module.hidden import Hiding
from ftpd.module.links import resolved
from ftpd.module.session import Session


def has_directories(session: Session) -> bool:
    server, anon = session.server.places, session.anonymous
    return (server is not None and server.any) or (anon is not None and anon.places is not None and anon.places.any)


class FolderVeil:
    """Implements :class:`ftpd.module.hidden.Veil`; entries in the same sections share an answer."""

    __slots__ = (
        "_allowed",
        "_chain",
        "_differs",
        "_folder",
        "_hiding",
        "_inside",
        "_limits",
        "_place",
        "_real",
        "_sectioned",
        "_session",
        "looks",
    )

    def __init__(
        self, session: Session, folder: Path, real: Callable[[str], str], allowed: Callable[[str], bool] | None
    ) -> None:
        self._session = session
        self._folder = folder
        self._real = real
        self._allowed = allowed
        """Whether the command may use a path; None where that is so for all entries."""
        self._hiding = Hiding(session, folder.settings)
        places = session.server.places
        assert places is not None
        self._sectioned = places.hides and has_directories(session)
        """Whether an entry may have a section of its own, with HideFiles or HideUser in it."""
        self.looks = self._hiding.by_attributes or (self._sectioned and places.hides_owners)
        self._place = folder.place or folder.virtual
        self._differs = resolve.differs_as_written(session.server, session.anonymous)
        self._chain = self._sections(self._place)
        self._inside: dict[Chain, Hiding] = {self._chain: self._hiding}
        self._limits: dict[tuple[Chain, Chain], bool] = {(self._chain, self._written(self._place)): True}

    def __bool__(self) -> bool:
        return bool(self._hiding) or self._sectioned or self._allowed is not None

    def names(self, names: list[str]) -> list[str]:
        hidden = self._hiding.name
        if self._allowed is None:
            return [name for name in names if not hidden(name)]
        return [name for name in names if not hidden(name) and self._permitted(self._at(name))]

    def leads(self, name: str) -> bool:
        return self._allowed is None or self._permitted(self._at(name))

    def shows(self, name: str, attributes: os.stat_result, *, aim: bool = True) -> bool:
        path = self._folder.child(name)
        files = self._session.files
        assert files is not None
        if stat.S_ISLNK(attributes.st_mode):
            try:
                attributes = files.stat(path)
                place = resolved(files, self._at(name), self._place)
            except OSError:
                # it leads nowhere, or to where the client cannot look: what it says tells a hidden name all the same
                place = self._said_by(path, name)
                return not place or self._may_lead_to(place, aim)
            # what it leads to may have a section of its own, like the link
            if not self._may_lead_to(place, aim) or self._hiding_of(place).attributes(attributes, path):
                return False
        return not self._hiding_of(self._at(name)).attributes(attributes, path)

    def admits(self, attributes: os.stat_result) -> bool:
        if self._allowed is not None and not self._allowed(self._place):
            return False
        return not self._hiding_of(self._place).attributes(attributes, self._folder)

    def _may_lead_to(self, place: str, aim: bool) -> bool:
        if self._allowed is not None and not self._permitted(place):
            return False
        if not aim:
            return True
        above, target = split(place)
        return not self._hiding_of(above).name(target)

    def _said_by(self, link: Path, name: str) -> str:
        """Where a link says that it leads; empty where nobody can tell."""
        files = self._session.files
        assert files is not None
        try:
            said = within(files.readlink(link), files.root)
        except OSError:
            return ""
        return normalise(self._place, said)

    def _at(self, name: str) -> str:
        return f"{self._place.rstrip('/')}/{name}"

    def _sections(self, virtual: str, *, as_written: bool = False) -> Chain:
        session = self._session
        return resolve.chain_at(
            session.server,
            session.anonymous,
            self._real(virtual),
            home=session.home,
            user=session.user or "",
            as_written=as_written,
        )

    def _written(self, virtual: str) -> Chain:
        """The sections that ProFTPD would find, where they may be others."""
        return self._sections(virtual, as_written=True) if self._differs else ()

    def _permitted(self, virtual: str) -> bool:
        key = self._sections(virtual), self._written(virtual)
        verdict = self._limits.get(key)
        if verdict is None:
            assert self._allowed is not None
            verdict = self._limits[key] = self._allowed(virtual)
        return verdict

    def _hiding_of(self, virtual: str) -> Hiding:
        """HideUser and its like may stand in a section of the entry's own."""
        if not self._sectioned:
            return self._hiding
        chain = self._sections(virtual)
        found = self._inside.get(chain)
        if found is None:
            session = self._session
            settings = resolve.settings_at(
                session.server, session.anonymous, self._real(virtual), home=session.home, user=session.user or ""
            )
            found = self._inside[chain] = Hiding(session, settings)
        return found
