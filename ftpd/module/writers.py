"""Who may write what the daemon runs: itself, root, and whose its own code is; nothing else is read for it."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from contextlib import suppress

from ftpd.conf.directive import ConfigError

_author = os.stat(__file__).st_uid
"""Who owns the daemon's own code, as in a checkout that root starts: no module is needed to have anything run by it."""

_MOST_LINKS = 40
"""As the kernel has it, for one path."""


def check_folder(folder: str) -> str:
    """The folder without symbolic links; ConfigError unless only root and the daemon's user can change its files."""
    try:
        real = check_way(folder)
        found = os.stat(real)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        check_writers(real, found)
    except OSError as error:
        raise ConfigError(
            f"the ModulePath {folder} cannot be used: {error.strerror}", right="ModulePath /usr/local/libexec", word=0
        ) from None
    return real


def check_way(path: str) -> str:
    """Where a path leads, without symbolic links; ConfigError where others than root and the daemon's user may turn it.

    Every folder that is passed through is looked at, and every link: whoever owns one may lead it elsewhere.
    """
    here, links = "/", 0
    rest = os.path.join(os.getcwd(), path).split("/")[::-1]
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        check_writers(here, os.stat(here), is_parent=True)
        there = os.path.join(here, part)
        found = os.lstat(there)
        if not stat.S_ISLNK(found.st_mode):
            here = there
            continue
        check_writers(there, found)
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(there)
        here = "/" if target.startswith("/") else here
        rest += target.split("/")[::-1]
    return here


def check_writers(path: str, found: os.stat_result, *, is_parent: bool = False) -> None:
    """ConfigError where others than root and the daemon's user may write to what has these attributes."""
    if found.st_uid not in (0, os.geteuid(), _author):
        raise ConfigError(
            f"{path} belongs to uid {found.st_uid}; only root and the daemon's user may own modules and their folder",
            right=f"chown {'root' if os.geteuid() == 0 else os.geteuid()} {path}",
            word=0,
        )
    if stat.S_ISLNK(found.st_mode):
        # what it leads to only its owner changes, whatever its mode says
        return
    if is_parent and found.st_mode & stat.S_ISVTX:
        # as in /tmp: what others may add here, they may not put in the place of ours
        return
    if found.st_mode & stat.S_IWOTH:
        who = "everybody"
    elif found.st_mode & stat.S_IWGRP and not _is_private(found):
        who = f"group {found.st_gid}"
    else:
        return
    raise ConfigError(
        f"{path} can be written by {who}, who could run code as this daemon", right=f"chmod go-w {path}", word=0
    )


def _is_private(found: os.stat_result) -> bool:
    """Whether the group is its owner's alone: distributions that give each user one also make files group-writable.

    Root's group is not taken for one, nor is a group that has members.
    """
    if found.st_uid == 0 or found.st_uid not in (os.geteuid(), _author):
        return False
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return (group.gr_name, group.gr_gid) == (owner.pw_name, owner.pw_gid) and set(group.gr_mem) <= {owner.pw_name}


def content(path: str) -> bytes:
    """What is in a regular file that only root and the daemon's user can change.

    FileNotFoundError where there is none, ConfigError where it is another's or cannot be read; its folder is not asked.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
        raise ConfigError(f"{path} cannot be read: {reason}", word=0) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} is not a regular file", word=0)
        check_writers(path, found)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write(path: str, data: bytes) -> None:
    """Write a file as a whole or not at all, readable by everybody and writable by who writes it alone."""
    new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
    # what was left by one that was cut off; opened anew, it cannot be anybody else's file
    with suppress(FileNotFoundError):
        os.unlink(new)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644), "wb") as out:
        out.write(data)
        os.fchmod(out.fileno(), 0o644)
    os.rename(new, path)
