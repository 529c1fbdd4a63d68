"""Which <Directory> sections a path lies in: compiled once, asked for every path a client names."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from glob import escape
from typing import TYPE_CHECKING

from ftpd.conf.directive import DIRECTORY, Settings
from ftpd.conf.levels import WILD, Chain, Level, Node, arrange, begins_with, innermost, order_of
from ftpd.core.identity import acting_as_daemon

if TYPE_CHECKING:
    from ftpd.conf.acl import Who
    from ftpd.conf.resolve import Opinions
    from ftpd.conf.tree import Scope

_REMEMBERED = 1024
_LONGEST = 255
"""Bytes of the longest path that is remembered: what clients make up is not to fill the memory."""


class Places:
    """The <Directory> sections of one server or <Anonymous>.

    Paths that begin with ``~`` or hold ``%u`` become known with the session; the answers for the sessions seen
    last are remembered.
    """

    __slots__ = (
        "_chains", "_deferred", "_follow", "_homes", "_known", "_nodes", "_of_session", "_whole", "any", "as_written",
        "bars", "hides", "hides_owners", "ignores", "inner", "limits", "links", "overrides", "passes", "root",
        "settings", "silent", "silent_to_users", "told", "verdicts",
    )  # fmt: skip

    def __init__(self, scopes: Iterable[Scope], root: str = "", *, follow: bool = True) -> None:
        self.root = root
        """The root of an <Anonymous>, which relative paths begin at."""
        self._follow = follow
        """Whether a section whose path has a symbolic link on its way is about where that leads as well."""
        self.links: dict[Scope, str] = {}
        """Those sections, and where they lead."""
        self.limits: frozenset[str] = frozenset()
        """The words that any <Limit> in reach names: for most commands the answer is here."""
        self.any = False
        """Whether there is a <Directory> at all."""
        self.bars = False
        """Whether a bare DenyAll stands anywhere in reach."""
        self.silent = False
        """Whether none of all this stands in reach: where no .ftpaccess counts either, a path is free to use."""
        self.silent_to_users = False
        """The same for whoever is in no <Anonymous>."""
        self.overrides = True
        """Whether a .ftpaccess file may count for anybody anywhere."""
        self.inner: frozenset[str] = frozenset()
        """Those that a <Limit> in a <Directory> names: entries of one folder may differ there."""
        self.hides = False
        """Whether HideFiles or one of its like stands anywhere in reach."""
        self.hides_owners = False
        """Whether one of those does that go by more than names."""
        self.told: frozenset[str] = frozenset()
        """The directives that stand in a <Directory> in reach: entries of one folder may differ there."""
        self.ignores = False
        """Whether IgnoreHidden is on anywhere in reach."""
        self.verdicts: dict[tuple[Chain, tuple[str, ...], Who], Opinions] = {}
        """What <Limit> has said so far, by places, words and client."""
        self.settings: dict[tuple[Scope | None, Chain, Chain], Settings] = {}
        """The settings worked out so far, by <Anonymous> and sections."""
        self.passes: dict[tuple[Scope | None, str, str, str, str, Who], Settings] = {}
        """What is in force where a client may do a thing, and nothing else is to be asked: by <Anonymous>, the
        session's root and home, path, verb and client."""
        self._chains: dict[tuple[str, str, str], Chain] = {}
        self._deferred: list[tuple[int, str, Scope]] = []
        self._homes: dict[str, str] = {}
        self._of_session: dict[tuple[str, str], tuple[list[str], Level]] = {}
        self._nodes: dict[Scope, Node] = {}
        self._whole: Chain = ()
        """The section <Directory *> of an <Anonymous>, which is its level and not one place in it."""
        order: dict[Scope, int] = {}
        others: dict[Node, str] = {}
        scopes = list(scopes)
        for scope in scopes:
            if scope.kind is DIRECTORY and self.root and scope.args == ["*"]:
                self._whole = (scope,)
            elif scope.kind is DIRECTORY:
                order[scope] = len(order)
                self._add(order[scope], scope, others)
        self.any = bool(order or self._whole)
        self._known = Level()
        for node in arrange(list(self._nodes.values())):
            self._known.add(order[node.scope], node)
        self._also_known(others, order)
        self.as_written = Places(scopes, root, follow=False) if self.links else None
        """The same sections as ProFTPD knows them, which goes by their names alone: what these allow they allow there.

        None where no symbolic link makes a difference.
        """

    def path_of(self, scope: Scope) -> str:
        """The section's path with that of the <Anonymous> before it where it is relative."""
        path = scope.args[0]
        if not self.root or path[0] in "/~":
            return path
        return f"{self.root.rstrip('/')}/{path}"

    def _add(self, order: int, scope: Scope, others: dict[Node, str]) -> None:
        path = self.path_of(scope)
        self._look_up(path)
        if _is_deferred(path):
            self._deferred.append((order, path, scope))
            return
        with acting_as_daemon():
            root = os.path.realpath(self.root) if self.root and scope.args[0][0] != "/" else ""
            named = _clean(f"{root.rstrip('/')}/{scope.args[0]}" if root else path)
            real = _followed(named) if self._follow else named
        if real != named:
            self.links[scope] = real
        node = self._nodes[scope] = Node(real, scope)
        if real != path:
            # the tree is made of where paths lead, and a client may come by either name
            others[node] = path

    def _also_known(self, others: dict[Node, str], order: dict[Scope, int]) -> None:
        for node, path in others.items():
            level = self._known if node.parent is None else node.parent.level
            assert level is not None
            at = order[node.scope] if node.parent is None else node.parent.inner.index(node)
            if node.pattern is None:
                level.add(at, node, path)
            else:
                level.add(at, node.known_as(path))

    def chain_of(self, scope: Scope) -> Chain:
        """A section and those it lies in; of one whose path only a session knows, itself alone."""
        node = self._nodes.get(scope)
        return (*node.chain(), *self._whole) if node is not None else (scope,)

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

    @property
    def named_users(self) -> frozenset[str]:
        """Those of ``~user``, whose homes are to be asked for: they need not be users of the system."""
        return frozenset(filter(None, (_named_user(path) for _, path, _ in self._deferred)))

    def learn(self, home: str, user: str, homes: Iterable[tuple[str, str]] = ()) -> None:
        """Find out where the paths that begin with ~ lead for a session that begins now: links in them count.

        It looks at the disk, which may be one that hangs. ``homes``: of others that are named.
        """
        if not self._deferred:
            return
        if self.as_written is not None:
            self.as_written.learn(home, user, homes)
        self._homes.update(homes)
        level, reals, seen = Level(), [], dict[str, str]()
        with acting_as_daemon():
            for order, path, scope in self._deferred:
                wild = WILD.search(path) is not None
                whole = self._expanded(path, home, user, wild=wild)
                if whole is None:
                    continue
                real = _before_wildcards(whole, seen) if wild else _really(whole, seen)
                reals.append(real)
                for name in {real, whole} if wild else (real,):
                    node = Node(name, scope)
                    node.text = name
                    level.add(order, node)
                if not wild and real != whole:
                    # a client may come by either name
                    level.add(order, node, whole)
        known = self._of_session.get((home, user))
        if known is not None and known[0] != reals:
            self._chains.clear()
            self.passes.clear()
        if len(self._of_session) >= _REMEMBERED:
            self._of_session.clear()
        self._of_session[home, user] = reals, level

    def _session(self, home: str, user: str) -> Level:
        if (home, user) not in self._of_session:
            self.learn(home, user)
        return self._of_session[home, user][1]

    def beside(self, path: str, home: str = "", user: str = "") -> Chain:
        """The sections that match the path and do not count there, because of one beside them: for explanations."""
        chain = self.at(path, home, user)
        found = [scope for scope, node in self._nodes.items() if scope not in chain and node.matches(path)]
        for _, text, scope in self._deferred:
            whole = self._expanded(text, home, user, wild=WILD.search(text) is not None)
            if whole is not None and scope not in chain and Node(whole, scope).matches(path):
                found.append(scope)
        return tuple(found)

    def at(self, path: str, home: str = "", user: str = "") -> Chain:
        """The section that the path lies in and those that hold it, the deepest first.

        Of sections side by side that match, the one written last counts, as in ProFTPD.
        """
        key = (path, home, user) if self._deferred else (path, "", "")
        chain = self._chains.get(key)
        if chain is None:
            chain = self._found(path, home, user)
            if len(path) <= _LONGEST:
                if len(self._chains) >= _REMEMBERED:
                    self._chains.clear()
                self._chains[key] = chain
        return chain

    def _found(self, path: str, home: str, user: str) -> Chain:
        found = self._known.find(path)
        node = None if found is None else innermost(found[1], path)
        order = -1 if found is None else found[0]
        if not self._deferred:
            return self._whole if node is None else (*node.chain(), *self._whole)
        others = sorted(self._session(home, user).matching(path), key=order_of)
        if found is not None and node is not None:
            others.append((order, node))
        for other_order, other in others:
            # what lies in another section counts before it, in whatever order they are written
            deeper = node is None or begins_with(other.path, node.path)
            if deeper or (other_order < order and node is not None and not begins_with(node.path, other.path)):
                node, order = other, other_order
        if node is None:
            return self._whole
        nodes = node.nodes()
        for other_order, other in others:
            # written behind it, the other is all that ProFTPD would see: what it says is not lost
            if other_order < order and begins_with(node.path, other.path):
                nodes += [around for around in other.nodes() if around not in nodes]
        nodes.sort(key=lambda around: -len(around.path.rstrip("*/")))
        return tuple(dict.fromkeys([around.scope for around in nodes] + list(self._whole)))


def _clean(path: str) -> str:
    """The path without a slash at its end and the like, as far as it is no pattern."""
    wild = WILD.search(path)
    if wild is None:
        return os.path.normpath(path)
    folder = path.rindex("/", 0, wild.start())
    return f"{os.path.normpath(path[:folder]) if folder else ''}{path[folder:]}"


def _followed(path: str) -> str:
    return os.path.realpath(path) if WILD.search(path) is None else _before_wildcards(path, {})


def _really(path: str, seen: dict[str, str]) -> str:
    """Where a path leads; what has been seen of its folders is not looked at again."""
    real = seen.get(path)
    if real is None:
        folder, _, name = path.rpartition("/")
        real = f"{_really(folder, seen) if folder else ''}/{name}"
        if name in ("", "..", ".") or os.path.islink(real):
            real = os.path.realpath(real)
        seen[path] = real
    return real


def _before_wildcards(path: str, seen: dict[str, str]) -> str:
    """The path with the folder that all of it lies in named as it is."""
    wild = WILD.search(path).start()  # type: ignore[union-attr]
    folder, rest = path[: path.rindex("/", 0, wild)], path[path.rindex("/", 0, wild) :]
    return f"{escape(_really(folder, seen)).rstrip('/')}{rest}" if folder else path


def _is_deferred(path: str) -> bool:
    return path.startswith("~") or "%u" in path


def _named_user(path: str) -> str:
    return path[1:].partition("/")[0] if path.startswith("~") else ""
