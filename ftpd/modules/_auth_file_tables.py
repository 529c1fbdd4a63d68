"""The tables of AuthUserFile and AuthGroupFile: parsed as a whole, and read again when the file has changed."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ftpd.api import Account, AuthBackend, Level, Pattern, Sign, acting_as_daemon, crypt, dataclass, log, near, sign

T = TypeVar("T")

_LARGEST = 256 * 1024 * 1024
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_HIGHEST_ID = 2**32 - 2
"""The last id; the one above it means "leave as it is" to chown(2) and its kin."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A regular expression; ``negated`` means what it does not match."""

    pattern: Pattern
    negated: bool

    def admits(self, text: str) -> bool:
        # an entry that a pattern is given up with is left out
        return not self.pattern.denies(text) if self.negated else self.pattern.search(text) is not None


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A line of AuthUserFile or AuthGroupFile: the file, and which of its entries count."""

    path: str
    lowest: int = 0
    highest: int = _HIGHEST_ID
    name: Wanted | None = None
    home: Wanted | None = None

    def admits(self, number: int, name: str, home: str = "") -> bool:
        return (
            self.lowest <= number <= self.highest
            and (self.name is None or self.name.admits(name))
            and (self.home is None or self.home.admits(home))
        )


class Users:
    """The accounts of a file; of two with one name or one id the first counts."""

    def __init__(self, spec: FileSpec, text: str, source: AuthBackend | None = None) -> None:
        self.by_name: dict[str, Account] = {}
        self.hashes: dict[str, str] = {}
        self.by_id: dict[int, str] = {}
        self.malformed: list[int] = []
        for number, line in _lines(text):
            fields = line.split(":")
            # more fields than passwd(5) has are passed over, as ProFTPD does
            if len(fields) < 7 or not fields[0] or (uid := _id(fields[2])) is None or (gid := _id(fields[3])) is None:
                self.malformed.append(number)
                continue
            name, hashed, _, _, gecos, home, shell = fields[:7]
            if name in self.by_name or not spec.admits(uid, name, home):
                continue
            self.by_name[name] = Account(name, uid, gid, home, shell, gecos, source=source)
            self.hashes[name] = hashed
            self.by_id.setdefault(uid, name)
        for hashed in self.hashes.values():
            if crypt.usable(hashed):
                # so that even the first name tried, when nobody has that name, costs what a true one costs
                crypt.remember(hashed)
                break


class Groups:
    """The groups of a file."""

    def __init__(self, spec: FileSpec, text: str) -> None:
        self.by_id: dict[int, str] = {}
        self.by_name: dict[str, int] = {}
        self.malformed: list[int] = []
        self._of: dict[str, list[tuple[int, str]]] = {}
        for number, line in _lines(text):
            fields = line.split(":")
            # without the last colon it has no members, and what follows them is passed over, as in ProFTPD
            if len(fields) < 3 or not fields[0] or (gid := _id(fields[2])) is None:
                self.malformed.append(number)
                continue
            name = fields[0]
            if not spec.admits(gid, name):
                continue
            self.by_id.setdefault(gid, name)
            self.by_name.setdefault(name, gid)
            for member in "".join(fields[3:4]).split(","):
                if member.strip():
                    self._of.setdefault(member.strip(), []).append((gid, name))

    def of(self, account: Account) -> tuple[tuple[int, str], ...]:
        """The account's groups, the primary one first."""
        primary = (account.gid, self.by_id.get(account.gid, str(account.gid)))
        others = (group for group in self._of.get(account.name, ()) if group[0] != account.gid)
        return tuple(dict.fromkeys((primary, *others)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.rstrip("\r")
        if bare.strip() and not bare.lstrip().startswith("#"):
            yield number, bare


def _id(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= _HIGHEST_ID else None


class Table(Generic[T]):
    """A parsed file; :meth:`current` blocks when it must read, :meth:`known` only the first time."""

    def __init__(self, spec: FileSpec, parse: Callable[[FileSpec, str], T]) -> None:
        self._spec = spec
        self._path = os.fsencode(spec.path)
        self._parse = parse
        self._lock = threading.Lock()
        self._seen: Sign = None
        self._content: T | None = None
        self._near = False
        """The file lies where a look at it is answered at once."""

    def known(self) -> T:
        """The content as it was read last; nothing of a file that could not be read yet."""
        if self._content is None:
            try:
                return self.current()
            except OSError:
                return self._parse(self._spec, "")
        return self._content

    def unchanged(self) -> T | None:
        """The content, if a look shows that the file is as it was read; never waits: None sends to :meth:`current`."""
        if self._content is None or not self._near:
            return None
        try:
            now = sign(self._path)
        except PermissionError:
            with acting_as_daemon():
                now = sign(self._path)
        except OSError:
            return None
        return self._content if now == self._seen else None

    def current(self) -> T:
        """The content as it is now; OSError when the file cannot be read or is open to others' hands."""
        with self._lock, acting_as_daemon():
            descriptor = os.open(self._spec.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                # before anything is asked of it: what changes later is told by the next look
                seen = sign(descriptor)
                now = os.fstat(descriptor)
                if not stat.S_ISREG(now.st_mode):
                    raise OSError(22, "Not a regular file", self._spec.path)
                if now.st_mode & stat.S_IWOTH:
                    raise PermissionError(1, "The file is writable by everybody", self._spec.path)
                if self._content is None or seen != self._seen:
                    if now.st_size > _LARGEST:
                        raise OSError(27, f"The file is larger than {_LARGEST} bytes", self._spec.path)
                    text = file.read(_LARGEST).decode("utf-8", "surrogateescape")
                    self._content = self._parse(self._spec, text)
                    self._seen = seen
                    self._near = near(descriptor)
                    self._complain(self._content)
        return self._content

    def _complain(self, content: T) -> None:
        malformed: list[int] = getattr(content, "malformed", [])
        if malformed:
            shown = ", ".join(map(str, malformed[:10])) + (", ..." if len(malformed) > 10 else "")
            log(Level.WARN, "'%s': malformed entries are left out, on line %s", self._spec.path, shown)
