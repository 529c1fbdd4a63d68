"""Lines of entries that have a section of their own with a DirFakeMode in it."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable

from ftpd.api import Command, Path, Settings, normalise, resolved, within
from ftpd.modules._ls_config import fake_permissions
from ftpd.modules._ls_view import View


class Faked:
    """The layout of a folder's entries, each with the mode that is faked where it lies: of a link, where it leads."""

    __slots__ = ("_at", "_files", "_inside", "_view")

    def __init__(self, cmd: Command, view: View, folder: Path, inside: Callable[[str], Settings]) -> None:
        self._view = view
        self._files = cmd.files
        self._at = folder.place or folder.virtual
        self._inside = inside

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        return [self.of(name, known).text(name, known) for name, known in zip(names, found, strict=True)]

    def of(self, name: str, attributes: os.stat_result) -> View:
        """The view of one entry."""
        if name in (".", ".."):
            return self._view
        place = f"{self._at.rstrip('/')}/{name}"
        if stat.S_ISLNK(attributes.st_mode):
            place = self._led_to(place)
        return self._view.faking(self._inside(place)[fake_permissions])

    def _led_to(self, link: str) -> str:
        try:
            return resolved(self._files, link, self._at)
        except OSError:
            try:
                said = self._files.readlink(Path(link))
            except OSError:
                return link
            return normalise(posixpath.dirname(link), within(said, self._files.root))


def faked(cmd: Command, view: View, folder: Path) -> Faked | None:
    """None where all entries of the folder have its mode, if it fakes one, as nearly always."""
    if not view.shows_modes:
        return None
    inside = cmd.inside(folder, fake_permissions)
    return None if inside is None else Faked(cmd, view, folder, inside)
