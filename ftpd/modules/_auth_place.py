"""Where a session begins: its root (DefaultRoot, the anonymous folder) and its first working directory."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from ftpd.api import Account, Command, Files, Identity, Level, Path, Session, Settings, acting_as_daemon
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_home import make_home
from ftpd.modules._auth_names import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """What to enter: the root, and the folders to begin in, the first that can be entered."""

    root: str
    begin: tuple[str, ...]
    home: str
    links_allowed: bool = True


async def plan_for(command: Command, target: Target, account: Account, groups: tuple[str, ...]) -> Plan:
    """The root and the first folder that the configuration gives this login."""
    session, settings = command.session, target.settings
    if target.anonymous is not None:
        root = await _folder(session, target.anonymous.args[0], account)
        # only an alias leads to a folder of its own name; the block's User gets the whole area
        if settings[d.user_dir_root] and session.login != target.user:
            root = f"{root}/{_single_name(session.login)}"
        chdir = _first(settings, groups, account, "/")
        return Plan(root, (*chdir, "/"), account.home, settings[d.allow_chroot_symlinks])
    magic, home = _split_magic(session, account.home)
    if not home.startswith("/"):
        raise Denied(f"USER {session.login}: the home '{home}' is no absolute path", final=True)
    chosen = next((line for line in settings[d.default_root] if line.means(groups)), None)
    root = magic or "/"
    if chosen is not None and not magic:
        root = await _folder(session, chosen.path, account)
    virtual = home if root == "/" else await command.offload(lambda: _inside(root, home))
    chdir = _first(settings, groups, account, virtual)
    # outside a jail a session without its home is refused; inside, the root is as good a beginning
    last = (virtual,) if root == "/" else (virtual, "/")
    return Plan(root, (*chdir, *last), home, settings[d.allow_chroot_symlinks])


def enter(session: Session, plan: Plan, identity: Identity, umask: int, *, anonymous: bool) -> tuple[Files, str]:
    """Open the session's files and find the first folder it can be in; for a thread, as homes may hang."""
    refusal = "Unable to set anonymous privileges." if anonymous else ""
    if not plan.links_allowed and (link := _link_on_the_way(plan.root)):
        raise Denied(
            f"USER {session.login}: '{link}' is a symbolic link, and AllowChrootSymlinks is off",
            first=refusal, final=not anonymous,
        )  # fmt: skip
    assert session.enter is not None
    files = session.enter(identity, plan.root, umask)
    try:
        try:
            if not stat.S_ISDIR(files.stat(Path("/")).st_mode):
                raise NotADirectoryError(20, "Not a directory")
        except OSError as error:
            raise Denied(
                f"chroot to '{plan.root}' failed for user '{session.login}': {error.strerror}",
                level=Level.ERROR, first=refusal, final=not anonymous,
            ) from None  # fmt: skip
        return files, _first_enterable(session, files, plan)
    except BaseException:
        files.close()
        raise


def _first_enterable(session: Session, files: Files, plan: Plan) -> str:
    why = "Permission denied"
    for folder in dict.fromkeys(plan.begin):
        try:
            if stat.S_ISDIR(files.stat(Path(folder)).st_mode):
                if files.access(Path(folder), os.X_OK):
                    return folder
                why = "Permission denied"
            else:
                why = "Not a directory"
        except OSError as error:
            why = error.strerror or str(error)
        session.log(Level.NOTICE, "USER %s: cannot begin in '%s': %s", session.login, folder, why)
    raise Denied(f"USER {session.login}: chdir({plan.begin[-1]}): {why}", final=True)


def create_home(session: Session, account: Account, how: d.NewHome) -> None:
    """CreateHome; a failure is logged, and whether the session can begin without it shows when it is entered."""
    _, home = _split_magic(session, account.home)
    if not home.startswith("/"):
        return
    try:
        if make_home(account, how, home):
            session.log(Level.INFO, "USER %s: made the home '%s'", session.login, home)
    except OSError as error:
        session.log(Level.ERROR, "USER %s: unable to make the home '%s': %s", session.login, home, error.strerror)


# -- words into paths ----------------------------------------------------------------------------------------------


async def _folder(session: Session, path: str, account: Account) -> str:
    """The real folder that ``/path``, ``~/path``, ``~user/path`` and ``%u`` in it mean."""
    if path.startswith("~"):
        name, slash, rest = path[1:].partition("/")
        owner = await session.modules.accounts.getpwnam(session, name) if name else account
        if owner is None:
            raise Denied(f"USER {session.login}: '{path}' names the user '{name}', who does not exist", final=True)
        path = f"{owner.home}{slash}{rest}"
    path = _with_user(path, account)
    if not path.startswith("/"):
        raise Denied(f"USER {session.login}: the root '{path}' is no absolute path", final=True)
    return posixpath.normpath(path).replace("//", "/")


def _first(settings: Settings, groups: tuple[str, ...], account: Account, home: str) -> Sequence[str]:
    """The DefaultChdir that the user's groups choose, as the client will see it."""
    for line in settings[d.default_chdir]:
        if line.means(groups):
            path = _with_user(line.path, account)
            path = f"{home}{path[1:]}" if path == "~" or path.startswith("~/") else posixpath.join(home, path)
            return (posixpath.normpath(path).replace("//", "/"),)
    return ()


def _with_user(path: str, account: Account) -> str:
    return path.replace("%u", _single_name(account.name)) if "%u" in path else path


def _single_name(name: str) -> str:
    """A user's name as one component of a path, never as a way elsewhere."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise Denied(f"USER {name}: the name cannot be part of a path", final=True)
    return name


def _inside(root: str, home: str) -> str:
    """The home as seen from inside the root; ``/`` where it lies elsewhere."""
    with acting_as_daemon():
        for top, path in ((root, posixpath.normpath(home)), (os.path.realpath(root), os.path.realpath(home))):
            if path == top:
                return "/"
            if path.startswith(f"{top}/"):
                return path[len(top) :]
    return "/"


def _split_magic(session: Session, home: str) -> tuple[str, str]:
    """AuthUnixOptions MagicTokenChroot: ``/srv/./tom`` is the home ``/srv/tom`` in the root ``/srv``."""
    if "/./" not in home or "MagicTokenChroot" not in session.setting("AuthUnixOptions", frozenset()):
        return "", home
    root, _, rest = home.partition("/./")
    return root or "/", f"{root}/{rest}"


def _link_on_the_way(path: str) -> str:
    """The first component of the path that is a symbolic link; empty when none is."""
    parts = path.strip("/").split("/")
    with acting_as_daemon():
        for count in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:count])
            if os.path.islink(above):
                return above
    return ""
