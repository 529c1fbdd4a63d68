"""Where a client is and the folders it makes: CWD, CDUP, PWD, MKD, RMD and their X twins of RFC 775."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import time

from ftpd.api import (
    DIRECTORY,
    Class,
    Command,
    Group,
    Outcome,
    Refuse,
    Reply,
    Session,
    Settings,
    ShortAnswer,
    dataclass,
    resolved,
    types,
)
from ftpd.modules import _display
from ftpd.modules._core import SESSIONS, module, state


@dataclass(frozen=True, slots=True)
class Chdir:
    """The file that DisplayChdir names, and whether it is shown again only when it was changed."""

    path: str
    once: bool = False


@types.takes(1, 2, strict=True)
def _display_chdir(words: list[str]) -> Chdir:
    return Chdir(words[0], len(words) > 1 and types.to_boolean(words[1], word=1))


display_chdir = module.directive(
    "DisplayChdir", _display_chdir, contexts=SESSIONS | DIRECTORY,
    usage="path [on|off]",
    doc="A file shown when a client enters a folder; on: at the first visit, and again when it has changed.",
)  # fmt: skip
cd_path = module.directive_list(
    "CDPath", types.string, contexts=SESSIONS,
    usage="path", doc="A folder beneath which CWD looks for a path that it cannot enter as it is.",
)  # fmt: skip


@contextmanager
def nothing_beneath_files() -> Iterator[None]:
    """ProFTPD looks a path up before these commands use it, and says of ``file/x`` that it is not there."""
    try:
        yield
    except NotADirectoryError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None


# -- CWD, CDUP ---------------------------------------------------------------------------------------


def _leads(cmd: Command, folder: str) -> ShortAnswer | None:
    """Into other folders as into this one, where that is no more than being there."""
    session = cmd.session
    shows_links = session.modules.directive("ShowSymlinks")

    def simply(settings: Settings) -> bool:
        return settings[display_chdir] is None and (shows_links is None or bool(settings[shows_links]))

    if not simply(session.settings):
        return None
    return session.wire.enters(cmd.name, folder, Reply(250, (f"{cmd.name} command successful",)), simply)


@module.cmd(
    "CWD", "XCWD", group=Group.DIRS, classes=Class.DIRS, usage="<sp> pathname", arity=(1, None), leads=_leads,
    alike=True,
)  # fmt: skip
def change_folder(cmd: Command) -> Outcome:
    try:
        return _enter(cmd, cmd.argument)
    except (OSError, Refuse):
        # whatever keeps the client out here; the answer is about what was asked for, not about where else it was sought
        for folder in cmd.session.settings[cd_path]:
            with suppress(OSError, Refuse):
                return _enter(cmd, f"{folder.rstrip('/')}/{cmd.argument}")
        raise


@module.cmd("CDUP", "XCUP", group=Group.DIRS, classes=Class.DIRS, usage="(up one directory)", arity=(0, 0))
def change_up(cmd: Command) -> Outcome:
    return _enter(cmd, "..")


@contextmanager
def nothing_beyond_reach() -> Iterator[None]:
    """The same of a path through a folder that the client may not enter: what is behind it is not there for CWD."""
    try:
        yield
    except PermissionError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None


def _enter(cmd: Command, given: str) -> Outcome:
    with nothing_beyond_reach():
        return _enter_reached(cmd, given)


def _enter_reached(cmd: Command, given: str) -> Outcome:
    session, files = cmd.session, cmd.files
    hidden = f"{given}: {os.strerror(errno.ENOENT)}"
    path = cmd.path(given, refusal=(550, hidden), use="enter")
    named = path.virtual
    if path.seen is None:
        with nothing_beneath_files():
            target = resolved(files, named, session.settled)
        if target != named:
            # a link must not lead past a <Limit> at the folder it names
            path = cmd.path(target, refusal=(550, hidden))
    if not stat.S_ISDIR((path.seen or files.stat(path)).st_mode):
        raise Refuse(550, f"{given}: {os.strerror(errno.ENOTDIR)}")
    if not files.access(path, os.X_OK):
        raise Refuse(550, f"{given}: {os.strerror(errno.EACCES)}")
    # clients who are shown no links go back the way they came
    session.cwd = path.virtual if cmd.setting("ShowSymlinks", True) else named
    session.settings = path.settings
    return cmd.ok(250, *_message(cmd), f"{cmd.name} command successful")


def _message(cmd: Command) -> list[str]:
    """The lines of DisplayChdir for the folder just entered."""
    session = cmd.session
    shown = session.settings[display_chdir]
    if shown is None or (shown.once and not _changed(session, shown.path)):
        return []
    return _display.lines_of(shown.path, session)


def _changed(session: Session, name: str) -> bool:
    """Whether the message is newer than the last visit to this folder, which is now."""
    before = session[state].entered.get(session.cwd)
    session[state].entered[session.cwd] = time()
    return before is None or _display.changed_at(name, session) > before


# -- PWD ---------------------------------------------------------------------------------------------


def working_folder(cmd: Command) -> Outcome:
    return cmd.ok(257, f"{quoted(cmd.session.cwd)} is the current directory")


# <Limit> answers with the verb as the client wrote it
for _verb in ("PWD", "XPWD"):
    module.cmd(
        _verb, group=Group.DIRS, classes=Class.INFO | Class.DIRS, usage="(returns current working directory)",
        arity=(0, 0), limit=(550, f"{_verb}: {os.strerror(errno.EACCES)}"), steady=True,
        alike=True,
    )(working_folder)  # fmt: skip


def quoted(path: str) -> str:
    """A path as 257 replies write it: in quotes, and those inside doubled (RFC 959 appendix II).

    >>> quoted('/a"b')
    '"/a""b"'
    """
    return '"' + path.replace('"', '""') + '"'


# -- MKD, RMD ----------------------------------------------------------------------------------------


@module.cmd(
    "MKD", "XMKD", group=Group.WRITE, classes=Class.DIRS | Class.WRITE, usage="<sp> pathname", arity=(1, None)
)  # fmt: skip
def make_folder(cmd: Command) -> Outcome:
    if "*" in cmd.argument:
        raise Refuse(550, f"{cmd.argument}: Invalid directory name")
    path = cmd.path(refusal=(550, f"{cmd.argument}: {os.strerror(errno.EACCES)}"))
    try:
        if path.virtual == "/":
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        cmd.files.mkdir(path)
    except FileExistsError:
        # what the client wants is so; a link or a file is not it
        if not stat.S_ISDIR(cmd.files.lstat(path).st_mode):
            raise
    return cmd.ok(257, f"{quoted(path.virtual)} - Directory successfully created")


@module.cmd(
    "RMD", "XRMD", group=Group.WRITE, classes=Class.DIRS | Class.WRITE, usage="<sp> pathname", arity=(1, None)
)  # fmt: skip
def remove_folder(cmd: Command) -> Outcome:
    path = cmd.path(refusal=(550, f"{cmd.argument}: {os.strerror(errno.EACCES)}"))
    cmd.files.rmdir(path)
    return cmd.ok(250, f"{cmd.name} command successful")
