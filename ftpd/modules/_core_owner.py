"""UserOwner and GroupOwner: whose the files and folders become that a client makes."""

from __future__ import annotations

import os
from dataclasses import field
from functools import partial

from ftpd.api import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    LOGGED_IN,
    Level,
    Path,
    Reading,
    Session,
    Slot,
    acting_as_daemon,
    dataclass,
    privileged,
    types,
)
from ftpd.modules._core import module


@dataclass(slots=True)
class GroupName:
    """A line of GroupOwner."""

    name: str
    own_only: bool = field(default=False, compare=False)
    """The line stands where users may write it, and gives to no group that they are not in."""

    def __str__(self) -> str:
        return self.name


def _group_name(words: list[str]) -> GroupName:
    return GroupName(types.string(words))


def _note_place(reading: Reading, value: GroupName) -> None:
    value.own_only = reading.context is FTPACCESS


user_owner = module.directive(
    "UserOwner", types.string, contexts=ANON | DIRECTORY,
    usage="user", doc="The owner that new files and directories get.",
)  # fmt: skip
group_owner = module.directive(
    "GroupOwner", _group_name, contexts=ANON | DIRECTORY | FTPACCESS, act=_note_place,
    usage="group|~", doc="The group that new files and directories get; ~ is the user's own.",
)  # fmt: skip

_ids: Slot[dict[tuple[str, bool], int]] = Slot("owners", dict)
"""Ids of the names that this session has met: a directory service is asked once."""


@module.on(LOGGED_IN)
def watch_what_is_made(session: Session) -> None:
    if session.files is not None:
        session.files.made = partial(give_away, session)


def give_away(session: Session, path: Path, handle: int | str) -> None:
    """Hand what the session just made or opened for writing to its owner; ``handle`` is the open inode itself.

    Only what is the session's own is given away: a name may mean another's file by a hard link.
    """
    owner, group = path.settings[user_owner], path.settings[group_owner]
    if owner is None and group is None:
        return
    uid = -1 if owner is None else _user(session, owner)
    gid = -1 if group is None else _group(session, group.name)
    if group is not None and group.own_only and gid not in (-1, *(number for number, _ in session.groups)):
        session.log(Level.NOTICE, "'%s' keeps its group: %s is not in '%s'", path.virtual, session.user, group)
        gid = -1
    known = os.stat(handle)
    if uid in (-1, known.st_uid) and gid in (-1, known.st_gid):
        return
    mine = session.identity.uid if session.identity is not None and privileged() else os.geteuid()
    if known.st_uid != mine:
        session.log(Level.NOTICE, "'%s' keeps its owner: it is not the user's own", path.virtual)
        return
    try:
        with acting_as_daemon():
            os.chown(handle, uid, gid)
    except OSError as error:
        session.log(Level.NOTICE, "'%s' cannot be given to %s:%s: %s", path.virtual, uid, gid, error.strerror)


def _user(session: Session, name: str) -> int:
    known = session[_ids]
    if (name, False) not in known:
        found = session.modules.accounts.name_uid(session, name)
        if found is None:
            session.log(Level.NOTICE, "UserOwner: the user '%s' is not known", name)
        known[name, False] = -1 if found is None else found
    return known[name, False]


def _group(session: Session, name: str) -> int:
    if name == "~":
        return session.groups[0][0] if session.groups else -1
    known = session[_ids]
    if (name, True) not in known:
        found = session.modules.accounts.name_gid(session, name)
        if found is None:
            session.log(Level.NOTICE, "GroupOwner: the group '%s' is not known", name)
        known[name, True] = -1 if found is None else found
    return known[name, True]
