"""CreateHome: make the home that is missing, its parents and what the skeleton holds; run in a thread."""

from __future__ import annotations

import os
import shutil
import stat

from ftpd.api import Account, Identity, acting_as, acting_as_daemon, privileged
from ftpd.modules._auth_directives import NewHome
from ftpd.modules._auth_walk import Follow, links_of_the_system, open_folder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def make_home(account: Account, identity: Identity, how: NewHome, path: str) -> bool:
    """Make the home if nothing is there; False when there was something. Raises OSError."""
    if how.as_user:
        # the kernel holds the user back, so that the links a user has made may lead as they like
        with acting_as(identity):
            return _Builder(account, how, lambda link: True).build(path)
    with acting_as_daemon():
        return _Builder(account, how, links_of_the_system).build(path)


class _Builder:
    """One home to make; every step is taken from a folder that is held open."""

    def __init__(self, account: Account, how: NewHome, follow: Follow) -> None:
        self._how = how
        self._follow = follow
        self._uid, self._gid = account.uid, account.gid
        self._home_gid = account.gid if how.home_gid is None else how.home_gid

    def build(self, path: str) -> bool:
        if os.path.lexists(path):
            return False
        parent, name = os.path.split(os.path.normpath(path))
        above = open_folder(parent, self._follow, self._make_parent)
        try:
            os.mkdir(name, 0o700, dir_fd=above)
            try:
                self._fill(name, above)
            except BaseException:
                # half a home would keep its user out for ever; until it is whole it is nobody else's
                shutil.rmtree(name, ignore_errors=True, dir_fd=above)
                raise
        except FileExistsError:
            # another login of the same user was faster
            return False
        finally:
            os.close(above)
        return True

    def _fill(self, name: str, above: int) -> None:
        home = _own_folder(name, above)
        try:
            if self._how.skeleton:
                _copy_folder(self._how.skeleton, home, self._uid, self._gid)
            _finish(home, self._uid, self._home_gid, self._how.mode)
        finally:
            os.close(home)

    def _make_parent(self, above: int, name: str) -> None:
        """Root's, unless CreateHome gives an owner; what NoRootPrivs makes is the user's from the start."""
        how = self._how
        own = -1 if how.as_user else 0
        uid = own if how.uid is None else self._uid if how.uid == -1 else how.uid
        gid = own if how.gid is None else self._gid if how.gid == -1 else how.gid
        try:
            os.mkdir(name, 0o700, dir_fd=above)
        except FileExistsError:
            # another login of the same family was faster
            return
        made = _own_folder(name, above)
        try:
            _finish(made, uid, gid, how.parents_mode)
        finally:
            os.close(made)


def _own_folder(name: str, above: int) -> int:
    """Open a folder that was just made; whoever may write above it could have put another in its place."""
    made = os.open(name, _FOLDER, dir_fd=above)
    try:
        known = os.fstat(made)
        if stat.S_IMODE(known.st_mode) & 0o777 != 0o700 or os.listdir(made):
            raise PermissionError(1, "The folder just made was exchanged for another", name)
    except BaseException:
        os.close(made)
        raise
    return made


def _finish(descriptor: int, uid: int, gid: int, mode: int) -> None:
    if privileged() and (uid, gid) != (-1, -1):
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def _copy_folder(source: str, target: int, uid: int, gid: int) -> None:
    """Copy a skeleton's files, folders and links into an open folder; devices, FIFOs and sockets stay behind."""
    with os.scandir(source) as entries:
        for entry in entries:
            # as of a mode in CreateHome, the sticky bit stays: in a folder for all, it is what keeps them apart
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & 0o1777
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), entry.name, dir_fd=target)
                if privileged():
                    os.chown(entry.name, uid, gid, dir_fd=target, follow_symlinks=False)
            elif entry.is_dir(follow_symlinks=False):
                os.mkdir(entry.name, 0o700, dir_fd=target)
                folder = os.open(entry.name, _FOLDER, dir_fd=target)
                try:
                    _copy_folder(entry.path, folder, uid, gid)
                    _finish(folder, uid, gid, mode)
                finally:
                    os.close(folder)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry.path, entry.name, target, uid, gid, mode)


def _copy_file(source: str, name: str, target: int, uid: int, gid: int, mode: int) -> None:
    made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
    with os.fdopen(made, "wb") as out, os.fdopen(os.open(source, _FILE), "rb") as content:
        shutil.copyfileobj(content, out)
        out.flush()
        _finish(made, uid, gid, mode)
