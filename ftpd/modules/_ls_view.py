"""How entries look in a listing: owners by name or as the configuration fakes them, links, flags, the clock."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from copy import copy
from time import time
from typing import Protocol, TypeVar

from ftpd.api import Command, Session, Settings, listing, normalise, within
from ftpd.modules._folders import Owners
from ftpd.modules._lately import Lately
from ftpd.modules._ls_config import fake_group, fake_permissions, fake_user, list_style, options, show_symlinks
from ftpd.modules._ls_request import Flags

K = TypeVar("K", contravariant=True)


class Source(Protocol[K]):
    """Where attributes come from: the files of the session by path, or an open folder by name."""

    def stat(self, key: K, /) -> os.stat_result: ...

    def readlink(self, key: K, /) -> str: ...


def follows(config: Settings, flags: Flags) -> bool:
    """Whether links are shown as what they lead to."""
    return "L" in flags or not config[show_symlinks]


class View:
    """How entries look to one session under one configuration and these flags."""

    __slots__ = (
        "_adjusted", "_columns", "_config", "_fakes", "_files", "_flags", "_gmt", "_long", "_marks", "_mode", "_owners",
        "_root", "_verb", "_windows", "follows", "layout",
    )  # fmt: skip

    def __init__(self, cmd: Command, config: Settings, flags: Flags) -> None:
        self._verb, self._config, self._files, self._flags = cmd.name, config, cmd.files, flags
        numeric = "n" in flags
        self._long = flags.layout == "l"
        self._windows = config[list_style] == "Windows" and cmd.name == "LIST"
        self._marks = "F" in flags and not self._windows
        self.follows = follows(config, flags)
        self._adjusted = "AdjustedSymlinks" in config[options].words
        self._root = cmd.files.root
        self._gmt: bool = cmd.setting("TimesGMT", True)
        users = Owners(cmd.session, group=False, fake=config[fake_user], numeric=numeric)
        groups = Owners(cmd.session, group=True, fake=config[fake_group], numeric=numeric)
        self._owners = users, groups
        self._fakes: dict[int | None, View] = {}
        self._fake(config[fake_permissions])

    def _fake(self, mode: int | None) -> None:
        users, groups = self._owners
        self._mode = mode
        self._columns = listing.columns(
            users,
            groups,
            now=time(),
            gmt=self._gmt,
            mode=mode,
            column=clock(self._flags),
            human=human if "h" in self._flags else None,
        )
        self.layout: listing.Layout = self._columns if self._long and not (self._windows or self._marks) else self
        """How entries that are no links are shown."""

    @property
    def shows_modes(self) -> bool:
        return self._long and not self._windows

    def faking(self, mode: int | None) -> View:
        """The same view with another DirFakeMode; None shows what is true. It is good for one listing."""
        if mode == self._mode:
            return self
        view = self._fakes.get(mode)
        if view is None:
            view = self._fakes[mode] = copy(self)
            view._fake(mode)
        return view

    def serves(self, cmd: Command, config: Settings, flags: Flags) -> bool:
        """Whether it is what a listing that begins now would make anew; then it is one for that."""
        return self._files is cmd.files and self._serves(cmd, config, flags)

    def serves_another(self, cmd: Command, config: Settings, flags: Flags) -> bool:
        """The same for a session that stands as that does which this was made for."""
        alike = self._root == cmd.files.root and self._serves(cmd, config, flags)
        return alike and self.goes_on(cmd.session)

    def goes_on(self, session: Session) -> bool:
        """Whether it is as good as anew, as far as that is not said by where the session stands."""
        users, groups = self._owners
        if users.stale or groups.stale or not self._columns.few:
            return False
        users.ask_for(session)
        groups.ask_for(session)
        self._begin()
        return True

    def _serves(self, cmd: Command, config: Settings, flags: Flags) -> bool:
        if self._config is not config or self._verb != cmd.name:
            return False
        if self._flags != flags or self._flags.layout != flags.layout or not self._columns.few:
            return False
        if self._owners[0].stale or self._owners[1].stale:
            return False
        self._begin()
        return True

    def _begin(self) -> None:
        self._columns.begin(time())
        self._fakes.clear()

    def lines(self, names: list[str], found: list[os.stat_result]) -> list[str]:
        """The layouts other than that of ``ls -l``."""
        return [self._text(name, known, None) for name, known in zip(names, found, strict=True)]

    def text(self, shown: str, attributes: os.stat_result) -> str:
        """The line of an entry that is no link."""
        return self._text(shown, attributes, None)

    def line(self, shown: str, attributes: os.stat_result, source: Source[K], key: K, at: str) -> str | None:
        """The line of the entry that ``source`` knows as ``key`` and that lies in the folder ``at``.

        None for a link to be followed that leads nowhere, and for one to its own folder or above it: a client that
        goes where links lead would never come to an end.
        """
        target: str | None = None
        if stat.S_ISLNK(attributes.st_mode):
            try:
                text = source.readlink(key)
                if _leads_up(text, at):
                    return None
                if self.follows:
                    attributes = source.stat(key)
                elif self._long:
                    target = self._seen(within(text, self._root), at)
            except OSError:
                if self.follows:
                    return None
            if target is not None and self._marks:
                with suppress(OSError):
                    target += _mark(source.stat(key).st_mode)
        return self._text(shown, attributes, target)

    def _seen(self, target: str, at: str) -> str:
        """What a link in the folder ``at`` says; with AdjustedSymlinks, the path from the root of the session."""
        return normalise(at, target) if self._adjusted and self._root != "/" else target

    def _text(self, shown: str, attributes: os.stat_result, target: str | None) -> str:
        bits = attributes.st_mode
        if self._marks and target is None:
            shown += _mark(bits)
        if not self._long:
            return listing.shown(shown)
        if self._windows:
            return listing.windows_line(shown, attributes, gmt=self._gmt)
        return self._columns.line(shown if target is None else f"{shown} -> {target}", attributes)


_last: Lately[View] = Lately("listing")
"""What the last listing of a session looked like; the next one mostly looks the same."""


def view_of(cmd: Command, config: Settings, flags: Flags) -> View:
    """The view of a listing that begins now: that of the session's last one where nothing has changed."""
    view = _last.of(cmd.session)
    if view is None or not view.serves(cmd, config, flags):
        view = View(cmd, config, flags)
        _last.keep(cmd.session, view)
    return view


def _leads_up(target: str, at: str) -> bool:
    """Whether a relative link in the folder ``at`` leads to it or to one above it.

    >>> _leads_up(".", "/a"), _leads_up("../.././../", "/a"), _leads_up("./b", "/a"), _leads_up("../a/b", "/a")
    (True, True, False, False)
    """
    return target.startswith(".") and f"{at.rstrip('/')}/".startswith(f"{normalise(at, target).rstrip('/')}/")


def clock(flags: Flags) -> int:
    """Which of the three times counts, by its place in the attributes: that of change (-c), access (-u), or content."""
    return 9 if "c" in flags else 7 if "u" in flags else 8


def human(size: float) -> str:
    """
    >>> human(1), human(4096), human(3000000)
    ('1', '4.0k', '2.9M')
    """
    if size < 1024:
        return str(size)
    for unit in "kMGTP":
        size /= 1024
        if size < 1024 or unit == "P":
            break
    return f"{size:.1f}{unit}"


def _mark(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "/"
    if stat.S_ISLNK(mode):
        return "@"
    return "*" if stat.S_ISREG(mode) and mode & 0o111 else ""
