"""The permissions of what a session makes: those that its umask leaves, or a default ACL of the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from ftpd.core import facl
from ftpd.core.identity import Identity, acting_as
from ftpd.fs import kernel

PROC = os.path.isdir("/proc/self/fd")


def handle(fd: int) -> str | int:
    """What chmod and its like take for the open file itself, be it opened for a look only."""
    return f"/proc/self/fd/{fd}" if PROC else fd


def permit_folder(fd: int, identity: Identity, wanted: int, inherited: int | None) -> None:
    """Give a folder that was made just now its permissions, of which an ACL may have decided."""
    if inherited is None:
        _grant(fd, identity, wanted)
    else:
        _add(fd, identity, inherited)


def permit_file(
    fd: int,
    identity: Identity,
    mode: int,
    wanted: int,
    parent: Callable[[], AbstractContextManager[tuple[int, bytes]]],
) -> None:
    """Give a file that was made just now its permissions: ``wanted``, what the umask leaves of ``mode``.

    It is closed where that fails.
    """
    try:
        _grant(fd, identity, wanted)
        if wanted != mode:
            _inherit(fd, identity, mode, parent)
    except BaseException:
        # its way may lead elsewhere by now, to where only others may look
        os.close(fd)
        raise


def of_default_acl(folder: int, mode: int) -> int | None:
    """The permissions that a default ACL of the folder gives to what is made in it; None where it has none."""
    return facl.inherited(f"/proc/self/fd/{folder}", mode) if PROC else None


def _grant(fd: int, identity: Identity, wanted: int) -> None:
    """Give back the bits which the process's umask took.

    Bits that are missing for another reason stay away: a default ACL of the folder has precedence.
    """
    now = stat.S_IMODE(os.fstat(fd).st_mode)
    lost = wanted & ~now
    if lost and (taken := lost & kernel.process_umask()):
        _add(fd, identity, taken)


def _inherit(
    fd: int, identity: Identity, mode: int, parent: Callable[[], AbstractContextManager[tuple[int, bytes]]]
) -> None:
    """Where the folder has a default ACL, that counts instead of the umask."""
    if not PROC:
        return
    with suppress(OSError), parent() as (folder, _):
        inherited = of_default_acl(folder, mode)
        if inherited is not None:
            _add(fd, identity, inherited)


def _add(fd: int, identity: Identity, bits: int) -> None:
    """Have these permissions, too."""
    now = stat.S_IMODE(os.fstat(fd).st_mode)
    if bits & ~now:
        # a file system without modes (FAT) refuses; the file itself is as good as it can be there
        with suppress(OSError), acting_as(identity):
            os.chmod(handle(fd), now | bits)
