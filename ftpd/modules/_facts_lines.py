"""What a line of MLSD or MLST says of an entry (RFC 3659 7): its facts, as one session is shown them."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ftpd.api import Command, Files, Folder, Path, Session, Settings, Surveyed, acls, listing, mlsx, within
from ftpd.modules._facts_config import chosen, option
from ftpd.modules._folders import DOTS, Choice, Owners, fake_number, surveyed
from ftpd.modules._lately import Lately

ALL = Choice()
_FEW = 32


class Facts:
    """The lines of a session's listings; the configuration in force is that of the path asked for last."""

    __slots__ = (
        "_config", "_dots", "_facts", "_files", "_gid", "_groups", "_inside", "_links", "_mode", "_own", "_perms",
        "_uid", "_users", "by_acl", "layout", "slink",
    )  # fmt: skip

    _perms: listing.Kept[str]
    """What may be done with an entry, by mode, owner and group."""
    layout: mlsx.Lines
    """The lines of the entries of the folder that was entered last, but for links."""

    def __init__(self, cmd: Command) -> None:
        session = cmd.session
        self._files, self._config, self._own = cmd.files, cmd.config, session.settings
        self.by_acl = acls.count(session)
        self._inside: tuple[int, int, int] | None = None
        self._dots: tuple[os.stat_result, os.stat_result | None, dict[str, str]] | None = None
        self._facts = chosen(session)
        self.slink = option(session, "UseSlink")
        self._links: bool = cmd.setting("ShowSymlinks", True)
        self._mode: int | None = cmd.setting("DirFakeMode", None)
        user: str | None = cmd.setting("DirFakeUser", None)
        group: str | None = cmd.setting("DirFakeGroup", None)
        self._uid = fake_number(session, user, group=False)
        self._gid = fake_number(session, group, group=True)
        self._users = Owners(session, group=False, fake=user)
        self._groups = Owners(session, group=True, fake=group)

    def serves(self, session: Session, config: Settings) -> bool:
        """Whether it is what a listing that begins now would make anew, and is small enough to be kept."""
        same = self._config is config and self._files is session.files and self._own is session.settings
        few = len(self._users) + len(self._groups) <= _FEW
        fresh = few and not (self._users.stale or self._groups.stale)
        return same and fresh and self._facts == chosen(session)

    def enter(self, above: os.stat_result) -> None:
        """Go on in a folder with these attributes, which say what may be done with its entries."""
        inside = above.st_mode, above.st_uid, above.st_gid
        if self._inside == inside and len(self._perms) <= _FEW:
            return
        self._inside = inside
        self._perms = perms = listing.Kept(partial(_perm, self._files, above))
        self.layout = mlsx.lines(
            self._facts,
            self._users,
            self._groups,
            lambda *key: perms[key],
            mode=self._mode,
            uid=self._uid,
            gid=self._gid,
        )

    def entry(self, name: str, attributes: os.stat_result, folder: Folder, at: Path) -> str:
        """The line of an entry of the open folder ``at``, which was entered."""
        kind: str | None = None
        target: os.stat_result | None = None
        if name == ".":
            kind = "cdir"
        elif name == "..":
            kind = "pdir"
        elif stat.S_ISLNK(attributes.st_mode):
            try:
                target = folder.stat(name)
                if not self._links:
                    attributes = target
                elif self.slink:
                    kind = self._slink(at, folder.readlink(name))
            except OSError:
                pass  # a link that leads nowhere is shown as the link it is
        what = target or attributes
        if self.by_acl:
            path = Path(posixpath.normpath(at.child(name).virtual))
            perm = _perm_by_acl(self._files, path, what, at, folder.attributes, kind)
        else:
            perm = self._perm_of(what)
        return self.line(name, attributes, perm, kind=kind, unique=target)

    def _perm_of(self, known: os.stat_result) -> str:
        return self._perms[known.st_mode, known.st_uid, known.st_gid]

    def dots(self, folder: Folder, at: Path, shown: Sequence[str] = DOTS) -> list[str]:
        """The lines of the folder itself and of the one above it, as far as they are ``shown``."""
        here, above = folder.attributes, None
        with suppress(OSError):
            above = folder.lstat("..")
        if self.by_acl:
            lines = {name: self.entry(name, known, folder, at) for name, known in ((".", here), ("..", above)) if known}
        else:
            lines = self._lines_of_dots(here, above)
        return [line for name, line in lines.items() if name in shown]

    def _lines_of_dots(self, here: os.stat_result, above: os.stat_result | None) -> dict[str, str]:
        if self._dots is None or self._dots[:2] != (here, above):
            lines = {
                name: self.line(name, known, _perm_of_dot(self._files, known), kind=kind, unique=None)
                for name, kind, known in ((".", "cdir", here), ("..", "pdir", above))
                if known is not None
            }
            self._dots = here, above, lines
        return self._dots[2]

    def at_once(self, session: Session, folder: bytes) -> bytes | Surveyed | None:
        """The lines of a small folder without links, as of any other that is entered."""
        found = surveyed(session, folder, ALL, dots=True)
        if found is None or found.dots is None or not found.whole:
            return found
        self.enter(found.dots[0])
        if not isinstance(self.layout, listing.Compiled):
            return None
        dots = listing.packed("\r\n".join(self._lines_of_dots(*found.dots).values()))
        return dots + self.layout.packed(found.names, 0, found.attributes)

    def kind_of_link(self, path: Path) -> str:
        if not self.slink:
            return "OS.unix=symlink"
        return self._slink(Path(posixpath.dirname(path.virtual)), self._files.readlink(path))

    def _slink(self, at: Path, target: str) -> str:
        """FileZilla's word for a link; where a blank or a semicolon would end the fact early, the RFC's."""
        if not target.isprintable() or any(letter in target for letter in " ;"):
            return "OS.unix=symlink"
        inside = within(target, self._files.root)
        return f"OS.unix=slink:{posixpath.normpath(posixpath.join(at.virtual, inside))}"

    def line(
        self, name: str, attributes: os.stat_result, perm: str, *, kind: str | None, unique: os.stat_result | None
    ) -> str:
        return mlsx.line(
            name,
            attributes,
            perm=perm,
            type=kind,
            user=self._users[attributes.st_uid],
            group=self._groups[attributes.st_gid],
            facts=self._facts,
            mode=None if self._mode is None else listing.faked(attributes.st_mode, self._mode),
            unique=unique,
            uid=self._uid,
            gid=self._gid,
        )


def _perm(files: Files, above: os.stat_result, key: tuple[int, int, int]) -> str:
    """By the mode bits alone, which cost nothing; ``key``: mode, owner and group."""
    mode, uid, gid = key
    attributes = os.stat_result((mode, 0, 0, 0, uid, gid, 0, 0, 0, 0))
    return _perm_where(files, attributes, files.may_remove(above, attributes))


def _perm_of_dot(files: Files, attributes: os.stat_result) -> str:
    """Of a folder by what it is itself, as in ProFTPD: what it lies in is not looked at."""
    return _perm_where(files, attributes, files.may(attributes, os.W_OK))


def _perm_where(files: Files, attributes: os.stat_result, removable: bool) -> str:
    return mlsx.permissions(
        folder=stat.S_ISDIR(attributes.st_mode),
        readable=files.may(attributes, os.R_OK),
        writable=files.may(attributes, os.W_OK),
        searchable=files.may(attributes, os.X_OK),
        removable=removable,
    )


def _perm_by_acl(
    files: Files, path: Path, known: os.stat_result, at: Path, above: os.stat_result, kind: str | None
) -> str:
    """As the kernel judges, which knows ACLs: of what is ``known`` there, in the folder ``at``."""
    writable = acls.may(files, path, known, os.W_OK)
    return mlsx.permissions(
        folder=stat.S_ISDIR(known.st_mode),
        readable=acls.may(files, path, known, os.R_OK),
        writable=writable,
        searchable=acls.may(files, path, known, os.X_OK),
        removable=writable if kind in ("cdir", "pdir") else acls.may_remove(files, at, above, known),
    )


last: Lately[Facts] = Lately("facts")
"""What the last listing of a session looked like; the next one mostly looks the same."""


def facts_in(cmd: Command, above: os.stat_result) -> Facts:
    """Those of a folder's listing that begins now."""
    facts = last.of(cmd.session)
    if facts is None or not facts.serves(cmd.session, cmd.config):
        facts = Facts(cmd)
        last.keep(cmd.session, facts)
    facts.enter(above)
    return facts
