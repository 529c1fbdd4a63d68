"""What a client wants listed: the flags in front of its argument, and the entries that the rest of it names."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from itertools import groupby

from ftpd.api import Command, Folder, Path, Refuse, dataclass, globbing, meant, normalise
from ftpd.modules._ls_config import NO_LIMITS, Listing, list_style, options, show_symlinks, use_globbing


class Flags(frozenset[str]):
    """The letters of ls; those that mean nothing here are left unheard, as ProFTPD does."""

    layout: str
    """``l``, ``1`` or ``C``: the one that came last."""

    def __new__(cls, letters: Iterable[str] = (), layout: str = "l") -> Flags:
        made = super().__new__(cls, letters)
        made.layout = layout
        return made


NO_FLAGS = Flags()
NAMES_ALONE = Flags(layout="1")


@dataclass(frozen=True, slots=True)
class Request:
    """A listing that was asked for, under the limits that hold for it."""

    flags: Flags
    text: str
    """The argument without its flags; empty is the working directory."""
    limits: Listing


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to list."""

    path: Path
    shown: str
    """How the client named it."""
    attributes: os.stat_result
    """Those of the entry itself, be it a link."""


def read(cmd: Command) -> Request:
    """Peel the flags off the argument; a file that is really called ``-a`` wins over the flag."""
    limits = cmd.config[options]
    if not limits.counts_for(cmd.name):
        limits = NO_LIMITS
    names_alone = limits.names_alone and not _is_windows(cmd)
    if not limits.flags and not cmd.argument.startswith((" ", "-")):
        return Request(NAMES_ALONE if names_alone else NO_FLAGS, cmd.argument, limits)
    given, text = ("", cmd.argument) if _is_there(cmd, cmd.argument, "-") else peel(cmd.argument)
    if text.startswith(" ") and not _is_there(cmd, text, " "):
        # ProFTPD knows no blanks in front of a path, and there are clients that send two
        text = text.lstrip(" ")
    if "strict" in limits.words:
        given = ""
    # what is configured is read last, so that its layout counts
    letters = [letter for letter in given + limits.flags if letter not in limits.denied]
    clock = next((letter for letter in reversed(letters) if letter in "cu"), "")
    letters = [letter for letter in letters if letter not in "cu" or letter == clock]
    layout = next((letter for letter in reversed(letters) if letter in "l1C"), "l")
    if names_alone or ("1" in limits.flags and "1" in letters):
        layout = "1"
    if _is_windows(cmd):
        # a Windows server has one layout, and no . and .. either
        layout = "l"
        letters = ["A" if letter == "a" else letter for letter in letters]
    return Request(Flags(letters, layout), text, limits)


def _is_windows(cmd: Command) -> bool:
    return cmd.name == "LIST" and cmd.config[list_style] == "Windows"


def peel(argument: str) -> tuple[str, str]:
    """The letters of the leading flags, and what follows them and one blank: a path with all its blanks.

    >>> peel("-la  -R my file"), peel("-- -x"), peel(" -l  x"), peel(" x")
    (('laR', 'my file'), ('', '-x'), ('l', ' x'), ('', ' x'))
    """
    letters = ""
    while argument.lstrip(" ").startswith("-"):
        word, _, argument = argument.lstrip(" ").partition(" ")
        if word == "--":
            break
        letters += word[1:]
    return letters, argument


def _is_there(cmd: Command, name: str, first: str) -> bool:
    """Whether there is an entry of that name, which begins in a way that means something else otherwise."""
    if not name.startswith(first):
        return False
    try:
        cmd.files.lstat(cmd.path(name))
    except (OSError, Refuse):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Found:
    """What the text of a request named: one entry literally, or all that a pattern matched."""

    targets: list[Target]
    literal: bool
    is_folder: bool = False
    """The one entry is a folder, or a link to one."""
    veiled: bool = False
    """Something was left out that HideFiles or one of its like hides."""


class Denied(FileNotFoundError):
    """<Limit> denies the path: to NLST it is not there, to the others it is there and holds nothing."""

    is_folder = False


_DENIED = 450
MATCH = 512
"""Bytes that what a pattern has matched takes."""
_ASKED_FOR = 64
"""Hidden entries of one folder that are asked for until one may be known of; those of a section answer alike."""


def _path(cmd: Command, text: str) -> Path:
    try:
        return cmd.path(text or ".", refusal=(_DENIED, ""), use="list")
    except Refuse as refused:
        if refused.code != _DENIED:
            raise
    denied = Denied(errno.ENOENT, os.strerror(errno.ENOENT))
    if cmd.name == "STAT" or (cmd.name == "LIST" and not globbing.magic(text)):
        # as in ProFTPD they tell of what is not there even where they show nothing
        there = cmd.gate.is_there(cmd, text or ".", follow=True)
        denied.is_folder = stat.S_ISDIR(there.st_mode) and not _is_shown_link(cmd, text)
    raise denied


def _is_shown_link(cmd: Command, text: str) -> bool:
    return bool(cmd.config[show_symlinks]) and stat.S_ISLNK(cmd.gate.is_there(cmd, text or ".", follow=False).st_mode)


async def find(cmd: Command, text: str, *, patterns: bool = True) -> Found:
    """Look for the entry of that name, or else for all that match it as a pattern; OSError when it is neither."""
    path = _path(cmd, text)
    try:
        attributes = cmd.files.lstat(path) if path.seen is None else path.seen
        # a link that leads nowhere is nothing to list, as with ProFTPD
        leads_to = cmd.files.stat(path) if stat.S_ISLNK(attributes.st_mode) else attributes
        is_folder = stat.S_ISDIR(leads_to.st_mode)
        if not is_folder and cmd.hides(path, attributes, aim=_asks_of_aim(cmd)):
            return Found([], True, veiled=True)
        return Found([Target(path, text or ".", attributes)], True, is_folder)
    except FileNotFoundError:
        if not (patterns and is_pattern(cmd, text)):
            raise
    # a pattern may look into many folders: only this session waits for that
    pattern = meant(cmd.session, text) if text.startswith("~/") else text
    found = await cmd.offload(lambda: list(_matches(cmd, pattern)))
    if cmd.session.allowance is not None:
        cmd.session.allowance.room(len(found) * MATCH, text)
    targets = [target for target in found if target is not None]
    return Found(targets, False, veiled=len(targets) < len(found))


def _asks_of_aim(cmd: Command) -> bool:
    """Whether a link is hidden with the name that it leads to: not where NLST names it, as in ProFTPD."""
    return cmd.name != "NLST"


def is_pattern(cmd: Command, text: str) -> bool:
    return globbing.magic(text) and bool(cmd.config[use_globbing])


def _matches(cmd: Command, pattern: str) -> Iterator[Target | None]:
    """What the pattern matches; None for what is hidden."""

    def open_folder(virtual: str) -> AbstractContextManager[Folder]:
        return cmd.files.open_folder(allowed(cmd, virtual))

    cwd = cmd.session.cwd
    ahead = globbing.literal(pattern)
    # what stands in front of the pattern is shown as it was written, unless a .. behind it leads out again
    start = "" if "/../" in f"{pattern[len(ahead) :]}/" else f"{normalise(cwd, ahead).rstrip('/')}/"

    def as_written(virtual: str) -> str:
        return ahead + virtual.removeprefix(start) if start else posixpath.relpath(virtual, cwd)

    try:
        for above, found in groupby(
            _first(globbing.glob(cwd, pattern, open_folder)), lambda virtual: _split(virtual)[0]
        ):
            yield from _looked_at(cmd, above, {_split(virtual)[1]: as_written(virtual) for virtual in found})
    except globbing.GlobLimit as limit:
        raise Refuse(450, f"{pattern}: {limit}") from None


def _first(found: Iterator[str]) -> Iterator[str]:
    """As many as one command may give: the rest stays away without a word, as with ProFTPD."""
    with suppress(globbing.TooManyMatches):
        yield from found


def _split(virtual: str) -> tuple[str, str]:
    """The folder of a path and its last name, be there a slash behind it or not."""
    above, _, name = virtual.rstrip("/").rpartition("/")
    return above or "/", name


def _looked_at(cmd: Command, above: str, shown: dict[str, str]) -> Iterator[Target | None]:
    """The entries of those names in one folder."""
    try:
        path = allowed(cmd, above)
        veil = cmd.veil(path)
        names = [] if "" in shown else list(shown)
        seen = names if veil is None else veil.names(names)
        hidden = sorted(set(names).difference(seen)) if len(seen) < len(names) else []
        with cmd.files.open_folder(path) as folder:
            for name, attributes in folder.lstat_many(seen):
                if attributes is None:
                    continue
                if veil is None or veil.shows(name, attributes, aim=_asks_of_aim(cmd)):
                    yield Target(path.child(name), shown[name], attributes)
                else:
                    hidden.append(name)
        if any(not _is_absent(cmd, path.child(name).virtual) for name in hidden[:_ASKED_FOR]):
            yield None
    except OSError:
        return


def _is_absent(cmd: Command, virtual: str) -> bool:
    """Whether nothing is there for the client, by IgnoreHidden or <Limit>."""
    try:
        return allowed(cmd, virtual).absent
    except PermissionError:
        return True


def allowed(cmd: Command, virtual: str) -> Path:
    """The path, unless the configuration denies it: to patterns and recursion it is then just another closed folder."""
    try:
        return cmd.path(virtual)
    except Refuse:
        raise PermissionError(virtual) from None
