"""Who the daemon is: User and Group where root started it, else whoever did, and what that takes away."""

from __future__ import annotations

import grp
import os
import pwd
import resource

from ftpd.core import identity
from ftpd.core.identity import Identity
from ftpd.core.log import Level, log
from ftpd.daemon.errors import StartError
from ftpd.daemon.values import DaemonSettings

_NOBODY = "nobody"
_DESCRIPTORS = 65536
"""What root's daemon gives itself: a session has two, its connection and its folder, and some more in a transfer."""


def chosen(settings: DaemonSettings) -> Identity | None:
    """The identity that User and Group name, for root to take on; None where we cannot become anybody."""
    if not identity.privileged():
        return None
    user = settings.user or _NOBODY
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise StartError(f"User {user} is not known to the system, so the daemon cannot serve as this user") from None
    group = settings.group
    if group is None:
        return Identity(entry.pw_uid, entry.pw_gid, (entry.pw_gid,))
    try:
        gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(
            f"Group {group} is not known to the system, so the daemon cannot serve as this group"
        ) from None
    return Identity(entry.pw_uid, gid, (gid,))


def prepare(settings: DaemonSettings) -> None:
    """Once, before there are threads: room for many sessions, then only the rights that serving them takes."""
    try:
        _have_descriptors()
        if identity.privileged() and settings.shed_capabilities:
            identity.shed_capabilities(frozenset() if settings.may_chown else frozenset({identity.CAP_CHOWN}))
    except OSError as error:
        # a container's or a service manager's filter of system calls may forbid what it has seen to itself
        log(Level.NOTICE, "limits and rights stay as they were given: %s", error)


def _have_descriptors() -> None:
    """All that we may have; root may have more than it was given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if identity.privileged() and hard != resource.RLIM_INFINITY and hard < _DESCRIPTORS:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
            return
        except (OSError, ValueError):
            # root of a container
            pass
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def take_on(who: Identity | None) -> None:
    """From here on the daemon's threads are this identity, unless they act for somebody."""
    if who is not None:
        identity.set_neutral(who)


def tell_what_is_lost(settings: DaemonSettings) -> None:
    """One line where the daemon was not started by root: it has nobody's rights but its own."""
    if identity.privileged():
        return
    me, mine = _user(os.geteuid()), _group(os.getegid())
    wanted = (("User", settings.user, me), ("Group", settings.group, mine))
    unused = [f"{what} {name}" for what, name, have in wanted if name not in (None, have)]
    text = f"started by {me}, not by root: all users share this identity, and files belong to {me}"
    if unused:
        text += f"; {' and '.join(unused)} cannot be taken on"
    log(Level.NOTICE, "%s", text)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # a container's user may be a number without a name
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
