"""ACLs of files (acl(5)) as the kernel hands them over: what a copy takes along, and what is left where it cannot."""

from __future__ import annotations

import errno
import os
import struct

_ACCESS, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_OWNER, _OWNING_GROUP, _MASK, _OTHERS = 0x01, 0x04, 0x10, 0x20
_NONE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS})
"""There is none, or the file system knows none."""


def of(descriptor: int) -> bytes | None:
    """The ACL of an open file; None where its mode says all."""
    try:
        return os.getxattr(descriptor, _ACCESS)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise


def without(mode: int, acl: bytes | None) -> int:
    """The permissions of a file that has this mode and ACL, for a copy without the ACL.

    The group's bits of the mode are then the most that any entry gives; the owning group itself may have less.
    """
    if acl is None:
        return mode & 0o777
    tag: int
    granted: int
    for tag, granted, _ in _ENTRY.iter_unpack(acl[_HEAD.size :]):
        if tag == _OWNING_GROUP:
            return mode & 0o777 & ~0o070 | mode & granted << 3
    return mode & 0o707


def put(handle: str | int, acl: bytes | None) -> bool:
    """Give it that ACL, or take away the one that its folder gave it; False where its mode is left to say all."""
    try:
        if acl is None:
            os.removexattr(handle, _ACCESS)
            return False
        os.setxattr(handle, _ACCESS, acl)
    except OSError as error:
        if error.errno in _NONE:
            return False
        raise
    return True


def inherited(folder: str, mode: int) -> int | None:
    """The permissions of what is made in the folder with that mode, where it has a default ACL; None where it has none.

    The kernel passes the umask by there, which only we know.
    """
    try:
        acl = os.getxattr(folder, _DEFAULT)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise
    granted: dict[int, int] = {tag: bits for tag, bits, _ in _ENTRY.iter_unpack(acl[_HEAD.size :])}
    group = granted.get(_MASK, granted.get(_OWNING_GROUP, 0))
    return mode & (granted.get(_OWNER, 0) << 6 | group << 3 | granted.get(_OTHERS, 0))
