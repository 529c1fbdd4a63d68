"""<Directory> sections as a tree: each lies in the one that holds it, and is found by what its paths have in common."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from fnmatch import translate
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope

WILD = re.compile(r"[*?\[]")
Chain = tuple["Scope", ...]


class Node:
    """A section in the tree of sections: what its path matches, and the sections that lie in it by their text."""

    __slots__ = ("_inner", "level", "parent", "path", "pattern", "scope", "text")

    def __init__(self, path: str, scope: Scope) -> None:
        self.path = path
        self.text = path if scope.args[0][0] in "/~" else f"/{scope.args[0]}"
        """What tells where it lies: a relative path of an <Anonymous> begins at its top, and lies in a / there too."""
        self.scope = scope
        self.parent: Node | None = None
        self.pattern = _pattern(path) if WILD.search(path) else None
        self._inner: list[Node] = []
        self.level: Level | None = None

    @property
    def inner(self) -> list[Node]:
        return self._inner

    def lies_in(self, other: Node) -> bool:
        """Whether the text of this section's path begins with that of the other's."""
        return begins_with(self.text, other.text)

    def matches(self, path: str) -> bool:
        if self.pattern is not None:
            return self.pattern.fullmatch(path) is not None
        return f"{path}/".startswith(f"{self.path.rstrip('/')}/")

    def known_as(self, path: str) -> Node:
        """The same section under another path."""
        other = Node(path, self.scope)
        other.parent, other.level = self.parent, self.level
        return other

    def nodes(self) -> list[Node]:
        """The section and those that it lies in, the deepest first."""
        found = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found

    def chain(self) -> Chain:
        return tuple(node.scope for node in self.nodes())


def begins_with(path: str, other: str) -> bool:
    """Whether what the other path names, but for its wildcards at the end, holds what this one names."""
    bare = other.rstrip("*/")
    return len(path) > len(bare) and path.startswith(bare) and path[len(bare)] == "/"


def _pattern(path: str) -> re.Pattern[str]:
    """* crosses / as in ProFTPD; what lies below a match belongs to it."""
    return re.compile(f"(?:{translate(path)[:-2]})(?:/.*)?", re.DOTALL)


def _best_home(nodes: Iterable[Node], guest: Node) -> tuple[Node | None, int]:
    """The section whose text the guest's path begins with, and how many letters they share; as ProFTPD finds it."""
    best, most = None, 0
    for node in nodes:
        if node is guest:
            continue
        if guest.lies_in(node):
            inner, shared = _best_home(node.inner, guest)
            if inner is None:
                shared = sum(1 for _ in takewhile(bool, map(operator.eq, node.text, guest.text)))
            if shared > most:
                best, most = inner or node, shared
    return best, most


def arrange(nodes: list[Node]) -> list[Node]:
    """Put sections into those that hold them; what comes in last is asked first there."""
    left = list(nodes)
    for node in nodes:
        home, _ = _best_home(left, node)
        if home is not None:
            left.remove(node)
            node.parent = home
            home.inner.insert(0, node)
    for node in left:
        if node.inner:
            node.inner[:] = arrange(node.inner)
            node.level = Level(enumerate(node.inner))
    return left


class Level:
    """Sections side by side, each found by something that all the paths have which it matches: few have to be tried."""

    __slots__ = ("_by_folder", "_by_name", "_deepest")

    def __init__(self, nodes: Iterable[tuple[int, Node]] = ()) -> None:
        self._by_folder: dict[str, list[tuple[int, Node]]] = {}
        """Sections without a wildcard by their path, and patterns by the folder that all they match lies in."""
        self._by_name: dict[str, list[tuple[int, Node]]] = {}
        """Patterns that want a folder or file of that name somewhere behind their first wildcard."""
        self._deepest = 0
        """The most slashes of all the folders: none that lies deeper is looked for."""
        for order, node in nodes:
            self.add(order, node)

    def add(self, order: int, node: Node, other_name: str = "") -> None:
        """``other_name``: where a section's path really leads, if a symbolic link is on the way."""
        if node.pattern is None:
            path = other_name or node.path
        else:
            wild = WILD.search(node.path).start()  # type: ignore[union-attr]
            # what is left of the first part belongs to the wildcard, and only a part between slashes is a whole name
            parts = node.path[wild:].split("/")[1:]
            # [a/b] is one character, whatever a split makes of it
            names = [] if "[" in node.path else [name for name in parts if name and not WILD.search(name)]
            if names:
                self._by_name.setdefault(max(names, key=len), []).append((order, node))
                return
            path = node.path[: node.path.rindex("/", 0, wild)] or "/"
        self._by_folder.setdefault(path, []).append((order, node))
        self._deepest = max(self._deepest, path.count("/"))

    def matching(self, path: str) -> list[tuple[int, Node]]:
        """The sections that match the path, with their order here, in any order."""
        found: list[tuple[int, Node]] = []
        by_folder = self._by_folder
        here = path
        if path.count("/") > self._deepest:
            here = "/".join(path.split("/", self._deepest + 1)[: self._deepest + 1]) or "/"
        while True:
            for entry in by_folder.get(here, ()):
                pattern = entry[1].pattern
                if pattern is None or pattern.fullmatch(path):
                    found.append(entry)
            if here == "/":
                break
            here = here[: here.rindex("/")] or "/"
        if self._by_name:
            for name in path.split("/"):
                for entry in self._by_name.get(name, ()):
                    if entry[1].pattern.fullmatch(path):  # type: ignore[union-attr]
                        found.append(entry)
        return found

    def find(self, path: str) -> tuple[int, Node] | None:
        """The section that counts, the first of those that match, with its order here."""
        return min(self.matching(path), key=order_of, default=None)


def order_of(entry: tuple[int, Node]) -> int:
    return entry[0]


def innermost(node: Node, path: str) -> Node:
    while node.level is not None and (found := node.level.find(path)) is not None:
        node = found[1]
    return node
