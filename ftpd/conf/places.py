"""Which <Directory> sections a path lies in: compiled once, asked for every path a client names."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from fnmatch import translate
from glob import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from ftpd.conf.directive import DIRECTORY, Settings
from ftpd.core.identity import acting_as_daemon

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope

_WILD = re.compile(r"[*?\[]")
_REMEMBERED = 1024
Chain = tuple["Scope", ...]


class _Entry(NamedTuple):
    """A section with its rank: the deeper, the more exact and the later written one comes first."""

    rank: tuple[int, bool, int, int]
    scope: Scope


class _Index:
    """Sections whose paths are known: plain ones by path, patterns as compiled expressions."""

    __slots__ = ("_deepest", "_patterns", "_plain")

    def __init__(self) -> None:
        self._plain: dict[str, list[_Entry]] = {}
        self._deepest = 0
        """The most slashes in a plain path: what lies deeper is not looked for."""
        self._patterns: list[tuple[re.Pattern[str], _Entry]] = []

    def add(self, path: str, scope: Scope, order: int, *, wild: bool) -> None:
        rank = (path.count("/") if path != "/" else 0, not wild, len(path), -order)
        if wild:
            # * crosses / as in ProFTPD; what lies below a match belongs to it
            self._patterns.append((re.compile(f"(?:{translate(path)[:-2]})(?:/.*)?", re.DOTALL), _Entry(rank, scope)))
        else:
            self._plain.setdefault(path, []).append(_Entry(rank, scope))
            self._deepest = max(self._deepest, rank[0])

    def find(self, path: str, found: list[_Entry]) -> None:
        plain = self._plain
        if plain:
            here = path
            if here.count("/") > self._deepest:
                here = "/".join(here.split("/", self._deepest + 1)[: self._deepest + 1]) or "/"
            while True:
                if here in plain:
                    found += plain[here]
                if here == "/":
                    break
                here = here[: here.rindex("/")] or "/"
        for pattern, entry in self._patterns:
            if pattern.fullmatch(path):
                found.append(entry)


class Places:
    """The <Directory> sections of one server or <Anonymous>.

    Paths that begin with ``~`` or hold ``%u`` become known with the session; the answers for the sessions seen
    last are remembered.
    """

    __slots__ = (
        "_deferred",
        "_homes",
        "_known",
        "_of_session",
        "any",
        "bars",
        "hides",
        "ignores",
        "inner",
        "limits",
        "root",
        "settings",
    )

    def __init__(self, scopes: Iterable[Scope], root: str = "") -> None:
        self.root = root
        """The root of an <Anonymous>, which relative paths begin at."""
        self.limits: frozenset[str] = frozenset()
        """The words that any <Limit> in reach names: for most commands the answer is here."""
        self.any = False
        """Whether there is a <Directory> at all."""
        self.bars = False
        """Whether a bare DenyAll stands anywhere in reach."""
        self.inner: frozenset[str] = frozenset()
        """Those that a <Limit> in a <Directory> names: entries of one folder may differ there."""
        self.hides = False
        """Whether HideFiles or one of its like stands anywhere in reach."""
        self.ignores = False
        """Whether IgnoreHidden is on anywhere in reach."""
        self.settings: dict[tuple[Scope | None, Chain], Settings] = {}
        """The settings worked out so far, by <Anonymous> and sections."""
        self._known = _Index()
        self._deferred: list[tuple[int, str, Scope]] = []
        self._homes: dict[str, str] = {}
        self._of_session: dict[tuple[str, str], tuple[_Index, str | None]] = {}
        for order, scope in enumerate(scopes):
            if scope.kind is DIRECTORY:
                self._add(order, scope)
        self._look_up(root)

    def path_of(self, scope: Scope) -> str:
        """The section's path with that of the <Anonymous> before it where it is relative."""
        path = scope.args[0]
        if not self.root or path[0] in "/~":
            return path
        # * alone means the root itself too
        return self.root if path == "*" else f"{self.root.rstrip('/')}/{path}"

    def _add(self, order: int, scope: Scope) -> None:
        self.any = True
        path = self.path_of(scope)
        self._look_up(path)
        if _is_deferred(path):
            self._deferred.append((order, path, scope))
            return
        wild = _WILD.search(path) is not None
        self._known.add(path, scope, order, wild=wild)
        if not wild:
            with acting_as_daemon():
                real = os.path.realpath(path)
            if real != path:
                self._known.add(real, scope, order, wild=False)

    def _look_up(self, path: str) -> None:
        """Homes of users named in the configuration are looked up now: a look-up may block."""
        name = _named_user(path)
        if name:
            try:
                self._homes[name] = pwd.getpwnam(name).pw_dir
            except KeyError:
                pass

    def _expanded(self, path: str, home: str, user: str, *, wild: bool) -> str | None:
        """The path for a session; None when it means nothing there. ``wild``: inserted names are taken literally."""
        literally = escape if wild else str
        if path.startswith("~"):
            name = _named_user(path)
            start = home if not name or name == user else self._homes.get(name, "")
            if not start.startswith("/"):
                return None
            path = literally(start.rstrip("/")) + path[1 + len(name) :]
        if "%u" in path:
            if not user or "/" in user:
                return None
            path = path.replace("%u", literally(user))
        return path or "/"

    def _session(self, home: str, user: str) -> tuple[_Index, str | None]:
        key = (home, user)
        found = self._of_session.get(key)
        if found is None:
            if len(self._of_session) >= _REMEMBERED:
                self._of_session.clear()
            index = _Index()
            for order, path, scope in self._deferred:
                wild = _WILD.search(path) is not None
                if (whole := self._expanded(path, home, user, wild=wild)) is not None:
                    index.add(whole, scope, order, wild=wild)
            root = self._expanded(self.root, home, user, wild=False) if self.root else None
            found = self._of_session[key] = index, root
        return found

    def root_of(self, home: str, user: str) -> str | None:
        """Where the <Anonymous> of this session begins; None when that is not known."""
        return self._session(home, user)[1] if _is_deferred(self.root) else self.root or None

    def at(self, path: str, home: str = "", user: str = "") -> Chain:
        """The sections that the path lies in, the deepest first."""
        found: list[_Entry] = []
        self._known.find(path, found)
        if self._deferred:
            self._session(home, user)[0].find(path, found)
        if len(found) > 1:
            found.sort(key=_rank, reverse=True)
            # a section is there twice when its path is a symbolic link and both names match
            return tuple(dict.fromkeys(entry.scope for entry in found))
        return (found[0].scope,) if found else ()


def _rank(entry: _Entry) -> Any:
    return entry.rank


def _is_deferred(path: str) -> bool:
    return path.startswith("~") or "%u" in path


def _named_user(path: str) -> str:
    return path[1:].partition("/")[0] if path.startswith("~") else ""
