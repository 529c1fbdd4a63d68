"""ACLs of files (acl(5)) as the kernel hands them over: what a copy takes along, and what is left where it cannot."""

from __future__ import annotations

import errno
import os
import struct

_ACCESS = "system.posix_acl_access"
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_OWNING_GROUP = 0x04
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
