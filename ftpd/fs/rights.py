"""What the mode bits of a file let an identity do: the answer for listings, where a call an entry costs too much."""

from __future__ import annotations

import os
import stat

from ftpd.core.identity import Identity


def permits(attributes: os.stat_result, identity: Identity, mode: int) -> bool:
    """Whether ``identity`` may ``mode`` (os.R_OK, W_OK, X_OK) by owner, group and others; ACLs are not asked."""
    bits = attributes.st_mode
    if identity.uid == 0:
        # root searches and changes everything, but runs only what somebody may run
        return not mode & os.X_OK or stat.S_ISDIR(bits) or bool(bits & 0o111)
    if attributes.st_uid == identity.uid:
        bits >>= 6
    elif attributes.st_gid == identity.gid or attributes.st_gid in identity.groups:
        bits >>= 3
    return bits & mode & 7 == mode & 7


def may_remove(folder: os.stat_result, entry: os.stat_result, identity: Identity) -> bool:
    """Whether ``identity`` may delete or rename an entry of ``folder``: a sticky folder keeps others' files."""
    if not permits(folder, identity, os.W_OK | os.X_OK):
        return False
    if not folder.st_mode & stat.S_ISVTX or identity.uid == 0:
        return True
    return identity.uid in (entry.st_uid, folder.st_uid)
