"""mod_facts -- MLSD and MLST: listings for programs (RFC 3659 7), and MFF and MFMT to change what they show."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial

from ftpd.api import (
    Class,
    Command,
    Data,
    Files,
    Folder,
    Group,
    Outcome,
    Path,
    Phase,
    Refuse,
    Session,
    Settings,
    ShortAnswer,
    Transfer,
    acls,
    begin,
    hidden,
    listing,
    mlsx,
    resolved,
    within,
)
from ftpd.modules import _facts_change
from ftpd.modules._facts_config import UNABLE, advertise, choose, chosen, has_chosen_nothing, module, offered, option
from ftpd.modules._folders import (
    DOTS,
    Choice,
    Order,
    Owners,
    Piece,
    Turn,
    can_be_shown_again,
    dots_of,
    fake_number,
    in_steps,
    is_large,
    lines_as_they_are,
    lines_of_small,
    names_of,
    parts_of,
    surveyed,
    unveiled,
)
from ftpd.modules._lately import Lately
from ftpd.modules._transfer import carry, opening

__all__ = ["module"]

COMPLETE = "Transfer complete"
_ALL, _BY_NAME, _AS_THEY_COME = Choice(), Order(), Order(sort=False)
_FEW = 32
_MFF = "MFF " + "".join(f"{name};" for name in _facts_change.CHANGEABLE)


def features(session: Session) -> Iterator[str]:
    if session.settings[advertise]:
        shown = chosen(session)
        yield _MFF
        yield "MFMT"
        yield "MLST " + "".join([f"{name}*;" if name in shown else f"{name};" for name in offered(session)])
        yield "TVFS"


module.feat(features, alike=has_chosen_nothing)


@module.opts("MLST")
def choose_facts(cmd: Command) -> Outcome:
    if len(cmd.words) > 1:
        return cmd.fail(501, "'OPTS MLST' not understood")
    names = "".join(f"{name};" for name in choose(cmd.session, cmd.argument.strip()))
    # with names of which none is known, ProFTPD's line ends with the blank
    return cmd.ok(200, f"MLST OPTS {names}" if cmd.argument else "MLST OPTS")


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
            perm = _perm_by_acl(self._files, path, what, at, folder.attributes)
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
                name: self.line(name, known, self._perm_of(known), kind=kind, unique=None)
                for name, kind, known in ((".", "cdir", here), ("..", "pdir", above))
                if known is not None
            }
            self._dots = here, above, lines
        return self._dots[2]

    def at_once(self, session: Session, folder: bytes) -> bytes | None:
        """The lines of a small folder without links, as of any other that is entered."""
        found = surveyed(session, folder, _ALL, dots=True)
        if found is None or found.dots is None:
            return None
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
    return mlsx.permissions(
        folder=stat.S_ISDIR(mode),
        readable=files.may(attributes, os.R_OK),
        writable=files.may(attributes, os.W_OK),
        searchable=files.may(attributes, os.X_OK),
        removable=files.may_remove(above, attributes),
    )


def _perm_by_acl(files: Files, path: Path, known: os.stat_result, at: Path, above: os.stat_result) -> str:
    """As the kernel judges, which knows ACLs: of what is ``known`` there, in the folder ``at``."""
    return mlsx.permissions(
        folder=stat.S_ISDIR(known.st_mode),
        readable=acls.may(files, path, known, os.R_OK),
        writable=acls.may(files, path, known, os.W_OK),
        searchable=acls.may(files, path, known, os.X_OK),
        removable=acls.may_remove(files, at, above, known),
    )


_last: Lately[Facts] = Lately("facts")
"""What the last listing of a session looked like; the next one mostly looks the same."""


def _facts_in(cmd: Command, above: os.stat_result) -> Facts:
    """Those of a folder's listing that begins now."""
    facts = _last.of(cmd.session)
    if facts is None or not facts.serves(cmd.session, cmd.config):
        facts = Facts(cmd)
        _last.keep(cmd.session, facts)
    facts.enter(above)
    return facts


def _shows_links(cmd: Command) -> bool:
    """Whether ShowSymlinks is there and on; MLSD shows links without it as well."""
    key = cmd.session.modules.directive("ShowSymlinks")
    return key is not None and key in cmd.config and bool(cmd.config[key])


def _named(cmd: Command) -> str:
    """The path of MLSD and MLST: no flags and no patterns (RFC 3659 2.2.2); blanks alone are none."""
    return cmd.argument if cmd.argument.strip() else ""


def _hides_itself(cmd: Command, given: str) -> bool:
    """Asked for by its plain name, an entry is hidden by a section of its own as well, as in ProFTPD."""
    hides = cmd.own_sections() if given and "/" not in given else None
    return hides is not None and hides(given)


@module.cmd("MLST", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> pathname]")
def facts_of_one(cmd: Command) -> Outcome:
    given = _named(cmd)
    path = cmd.path(given or ".", refusal=UNABLE)
    label = given or path.virtual
    files = cmd.files
    try:
        attributes = files.stat(path)
    except OSError:
        raise Refuse(550, f"'{label}' cannot be listed") from None
    itself = files.lstat(path)
    if cmd.hides(path, itself) or _hides_itself(cmd, given):
        return cmd.ok(250, f"Start of list for {label}", "End of list")
    above = Path(posixpath.dirname(path.virtual))
    # where ShowSymlinks asks for them by name, ProFTPD tells of the link, under the name of what it leads to
    of_link = stat.S_ISLNK(itself.st_mode) and _shows_links(cmd)
    perm = mlsx.permissions(
        folder=not of_link and stat.S_ISDIR(attributes.st_mode),
        readable=files.access(path, os.R_OK),
        writable=files.access(path, os.W_OK),
        searchable=files.access(path, os.X_OK),
        removable=acls.may_remove(files, above, files.stat(above), itself),
    )
    facts = Facts(cmd)
    if of_link:
        shown = path.virtual if facts.slink else resolved(files, path.virtual, "/")
        line = facts.line(shown, itself, perm, kind=facts.kind_of_link(path), unique=attributes)
    else:
        line = facts.line(path.virtual, attributes, perm, kind=None, unique=None)
    return cmd.ok(250, f"Start of list for {label}", line, "End of list")


def _lists(cmd: Command, folder: str) -> ShortAnswer | None:
    """What lists other folders as this one was listed, where nothing is to be asked of each of them."""
    if acls.count(cmd.session) or not can_be_shown_again(cmd):
        return None
    return cmd.session.wire.lists(cmd, folder, opening(cmd, "MLSD"), COMPLETE, SmallFolders())


class SmallFolders:
    """Makes the lines of small folders, where nothing is said of any path."""

    __slots__ = ("_linked",)

    def __init__(self) -> None:
        self._linked = False

    def __call__(self, cmd: Command, folder: Folder, path: Path) -> Iterable[bytes] | None:
        facts = _facts_in(cmd, folder.attributes)
        pieces = lines_of_small(folder, facts.layout, _ALL)
        if pieces is None:
            return None

        def line(name: str, known: os.stat_result) -> str:
            self._linked = True
            return facts.entry(name, known, folder, path)

        return in_steps(pieces, line, facts.dots(folder, path))

    def at_once(self, session: Session, folder: bytes) -> bytes | None:
        facts = None if self._linked else _last.of(session)
        if facts is None or not facts.serves(session, session.settings):
            return None
        return facts.at_once(session, folder)


def _steps(facts: Facts, pieces: Iterable[Piece], folder: Folder, path: Path) -> Iterable[bytes]:
    return in_steps(pieces, lambda name, known: facts.entry(name, known, folder, path), facts.dots(folder, path))


@module.cmd(
    "MLSD", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> pathname]", shortcut=_lists, alike=has_chosen_nothing,
    records=Phase.LOG_CMD,
)  # fmt: skip
def facts_of_folder(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_facts_of_folder(cmd))


async def _facts_of_folder(cmd: Command) -> Outcome:
    given = _named(cmd)
    path = cmd.path(given or ".", refusal=UNABLE, use="list")
    label = given or path.virtual
    try:
        opened = cmd.files.open_folder(path)
    except NotADirectoryError:
        if _is_entry(cmd, path):
            raise Refuse(550, f"'{label}' is not a directory") from None
        raise
    except OSError as error:
        raise Refuse(550, f"{label}: {error.strerror}") from None
    with opened as folder:
        transfer = Transfer(path.virtual, cmd.files.real(path), "l", ascii=True)

        async def move(data: Data) -> None:
            plain = data.rest or await _plain(cmd, path, folder)
            if plain is not None:
                await data.send(plain)
                return
            async with aclosing(_chunks(cmd, path, folder)) as made:
                await data.send(made)

        await carry(cmd, transfer, opening(cmd, "MLSD"), move)
    return cmd.ok(226, COMPLETE)


def _is_entry(cmd: Command, path: Path) -> bool:
    """A file where a folder was asked for; not one in the middle of the path."""
    try:
        cmd.files.lstat(path)
    except OSError:
        return False
    return True


async def _plain(cmd: Command, path: Path, folder: Folder) -> Iterable[bytes] | AsyncIterator[bytes] | None:
    """All lines, each chunk of them made in one short step; None where that is not to be had."""
    if cmd.veil(path) is not None:
        return None
    facts = _facts_in(cmd, folder.attributes)
    if facts.by_acl:
        return None
    if is_large(folder) and not cmd.files.slow:
        return _part_by_part(cmd, facts, path, folder) if isinstance(facts.layout, listing.Compiled) else None
    pieces = await lines_as_they_are(cmd, folder, facts.layout, _ALL, _BY_NAME)
    return None if pieces is None else map(cmd.session.spoken, _steps(facts, pieces, folder, path))


async def _part_by_part(cmd: Command, facts: Facts, path: Path, folder: Folder) -> AsyncGenerator[bytes, None]:
    """The same of a large folder, in its own order: nobody has to wait until all of it is read."""
    layout = facts.layout
    assert isinstance(layout, listing.Compiled)
    for chunk in _steps(facts, (), folder, path):
        yield cmd.session.spoken(chunk)
    turn = Turn()
    async with aclosing(parts_of(cmd, folder)) as parts:
        async for names in parts:
            pieces = folder.raw_lines(names, layout)
            for chunk in in_steps(pieces, lambda name, known: facts.entry(name, known, folder, path)):
                yield cmd.session.spoken(chunk)
                if turn.over:
                    await turn.give()


def _sendable(cmd: Command, made: list[str]) -> bytes:
    made.append("")  # the last line has an end as well
    chunk = cmd.session.spoken("\r\n".join(made))
    made.clear()
    return chunk


def _looked_at(folder: Folder, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    for start in range(0, len(names), _FEW):
        for name, known in folder.lstat_many(names[start : start + _FEW]):
            if known is not None:
                yield name, known


def _dots_shown(cmd: Command, path: Path, folder: Folder, veil: hidden.Veil | None) -> Sequence[str]:
    dots = dots_of(cmd, path, folder, veil)
    # MLSD has what hides the folder's entries look at these names as well, which the other listings do not
    return dots if veil is None else [name for name in veil.names([*dots]) if veil.shows(name, folder.lstat(name))]


async def _chunks(cmd: Command, path: Path, folder: Folder) -> AsyncGenerator[bytes, None]:
    facts = _facts_in(cmd, folder.attributes)
    veil = cmd.veil(path)
    turn = Turn()
    made = facts.dots(folder, path, _dots_shown(cmd, path, folder, veil))

    source = names_of(cmd, folder, turn, Choice(veil=veil), _AS_THEY_COME if is_large(folder) else _BY_NAME)
    async with aclosing(source):
        async for names in source:
            if veil is not None and veil.looks:
                names = await unveiled(veil, folder, names, turn)
            for piece in _looked_at(folder, names) if facts.by_acl else folder.lines(names, facts.layout):
                if isinstance(piece, str):
                    made.append(piece)
                elif veil is None or veil.looks or veil.shows(*piece):
                    made.append(facts.entry(*piece, folder, path))
                if turn.over:
                    if made:
                        yield _sendable(cmd, made)
                    await turn.give()
    if made:
        yield _sendable(cmd, made)
