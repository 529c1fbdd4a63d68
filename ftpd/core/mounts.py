"""Where other file systems are mounted, and which of them may keep us waiting: known without touching any of them."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from ftpd.core.identity import acting_as_daemon
from ftpd.core.nearness import NEAR_TYPES

TABLE = "/proc/self/mountinfo"
"""proc_pid_mountinfo(5): as this process sees the machine."""

_OWN = re.compile(r"/(?:proc|sys|dev(?!/shm/))/")
"""What the kernel keeps its own things beneath: an automounter's trigger there (binfmt_misc) is on nobody's way.

``/dev/shm`` is everybody's, and whatever is mounted in it.
"""
_LINKS = 40
_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """A file system that may keep us waiting, and where it is."""

    point: str
    type: str
    device: str
    """``major:minor``."""

    @property
    def kind(self) -> str:
        """The pool whose threads wait for it."""
        return f"files:{self.device}"

    def __str__(self) -> str:
        return f"{self.point} ({self.type})"


ELSEWHERE = "files:elsewhere"
"""The pool for what lies behind a mount point, while it cannot be told behind which."""


class Mounts:
    """The far mounts of the machine at one moment; a path of the machine has no link in it, and no slash at its end."""

    def __init__(self, far: dict[str, Mount], near: frozenset[str] = frozenset()) -> None:
        self.far = far
        """By mount point."""
        self.near = near
        """Where file systems are mounted that answer at once; the machine's root is not among them."""
        self.parents = frozenset(os.path.dirname(point) for point in far)
        """The folders with a far mount in them: whoever looks at their entries looks at that."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mounts) and (self.far, self.near) == (other.far, other.near)

    __hash__ = None  # type: ignore[assignment]

    def at(self, path: str) -> Mount | None:
        """The far mount that whoever walks to ``path`` comes to last; None where all on the way answers at once."""
        if not self.far:
            return None
        while True:
            found = self.far.get(path)
            if found is not None or path == "/":
                return found
            path = path.rpartition("/")[0] or "/"

    def below(self, root: str) -> bool:
        """Whether the tree from ``root`` downwards lies on a far mount, or holds one."""
        if not self.far:
            return False
        start = root.rstrip("/") + "/"
        return any(f"{point}/".startswith(start) for point in self.far) or self.at(root) is not None

    def near_above(self, path: str) -> str:
        """The deepest near mount point on the way to ``path``, itself included; empty where there is none."""
        while path != "/" and path:
            if path in self.near:
                return path
            path = path.rpartition("/")[0]
        return ""

    def followed(self, path: str) -> Mount | None:
        """As :meth:`at`, with the links on the way followed, but none is looked at that lies on a far mount itself."""
        if not self.far:
            return None
        done, rest, links = "", [part for part in path.split("/") if part not in ("", ".")], 0
        with acting_as_daemon():
            while rest:
                name = rest.pop(0)
                if name == "..":
                    done = done.rpartition("/")[0]
                    continue
                here = f"{done}/{name}"
                if (mount := self.far.get(here)) is not None:
                    return self.at("/".join([here, *rest])) if ".." not in rest else mount
                try:
                    target = os.readlink(here)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        return None
                    done = here
                    continue
                links += 1
                if links > _LINKS:
                    return None
                rest = [*(part for part in target.split("/") if part not in ("", ".")), *rest]
                done = "" if target.startswith("/") else done
        return None

    def named(self, kind: str) -> str:
        """What a pool of devices waits for, for the log."""
        return " and ".join(str(mount) for mount in self.far.values() if mount.kind == kind) or "a file system"


def _rows(text: bytes) -> Iterator[tuple[str, str, str]]:
    """Mount point, type and device of each line."""
    for line in text.splitlines():
        words, _, behind = line.partition(b" - ")
        fields = words.split(b" ")
        if len(fields) > 4 and behind:
            point = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
            yield point.decode("utf-8", "surrogateescape"), behind.split(b" ")[0].decode(), fields[2].decode()


def understood(text: bytes) -> Mounts:
    """The mounts that a mountinfo tells of; what is mounted over another hides it.

    >>> understood(b"27 1 254:0 / / rw - ext4 /dev/vda rw\\n40 27 0:50 / /srv/n\\\\040s rw - nfs4 nas:/ rw").far
    {'/srv/n s': Mount(point='/srv/n s', type='nfs4', device='0:50')}
    """
    far: dict[str, Mount] = {}
    near: set[str] = set()
    for point, type, device in _rows(text):
        far.pop(point, None)
        near.discard(point)
        if type in NEAR_TYPES or _OWN.match(point):
            if point != "/":
                near.add(point)
        else:
            far[point] = Mount(point, type, device)
    return Mounts(far, frozenset(near))


_now: Mounts | None = None


def mounts() -> Mounts:
    """The table as it is, or was when :func:`watch` saw it change last."""
    global _now
    if _now is None:
        _now = _read()
    return _now


def _read() -> Mounts:
    try:
        with open(TABLE, "rb") as file:
            return understood(file.read())
    except OSError:
        # without procfs nothing is known, and all is taken to be near, as it was before anybody asked
        return Mounts({})


def pool_at(path: str, *others: str, kind: str = "files") -> str:
    """The pool for work at these paths of the machine: that of the first slow device on their ways, else ``kind``."""
    table = mounts()
    for one in (path, *others) if table.far else ():
        if (mount := table.followed(one)) is not None:
            return mount.kind
    return kind


class Watch:
    """Keeps :func:`mounts` true as long as a loop runs, and tells when what it says has changed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> None:
        self._loop = loop
        self._changed = changed
        self._table = -1
        self._poll: select.epoll | None = None
        try:
            self._table = os.open(TABLE, os.O_RDONLY | os.O_CLOEXEC)
            self._poll = select.epoll()
            # the table is always readable; that it has changed is told as an exceptional condition
            self._poll.register(self._table, select.EPOLLPRI)
            loop.add_reader(self._poll.fileno(), self._look)
        except OSError:
            self.close()
        self._look()

    def _look(self) -> None:
        global _now
        if self._poll is not None:
            self._poll.poll(0)
        before, _now = _now, _read()
        if _now != before:
            self._changed()

    def close(self) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            with suppress(ValueError, RuntimeError):
                self._loop.remove_reader(poll.fileno())
            poll.close()
        if self._table >= 0:
            os.close(self._table)
            self._table = -1
