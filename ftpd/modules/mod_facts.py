"""mod_facts -- MLSD and MLST: listings for programs (RFC 3659 7), and MFF and MFMT to change what they show."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Awaitable, Iterator
from contextlib import aclosing

from ftpd.api import (
    Class,
    Command,
    Data,
    Group,
    Outcome,
    Path,
    Phase,
    Refuse,
    Session,
    ShortAnswer,
    Transfer,
    acls,
    begin,
    mlsx,
    resolved,
)
from ftpd.modules import _facts_change
from ftpd.modules._facts_config import UNABLE, advertise, choose, chosen, has_chosen_nothing, module, offered
from ftpd.modules._facts_lines import Facts
from ftpd.modules._facts_walk import SmallFolders, chunks, plain
from ftpd.modules._folders import can_be_shown_again
from ftpd.modules._transfer import carry, opening

__all__ = ["module"]

COMPLETE = "Transfer complete"
_MFF = "MFF " + "".join(f"{name};" for name in _facts_change.CHANGEABLE)


def features(session: Session) -> Iterator[str]:
    if session.settings[advertise]:
        shown = chosen(session)
        yield _MFF
        yield "MFMT"
        yield "MLST " + "".join([f"{name}*;" if name in shown else f"{name};" for name in offered(session)])
        yield "TVFS"


module.feat(features, alike=has_chosen_nothing)


@module.opts("MLST")
def choose_facts(cmd: Command) -> Outcome:
    if len(cmd.words) > 1:
        return cmd.fail(501, "'OPTS MLST' not understood")
    names = "".join(f"{name};" for name in choose(cmd.session, cmd.argument.strip()))
    # with names of which none is known, ProFTPD's line ends with the blank
    return cmd.ok(200, f"MLST OPTS {names}" if cmd.argument else "MLST OPTS")


def _shows_links(cmd: Command) -> bool:
    """Whether ShowSymlinks is there and on; MLSD shows links without it as well."""
    key = cmd.session.modules.directive("ShowSymlinks")
    return key is not None and key in cmd.config and bool(cmd.config[key])


def _named(cmd: Command) -> str:
    """The path of MLSD and MLST: no flags and no patterns (RFC 3659 2.2.2); blanks alone are none."""
    return cmd.argument if cmd.words else ""


def _hides_itself(cmd: Command, given: str) -> bool:
    """Asked for by its plain name, an entry is hidden by a section of its own as well, as in ProFTPD."""
    hides = cmd.own_sections() if given and "/" not in given else None
    return hides is not None and hides(given)


@module.cmd("MLST", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> pathname]")
def facts_of_one(cmd: Command) -> Outcome:
    given = _named(cmd)
    path = cmd.path(given or ".", refusal=UNABLE)
    label = given or path.virtual
    files = cmd.files
    try:
        attributes = files.stat(path)
    except OSError:
        if not path.absent and (cmd.hides_name(path) or _hides_itself(cmd, given)):
            # else the answer would tell which hidden names are there
            return cmd.ok(250, f"Start of list for {label}", "End of list")
        raise Refuse(550, f"'{label}' cannot be listed") from None
    itself = files.lstat(path)
    if cmd.hides(path, itself) or _hides_itself(cmd, given):
        return cmd.ok(250, f"Start of list for {label}", "End of list")
    above = Path(posixpath.dirname(path.virtual))
    # where ShowSymlinks asks for them by name, ProFTPD tells of the link, under the name of what it leads to
    of_link = stat.S_ISLNK(itself.st_mode) and _shows_links(cmd)
    perm = mlsx.permissions(
        folder=not of_link and stat.S_ISDIR(attributes.st_mode),
        readable=files.access(path, os.R_OK),
        writable=files.access(path, os.W_OK),
        searchable=files.access(path, os.X_OK),
        removable=acls.may_remove(files, above, files.stat(above), itself),
    )
    facts = Facts(cmd)
    if of_link:
        shown = path.virtual if facts.slink else resolved(files, path.virtual, "/")
        line = facts.line(shown, itself, perm, kind=facts.kind_of_link(path), unique=attributes)
    else:
        line = facts.line(path.virtual, attributes, perm, kind=None, unique=None)
    return cmd.ok(250, f"Start of list for {label}", line, "End of list")


def _lists(cmd: Command, folder: str) -> ShortAnswer | None:
    """What lists other folders as this one was listed, where nothing is to be asked of each of them."""
    if acls.count(cmd.session) or not can_be_shown_again(cmd):
        return None
    return cmd.session.wire.lists(cmd, folder, opening(cmd, "MLSD"), COMPLETE, SmallFolders())


@module.cmd(
    "MLSD", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> pathname]", shortcut=_lists, alike=has_chosen_nothing,
    records=Phase.LOG_CMD,
)  # fmt: skip
def facts_of_folder(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_facts_of_folder(cmd))


async def _facts_of_folder(cmd: Command) -> Outcome:
    given = _named(cmd)
    path = cmd.path(given or ".", refusal=UNABLE, use="list")
    label = given or path.virtual
    try:
        opened = cmd.files.open_folder(path)
    except NotADirectoryError:
        if _is_entry(cmd, path):
            raise Refuse(550, f"'{label}' is not a directory") from None
        raise
    except OSError as error:
        raise Refuse(550, f"{label}: {error.strerror}") from None
    with opened as folder:
        transfer = Transfer(path.virtual, cmd.files.real(path), "l", ascii=True)

        async def move(data: Data) -> None:
            lines = data.rest or await plain(cmd, path, folder)
            if lines is not None:
                await data.send(lines)
                return
            async with aclosing(chunks(cmd, path, folder)) as made:
                await data.send(made)

        await carry(cmd, transfer, opening(cmd, "MLSD"), move)
    return cmd.ok(226, COMPLETE)


def _is_entry(cmd: Command, path: Path) -> bool:
    """A file where a folder was asked for; not one in the middle of the path."""
    try:
        cmd.files.lstat(path)
    except OSError:
        return False
    return True
