"""How entries look in a listing: owners by name or as the configuration fakes them, links, flags, the clock."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import Any, Protocol, TypeVar

from ftpd.api import Command, Settings, listing, normalise, within
from ftpd.modules._folders import Owners
from ftpd.modules._ls_config import fake_group, fake_permissions, fake_user, list_style, options, show_symlinks
from ftpd.modules._ls_request import Flags

K = TypeVar("K", contravariant=True)


class Source(Protocol[K]):
    """Where attributes come from: the files of the session by path, or an open folder by name."""

    def stat(self, key: K, /) -> os.stat_result: ...

    def readlink(self, key: K, /) -> str: ...


class View:
    """The lines of one listing."""

    def __init__(self, cmd: Command, config: Settings, flags: Flags) -> None:
        numeric = "n" in flags
        self._long = flags.layout == "l"
        self._windows = config[list_style] == "Windows" and cmd.name == "LIST"
        self._marks = "F" in flags and not self._windows
        self.follows = "L" in flags or not config[show_symlinks]
        self._users = Owners(cmd.session, group=False, fake=config[fake_user], numeric=numeric)
        self._groups = Owners(cmd.session, group=True, fake=config[fake_group], numeric=numeric)
        self._mode = config[fake_permissions]
        self._adjusted = "AdjustedSymlinks" in config[options].words
        self._root = cmd.files.root
        self._gmt: bool = cmd.setting("TimesGMT", True)
        self._now = time()
        self._present = _presenter(flags)

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
        return listing.list_line(
            shown,
            self._present(attributes) if self._present else attributes,
            user=self._users[attributes.st_uid],
            group=self._groups[attributes.st_gid],
            now=self._now,
            gmt=self._gmt,
            mode=None if self._mode is None else listing.faked(bits, self._mode),
            link_target=target,
        )


def _leads_up(target: str, at: str) -> bool:
    """Whether a relative link in the folder ``at`` leads to it or to one above it.

    >>> _leads_up(".", "/a"), _leads_up("../.././../", "/a"), _leads_up("./b", "/a"), _leads_up("../a/b", "/a")
    (True, True, False, False)
    """
    return target.startswith(".") and f"{at.rstrip('/')}/".startswith(f"{normalise(at, target).rstrip('/')}/")


def _presenter(flags: Flags) -> Callable[[os.stat_result], os.stat_result] | None:
    """-h, -c and -u: other values in the columns of the size and the time; None without any of them."""
    column = clock(flags)
    if column == 8 and "h" not in flags:
        return None

    def present(attributes: os.stat_result) -> os.stat_result:
        fields: list[Any] = list(attributes[:10])
        fields[8] = fields[column]
        if "h" in flags:
            # the formatter right-aligns whatever stands there
            fields[6] = human(attributes.st_size)
        return os.stat_result(fields)

    return present


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
