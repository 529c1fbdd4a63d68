"""The .ftpaccess files of folders: found on the way to a path, read once, asked for again when they change."""

from __future__ import annotations

import errno
import ipaddress
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice
from time import monotonic
from typing import NamedTuple

from ftpd.conf import build, resolve
from ftpd.conf.acl import Who
from ftpd.conf.directive import FTPACCESS, ConfigError, DirectiveTable, Reading
from ftpd.conf.levels import Chain
from ftpd.conf.override import ALLOW_OVERRIDE, overrides
from ftpd.conf.tree import Scope
from ftpd.core.aside import at_file, close_file
from ftpd.core.fault import SCARCE
from ftpd.core.log import Level, escape
from ftpd.core.paths import split
from ftpd.module.files import Files, Path
from ftpd.module.names import module_name
from ftpd.module.session import Session
from ftpd.module.table import Module

NAME = ".ftpaccess"
_TRUSTED = 1.0
"""Seconds for which a folder that had no .ftpaccess is taken to have none; a file that is there is always looked at."""
_REMEMBERED = 4096
_LARGEST = 65536
_DEEP = 16
"""Folders in a path from which on they are not asked one by one: a client can make and name two thousand."""
_FAR = 128
"""The same from which on they are looked for off the loop: a millisecond."""
_SOON = 0.1
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP})
"""Faults of the way to the file, not of the file: they stop whoever asks for the folder as well."""


def who(session: Session) -> Who:
    """The client as <Limit> and AllowOverride look at it; the same one as long as nothing about it changes."""
    return _who(session.user, session.groups, session.class_name, session.remote.host, session.remote_name)


@lru_cache(maxsize=4096)
def _who(user: str | None, groups: tuple[tuple[int, str], ...], class_name: str, host: str, name: str) -> Who:
    return Who(
        user=user,
        groups=tuple(name for _, name in groups),
        class_name=class_name,
        address=ipaddress.ip_address(host.partition("%")[0]),
        # without a reverse look-up the name is the address, and no name pattern may match that
        hostname=None if name == host else name,
    )


class _Loaded:
    """The modules of a running generation, as the reader of a configuration wants them; nothing is loaded any more."""

    path = ""

    def __init__(self, modules: Sequence[Module], left_out: frozenset[str]) -> None:
        self.directives = DirectiveTable()
        self.directives.left_out = left_out
        self._names = frozenset(module.name for module in modules)
        for module in modules:
            self.directives.add(module.directives)

    def load(self, name: str, reading: Reading) -> None:
        raise ConfigError("modules are loaded by proftpd.conf only")

    def order(self, names: Sequence[str]) -> None:
        raise ConfigError("modules are ordered by proftpd.conf only")

    def is_loaded(self, name: str) -> bool:
        try:
            return module_name(name) in self._names
        except ValueError:
            return False

    def can_load(self, name: str) -> bool:
        return False

    def is_lacking(self, name: str) -> bool:
        return False


class _Known(NamedTuple):
    """A file that was read: how to tell that it has changed, and what it says (None: nothing)."""

    signature: tuple[int, ...]
    scope: Scope | None


class _Held(NamedTuple):
    """Where on a long way there was something called .ftpaccess, and until when that is believed."""

    until: float
    folders: tuple[str, ...]
    whole: bool
    user: str | None
    """Whoever looked; where that was not allowed the whole way, it says nothing to others."""

    def counts(self, session: Session, now: float) -> bool:
        return self.until > now and (self.whole or self.user == session.user)


class AccessFiles:
    """The .ftpaccess files that a generation's sessions have met."""

    def __init__(self, modules: Sequence[Module], left_out: frozenset[str], labels: frozenset[str]) -> None:
        """``left_out``: directives whose lines are passed over, as those of :class:`DirectiveTable`.

        ``labels``: what ``<IfDefine>`` in such a file finds defined.
        """
        self._modules = modules
        self._left_out = left_out
        self._labels = labels
        self._host: _Loaded | None = None
        self._absent: dict[str, float] = {}
        """Folders without such a file, and until when that is believed."""
        self._bare: dict[tuple[str, str], float] = {}
        """The same of a session's root and a folder in it, with all folders between: most commands end here."""
        self._files: dict[str, _Known] = {}
        self._held: dict[tuple[str, str], _Held] = {}
        self._times_forgotten = 0
        self._told: dict[str, str] = {}
        """What the log has heard of each faulty file: it is told once and not with every command."""

    def forget(self) -> None:
        """A client has changed something that may be a .ftpaccess file: look everywhere again."""
        self._times_forgotten += 1
        self._absent.clear()
        self._bare.clear()
        self._held.clear()

    def absent_until(self, root: str, folder: str) -> float:
        """Until when no file is taken to count in that folder of a session's root; 0 where one may."""
        return self._bare.get((root, folder), 0.0)

    def at(self, session: Session, place: str, *, folder: bool = True) -> Chain:
        """The sections that count at a path of the session, the deepest first; links in it have been followed.

        ``folder``: the path may be a folder with a file of its own.
        """
        files = session.files
        if files is None:
            return ()
        now = monotonic()
        here = place if folder else split(place)[0]
        way = (files.root, here)
        if self._bare.get(way, 0.0) > now:
            return ()
        found: list[Scope] = []
        root = files.root.rstrip("/")
        until = now + _TRUSTED
        folders: Iterable[str] = _upwards(here)
        if here.count("/") > _DEEP:
            folders, until = self._on_long_way(session, files, place, here, now)
        for one in folders:
            real = f"{root}{one}".rstrip("/") or "/"
            if self._absent.get(real, 0.0) < now and self._counts(session, real):
                scope = self._look(session, files, one, real, now)
                if scope is not None:
                    found.append(scope)
            until = min(until, self._absent.get(real, 0.0))
        if until > now:
            if len(self._bare) >= _REMEMBERED:
                self._bare.clear()
            self._bare[way] = until
        return tuple(found)

    def _on_long_way(
        self, session: Session, files: Files, place: str, here: str, now: float
    ) -> tuple[Iterable[str], float]:
        """The folders on the way that have to be looked at, the deepest first, and until when the others need not."""
        until, cwd = now + _TRUSTED, session.cwd
        below = here.count("/") - cwd.count("/")
        if 0 < below <= _DEEP and cwd != "/" and here.startswith(f"{cwd}/"):
            known = self._bare.get((files.root, cwd), 0.0)
            above = self._held.get((files.root, cwd))
            if known > now or (above is not None and above.counts(session, now)):
                between = [*islice(_upwards(here), below)]
                if known > now or above is None:
                    return between, min(until, known)
                return [*between, *reversed(above.folders)], min(until, above.until) if above.whole else 0.0
        held = self._held.get((files.root, place)) or self._held.get((files.root, here))
        if held is None or not held.counts(session, now):
            held = self._find(session, files, here, now)
        if held is None:
            return _upwards(_part_that_is_there(files, here)), until
        on_the_way = [one for one in reversed(held.folders) if f"{here}/".startswith(f"{one.rstrip('/')}/")]
        return on_the_way, min(until, held.until) if held.whole else 0.0

    def _find(self, session: Session, files: Files, folder: str, now: float) -> _Held | None:
        """Look for the files on a long way, and remember it for those who come soon."""
        times = self._times_forgotten
        found = files.holding(NAME, folder)
        if found is None:
            return None
        # who has waited for it is to find it, however long it took
        held = _Held(max(now + _TRUSTED, monotonic() + _SOON), tuple(found[0]), found[1], session.user)
        if times == self._times_forgotten:
            if len(self._held) >= _REMEMBERED:
                self._held.clear()
            self._held[files.root, folder] = held
            if held.whole:
                # whoever asks for a file asks for its folder as well
                above = split(folder)[0]
                self._held[files.root, above] = held._replace(folders=tuple(one for one in found[0] if one != folder))
        return held

    def ahead(self, session: Session, named: str) -> Callable[[], None] | None:
        """What looks for the files on the way to the working folder and to what is ``named``, where that takes long."""
        files, now, cwd = session.files, monotonic(), session.cwd
        if files is None:
            return None
        far = [cwd]
        if named.count("/") - cwd.count("/") > _DEEP or not named.startswith(f"{cwd.rstrip('/')}/"):
            far.append(named)
        far = [one for one in far if one.count("/") > _FAR and not self._knows(session, files.root, one, now)]
        return partial(self._look_ahead, session, files, far) if far else None

    def _knows(self, session: Session, root: str, folder: str, now: float) -> bool:
        held = self._held.get((root, folder))
        return self._bare.get((root, folder), 0.0) > now or (held is not None and held.counts(session, now))

    def _look_ahead(self, session: Session, files: Files, folders: list[str]) -> None:
        for folder in folders:
            # whoever asks for it afterwards meets the same fault, and tells of it
            with suppress(OSError):
                self._find(session, files, folder, monotonic())

    def _counts(self, session: Session, folder: str) -> bool:
        """Whether AllowOverride lets this client's folder have a say."""
        settings = resolve.settings_at(
            session.server, session.anonymous, folder, home=session.home, user=session.user or ""
        )
        lines = settings[ALLOW_OVERRIDE]
        return not lines or overrides(lines, who(session))

    def _look(self, session: Session, files: Files, folder: str, real: str, now: float) -> Scope | None:
        path = Path(f"{folder.rstrip('/')}/{NAME}")
        file = f"{real.rstrip('/')}/{NAME}"
        try:
            found = files.lstat(path)
        except OSError as error:
            if error.errno in SCARCE:
                # that says nothing about the file, and the client is to hear why, not that there is nothing
                raise
            if error.errno not in _NOT_THERE:
                return self._faulty(session, file, f"cannot be looked at: {os.strerror(error.errno or errno.EIO)}")
            if error.errno != errno.EACCES:
                # another session may be let through where this one is not
                if len(self._absent) >= _REMEMBERED:
                    self._absent.clear()
                self._absent[real] = now + _TRUSTED
            self._files.pop(file, None)
            return None
        signature = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        known = self._files.get(file)
        if known is not None and known.signature == signature and not stat.S_ISLNK(found.st_mode):
            return known.scope
        return self._read(session, files, path, file, found, signature)

    def _read(
        self, session: Session, files: Files, path: Path, file: str, found: os.stat_result, signature: tuple[int, ...]
    ) -> Scope | None:
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (0, os.geteuid()):
            return self._faulty(
                session, file, "is a symbolic link of a user, which is not followed; put the file itself there"
            )
        try:
            text = _content(files.open_read(path))
        except OSError as error:
            if error.errno in SCARCE:
                raise
            # not remembered: somebody else may be able to read it
            return self._faulty(session, file, f"cannot be read: {os.strerror(error.errno or errno.EIO)}")
        if text is None:
            return self._remember(file, signature, self._faulty(session, file, f"is larger than {_LARGEST} bytes"))
        if self._host is None:
            self._host = _Loaded(self._modules, self._left_out)
        self._told.pop(file, None)
        scope, told = build.read_ftpaccess(file, text, self._host, defines=self._labels)
        for fault in told:
            session.log(Level.WARN, "%s%s", fault.summary(), f"; right: {escape(fault.right)}" if fault.right else "")
        if scope.faulty:
            self._tell(session, file, "has faulty lines")
        empty = not (scope.values or scope.children or scope.faulty)
        return self._remember(file, signature, None if empty else scope)

    def _remember(self, file: str, signature: tuple[int, ...], scope: Scope | None) -> Scope | None:
        if len(self._files) >= _REMEMBERED:
            self._files.clear()
        self._files[file] = _Known(signature, scope)
        return scope

    def _faulty(self, session: Session, file: str, reason: str) -> Scope:
        """What cannot be understood might have been there to forbid something."""
        self._tell(session, file, reason)
        scope = Scope(FTPACCESS, NAME, [os.path.dirname(file)], file, 0, None)
        scope.faulty = True
        return scope

    def _tell(self, session: Session, file: str, reason: str) -> None:
        if self._told.get(file) == reason:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[file] = reason
        session.log(
            Level.WARN,
            "%s %s: until that is put right nothing in its folder can be used by FTP, or 'AllowOverride off' for that "
            "folder has the file left alone",
            escape(file),
            reason,
        )


def _upwards(folder: str) -> Iterator[str]:
    """The folder, and all above it."""
    while folder != "/":
        yield folder
        folder = split(folder)[0]
    yield "/"


def _part_that_is_there(files: Files, folder: str) -> str:
    """The folder, or the deepest one above it that there is."""
    parts = folder.split("/")
    there, beyond = 1, len(parts) + 1
    while beyond - there > 1:
        middle = (there + beyond) // 2
        try:
            files.lstat(Path("/".join(parts[:middle])))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                beyond = middle
                continue
            if error.errno in SCARCE:
                raise
        there = middle
    return "/".join(parts[:there]) or "/"


def _content(fd: int) -> str | None:
    """The text of an open file, which is closed; None when it is too large to be one."""
    try:
        content = at_file(fd, _read)
    finally:
        close_file(fd)
    return content.decode("utf-8", "surrogateescape") if len(content) <= _LARGEST else None


def _read(fd: int) -> bytes:
    with os.fdopen(fd, "rb", closefd=False) as file:
        return file.read(_LARGEST + 1)
