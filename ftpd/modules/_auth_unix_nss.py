"""What the C library knows of the machine's users beyond :mod:`pwd`: shadow entries and lists of groups.

Through ctypes, for it releases the interpreter's lock while a directory server is slow to answer.
"""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import field

from ftpd.api import acting_as_daemon, dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_BUFFER = 16 * 1024
_MOST_GROUPS = 65536
_DAY = 86400


class _Spwd(ctypes.Structure):
    """``struct spwd`` of <shadow.h>."""

    _fields_ = (
        ("namp", ctypes.c_char_p),
        ("pwdp", ctypes.c_char_p),
        ("lstchg", ctypes.c_long),
        ("min", ctypes.c_long),
        ("max", ctypes.c_long),
        ("warn", ctypes.c_long),
        ("inact", ctypes.c_long),
        ("expire", ctypes.c_long),
        ("flag", ctypes.c_ulong),
    )


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow entry; days are counted from 1970, -1 is unset."""

    password: str = field(repr=False)
    changed: int = -1
    longest: int = -1
    inactive: int = -1
    expires: int = -1

    def password_expired(self, now: float) -> bool:
        """Whether the password must be changed first; FTP has no way to do that."""
        if self.changed == 0:
            return True
        if self.changed < 0 or self.longest < 0:
            return False
        return now // _DAY > self.changed + self.longest + max(self.inactive, 0)

    def account_expired(self, now: float) -> bool:
        return self.expires >= 0 and now // _DAY >= self.expires


def shadow_of(name: str) -> Shadow | None:
    """The shadow entry; None when there is none, PermissionError when the daemon may not look."""
    entry, result, buffer = _Spwd(), ctypes.POINTER(_Spwd)(), ctypes.create_string_buffer(_BUFFER)
    with acting_as_daemon():
        code = _libc.getspnam_r(
            name.encode("utf-8", "surrogateescape"), ctypes.byref(entry), buffer, _BUFFER, ctypes.byref(result)
        )
    if not result:
        if code in (0, errno.ENOENT):
            return None
        raise OSError(code, os.strerror(code))
    password = (entry.pwdp or b"").decode("utf-8", "surrogateescape")
    ctypes.memset(buffer, 0, _BUFFER)
    return Shadow(password, entry.lstchg, entry.max, entry.inact, entry.expire)


def group_ids(name: str, primary: int) -> tuple[int, ...]:
    """The ids of all groups that the user is in, the primary one first."""
    room = 64
    while room <= _MOST_GROUPS:
        count, ids = ctypes.c_int(room), (ctypes.c_uint32 * room)()
        known = _libc.getgrouplist(
            name.encode("utf-8", "surrogateescape"), ctypes.c_uint32(primary), ids, ctypes.byref(count)
        )
        if known >= 0:
            return tuple(dict.fromkeys((primary, *ids[: count.value])))
        room = max(count.value, room * 2)
    raise OSError(errno.E2BIG, f"The user is in more than {_MOST_GROUPS} groups")
