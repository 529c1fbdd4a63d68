"""One file at a time: DELE, RNFR and RNTO, SIZE, MDTM."""

from __future__ import annotations

import errno
import os
import stat
import time

from ftpd.api import Class, Command, Group, Outcome, Path, Refuse, ShortAnswer
from ftpd.modules._core import module
from ftpd.modules._core_folders import nothing_beneath_files
from ftpd.modules._core_move import move


@module.cmd("DELE", group=Group.WRITE, classes=Class.WRITE, usage="<sp> pathname", arity=(1, None))
def delete(cmd: Command) -> Outcome:
    path = cmd.path()
    if path.virtual == "/":
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    cmd.files.unlink(path)
    return cmd.ok(250, "DELE command successful")


# -- renaming ----------------------------------------------------------------------------------------


@module.cmd("RNFR", group=Group.WRITE, classes=Class.WRITE | Class.MISC, usage="<sp> pathname", arity=(1, None))
def rename_from(cmd: Command) -> Outcome:
    path = cmd.path()
    # the link itself is renamed, so one that leads nowhere will do
    cmd.files.lstat(path)
    cmd.session.rename_from = path
    return cmd.ok(350, "File or directory exists, ready for destination name")


@module.cmd("RNTO", group=Group.WRITE, classes=Class.WRITE | Class.MISC, usage="<sp> pathname", arity=(1, None))
async def rename_to(cmd: Command) -> Outcome:
    source = cmd.session.rename_from
    if not isinstance(source, Path):
        raise Refuse(503, "Bad sequence of commands")
    target = cmd.path()
    replace = cmd.setting("AllowOverwrite", False)
    try:
        try:
            cmd.files.rename(source, target, replace=replace)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            await _move(cmd, source, target, replace=replace)
    except FileExistsError:
        raise Refuse(550, f"{cmd.argument}: Rename permission denied") from None
    except IsADirectoryError:
        # only this direction has words of its own; a folder renamed to a file's name is "Not a directory"
        raise Refuse(550, f"{cmd.argument}: Operation not permitted") from None
    return cmd.ok(250, "Rename successful")


async def _move(cmd: Command, source: Path, target: Path, *, replace: bool) -> None:
    """To another file system; of what goes wrong in there ProFTPD speaks as ``Rename name: cause``."""
    try:
        await move(cmd, source, target, replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise Refuse(550, f"Rename {cmd.argument}: {os.strerror(error.errno or errno.EIO)}") from None


@module.log("RNTO")
@module.log_err("RNTO")
def forget_source(cmd: Command) -> None:
    """However RNTO ended, the next one needs a new RNFR; until here the logs can tell what was renamed."""
    cmd.session.rename_from = None


# -- SIZE, MDTM --------------------------------------------------------------------------------------


def _attributes(cmd: Command, path: Path) -> os.stat_result:
    if path.seen is not None:
        return path.seen
    with nothing_beneath_files():
        return cmd.files.stat(path)


def _sizes(cmd: Command, folder: str) -> ShortAnswer | None:
    glance = cmd.files.glances(folder)
    if glance is None:
        return None

    def answer(name: bytes) -> bytes | None:
        found = glance(name)
        return None if found is None else b"213 %d\r\n" % found[0]

    return answer


@module.cmd(
    "SIZE", group=Group.READ, classes=Class.INFO, usage="<sp> pathname", arity=(1, None), shortcut=_sizes
)  # fmt: skip
def size(cmd: Command) -> Outcome:
    if cmd.session.data_type == "A":
        # with every line end converted the whole file would have to be read (RFC 3659 4)
        raise Refuse(550, "SIZE not allowed in ASCII mode")
    found = _attributes(cmd, cmd.path())
    if not stat.S_ISREG(found.st_mode):
        raise Refuse(550, f"{cmd.argument}: not a regular file")
    return cmd.ok(213, str(found.st_size))


def _times(cmd: Command, folder: str) -> ShortAnswer | None:
    glance = cmd.files.glances(folder)
    if glance is None:
        return None

    def answer(name: bytes) -> bytes | None:
        found = glance(name)
        return None if found is None else b"213 %s\r\n" % _written(found[1]).encode()

    return answer


def _written(moment: float) -> str:
    """RFC 3659 3.1: always UTC, whatever TimesGMT says of listings."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(moment))


@module.cmd(
    "MDTM", group=Group.DIRS, classes=Class.INFO | Class.DIRS, usage="<sp> pathname", arity=(1, None), shortcut=_times
)  # fmt: skip
def modified(cmd: Command) -> Outcome:
    path = cmd.path()
    found = _attributes(cmd, path)
    if not stat.S_ISREG(found.st_mode):
        raise Refuse(550, f"{cmd.argument}: not a plain file")
    return cmd.ok(213, _written(found.st_mtime))
