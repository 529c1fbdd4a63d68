"""What a client wants listed: the flags in front of its argument, and the entries that the rest of it names."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ftpd.api import Command, Folder, Path, Refuse, globbing, hidden, normalise
from ftpd.modules._ls_config import Listing, options, use_globbing


@dataclass(frozen=True, slots=True)
class Flags:
    """The letters of ls that mean something here; all others are left unheard, as ProFTPD does."""

    letters: frozenset[str] = frozenset()
    layout: str = "l"
    """``l``, ``1`` or ``C``: the one that came last."""

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters


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
        limits = Listing()
    given, text = ("", cmd.argument) if _is_there(cmd, cmd.argument) else peel(cmd.argument)
    if "strict" in limits.words:
        given = ""
    letters = [letter for letter in limits.flags + given if letter not in limits.denied]
    layout = next((letter for letter in reversed(letters) if letter in "l1C"), "l")
    return Request(Flags(frozenset(letters), layout), text, limits)


def peel(argument: str) -> tuple[str, str]:
    """The letters of the leading flags, and what follows them and one blank: a path with all its blanks.

    >>> peel("-la -R my file"), peel("-- -x"), peel("-l  x"), peel("-")
    (('laR', 'my file'), ('', '-x'), ('l', ' x'), ('', ''))
    """
    letters = ""
    while argument.startswith("-"):
        word, _, argument = argument.partition(" ")
        if word == "--":
            break
        letters += word[1:]
    return letters, argument


def _is_there(cmd: Command, name: str) -> bool:
    if not name.startswith("-"):
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
    """<Limit> denies the path: to the client it is not there, or holds nothing."""


_DENIED = 450


def _path(cmd: Command, text: str) -> Path:
    try:
        return cmd.path(text or ".", refusal=(_DENIED, ""))
    except Refuse as refused:
        if refused.code == _DENIED:
            raise Denied(errno.ENOENT, os.strerror(errno.ENOENT)) from None
        raise


async def find(cmd: Command, text: str, *, patterns: bool = True) -> Found:
    """Look for the entry of that name, or else for all that match it as a pattern; OSError when it is neither."""
    path = _path(cmd, text)
    try:
        # stat as well: a link that leads nowhere is nothing to list, as with ProFTPD
        is_folder = stat.S_ISDIR(cmd.files.stat(path).st_mode)
        attributes = cmd.files.lstat(path)
        if not is_folder and cmd.hides(path, attributes):
            return Found([], True, veiled=True)
        return Found([Target(path, text or ".", attributes)], True, is_folder)
    except FileNotFoundError:
        home = _home(cmd) if text == "~" or text.startswith("~/") else None
        if home is not None:
            return await find(cmd, home + text[1:], patterns=patterns)
        if not (patterns and globbing.magic(text) and cmd.config[use_globbing]):
            raise
    # a pattern may look into many folders: only this session waits for that
    found = await cmd.offload(lambda: list(_matches(cmd, text)))
    targets = [target for target in found if target is not None]
    return Found(targets, False, veiled=len(targets) < len(found))


def _home(cmd: Command) -> str | None:
    """The home folder as the client sees it; None where its root does not hold it."""
    root, home = cmd.files.root.rstrip("/"), cmd.session.home.rstrip("/")
    return home[len(root) :] or "/" if f"{home}/".startswith(f"{root}/") else None


def _matches(cmd: Command, pattern: str) -> Iterator[Target | None]:
    """What the pattern matches; None for what is hidden."""

    def open_folder(virtual: str) -> AbstractContextManager[Folder]:
        return cmd.files.open_folder(allowed(cmd, virtual))

    cwd = cmd.session.cwd
    veils: dict[str, hidden.Veil | None] = {}
    ahead = globbing.literal(pattern)
    # what stands in front of the pattern is shown as it was written, unless a .. behind it leads out again
    start = "" if "/../" in f"{pattern[len(ahead) :]}/" else normalise(cwd, ahead)
    try:
        for virtual in globbing.glob(cwd, pattern, open_folder):
            below = virtual.removeprefix(f"{start.rstrip('/')}/") if start else virtual
            shown = ahead + below if start else posixpath.relpath(virtual, cwd)
            try:
                path = allowed(cmd, virtual.rstrip("/") or "/")
                attributes = cmd.files.lstat(path)
                above, name = virtual.rstrip("/").rpartition("/")[::2]
                if above not in veils:
                    veils[above] = cmd.veil(allowed(cmd, above or "/"))
                veil = veils[above]
                visible = veil is None or (veil.names([name]) and veil.shows(name, attributes))
                yield Target(path, shown, attributes) if visible else None
            except OSError:
                continue
    except globbing.GlobLimit as limit:
        raise Refuse(450, f"{pattern}: {limit}") from None


def allowed(cmd: Command, virtual: str) -> Path:
    """The path, unless the configuration denies it: to patterns and recursion it is then just another closed folder."""
    try:
        return cmd.path(virtual)
    except Refuse:
        raise PermissionError(virtual) from None
