"""mod_site_misc -- SITE MKDIR, RMDIR, SYMLINK and UTIME: whole paths and trees at once, links, and times of files."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable

from ftpd.api import (
    GLOBAL,
    SERVER,
    VHOST,
    Command,
    Group,
    Module,
    Outcome,
    Path,
    Refuse,
    Session,
    emptying,
    missing_folders,
    moment,
    siteline,
    types,
)

module = Module("site_misc", version="1.0")

engine = module.directive(
    "SiteMiscEngine", types.boolean, default=True, contexts=SERVER | GLOBAL | VHOST, usage="on|off",
    doc="Whether SITE MKDIR, RMDIR, SYMLINK and UTIME are answered.",
)  # fmt: skip

_TURN = 50
"""Files removed before the other sessions get a turn; some milliseconds."""


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[engine]:
        yield from ("SITE MKDIR", "SITE RMDIR", "SITE SYMLINK", "SITE UTIME")


_NEEDS = {"SITE MKDIR": 1, "SITE RMDIR": 1, "SITE SYMLINK": 2}


@module.pre(*_NEEDS)
def enough_said(cmd: Command) -> None:
    """Before it is asked who that is, as in ProFTPD; with UTIME it is the other way round there."""
    _need(cmd, _NEEDS[cmd.name])


# -- UTIME -------------------------------------------------------------------------------------------------


@module.site("UTIME", group=Group.WRITE, usage="<sp> YYYYMMDDhhmm[ss] <sp> path", when=engine)
def set_times(cmd: Command) -> Outcome:
    """Also ``path`` and the times of access, change and creation, and the word UTC."""
    _need(cmd, 2)
    if len(cmd.words) >= 5 and cmd.words[-1].upper() == "UTC":
        # from the right, as the name may hold blanks; no file system lets the time of creation be set
        given, accessed, changed, created, _ = cmd.argument.rstrip().rsplit(None, 4)
        stamps = [changed, accessed, created]
    else:
        stamp, _, given = cmd.argument.lstrip().partition(" ")
        stamps = [stamp, stamp]
    path = _path(cmd, given)
    cmd.sibling("MFMT", given).path(refusal=siteline.denied(cmd))
    try:
        changed_at, accessed_at = [moment(stamp) for stamp in stamps][:2]
    except ValueError:
        raise siteline.refusal(cmd, 500, errno.EINVAL) from None
    with siteline.told(cmd):
        cmd.files.utime(path, changed_at, accessed_at)
    return _done(cmd)


# -- SYMLINK -----------------------------------------------------------------------------------------------


@module.site("SYMLINK", group=Group.WRITE, usage="<sp> source <sp> destination", when=engine)
def link(cmd: Command) -> Outcome:
    # two names without blanks; words behind them are not looked at, as with ProFTPD
    old, new = cmd.words[:2]
    source = _readable(cmd, old)
    target = cmd.path(new)
    cmd.sibling("STOR", new).path()
    with siteline.told(cmd):
        _check_name(cmd, target, new)
        cmd.files.stat(source)
        # from the session's root, as ProFTPD writes it, so the link means the same wherever it lies
        cmd.files.symlink(source.virtual, target)
    return _done(cmd)


# -- RMDIR, MKDIR ----------------------------------------------------------------------------------------


@module.site("RMDIR", group=Group.WRITE, usage="<sp> path", when=engine)
async def remove_tree(cmd: Command) -> Outcome:
    """Every file goes by a DELE, every folder by an RMD, for the reason given at MKDIR; the first refusal ends it."""
    path = _path(cmd, cmd.argument)
    with siteline.told(cmd), cmd.busy() as work:
        emptying.check(cmd.files, path)
        count = 0
        async for verb, virtual in emptying.steps(cmd, path):
            work.check()
            await siteline.also(cmd, verb, virtual)
            count += 1
            if not count % _TURN:
                await asyncio.sleep(0)
    return _done(cmd)


@module.site("MKDIR", group=Group.WRITE, usage="<sp> path", when=engine)
async def make_path(cmd: Command) -> Outcome:
    """Every folder is made by an MKD of its own: what <Limit>, filters, quotas and logs make of that holds."""
    path = _path(cmd, cmd.argument)
    with siteline.told(cmd):
        for virtual in reversed(list(missing_folders(cmd.files, path.virtual))):
            await siteline.also(cmd, "MKD", virtual)
    return _done(cmd)


# -- what they share ---------------------------------------------------------------------------------------


def _need(cmd: Command, words: int) -> None:
    if len(cmd.words) < words:
        raise Refuse(500, f"'{cmd.name}' not understood")


def _done(cmd: Command) -> Outcome:
    return cmd.ok(200, f"{cmd.name} command successful")


def _path(cmd: Command, given: str) -> Path:
    path = cmd.path(given, refusal=siteline.denied(cmd))
    _check_name(cmd, path, given)
    return path


def _check_name(cmd: Command, path: Path, given: str) -> None:
    if not cmd.name_fits(given, path):
        raise Refuse(*siteline.denied(cmd))


def _readable(cmd: Command, given: str) -> Path:
    """What a link is to lead to has to be allowed as READ."""
    asking = cmd.sibling(cmd.name, given)
    asking.group = Group.READ
    return asking.path()
