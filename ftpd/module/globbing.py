"""Patterns in paths (``*``, ``?``, ``[a-z]``, ``{a,b}``), matched in linear time and within a stated amount of work."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import pairwise

from ftpd.core import paths
from ftpd.core.record import dataclass
from ftpd.module.files import Folder

OpenFolder = Callable[[str], AbstractContextManager[Folder]]
"""Opens the folder of a virtual path; OSError leaves it out, anything else stops the search."""


class GlobLimit(Exception):
    """The pattern asks for more than one command may cost."""


class TooManyMatches(GlobLimit):
    """The pattern matches more names than one command may give; those given before are the first of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one pattern may cost."""

    matches: int = 100_000
    expansions: int = 1_000
    """Alternatives that its braces may multiply to."""
    work: int = 200_000
    """Names compared, an opened folder counting as 20 and a costly comparison as several."""


DEFAULT = Limits()
_FOLDER_COST = 20
_LONGEST_PATTERN = 4096
_LONGEST_WITH_BRACES = 1024
_LONGEST_NAME = 255
_DEEPEST = 64


_MAGIC = re.compile(r"[*?]|\[.*\]|\{.*\}", re.DOTALL)


def magic(pattern: str) -> bool:
    """Whether the text is a pattern at all, or just a name: a bracket or a brace without its mate is a letter."""
    return _MAGIC.search(pattern) is not None


def literal(pattern: str) -> str:
    """The folders in front of the first name that is a pattern, as they were written; empty where there are none.

    >>> literal("./a/b*/c"), literal("*.txt"), literal("/{a/b,c}")
    ('./a/', '', '/')
    """
    found = re.search(r"[*?\[{]", pattern)
    return pattern[: pattern.rfind("/", 0, found.start() if found else len(pattern)) + 1]


def match(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern without braces; a leading dot must be asked for by a dot.

    >>> match("*.tx?", "a.txt"), match("[!b-d]*", "a"), match("*", ".hidden"), match(".h*", ".hidden")
    (True, True, False, True)
    """
    return _compiled(pattern)(name)


def glob(cwd: str, pattern: str, open_folder: OpenFolder, limits: Limits = DEFAULT) -> Iterator[str]:
    """The virtual paths that match, those of one folder sorted, as they are found.

    ``pattern`` is relative to ``cwd`` unless it begins with a slash.  Where it ends with one, so do the paths,
    and only folders match.  Links that a pattern matches are not followed, as ProFTPD does not: a loop of them
    costs nothing.  Raises GlobLimit when it, or what has been looked at so far, is too much; matches given
    before stay true.
    """
    if len(pattern) > _LONGEST_PATTERN:
        raise GlobLimit(f"The pattern is longer than {_LONGEST_PATTERN} characters")
    search = _Search(open_folder, limits)
    # all of them before the first is looked for: what asks for too many costs nothing
    for expanded in list(_braces(pattern, limits.expansions)):
        names = [name for name in paths.normalise(cwd, expanded).split("/") if name]
        if sum(map(_wild, names)) > _DEEPEST:
            raise GlobLimit(f"The pattern looks into more than {_DEEPEST} levels of folders")
        yield from search.beneath("", names, "/" if expanded.endswith("/") else "")


class _Search:
    """One search, which counts what it costs."""

    __slots__ = ("_found", "_limits", "_open_folder", "_work")

    def __init__(self, open_folder: OpenFolder, limits: Limits) -> None:
        self._open_folder = open_folder
        self._limits = limits
        self._found = 0
        self._work = 0

    def beneath(self, above: str, names: list[str], slash: str) -> Iterator[str]:
        """Matches of ``names`` beneath the folder ``above`` ("" is the root); with a ``slash`` only folders."""
        plain = 0
        while plain < len(names) - 1 and not _wild(names[plain]):
            plain += 1
        above = "/".join([above, *(_unescaped(name) for name in names[:plain])])
        names = names[plain:]
        if not names:
            yield self._count("/")
            return
        # all entries are looked at before the first is handed out: no folder stays open while the caller pauses
        found = self._entries(above, names[0], folders=len(names) > 1 or bool(slash))
        for name in found:
            if len(names) == 1:
                yield self._count(f"{above}/{name}{slash}")
            else:
                yield from self.beneath(f"{above}/{name}", names[1:], slash)

    def _entries(self, above: str, pattern: str, *, folders: bool) -> list[str]:
        self._spend(_FOLDER_COST)
        try:
            with self._open_folder(above or "/") as folder:
                if not _wild(pattern):
                    name = _unescaped(pattern)
                    there = folder.lstat(name) if not folders else folder.stat(name)
                    return [name] if not folders or stat.S_ISDIR(there.st_mode) else []
                names = folder.names()
                self._spend((1 + len(pattern) // 16) * len(names))
                matches = sorted(filter(_compiled(pattern), names))
                if not folders:
                    return matches
                self._spend(len(matches))
                looked = folder.lstat_many(matches)
                return [name for name, there in looked if there is not None and stat.S_ISDIR(there.st_mode)]
        except OSError:
            return []

    def _count(self, path: str) -> str:
        self._found += 1
        if self._found > self._limits.matches:
            raise TooManyMatches(f"The pattern matches more than {self._limits.matches} names")
        return path

    def _spend(self, cost: int) -> None:
        self._work += cost
        if self._work > self._limits.work:
            raise GlobLimit("The pattern has to be compared with too many names; ask for less at a time")


def _wild(name: str) -> bool:
    return any(letter in name for letter in "*?[")


def _unescaped(name: str) -> str:
    """A name whose backslashes have done their work: ``\\{`` is a brace."""
    return re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) if "\\" in name else name


def _braces(pattern: str, limit: int = DEFAULT.expansions) -> Iterator[str]:
    """The patterns that ``a{b,c{d,e}}`` stands for, from left to right; a brace without its mate is a letter.

    >>> list(_braces("x{a,b{1,2}}y"))
    ['xay', 'xb1y', 'xb2y']
    """
    if "{" in pattern and len(pattern) > _LONGEST_WITH_BRACES:
        raise GlobLimit(f"The pattern has braces and is longer than {_LONGEST_WITH_BRACES} characters")
    waiting = [pattern]
    given = steps = 0
    while waiting:
        text = waiting.pop()
        steps += 1
        if given == limit or steps > 2 * limit:
            raise GlobLimit(f"The braces of the pattern stand for more than {limit} patterns")
        span = _first_braces(text)
        if span is None:
            given += 1
            yield text
            continue
        opened, closed, commas = span
        edges = [opened, *commas, closed]
        parts = [text[left + 1 : right] for left, right in pairwise(edges)]
        waiting.extend(text[:opened] + part + text[closed + 1 :] for part in reversed(parts))


def _first_braces(text: str) -> tuple[int, int, list[int]] | None:
    """Where the first pair of braces with a comma opens and closes, and its own commas."""
    opens: list[tuple[int, list[int]]] = []
    best: tuple[int, int, list[int]] | None = None
    skip = False
    for place, letter in enumerate(text):
        if skip:
            skip = False
        elif letter == "\\":
            skip = True
        elif letter == "{":
            opens.append((place, []))
        elif letter == "," and opens:
            opens[-1][1].append(place)
        elif letter == "}" and opens:
            opened, commas = opens.pop()
            if commas and (best is None or opened < best[0]):
                best = (opened, place, commas)
            if best is not None and not opens:
                return best
    return best


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], bool]:
    """A predicate on names.

    Each ``*`` becomes an atomic group that ends at the first place where the text up to the next ``*`` fits;
    leftmost is as good as any other place, so nothing is ever tried twice (the trick of Python's fnmatch).
    """
    pieces = _pieces(pattern)
    if sum(map(len, pieces)) > _LONGEST_NAME:
        return lambda name: False
    first, *rest = ["".join(piece) for piece in pieces]
    if not rest:
        text = first
    else:
        last = rest.pop()
        text = first + "".join(f"(?>.*?{piece})" for piece in rest) + f".*{last}"
    fits = re.compile(text, re.DOTALL).fullmatch
    dotted = pattern.startswith((".", "\\."))
    return lambda name: (dotted or not name.startswith(".")) and fits(name) is not None


def _pieces(pattern: str) -> list[list[str]]:
    """What stands between the stars: lists of expressions that each match one character."""
    pieces: list[list[str]] = [[]]
    place = 0
    while place < len(pattern):
        letter = pattern[place]
        place += 1
        if letter == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append([])
        elif letter == "?":
            pieces[-1].append(".")
        elif letter == "[" and (closed := _closing(pattern, place)) is not None:
            pieces[-1].append(_set(pattern[place:closed]))
            place = closed + 1
        else:
            if letter == "\\" and place < len(pattern):
                letter = pattern[place]
                place += 1
            pieces[-1].append(re.escape(letter))
    return pieces


def _closing(pattern: str, place: int) -> int | None:
    """Where the set that begins at ``place`` ends; a bracket right at its beginning is a member."""
    start = place + pattern.startswith(("!", "^"), place)
    closed = pattern.find("]", start + 1)
    return None if closed < 0 else closed


def _set(members: str) -> str:
    negated = members.startswith(("!", "^"))
    members = members[negated:]
    parts: list[str] = []
    place = 0
    while place < len(members):
        low = members[place]
        if members[place + 1 : place + 2] == "-" and place + 2 < len(members):
            high = members[place + 2]
            if low <= high:
                parts.append(f"{_member(low)}-{_member(high)}")
            place += 3
        else:
            parts.append(_member(low))
            place += 1
    if not parts:
        # [z-a]: a set of nothing
        return "." if negated else "(?!)"
    return f"[{'^' * negated}{''.join(parts)}]"


def _member(letter: str) -> str:
    return f"\\{letter}" if letter in "\\]^-[&~|" else letter
