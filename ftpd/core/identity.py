"""The calling thread's file-system identity, switched by raw syscalls so that no other thread notices.

``setfsuid(2)`` and ``setfsgid(2)`` belong to a thread by design; ``setgroups(2)`` does so only when
glibc's wrapper, which tells every thread, is passed by.  Nothing may be awaited inside :func:`acting_as`.
The switch itself is in ``ftpd/native/calls.c``, and here for machines where that is not compiled.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field

from ftpd import native
from ftpd.core.record import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_setgroups = _libc["syscall"]
_setgroups.argtypes = [ctypes.c_long, ctypes.c_size_t, ctypes.c_char_p]
_setgroups.restype = ctypes.c_long
_setfsuid, _setfsgid = _libc["setfsuid"], _libc["setfsgid"]
for _call in (_setfsuid, _setfsgid):
    _call.argtypes = [ctypes.c_uint32]
    _call.restype = ctypes.c_uint32

_SETGROUPS = {
    "x86_64": 116,
    "aarch64": 159,
    "riscv64": 159,
    "loongarch64": 159,
    "ppc64le": 81,
    "s390x": 206,
    "i686": 206,
    "armv7l": 206,
}.get(os.uname().machine)
_NOBODY_AT_ALL = 0xFFFFFFFF
"""The id that the kernel refuses: asking for it changes nothing and tells who we are."""


CAP_CHOWN = 0
_NEEDED_CAPABILITIES = (
    CAP_CHOWN,
    1,  # DAC_OVERRIDE
    2,  # DAC_READ_SEARCH
    3,  # FOWNER
    4,  # FSETID
    5,  # KILL
    6,  # SETGID
    7,  # SETUID
    10,  # NET_BIND_SERVICE
    18,  # SYS_CHROOT
    29,  # AUDIT_WRITE, which PAM uses
)
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a file operation is done as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    raw: bytes = field(init=False, repr=False, compare=False)
    """The same as native 32-bit numbers, as setgroups(2) and :data:`become` take them.

    The group is not among the groups: wherever the kernel asks for them it asks for that one first, and those who
    are in no other need not have theirs set, which costs as much as user and group do together.
    """

    def __post_init__(self) -> None:
        others = (group for group in self.groups if group != self.gid)
        object.__setattr__(self, "raw", array("I", (self.uid, self.gid, *others)).tobytes())


ROOT = Identity(0, 0, (0,))
_started_as_root = os.geteuid() == 0
_own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()))
_neutral = _own


def privileged() -> bool:
    """True where the daemon may act as other users."""
    return _started_as_root


def effective(identity: Identity) -> Identity:
    """Who :func:`acting_as` really acts as: the daemon's own user where it cannot be another."""
    return identity if _started_as_root else _own


def set_neutral(identity: Identity) -> None:
    """Make ``identity`` what every thread falls back to (User and Group); the caller's thread switches now."""
    global _neutral
    if _started_as_root:
        _neutral = identity
        become(identity.raw, identity.raw)


def neutral() -> Identity:
    """Who threads are while they act for nobody."""
    return _neutral


# -- the switch ----------------------------------------------------------------------------------------

Become = Callable[[bytes, bytes], bytes]
"""``become(identity, otherwise)``: switch the calling thread, and tell who it was.

A thread that never switched may have been born inside somebody's stay: it is taken to be ``otherwise``.  Where the
kernel refuses, PermissionError or OSError is raised and the thread is who it was.
"""

_local = threading.local()
_UID, _GID, _GROUPS = slice(0, 4), slice(4, 8), slice(8, None)


def become_by_ctypes(identity: bytes, otherwise: bytes) -> bytes:
    """:data:`become` without a compiler."""
    before: bytes = getattr(_local, "now", None) or otherwise
    try:
        _switch(identity)
    except BaseException:
        _switch(before)
        raise
    return before


def _switch(identity: bytes) -> None:
    """Change what differs from the thread's present identity; a failure half-way is remembered as "unknown"."""
    now: bytes | None = getattr(_local, "now", None)
    if now == identity:
        return
    _local.now = None
    if now is None or now[_GROUPS] != identity[_GROUPS]:
        _switch_groups(identity[_GROUPS])
    if now is None or now[_GID] != identity[_GID]:
        _switch_id(_setfsgid, identity[_GID], "group")
    if now is None or now[_UID] != identity[_UID]:
        _switch_id(_setfsuid, identity[_UID], "user")
    _local.now = identity


def _switch_id(call: Callable[[int], int], raw: bytes, what: str) -> None:
    wanted = int.from_bytes(raw, sys.byteorder)
    call(wanted)
    # neither call reports failure: asking again with an impossible id tells who we are now
    if call(_NOBODY_AT_ALL) != wanted:
        raise PermissionError(f"the kernel refused the {what} id {wanted} for file operations")


def _switch_groups(groups: bytes) -> None:
    count = len(groups) // 4
    if _SETGROUPS is None:
        raise OSError(f"no setgroups for a single thread is known on {os.uname().machine}; run the daemon unprivileged")
    if _setgroups(_SETGROUPS, count, groups) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)} (setting {count} supplementary groups)")


become: Become = become_by_ctypes if native.calls is None else native.calls.become
"""The quicker way that this installation has."""


class _Acting:
    """One stay under another identity; whatever happens inside, the one from before comes back."""

    __slots__ = ("_before", "_identity")

    def __init__(self, identity: Identity) -> None:
        self._identity = identity.raw

    def __enter__(self) -> None:
        self._before = become(self._identity, _neutral.raw)

    def __exit__(self, *_: object) -> None:
        become(self._before, self._before)


_STAY: AbstractContextManager[None] = nullcontext()


def acting_as(identity: Identity) -> AbstractContextManager[None]:
    """Do what follows as ``identity`` and be the one from before afterwards; free where it is one's own."""
    return _Acting(identity) if _started_as_root else _STAY


def acting_as_daemon() -> AbstractContextManager[None]:
    """Do what follows with the daemon's own rights: read its configuration, passwords and keys."""
    return acting_as(ROOT)


def shed_capabilities(also: frozenset[int] = frozenset()) -> None:
    """Give up, for this thread and all it will start, the rights of root that acting as a user does not suspend.

    The kernel withdraws only the file rights with the fsuid.  With CAP_SYS_RESOURCE left, a user would write past
    the disk quota and into root's reserve; with CAP_SYS_PTRACE, look into other processes through /proc.  To be
    called at the start, before there are threads, and after limits were raised.  ``also`` are more to give up.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted and inheritable of the capabilities 0 to 31, then of 32 to 63
    sets = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, sets) != 0:
        raise _capabilities_failed("read")
    needed = sum(1 << capability for capability in _NEEDED_CAPABILITIES if capability not in also)
    for place in range(3):
        sets[place] &= needed
        sets[place + 3] = 0
    if _libc.capset(header, sets) != 0:
        raise _capabilities_failed("reduced")


def _capabilities_failed(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{os.strerror(code)} (the daemon's capabilities could not be {what})")
