"""mod_site_misc -- SITE MKDIR, RMDIR, SYMLINK and UTIME: whole paths and trees at once, links, and times of files."""

from __future__ import annotations

import asyncio
import errno
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Iterable
from functools import partial

from ftpd.api import (
    GLOBAL,
    SERVER,
    VHOST,
    Command,
    Files,
    Group,
    Module,
    Outcome,
    Path,
    Refuse,
    Session,
    listing,
    missing_folders,
    moment,
    types,
)

module = Module("site_misc", version="1.0")

engine = module.directive(
    "SiteMiscEngine", types.boolean, default=True, contexts=SERVER | GLOBAL | VHOST, usage="on|off",
    doc="Whether SITE MKDIR, RMDIR, SYMLINK and UTIME are answered.",
)  # fmt: skip

_POOL = "trees"
_TURN = 50
"""Files removed before the other sessions get a turn; some milliseconds."""
_FULL = {errno.ENOSPC: 452, errno.EDQUOT: 552}


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[engine]:
        yield from ("SITE MKDIR", "SITE RMDIR", "SITE SYMLINK", "SITE UTIME")


# -- MKDIR, RMDIR ----------------------------------------------------------------------------------------


@module.site("MKDIR", group=Group.WRITE, usage="<sp> path", when=engine)
async def make_path(cmd: Command) -> Outcome:
    """Every folder is made by an MKD of its own: what <Limit>, filters, quotas and logs make of that holds."""
    _need(cmd, 1)
    path = _path(cmd, cmd.argument)
    with _Told(cmd):
        for virtual in reversed(list(missing_folders(cmd.files, path.virtual))):
            await _also(cmd, "MKD", virtual)
    return _done(cmd)


@module.site("RMDIR", group=Group.WRITE, usage="<sp> path", when=engine)
async def remove_tree(cmd: Command) -> Outcome:
    """Every file goes by a DELE, every folder by an RMD, for the reason given at MKDIR; the first refusal ends it."""
    _need(cmd, 1)
    path = _path(cmd, cmd.argument)
    with _Told(cmd), cmd.busy() as work:
        kind = cmd.files.lstat(path).st_mode
        if stat.S_ISLNK(kind):
            # ProFTPD empties the folder that the link leads to, and fails then
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not stat.S_ISDIR(kind):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if path.virtual == "/":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        count = 0
        async for verb, virtual in _contents(cmd, path):
            work.check()
            await _also(cmd, verb, virtual)
            count += 1
            if not count % _TURN:
                await asyncio.sleep(0)
    return _done(cmd)


async def _contents(cmd: Command, top: Path) -> AsyncIterator[tuple[str, str]]:
    """What removes a folder: a verb and a path at a time, the folder itself last; links are not followed."""
    folders = [(top.virtual, False)]
    while folders:
        folder, emptied = folders.pop()
        if emptied:
            yield "RMD", folder
            continue
        folders.append((folder, True))
        for name, is_folder in await cmd.offload(partial(_listed, cmd.files, Path(folder)), _POOL):
            virtual = posixpath.join(folder, name)
            if is_folder:
                folders.append((virtual, False))
            else:
                yield "DELE", virtual


def _listed(files: Files, path: Path) -> list[tuple[str, bool]]:
    with files.open_folder(path) as folder:
        entries = folder.lstat_many(folder.names())
        return [(name, stat.S_ISDIR(known.st_mode)) for name, known in entries if known is not None]


# -- SYMLINK -----------------------------------------------------------------------------------------------


@module.site("SYMLINK", group=Group.WRITE, usage="<sp> source <sp> destination", when=engine)
def link(cmd: Command) -> Outcome:
    # two names without blanks; words behind them are not looked at, as with ProFTPD
    _need(cmd, 2)
    old, new = cmd.words[:2]
    source = _readable(cmd, old)
    target = cmd.path(new)
    cmd.sibling("STOR", new).path()
    with _Told(cmd):
        _check_name(cmd, target, new)
        cmd.files.stat(source)
        # from the session's root, as ProFTPD writes it, so the link means the same wherever it lies
        cmd.files.symlink(source.virtual, target)
    return _done(cmd)


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
    cmd.sibling("MFMT", given).path(refusal=_denied(cmd))
    try:
        changed_at, accessed_at = [moment(stamp) for stamp in stamps][:2]
    except ValueError:
        raise Refuse(500, f"{_said(cmd)}: {os.strerror(errno.EINVAL)}") from None
    with _Told(cmd):
        cmd.files.utime(path, changed_at, accessed_at)
    return _done(cmd)


# -- what they share ---------------------------------------------------------------------------------------


def _said(cmd: Command) -> str:
    """The line behind SITE, which ProFTPD's refusals quote."""
    return f"{cmd.name.removeprefix('SITE ')} {cmd.argument}".rstrip()


def _need(cmd: Command, words: int) -> None:
    if len(cmd.words) < words:
        raise Refuse(500, f"'{cmd.name}' not understood")


def _done(cmd: Command) -> Outcome:
    return cmd.ok(200, f"{cmd.name} command successful")


def _denied(cmd: Command) -> tuple[int, str]:
    return 550, f"{_said(cmd)}: {os.strerror(errno.EPERM)}"


def _path(cmd: Command, given: str) -> Path:
    path = cmd.path(given, refusal=_denied(cmd))
    _check_name(cmd, path, given)
    return path


def _check_name(cmd: Command, path: Path, given: str) -> None:
    if not cmd.name_fits(given, path):
        raise Refuse(*_denied(cmd))


def _readable(cmd: Command, given: str) -> Path:
    """What a link is to lead to has to be allowed as READ."""
    asking = cmd.sibling(cmd.name, given)
    asking.group = Group.READ
    return asking.path()


async def _also(cmd: Command, name: str, virtual: str) -> None:
    """Its refusal is ours, where the path need not be named twice."""
    try:
        await cmd.also(name, virtual)
    except Refuse as refused:
        raise Refuse(refused.code, refused.lines[-1].removeprefix(f"{listing.shown(virtual)}: ")) from None


class _Told:
    """What goes wrong inside is told as ProFTPD tells it: the whole line, and the reason."""

    def __init__(self, cmd: Command) -> None:
        self._cmd = cmd

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            code = _FULL.get(error.errno or 0, 550)
            raise Refuse(code, f"{_said(self._cmd)}: {os.strerror(error.errno or errno.EIO)}") from None
        if isinstance(error, Refuse):
            # a name that lies on the disk may hold line ends
            reason = listing.shown(error.lines[-1])
            said = f"{_said(self._cmd)}: "
            raise Refuse(error.code, said + reason.removeprefix(said)) from None
