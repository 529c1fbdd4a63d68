"""Where a session begins: its root (DefaultRoot, the anonymous folder) and its first working directory."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import field

from ftpd.api import (
    Account,
    Command,
    Files,
    Level,
    Path,
    Scope,
    Session,
    acting_as_daemon,
    dataclass,
    resolved,
    trace,
)
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_home import make_home
from ftpd.modules._auth_login import Visitor
from ftpd.modules._auth_names import Target
from ftpd.modules._auth_paths import below, inside, real_folder, really_below, split_magic, tidy, with_user
from ftpd.modules._auth_reach import reach
from ftpd.modules._auth_walk import LinkOnTheWay, no_link, open_folder

_ROOT = Path("/")
_SHUT = "Unable to set anonymous privileges."


@dataclass(frozen=True, slots=True)
class Plan:
    """What to enter: the root, and the folders to begin in, the first that can be entered."""

    root: str
    begin: tuple[str, ...]
    home: str
    links_allowed: bool = True
    lasts: bool = False
    """All of it follows from the configuration, the account and its groups: nobody was asked, and no disk."""
    homes: tuple[tuple[str, str], ...] = ()
    """Those of the users that a <Directory ~user> names."""
    places: tuple[str, ...] = field(init=False)
    """The paths on the machine of all that is looked at."""

    def __post_init__(self) -> None:
        root = self.root.rstrip("/")
        places = [self.root, *[f"{root}{folder}".rstrip("/") or "/" for folder in self.begin]]
        object.__setattr__(self, "places", tuple(dict.fromkeys(places)))


async def plan_for(command: Command, target: Target, account: Account, groups: tuple[str, ...]) -> Plan:
    """The root and the first folder that the configuration gives this login."""
    session, settings = command.session, target.settings
    if target.anonymous is not None:
        root = await _area(session, target.anonymous, account)
        # only an alias leads to a folder of its own name; the block's User gets the whole area
        if settings[d.user_dir_root] and session.login != target.user:
            root += inside(session)
        chdir = await _first(command, _lines_of_area(session, target.anonymous), groups, account, root, "/")
        home = tidy(account.home) if account.home.startswith("/") else account.home
        homes = await _homes_named(session, target)
        return Plan(root, (*chdir, "/"), home, settings[d.allow_chroot_symlinks], homes=homes)
    magic, home = split_magic(session, account.home)
    if not home.startswith("/"):
        raise Denied(f"USER {account.name}: the home '{home}' is no absolute path", final=True)
    home = tidy(home)
    chosen = next((line for line in settings[d.default_root] if line.means(groups)), None)
    root = tidy(magic) if magic else "/"
    if chosen is not None and not magic:
        root = await real_folder(session, chosen.path, account)
    found = home if root == "/" else below(root, home)
    lasts = found != "" and not any(map(_names_another, (*settings[d.default_root], *settings[d.default_chdir])))
    if not found:
        found = await reach(command, lambda: really_below(root, home), root, home)
    # a home that lies elsewhere on the machine may be one of virtual users, told as it is seen from inside the root
    chdir = await _first(command, settings[d.default_chdir], groups, account, root, found or home)
    virtual = found or "/"
    # without a root of its own a session that can begin nowhere else begins at home; within one, at the root
    begin = (*(chdir or (virtual,)), virtual if root == "/" else "/")
    homes = await _homes_named(session, target)
    return Plan(root, begin, home, settings[d.allow_chroot_symlinks], lasts and not homes, homes)


def _lines_of_area(session: Session, area: Scope) -> tuple[d.ForGroups, ...]:
    """The DefaultChdir of an area: its own lines, and where there is none the first of the server's, as in ProFTPD."""
    own: tuple[d.ForGroups, ...] = area.values.get(d.default_chdir, ())
    return own or session.server.values.get(d.default_chdir, ())[:1]


async def _area(session: Session, area: Scope, account: Account) -> str:
    """The folder of an <Anonymous>; a guest to whom it leads nowhere may try again."""
    try:
        return await real_folder(session, area.args[0], account)
    except Denied as nowhere:
        session.debug(2, "%s", nowhere.reason)
        raise _shut(area, account.name) from None


def _shut(area: Scope, name: str) -> Denied:
    """ProFTPD's log names the area as it is written, with a slash at its end, and keeps the reason to itself."""
    return Denied(f"{name}: Directory {area.args[0].rstrip('/')}/ is not accessible", first=_SHUT)


async def _homes_named(session: Session, target: Target) -> tuple[tuple[str, str], ...]:
    """The homes of those whom a <Directory ~user> of the server or of the <Anonymous> names."""
    found = []
    levels = [scope.places for scope in (session.server, target.anonymous) if scope is not None]
    for name in sorted({name for places in levels if places is not None for name in places.named_users}):
        if (other := await session.modules.accounts.getpwnam(session, name)) is not None:
            found.append((name, tidy(other.home)))
    return tuple(found)


def _names_another(line: d.ForGroups) -> bool:
    """Whether the folder is that of a user by name, whose home may be another tomorrow."""
    return line.path.startswith("~") and line.path[1:2] not in ("", "/")


def enter(session: Session, plan: Plan, visitor: Visitor, umask: int, *, show_links: bool) -> tuple[Files, str]:
    """Open the session's files and find the first folder it can be in; for a thread, as homes may hang."""
    plain = None if plan.links_allowed else _without_links(session, plan.root, visitor)
    assert session.enter is not None
    if plan.root != "/" and (trace.active or session.is_debugged(1)):
        text = "Preparing to chroot to directory '%s'"
        session.debug(1, text, plan.root)
        trace.say("auth", 5, text, plan.root, peer=session.peer)
    anonymous = visitor.target.anonymous
    for scope in (session.server,) if anonymous is None else (session.server, anonymous):
        if scope.places is not None:
            scope.places.learn(plan.home, visitor.account.name, plan.homes)
    if visitor.at_the_door is not None:
        # the area's Group opens what lies in the area and not the area itself, as in ProFTPD
        door = session.enter(visitor.at_the_door, plan.root, umask)
        try:
            _enter_root(session, door, plan, visitor, plain, at_the_door=True)
        finally:
            door.close()
    files = session.enter(visitor.identity, plan.root, umask)
    try:
        at_the_door = anonymous is not None and visitor.at_the_door is None
        searchable = _enter_root(session, files, plan, visitor, plain, at_the_door=at_the_door)
        if searchable and plan.begin[0] == "/":
            return files, "/"
        return files, _first_enterable(session, files, plan, visitor.account.name, show_links, searchable)
    except BaseException:
        files.close()
        raise


def _enter_root(
    session: Session, files: Files, plan: Plan, visitor: Visitor, plain: tuple[int, int] | None, *, at_the_door: bool
) -> bool:
    """Whether the user may go on from the root, which is a must at an area's door; ``plain``: which folder it is."""
    try:
        searchable = files.enter()
        if at_the_door and not (searchable and _open_by_modes(files, visitor)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if plain is not None:
            root = files.stat(_ROOT)
            if plain != (root.st_dev, root.st_ino):
                raise PermissionError(errno.EPERM, "It was exchanged for another while the user logged in")
        return searchable
    except OSError as error:
        wrong = f"chroot to '{plan.root}' failed for user '{visitor.account.name}': {error.strerror}"
        if visitor.target.anonymous is None:
            raise Denied(wrong, level=Level.ERROR, final=True) from None
        session.debug(2, "%s", wrong)
        raise _shut(visitor.target.anonymous, visitor.account.name) from None


def _open_by_modes(files: Files, visitor: Visitor) -> bool:
    """Whether an area's modes let root in as they do others, as in ProFTPD: the kernel lets him in everywhere."""
    identity = visitor.at_the_door or visitor.identity
    if identity.uid != 0:
        return True
    area = files.stat(_ROOT)
    own = stat.S_IXUSR if area.st_uid == 0 else 0
    groups = stat.S_IXGRP if area.st_gid in identity.groups else 0
    return bool(area.st_mode & (own | groups | stat.S_IXOTH))


def _first_enterable(
    session: Session, files: Files, plan: Plan, name: str, show_links: bool, root_searchable: bool
) -> str:
    """PWD will show where the folder's links lead, unless ShowSymlinks is off."""
    *wished, last = dict.fromkeys(plan.begin)
    for folder in (*wished, last):
        try:
            if folder != "/":
                path = Path(folder)
                if not stat.S_ISDIR(files.stat(path).st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not (root_searchable if folder == "/" else files.access(path, os.X_OK)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return resolved(files, folder, "/") if show_links and folder != "/" else folder
        except OSError as error:
            why = error.strerror or str(error)
            if folder != last:
                session.log(Level.INFO, "USER %s: unable to begin in '%s' (%s)", name, folder, why)
    raise Denied(f'{name} chdir("{last}") failed: {why}', final=True)


def create_home(session: Session, visitor: Visitor, how: d.NewHome) -> None:
    """CreateHome; a failure is logged, and whether the session can begin without it shows when it is entered."""
    account = visitor.account
    _, home = split_magic(session, account.home)
    if not home.startswith("/"):
        return
    try:
        if make_home(account, visitor.identity, how, home):
            session.log(Level.INFO, "USER %s: CreateHome made '%s'", account.name, home)
    except OSError as error:
        what = error.strerror if error.filename is None else f"{error.strerror} ('{error.filename}')"
        session.log(Level.ERROR, "USER %s: CreateHome: error creating '%s': %s", account.name, home, what)


async def _first(
    command: Command, lines: tuple[d.ForGroups, ...], groups: tuple[str, ...], account: Account, root: str, home: str
) -> Sequence[str]:
    """The DefaultChdir that the user's groups choose, as the client will see it.

    A full path that leads into the session's root, as one on the machine, means the folder there.
    """
    line = next((line for line in lines if line.means(groups)), None)
    if line is None:
        return ()
    path = with_user(line.path, account)
    if path == "~" or path.startswith("~/"):
        path = f"{home}{path[1:]}"
    elif path.startswith("~"):
        try:
            path = await real_folder(command.session, path, account)
        except Denied as unknown:
            command.session.log(Level.INFO, "%s", unknown.reason)
            return ()
    if not path.startswith("/"):
        path = posixpath.join(home, path)
    elif (root != "/" and path.startswith(f"{root}/")) or path == root:
        path = path[len(root) :] or "/"
    return (tidy(path),)


def _without_links(session: Session, path: str, visitor: Visitor) -> tuple[int, int] | None:
    """AllowChrootSymlinks off: which folder the path names; None where there is none, which is told later."""
    try:
        with acting_as_daemon():
            folder = open_folder(path, no_link)
            try:
                known = os.fstat(folder)
            finally:
                os.close(folder)
    except LinkOnTheWay as link:
        session.debug(2, "the link on the way to '%s' is '%s'", path, link.at)
        area = visitor.target.anonymous
        named = f"DefaultRoot {path}" if area is None else f"<Anonymous {path}>"
        wrong = f"error: {named} is a symlink (denied by AllowChrootSymlinks config)"
        if area is None:
            raise Denied(wrong, level=Level.WARN, final=True) from None
        session.log(Level.WARN, "%s", wrong)
        raise _shut(area, visitor.account.name) from None
    except OSError:
        return None
    return known.st_dev, known.st_ino
