"""The words of DefaultRoot, DefaultChdir and <Anonymous> made into paths: ``~``, ``~user``, ``%u`` and ``%u[0]``."""

from __future__ import annotations

import os
import posixpath
import re

from ftpd.api import Account, Session, acting_as_daemon, normalise, trace
from ftpd.modules._auth_denied import Denied

_USER = re.compile(r"%u(?:\[(\d{1,3})\])?")


async def real_folder(session: Session, path: str, account: Account) -> str:
    """The folder of the machine that ``/path``, ``~/path``, ``~user/path`` and ``%u`` in it mean."""
    if path.startswith("~"):
        name, slash, rest = path[1:].partition("/")
        owner = await session.modules.accounts.getpwnam(session, name) if name else account
        if owner is None:
            raise Denied(f"USER {account.name}: '{path}' names the user '{name}', who does not exist", final=True)
        path = f"{owner.home}{slash}{with_user(rest, account)}"
    else:
        path = with_user(path, account)
    if not path.startswith("/"):
        raise Denied(f"USER {account.name}: the root '{path}' is no absolute path", final=True)
    return tidy(path)


def tidy(path: str) -> str:
    """An absolute path without empty parts and dots, as what the configuration says of folders is compared with it.

    >>> tidy("//srv//tom/x/../"), tidy("/..")
    ('/srv/tom', '/')
    """
    return posixpath.normpath(path).replace("//", "/")


def with_user(path: str, account: Account) -> str:
    """Put the user's name in for ``%u``, and its letters for ``%u[0]``, ``%u[1]``; one it has not stays as written."""
    if "%u" not in path:
        return path
    name = single_name(account.name)

    def letters(found: re.Match[str]) -> str:
        if found[1] is None:
            return name
        return name[int(found[1]) : int(found[1]) + 1] or found[0]

    parts = []
    for part in path.split("/"):
        made = _USER.sub(letters, part)
        # a name such as ..x must not lead upwards by its first two letters
        parts.append(made if made == part else single_name(made))
    return "/".join(parts)


def single_name(name: str) -> str:
    """A user's name as one component of a path, never as a way elsewhere."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise Denied(f"USER {name}: the name cannot be part of a path", final=True)
    return name


def inside(session: Session) -> str:
    """The folder below an area that the guest's name names, without a way out of it: ``/guest`` of ``../guest``."""
    name = session.login
    folder = normalise("/", name)
    if folder == "/":
        raise Denied(f"USER {name}: the name cannot be part of a path", final=True)
    if trace.active and folder.strip("/") != name:
        trace.say("auth", 9, "UserDirRoot: sanitized USER '%s' to '%s'", name, folder, peer=session.peer)
    return folder


def below(root: str, path: str) -> str:
    """A path of the machine as seen from inside the root, going by the names alone; empty where it lies elsewhere."""
    if path == root:
        return "/"
    return path[len(root) :] if path.startswith(f"{root}/") else ""


def really_below(root: str, path: str) -> str:
    """The same with the links of both followed; for a thread."""
    with acting_as_daemon():
        return below(os.path.realpath(root), os.path.realpath(path))


def split_magic(session: Session, home: str) -> tuple[str, str]:
    """AuthUnixOptions MagicTokenChroot: ``/srv/./tom`` is the home ``/srv/tom`` in the root ``/srv``."""
    if "/./" not in home or "MagicTokenChroot" not in session.setting("AuthUnixOptions", frozenset()):
        return "", home
    root, _, rest = home.partition("/./")
    return root or "/", f"{root}/{rest}"
