"""Listings as they go out: folders read in slices, so that a long one holds up nobody but its own session."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import field
from functools import lru_cache, partial
from math import inf
from time import monotonic

from ftpd.api import Command, Folder, Path, Session, Surveyed, dataclass, hidden, listing
from ftpd.modules._folders import (
    DOTS,
    Choice,
    Order,
    followed,
    in_steps,
    lines_as_they_are,
    lines_of_small,
    names_of,
    surveyed,
    unveiled,
)
from ftpd.modules._ls_config import list_style
from ftpd.modules._ls_faked import Faked, faked
from ftpd.modules._ls_request import NO_FLAGS, Flags, Found, Request, Target
from ftpd.modules._ls_view import View, clock, follows, view_of
from ftpd.modules._slices import Turn, sliced

_WIDTH = 75
_SIZE = 6
NO_LIMIT = 1 << 62
PLACE = 512
"""Bytes that a folder takes which is to be listed yet."""
_LASTS = 1.0
"""Seconds for which other sessions are told the same names of owners."""
_CLOSED = (errno.EACCES, errno.EPERM)


@dataclass(slots=True)
class _Budget:
    """What ListOptions leaves of the entries and folders that one listing may show."""

    files: int
    folders: int
    counted: bool
    """Whether the number of files matters: what is not shown must not count."""
    turn: Turn = field(default_factory=Turn)


def lines(cmd: Command, request: Request, found: Found) -> AsyncGenerator[list[str], None]:
    """The lines of LIST and STAT, some at a time: a folder's entries, or those that a pattern matched."""
    limits = request.limits
    counted = limits.most_files is not None
    budget = _Budget(limits.most_files or NO_LIMIT, limits.most_folders or NO_LIMIT, counted)
    if found.literal and "d" not in request.flags and found.is_folder:
        return _folders(cmd, request, found.targets, budget, headed=False)
    return _targets(cmd, request, found, budget)


async def send_plain(
    cmd: Command, request: Request, found: Found, send: Callable[[Iterable[bytes]], Awaitable[object]]
) -> bool:
    """Send the same lines where one folder is listed as most are: each chunk is made in one short step.

    False where that is not to be had, and then nothing was sent.
    """
    flags, path = request.flags, found.targets[0].path if found.is_folder else None
    if path is None or not (found.literal and flags.layout != "C" and flags.isdisjoint("Rda")):
        return False
    if request.limits.counts or cmd.veil(path) is not None:
        return False
    try:
        with cmd.files.open_folder(path) as folder:
            view, virtual = view_of(cmd, path.settings, flags), path.virtual
            if faked(cmd, view, path) is not None:
                return False
            order = _order(flags, view.follows or _weighs_targets(cmd, flags))
            pieces = await lines_as_they_are(cmd, folder, view.layout, chosen(None, flags), order)
            if pieces is None:
                return False
            await send(in_steps(pieces, lambda name, known: view.line(name, known, folder, name, virtual)))
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
    return True


def is_quick(cmd: Command) -> bool:
    """Whether folders are listed so where the command is, and not line by line."""
    return isinstance(view_of(cmd, cmd.config, NO_FLAGS).layout, (listing.Compiled, listing.Tabled))


class SmallFolders:
    """Makes the lines of small folders, asked for without flags, where nothing is said of any path.

    How entries look to one session they look to all that stand alike, for a moment: those of folders without links.
    """

    __slots__ = ("_until", "_view")

    def __init__(self) -> None:
        self._view: View | None = None
        self._until = -inf

    def __call__(self, cmd: Command, folder: Folder, path: Path) -> Iterable[bytes] | None:
        view, own = self._common(cmd), False
        pieces = lines_of_small(folder, view.layout, _PLAIN[False])
        if pieces is None:
            return None

        def line(name: str, known: os.stat_result) -> str | None:
            nonlocal view, own
            if not own:
                # what is told of one by one may take longer than the others' view lasts
                view, own = view_of(cmd, cmd.config, NO_FLAGS), True
            return view.line(name, known, folder, name, path.virtual)

        return in_steps(pieces, line)

    def at_once(self, session: Session, folder: bytes) -> bytes | Surveyed | None:
        view = self._view
        if view is None or self._until <= monotonic() or not view.goes_on(session):
            return None
        if not isinstance(view.layout, listing.Compiled):
            return None
        found = surveyed(session, folder, _PLAIN[False])
        return view.layout.packed(found.names, 0, found.attributes) if found is not None and found.whole else found

    def _common(self, cmd: Command) -> View:
        view, now = self._view, monotonic()
        if view is None or self._until <= now or not view.serves_another(cmd, cmd.config, NO_FLAGS):
            view = self._view = View(cmd, cmd.config, NO_FLAGS)
            self._until = now + _LASTS
        return view


async def _targets(cmd: Command, request: Request, found: Found, budget: _Budget) -> AsyncGenerator[list[str], None]:
    if found.literal and any(cmd.hides(target.path, target.attributes) for target in found.targets):
        return
    targets: list[Target] = []
    below: list[Target] = []
    recursive = "R" in request.flags and not found.literal
    for target in found.targets:
        (below if recursive and is_folder(cmd, target) else targets).append(target)
    targets = in_order(cmd, request.flags, targets)[: budget.files]
    budget.files -= len(targets)
    single = _Single(cmd, request, matched=not found.literal)
    for few in sliced(targets):
        if budget.turn.over:
            await budget.turn.give()
        made = single.lines(few)
        yield _arranged(made) if request.flags.layout == "C" else made
    if below:
        async with aclosing(_folders(cmd, request, below, budget)) as source:
            async for some_below in source:
                yield some_below


def is_folder(cmd: Command, target: Target) -> bool:
    """Whether it is a folder, or a link to one."""
    bits = target.attributes.st_mode
    if stat.S_ISLNK(bits):
        try:
            bits = cmd.files.stat(target.path).st_mode
        except OSError:
            return False
    return stat.S_ISDIR(bits)


def in_order(cmd: Command, flags: Flags, targets: list[Target]) -> list[Target]:
    """What a pattern matched, sorted as the flags want it."""
    column = _column(flags)
    if "U" in flags:
        return targets
    if column is None:
        return targets[::-1] if "r" in flags else targets
    sign = 1 if "r" in flags else -1

    def key(target: Target) -> float:
        known = target.attributes
        if follows(target.path.settings, flags) or _weighs_targets(cmd, flags):
            known = followed(known, partial(cmd.files.stat, target.path))
        return sign * known[column]

    return sorted(targets, key=key)


class _Single:
    """Lines of entries that are named one by one; those under the same configuration share a view."""

    def __init__(self, cmd: Command, request: Request, *, matched: bool) -> None:
        self._cmd = cmd
        self._matched = matched
        self._flags = request.flags
        self._views: dict[int, View] = {}
        self._fakes: dict[str, Faked | None] = {}

    def lines(self, targets: Sequence[Target]) -> list[str]:
        made = (
            self._own(target).line(
                target.shown, target.attributes, self._cmd.files, target.path, posixpath.dirname(target.path.virtual)
            )
            for target in targets
        )
        return [line for line in made if line is not None]

    def _own(self, target: Target) -> View:
        view, path = self._view(target.path), target.path
        if not self._matched:
            # what was named has the settings of its own place
            return view
        above = posixpath.dirname(path.place or path.virtual)
        if above not in self._fakes:
            self._fakes[above] = faked(self._cmd, view, Path(above, settings=path.settings))
        fakes = self._fakes[above]
        return view if fakes is None else fakes.of(path.name, target.attributes)

    def _view(self, path: Path) -> View:
        # the paths hold the settings as long as the listing lasts: no number is used again
        view = self._views.get(id(path.settings))
        if view is None:
            view = self._views[id(path.settings)] = View(self._cmd, path.settings, self._flags)
        return view


async def _folders(
    cmd: Command, request: Request, first: list[Target], budget: _Budget, *, headed: bool = True
) -> AsyncGenerator[list[str], None]:
    """Folders, and with -R all below them; links are never followed down, and closed folders are left out."""
    deepest = request.limits.most_depth or NO_LIMIT
    waiting = [(target.path, _as_above(target.shown), 1) for target in reversed(first)]
    while waiting and budget.folders > 0 and budget.files > 0:
        if budget.turn.over:
            await budget.turn.give()
        path, shown, depth = waiting.pop()
        below: list[str] = []
        try:
            with cmd.files.open_folder(path) as folder:
                budget.folders -= 1
                if depth > 1 or headed:
                    yield ["", listing.shown(f"{shown}:")]
                async with aclosing(_entries(cmd, request.flags, path, folder, budget, below)) as source:
                    async for some in source:
                        yield some
        except OSError as error:
            # a folder that may be entered but not read is a drop box: clients list it before they upload
            if depth == 1 and error.errno not in _CLOSED:
                raise
        if "R" in request.flags and depth < deepest:
            if (allowance := cmd.session.allowance) is not None:
                allowance.room((len(waiting) + len(below)) * PLACE, request.text or cmd.session.cwd)
            for name in reversed(below):
                waiting.append((cmd.below(path, name), f"{shown.rstrip('/')}/{name}" if shown else name, depth + 1))


async def _entries(
    cmd: Command, flags: Flags, path: Path, folder: Folder, budget: _Budget, below: list[str]
) -> AsyncGenerator[list[str], None]:
    view = view_of(cmd, path.settings, flags)
    veil = cmd.veil(path)
    looked = veil is not None and (veil.looks or budget.counted)
    folders = below if "R" in flags else None
    fakes = faked(cmd, view, path)
    layout = view.layout if fakes is None else fakes
    turn = budget.turn
    made: list[str] = []
    dots = DOTS if "a" in flags else ()
    order = _order(flags, view.follows or _weighs_targets(cmd, flags))
    async with aclosing(names_of(cmd, folder, turn, chosen(veil, flags), order, dots)) as source:
        async for names in source:
            if turn.over:
                await turn.give()
            if veil is not None and looked:
                names = await unveiled(veil, folder, names, turn)
            if len(names) > budget.files:
                names = names[: budget.files]
            budget.files -= len(names)
            for some in sliced(names) if flags.layout == "C" else (names,):
                for piece in folder.lines(some, layout, folders):
                    if isinstance(piece, str):
                        made.append(piece)
                    elif veil is None or looked or piece[0] in DOTS or veil.shows(*piece):
                        own = view if fakes is None else fakes.of(*piece)
                        line = own.line(*piece, folder, piece[0], path.virtual)
                        if line is not None:
                            made.append(line)
                    if turn.over:
                        if made and flags.layout != "C":
                            yield made
                            made = []
                        await turn.give()
                if flags.layout == "C":
                    yield _arranged(made)
                    made = []
            if not budget.files:
                break
    if made:
        yield made


def chosen(veil: hidden.Veil | None, flags: Flags) -> Choice:
    """What the flags and HideFiles let be seen."""
    dotted = "a" in flags or "A" in flags
    return _PLAIN[dotted] if veil is None else Choice(dotted, veil)


_PLAIN = Choice(dotted=False), Choice(dotted=True)


def _as_above(shown: str) -> str:
    shown = posixpath.normpath(shown)
    return "" if shown == "." else shown


def _column(flags: Flags) -> int | None:
    """The place of what is sorted by in the attributes; None for the name."""
    return clock(flags) if "t" in flags else _SIZE if "S" in flags else None


def _weighs_targets(cmd: Command, flags: Flags) -> bool:
    """-F looks at what links lead to, and as with ProFTPD a long listing by size has their size then."""
    long = flags.layout == "l" and not (cmd.name == "LIST" and cmd.config[list_style] == "Windows")
    return long and "F" in flags and _column(flags) == _SIZE


@lru_cache
def _order(flags: Flags, follows: bool = False) -> Order:
    """By time (-t), by size (-S), by name, or as they are (-U); -r turns it round, but not the names of equals."""
    return Order(sort="U" not in flags, last_first="r" in flags, column=_column(flags), follows=follows)


def _arranged(made: list[str]) -> list[str]:
    """-C: in columns of equal width, read from the top down, with tabs between them as ProFTPD has them."""
    if not made:
        return made
    width = min((max(map(len, made)) | 7) + 1, _WIDTH)
    height = -(-len(made) // (_WIDTH // width))
    return [
        "".join(_tabbed(name, width) for name in made[row::height][:-1]) + made[row::height][-1]
        for row in range(height)
    ]


def _tabbed(name: str, width: int) -> str:
    """The name and as many tabs as it takes to the next column; one at least, however long it is."""
    return name + "\t" * max(-(-(width - len(name)) // 8), 1)
