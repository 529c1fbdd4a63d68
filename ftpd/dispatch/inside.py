"""What is in force at the entries of one folder, where the configuration has sections for some of them."""

from __future__ import annotations

from collections.abc import Callable

from ftpd.conf import resolve
from ftpd.conf.directive import Settings
from ftpd.conf.levels import Chain
from ftpd.module.files import Path
from ftpd.module.session import Session


class Inside:
    """The settings at virtual paths in a folder, which has its own already, and ``elsewhere`` where links lead.

    The ``access`` files are those that count in the folder: those of the folders in it are not looked for.
    """

    __slots__ = ("_access", "_ahead", "_chain", "_elsewhere", "_real", "_session", "_settings")

    def __init__(
        self,
        session: Session,
        folder: Path,
        access: Chain,
        real: Callable[[str], str],
        elsewhere: Callable[[str], Settings],
    ) -> None:
        self._session = session
        self._access = access
        self._real = real
        self._elsewhere = elsewhere
        place = folder.place or folder.virtual
        self._ahead = f"{place.rstrip('/')}/"
        self._chain = self._sections(place)
        self._settings = folder.settings

    def __call__(self, virtual: str) -> Settings:
        if not virtual.startswith(self._ahead):
            return self._elsewhere(virtual)
        if self._sections(virtual) == self._chain:
            return self._settings
        session = self._session
        return resolve.settings_at(
            session.server,
            session.anonymous,
            self._real(virtual),
            home=session.home,
            user=session.user or "",
            access=self._access,
        )

    def _sections(self, virtual: str) -> Chain:
        session = self._session
        return resolve.chain_at(
            session.server, session.anonymous, self._real(virtual), home=session.home, user=session.user or ""
        )
