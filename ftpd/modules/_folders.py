"""What every kind of listing needs: a folder's names in their order without holding up others, names of owners."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import field
from functools import partial
from itertools import chain
from time import monotonic
from typing import TypeVar
from weakref import ref

from ftpd.api import Command, Folder, Path, Session, Slot, Surveyed, dataclass, hidden, listing
from ftpd.modules import _slices
from ftpd.modules._slices import PIECE, Turn, emptied, in_order, sliced
from ftpd.modules._transfer import goes_straight

T = TypeVar("T")
Piece = bytes | tuple[str, os.stat_result]
"""What a folder gives: lines, each with its end, or an entry for the caller to tell of."""

LOOKED_AT = 128
"""The same where each of them is looked at."""
_LARGE = 256 * 1024
"""Bytes of a folder itself from which on its names, ten thousand or more, are read off the loop."""
SMALL = 64 * 1024
"""The same up to which it is read, looked at and written in one step: three thousand names, or fewer."""
_FEW = 4000
_DIGITS = 20
"""Those of the greatest number of 64 bits."""
DOTS = (".", "..")


@dataclass(frozen=True, slots=True)
class Order:
    """What comes first in a listing; the names of equals are sorted as well."""

    sort: bool = True
    last_first: bool = False
    column: int | None = None
    """The place in the attributes of a time or a size, of which the greatest come first; None is the name."""
    follows: bool = False
    """A link has the time and the size of what it leads to."""


_BY_NAME = Order()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of a folder's names are to be listed."""

    dotted: bool = True
    """Those too that begin with a dot."""
    veil: hidden.Veil | None = None

    def of(self, found: list[str]) -> list[str]:
        # one look at all of them, as most folders have no hidden ones
        if not self.dotted and "/." in "/" + "/".join(found):
            found = [name for name in found if not name.startswith(".")]
        return found if self.veil is None else self.veil.names(found)


async def names_of(
    cmd: Command,
    folder: Folder,
    turn: Turn,
    choice: Choice,
    order: Order = _BY_NAME,
    dots: tuple[str, ...] = (),
) -> AsyncGenerator[Sequence[str], None]:
    """The chosen names of a folder, and the ``dots``: all at once, or some at a time if there are many.

    Neither choosing nor sorting many holds up anybody, and the first are there before all are sorted.
    """
    if not order.sort and order.column is None and is_large(folder):
        async with aclosing(parts_of(cmd, folder, dotted=choice.dotted)) as parts:
            if dots:
                yield [*dots]
            async for part in parts:
                yield part if choice.veil is None else choice.veil.names([*part])
        return
    # by a time or a size the dots are sorted among the others
    compact = None if dots and order.column is not None else await _in_one_piece(cmd, folder, choice, order)
    if compact is not None:
        above = order.sort and order.last_first
        if dots and not above:
            yield [*dots]
        yield compact
        if dots and above:
            yield [*reversed(dots)]
        return
    pieces = await _chosen(cmd, folder, turn, choice, order)
    if not order.sort:
        yield [*dots, *chain.from_iterable(pieces)]
    elif order.column is not None:
        pieces.insert(0, [*dots])
        if (allowance := cmd.session.allowance) is not None:
            # while they are sorted
            allowance.twice([*chain.from_iterable(pieces)], cmd.argument or cmd.session.cwd)
        keys = await _keys(folder, turn, pieces, order.column, order)
        async with aclosing(in_order(keys, turn)) as sorted_keys:
            async for some in sorted_keys:
                yield [key[_DIGITS:] for key in some]
    else:
        async with aclosing(_among_dots(pieces, turn, order, dots)) as source:
            async for some in source:
                yield some


async def _chosen(cmd: Command, folder: Folder, turn: Turn, choice: Choice, order: Order) -> list[list[str]]:
    """The chosen names in no order: in one list, or in many where there are many."""
    pieces = None
    if order.sort:
        pieces = await reading(cmd, folder, partial(folder.pieces, dotted=choice.dotted))
    if pieces is not None:
        if choice.veil is not None:
            for place, piece in enumerate(pieces):
                if turn.over:
                    await turn.give()
                pieces[place] = choice.veil.names(piece)
        return pieces
    found = await reading(cmd, folder, folder.names)
    if len(found) <= _slices.AT_ONCE:
        return [choice.of(found)]
    pieces = []
    for some in emptied(found, PIECE):
        if turn.over:
            await turn.give()
        pieces.append(choice.of(some))
    return pieces


async def _among_dots(
    pieces: list[list[str]], turn: Turn, order: Order, dots: tuple[str, ...]
) -> AsyncGenerator[list[str], None]:
    head = [] if order.last_first else [*dots]
    async with aclosing(in_order(pieces, turn, last_first=order.last_first)) as sorted_names:
        async for names in sorted_names:
            yield head + names if head else names
            head = []
    if order.last_first and dots:
        yield [*reversed(dots)]


async def _in_one_piece(cmd: Command, folder: Folder, choice: Choice, order: Order) -> listing.Compact | None:
    """The chosen names in their order; None where each of them has to be asked after, or looked at in slices."""
    if choice.veil is not None:
        return None
    if order.column is not None:
        return await _in_rank(cmd, folder, choice, order, order.column)
    compact = await reading(cmd, folder, partial(folder.compact, dotted=choice.dotted, ordered=order.sort))
    if compact is not None and order.sort and order.last_first:
        sort = partial(compact.sort, reverse=True)
        # many are sorted off the loop, which they do not hold up there
        await cmd.offload(sort) if len(compact) > _slices.AT_ONCE else sort()
    return compact


async def _in_rank(
    cmd: Command, folder: Folder, choice: Choice, order: Order, column: int
) -> listing.Compact | None:  # fmt: skip
    if not (order.sort and is_large(folder)):
        return None
    ranked = partial(folder.ranked, column, dotted=choice.dotted, least_first=order.last_first, follows=order.follows)
    return await reading(cmd, folder, ranked)


def is_large(folder: Folder) -> bool:
    """Whether its names are so many that they are read off the loop."""
    return folder.attributes.st_size > _LARGE


async def parts_of(cmd: Command, folder: Folder, *, dotted: bool = True) -> AsyncGenerator[Sequence[str], None]:
    """The names of a large folder in its own order, some at a time: the first are there at once."""
    parts = folder.parts(dotted=dotted)
    while (some := await cmd.offload(partial(next, parts, None))) is not None:
        yield some


async def lines_as_they_are(
    cmd: Command, folder: Folder, layout: listing.Layout, choice: Choice, order: Order
) -> Iterable[Piece] | None:
    """The lines of all chosen entries, each piece of them made in a short step; None where that is not to be had.

    A small folder is read and looked at in one such step.
    """
    if cmd.files.slow or choice.veil is not None:
        return None
    if order.column is not None and not is_large(folder):
        return None
    if folder.attributes.st_size <= SMALL:
        return lines_of_small(folder, layout, choice, order)
    if not isinstance(layout, listing.Compiled):
        return None
    compact = await _in_one_piece(cmd, folder, choice, order)
    return None if compact is None else folder.raw_lines(compact, layout)


def lines_of_small(
    folder: Folder, layout: listing.Layout, choice: Choice, order: Order = _BY_NAME
) -> Iterable[Piece] | None:  # fmt: skip
    """The same of a small folder, without any waiting."""
    if not isinstance(layout, (listing.Compiled, listing.Tabled)) or folder.attributes.st_size > SMALL:
        return None
    by_name = (-1 if order.last_first else 1) if order.sort else 0
    return folder.lines_at_once(layout, by_name, _FEW, dotted=choice.dotted)


def surveyed(session: Session, folder: bytes, choice: Choice, *, dots: bool = False) -> Surveyed | None:
    """A small folder by name, as far as it is looked at in one step."""
    files = session.files
    if files is None:
        return None
    return files.survey(folder, largest=SMALL, dotted=choice.dotted, order=1, most=_FEW, dots=dots)


def can_be_shown_again(cmd: Command) -> bool:
    """Whether other folders beside that of this command are listed as it was, as far as no module has to be asked."""
    session = cmd.session
    if not cmd.plain or cmd.files.slow or session.recode is not None:
        return False
    return cmd.config is session.settings and goes_straight(cmd)


def in_steps(
    pieces: Iterable[Piece], line: Callable[[str, os.stat_result], str | None], first: Iterable[str] = ()
) -> Iterable[bytes]:
    """The lines some at a time, for others to have their turn in between; ``line`` tells of a single entry."""
    before = "\r\n".join(first)
    made = [listing.packed(before)] if before else []
    if isinstance(pieces, tuple):
        return *made, *pieces
    return _in_steps(pieces, line, made)


def _in_steps(
    pieces: Iterable[Piece], line: Callable[[str, os.stat_result], str | None], made: list[bytes]
) -> Iterator[bytes]:
    turn = Turn()
    for piece in pieces:
        if isinstance(piece, bytes):
            made.append(piece)
        elif (text := line(*piece)) is not None:
            made.append(listing.packed(text))
        if made and turn.over:
            yield b"".join(made)
            made, turn = [], Turn()
    if made:
        yield b"".join(made)


async def _keys(folder: Folder, turn: Turn, pieces: list[list[str]], column: int, order: Order) -> list[list[str]]:
    """The names, taken out of their lists, behind what they are sorted by.

    As texts, since the collector would look through so many pairs.
    """
    sign = 1 if order.last_first else -1
    keys: list[list[str]] = [[]]
    while pieces:
        for some in emptied(pieces.pop(), LOOKED_AT):
            if turn.over:
                await turn.give()
            looked_at = [(name, known) for name, known in folder.lstat_many(some) if known is not None]
            if order.follows:
                looked_at = [(name, followed(known, partial(folder.stat, name))) for name, known in looked_at]
            if len(keys[-1]) >= PIECE:
                keys.append([])
            keys[-1] += [f"{sign * known[column] + (1 << 63):0{_DIGITS}}{name}" for name, known in looked_at]
    return keys


def followed(known: os.stat_result, look: Callable[[], os.stat_result]) -> os.stat_result:
    """The attributes of what a link leads to; of anything else, and of a link that leads nowhere, its own."""
    if stat.S_ISLNK(known.st_mode):
        with suppress(OSError):
            return look()
    return known


async def reading(cmd: Command, folder: Folder, work: Callable[[], T]) -> T:
    """What ``work`` reads from the whole folder: off the loop where that takes long."""
    return await cmd.offload(work) if is_large(folder) else work()


def dots_of(cmd: Command, path: Path, folder: Folder, veil: hidden.Veil | None) -> tuple[str, ...]:
    """Those of ``.`` and ``..`` that NLST and MLSD show: what hides a folder hides it under these names as well."""
    if veil is None:
        return DOTS
    above = Path(posixpath.dirname(path.place or path.virtual))
    shown: tuple[str, ...] = () if cmd.hides(path, folder.attributes) or _is_hidden_root(cmd, path) else (".",)
    with suppress(OSError):
        attributes = folder.lstat("..")
        # unlike the folder itself, nobody has asked yet whether the command may use it
        if cmd.admits(above.virtual, attributes) and not (cmd.hides(above, attributes) or _is_hidden_root(cmd, above)):
            shown += ("..",)
    return shown


def _is_hidden_root(cmd: Command, path: Path) -> bool:
    """Whether it is the root and hidden by its name, as ProFTPD does: where HideFiles has a `!`, that matters."""
    if (path.place or path.virtual) != "/":
        return False
    return hidden.Hiding(cmd.session, cmd.gate.settings_at(cmd.session, "/")).name("/")


async def unveiled(veil: hidden.Veil, folder: Folder, names: Sequence[str], turn: Turn) -> list[str]:
    """The names of the entries that may be shown, once they were looked at."""
    shown: list[str] = []
    for some in sliced(names, LOOKED_AT):
        if turn.over:
            await turn.give()
        for name, attributes in folder.lstat_many(some):
            if name in DOTS or (attributes is not None and veil.shows(name, attributes)):
                shown.append(name)
    return shown


@dataclass(slots=True)
class _Heard:
    """The names of ids that a session has heard: as in ProFTPD, each is asked for once."""

    users: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)


_heard = Slot("owners", _Heard)
_NAMELESS_LASTS = 0.1
"""Seconds for which an id without a name is kept: a database tells names only when it was asked, and users are made."""


class Owners(dict[int, str]):
    """Names of ids for the listings of one session, which may keep it."""

    __slots__ = ("_fake", "_group", "_nameless", "_number", "_numeric", "_session")

    def __init__(self, session: Session, *, group: bool, fake: str | None, numeric: bool = False) -> None:
        super().__init__()
        self._session = ref(session)
        self._group = group
        self._numeric = numeric
        self._number = fake_number(session, fake, group=group) if numeric else None
        name = _own_name(session, group=group) if fake == "~" else fake
        self._fake = None if name is None else _in_one_column(name)
        self._nameless: float | None = None
        """When the first id in here was met that had no name."""

    def ask_for(self, session: Session) -> None:
        """Ask on behalf of that session from now on, which would be told the same."""
        self._session = ref(session)

    @property
    def stale(self) -> bool:
        """Whether an id that had no name may have one by now, so that this is no good for another listing."""
        return self._nameless is not None and monotonic() - self._nameless > _NAMELESS_LASTS

    def __missing__(self, number: int) -> str:
        if len(self) >= 4096:
            self.clear()
        self[number] = name = self._name(number)
        return name

    def _name(self, number: int) -> str:
        if self._numeric:
            return str(number if self._number is None else self._number)
        if self._fake is not None:
            return self._fake
        session = self._session()
        assert session is not None
        heard = session[_heard]
        known = heard.groups if self._group else heard.users
        name = known.get(number)
        if name is not None:
            return name
        name = self._asked(session, number)
        if name == str(number):
            self._nameless = self._nameless or monotonic()
            return name
        if len(known) >= 256:
            known.clear()
        known[number] = name
        return name

    def _asked(self, session: Session, number: int) -> str:
        accounts = session.modules.accounts
        name = accounts.gid_name(session, number) if self._group else accounts.uid_name(session, number)
        return _in_one_column(name)


def _in_one_column(name: str) -> str:
    """A blank in a directory service's group name would shift the columns that clients parse."""
    return name.replace(" ", "_") if " " in name else name


def _own_name(session: Session, *, group: bool) -> str:
    if not group:
        return session.user or ""
    return session.groups[0][1] if session.groups else ""


_NOBODY = 65534


def fake_number(session: Session, fake: str | None, *, group: bool) -> int | None:
    """The number that goes with a faked name; None where nothing is faked."""
    if fake is None:
        return None
    if fake == "~":
        account = session.account
        return None if account is None else account.gid if group else account.uid
    accounts = session.modules.accounts
    found = accounts.name_gid(session, fake) if group else accounts.name_uid(session, fake)
    # a name that nobody has: the true number would tell what the name is there to hide
    return _NOBODY if found is None else found
