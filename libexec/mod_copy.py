"""mod_copy -- copy files and whole folders on the server itself: SITE CPFR and SITE CPTO, and SITE COPY."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from functools import partial
from time import perf_counter

from ftpd.api import (
    GLOBAL,
    LARGEST_UPLOAD,
    SERVER,
    VHOST,
    Command,
    Group,
    Module,
    Outcome,
    Path,
    Refuse,
    Session,
    Transfer,
    Work,
    copying,
    filecopy,
    foldercopy,
    listing,
    normalise,
    types,
)

module = Module("copy", version="1.0")

engine = module.directive(
    "CopyEngine", types.boolean, default=True, contexts=SERVER | GLOBAL | VHOST, usage="on|off",
    doc="Whether SITE CPFR, SITE CPTO and SITE COPY are answered.",
)  # fmt: skip
options = module.directive_list(
    "CopyOptions", types.flags("NoDeleteOnFailure"), contexts=SERVER | GLOBAL | VHOST, usage="NoDeleteOnFailure",
    doc="What is different from the ordinary when a copy fails.",
)  # fmt: skip

# notes on a command, which the handlers of other modules may read
SOURCE, TARGET = "mod_copy.source", "mod_copy.target"
"""Virtual paths; set before PRE_CMD on the commands that copy one entry of a folder, else when the copy begins."""
REPLACED = "mod_copy.replaced"
"""The size of what the copy took the place of; None when there was nothing."""
UNDONE = "mod_copy.undone"
"""On a copy of a folder that failed: how many files, and bytes, were copied and have been removed again."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Chosen:
    def __init__(self) -> None:
        self.source: str | None = None


chosen = module.session_state(_Chosen)
_limits = module.takes_offers(LARGEST_UPLOAD)


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[engine]:
        yield "SITE COPY"


# -- the commands --------------------------------------------------------------------------------------


@module.site("CPFR", group=Group.READ, usage="<sp> pathname", when=engine)
def copy_from(cmd: Command) -> Outcome:
    _need(cmd, bool(cmd.words))
    path = cmd.path()
    if not cmd.name_fits(cmd.argument, path):
        raise Refuse(550, f"{cmd.argument}: Forbidden filename")
    try:
        # a link is copied itself, so one that leads nowhere will do
        cmd.files.lstat(path)
    except OSError as error:
        raise _refusal(path.virtual, error) from None
    cmd.session[chosen].source = cmd.session.notes["mod_copy.cpfr-path"] = path.virtual
    return cmd.ok(350, "File or directory exists, ready for destination name")


@module.site("CPTO", group=Group.WRITE, usage="<sp> pathname", when=engine)
async def copy_to(cmd: Command) -> Outcome:
    _need(cmd, bool(cmd.words))
    source = cmd.notes.get(SOURCE, cmd.session[chosen].source)
    if source is None:
        raise Refuse(503, "Bad sequence of commands")
    await _copy(cmd, source, cmd.notes.get(TARGET, cmd.argument))
    return cmd.ok(250, "Copy successful")


@module.log("SITE CPTO")
@module.log_err("SITE CPTO")
def forget_source(cmd: Command) -> None:
    """However CPTO ended, the next one needs a new CPFR."""
    cmd.session.forget(chosen)
    cmd.session.notes.pop("mod_copy.cpfr-path", None)


@module.site("COPY", group=Group.WRITE, usage="<sp> source <sp> destination", when=engine)
async def copy(cmd: Command) -> Outcome:
    if SOURCE in cmd.notes:
        source, target = cmd.notes[SOURCE], cmd.notes[TARGET]
    else:
        # two names without blanks; names that have some are for CPFR and CPTO
        _need(cmd, len(cmd.words) == 2)
        source, target = cmd.words
    await _copy(cmd, source, target)
    return cmd.ok(200, "SITE COPY command successful")


def _need(cmd: Command, enough: bool) -> None:
    if not enough:
        raise Refuse(500, f"'{cmd.name}' not understood")


# -- what may be copied, and where to --------------------------------------------------------------------


async def _copy(cmd: Command, source_given: str, target_given: str) -> None:
    label = _label(cmd)
    source = _readable(cmd, source_given)
    shown = normalise(cmd.session.cwd, target_given) if label == "CPTO" else target_given
    target = cmd.path(target_given, refusal=(550, f"{listing.shown(shown)}: {os.strerror(errno.EPERM)}"))
    # an entry of a folder is judged as if the client stood in that folder and named it
    given = target.name if SOURCE in cmd.notes else target_given
    if not cmd.name_fits(given, target):
        raise Refuse(550, f"{label}: {os.strerror(errno.EPERM)}")
    cmd.notes[SOURCE], cmd.notes[TARGET] = source.virtual, target.virtual
    try:
        kind = cmd.files.lstat(source).st_mode
        if stat.S_ISDIR(kind):
            with cmd.busy() as work:
                await _copy_folder(cmd, work, source, target)
        elif stat.S_ISREG(kind):
            with cmd.busy() as work:
                await _copy_file(cmd, work, source, target)
        elif stat.S_ISLNK(kind):
            cmd.notes[REPLACED] = await cmd.offload(
                partial(filecopy.copy_link, cmd.files, source, target, overwrite=_overwrites(cmd)), copying.POOL
            )
        else:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    except OSError as error:
        raise _refusal(label, error) from None


def _label(cmd: Command) -> str:
    return cmd.name.removeprefix("SITE ")


def _refusal(label: str, error: OSError) -> Refuse:
    return Refuse(552 if error.errno in _FULL else 550, f"{label}: {os.strerror(error.errno or errno.EIO)}")


def _readable(cmd: Command, given: str) -> Path:
    """The path of a source: copying is in the group WRITE, but what is copied must be allowed as READ."""
    asking = cmd.sibling("SITE COPY" if cmd.name == "SITE COPY" else "SITE CPFR", given)
    asking.group = Group.READ
    return asking.path(refusal=(550, f"{listing.shown(given)}: {os.strerror(errno.EPERM)}"))


# -- one file or link ------------------------------------------------------------------------------------


async def _copy_file(cmd: Command, work: Work, source: Path, target: Path) -> None:
    began = perf_counter()
    most = min((count for limit in _limits if (count := limit(cmd)) is not None), default=None)
    one = filecopy.FileCopy(cmd.files, source, target, overwrite=_overwrites(cmd), keep=_keeps(cmd), most=most)
    await copying.in_slices(cmd, work, one, _label(cmd))
    done = Transfer(target.virtual, cmd.files.real(target), "d", ascii=cmd.session.data_type == "A")
    done.moved = done.file_size = one.size
    done.seconds, done.status = perf_counter() - began, "success"
    cmd.transfer = done
    cmd.notes[REPLACED] = one.replaced


def _overwrites(cmd: Command) -> bool:
    return cmd.setting("AllowOverwrite", False)


def _keeps(cmd: Command) -> bool:
    return any("NoDeleteOnFailure" in chosen for chosen in cmd.session.settings[options])


# -- a folder with all that is in it -----------------------------------------------------------------------


async def _copy_folder(cmd: Command, work: Work, source: Path, target: Path) -> None:
    """Every file is a command of its own, so <Limit>, filters, quotas and logs see it; so is every folder, as MKD."""
    if f"{target.virtual}/".startswith(f"{source.virtual.rstrip('/')}/"):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    whole = foldercopy.FolderCopy(
        cmd, work, _label(cmd), readable=partial(_readable, cmd), copy_entry=partial(_copy_entry, cmd)
    )
    try:
        await whole.run(source, target)
    except BaseException as error:
        if not _keeps(cmd):
            cmd.notes[UNDONE] = whole.copied
            await whole.undo()
        if whole.left and isinstance(error, (Refuse, OSError)):
            refusal = error if isinstance(error, Refuse) else _refusal(_label(cmd), error)
            raise Refuse(refusal.code, *refusal.lines, whole.left) from None
        raise


async def _copy_entry(cmd: Command, source: str, target: str) -> int | None:
    """The size of the file or link that is copied, None when it took the place of something."""
    argument = f"{source} {target}" if cmd.name == "SITE COPY" else target
    inner = await cmd.also(cmd.name, argument, notes={SOURCE: source, TARGET: target})
    if inner.notes[REPLACED] is not None:
        return None
    return inner.transfer.moved if inner.transfer else 0
