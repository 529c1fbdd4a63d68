"""CreateHome: make the home that is missing, its parents and what the skeleton holds; run in a thread."""

from __future__ import annotations

import os
import shutil
import stat

from ftpd.api import Account, acting_as_daemon, privileged
from ftpd.modules._auth_directives import NewHome

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_home(account: Account, how: NewHome, path: str) -> bool:
    """Make the home if nothing is there; False when there was something. Raises OSError."""
    with acting_as_daemon():
        if os.path.lexists(path):
            return False
        parent, name = os.path.split(os.path.normpath(path))
        _make_parents(parent, account, how)
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.mkdir(name, 0o700, dir_fd=above)
            try:
                _fill(name, above, account, how)
            except BaseException:
                # half a home would keep its user out for ever; until it is whole it is nobody else's
                shutil.rmtree(name, ignore_errors=True, dir_fd=above)
                raise
        finally:
            os.close(above)
    return True


def _fill(name: str, above: int, account: Account, how: NewHome) -> None:
    home = os.open(name, _FOLDER, dir_fd=above)
    try:
        gid = account.gid if how.home_gid is None else how.home_gid
        if how.skeleton:
            _copy_folder(how.skeleton, home, account.uid, gid)
        _finish(home, account.uid, gid, how.mode)
    finally:
        os.close(home)


def _make_parents(path: str, account: Account, how: NewHome) -> None:
    if os.path.isdir(path):
        return
    parent, name = os.path.split(path)
    _make_parents(parent, account, how)
    above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.mkdir(name, 0o700, dir_fd=above)
        made = os.open(name, _FOLDER, dir_fd=above)
        try:
            _finish(made, _id(how.uid, account.uid), _id(how.gid, account.gid), how.parents_mode)
        finally:
            os.close(made)
    except FileExistsError:
        # another login of the same family was faster
        pass
    finally:
        os.close(above)


def _id(configured: int | None, own: int) -> int:
    return 0 if configured is None else own if configured == -1 else configured


def _finish(descriptor: int, uid: int, gid: int, mode: int) -> None:
    if privileged():
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def _copy_folder(source: str, target: int, uid: int, gid: int) -> None:
    """Copy a skeleton's files, folders and links into an open folder; devices, FIFOs and sockets stay behind."""
    with os.scandir(source) as entries:
        for entry in entries:
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & 0o777
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
    with os.fdopen(made, "wb") as out, open(source, "rb") as content:
        shutil.copyfileobj(content, out)
        out.flush()
        _finish(made, uid, gid, mode)
