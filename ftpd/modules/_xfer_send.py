"""RETR: a file, or the part of it that REST or RANG asked for, goes to the client."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable
from functools import partial

from ftpd.api import (
    Class,
    Command,
    Data,
    Group,
    Level,
    Outcome,
    Path,
    Phase,
    Refuse,
    ShortAnswer,
    Transfer,
    TransferError,
    at_file,
    begin,
    close_file,
    normalise,
)
from ftpd.modules import _display
from ftpd.modules._core import state as core_state
from ftpd.modules._transfer import carry, goes_straight, opening
from ftpd.modules._xfer_config import (
    allow_retrieve_restart,
    display_file_transfer,
    max_retrieve_size,
    max_transfers_per_host,
    max_transfers_per_user,
    module,
    rate_for,
    rule_for,
    transfer_rates,
    use_sendfile,
)
from ftpd.modules._xfer_params import WHOLE, Part, not_understood, nothing_is_asked, take_part, translates
from ftpd.modules._xfer_slots import slot

COMPLETE = "Transfer complete"
_SOME = 1
"""A size by which UseSendfile is asked whether it has a say in how much goes out at once."""


def for_transfers(error: OSError, label: str) -> Exception:
    """A folder, a FIFO, a device: none of them is for transfers, and all get ProFTPD's one answer."""
    return Refuse(550, f"{label}: Not a regular file") if error.errno in (errno.EISDIR, errno.EINVAL) else error


def _sends(cmd: Command, folder: str) -> ShortAnswer | None:
    """What sends other files as this one was sent, where nothing is to be asked of each of them or done to it."""
    session, config = cmd.session, cmd.config
    limited = bool(config[max_transfers_per_host] or config[max_transfers_per_user])
    asked = limited or config[max_retrieve_size] or config[transfer_rates] or config[use_sendfile].slice(_SOME)
    shown = config[display_file_transfer] or session.is_debugged(10)
    if asked or shown or translates(session) or not goes_straight(cmd):
        return None
    way = cmd.files.way(folder)
    return None if way is None else session.wire.sends(cmd, way, opening(cmd, ""), COMPLETE)


@module.cmd(
    "RETR", group=Group.READ, classes=Class.READ, usage="<sp> pathname", shortcut=_sends, alike=nothing_is_asked,
    records=Phase.LOG_CMD,
)  # fmt: skip
def retrieve(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_retrieve(cmd))


async def _retrieve(cmd: Command) -> Outcome:
    session = cmd.session
    part = take_part(session)
    if not cmd.argument:
        raise not_understood(cmd)
    path = cmd.path(use="read")
    with slot(cmd) as place:
        descriptor = _open(cmd, path)
        try:
            # what the gate has opened it has seen as well
            known = path.seen if path.opened is not None and path.seen is not None else at_file(descriptor, os.fstat)
            count = _check_part(cmd, part, known.st_size)
            ascii = translates(session)
            transfer = Transfer(path.virtual, cmd.files.real(path), "o", ascii=ascii, offset=part.offset)
            transfer.file_size = known.st_size
            move = partial(_move, cmd, descriptor, known, part.offset, count, ascii)
            await carry(cmd, transfer, opening(cmd, cmd.argument, count), move, place=place)
        finally:
            close_file(descriptor)
    return complete(cmd)


def _open(cmd: Command, path: Path) -> int:
    try:
        return cmd.files.open_read(path)
    except OSError as error:
        raise for_transfers(error, cmd.argument) from None


def complete(cmd: Command, *told: str) -> Outcome:
    """226, with what is to be told and the text of DisplayFileTransfer before it."""
    file = cmd.config[display_file_transfer]
    shown: list[str] = []
    if file is not None and cmd.transfer is not None:
        # as in ProFTPD, the message tells the bytes of this transfer with the others, but not yet its file
        cmd.session[core_state].count_bytes(cmd.transfer)
    if file is not None and file.startswith("/"):
        # as with ProFTPD, what is not there on the machine may be there in the client's root
        shown = _display.of_machine(file, cmd.session) or _display.of_session(Path(normalise("/", file)), cmd.session)
    elif file is not None:
        shown = _display.of_session(Path(f"{cmd.session.cwd.rstrip('/')}/{file}"), cmd.session)
    return cmd.ok(226, *told, *shown, COMPLETE)


def _move(
    cmd: Command, descriptor: int, known: os.stat_result, offset: int, count: int, ascii: bool, data: Data
) -> Awaitable[object] | None:
    session, config, size = cmd.session, cmd.config, known.st_size
    _check_size(cmd, size)
    if rate := rate_for(session, config[transfer_rates], "RETR"):
        data.throttle(rate.rate, rate.free)
    how = config[use_sendfile]
    if session.is_debugged(10):
        for line in how.told(ascii=ascii):
            session.debug(10, "%s", line)
    slice = how.slice(size)
    # what has gone before has gone with the same 150
    sent = data.moved
    if not (sent or ascii or slice):
        sent = data.send_at_once(descriptor, known.st_dev, offset=offset, count=count)
    # nothing at all says nothing (procfs)
    if sent and sent == count:
        return None
    return data.send_file(
        descriptor, offset=offset + sent, count=count - sent, ascii=ascii, sendfile=how.on, slice=slice
    )  # fmt: skip


def _check_size(cmd: Command, size: int) -> None:
    """ProFTPD opens the data connection first, and its 426 is what clients and log readers know."""
    rule = rule_for(cmd.session, cmd.config[max_retrieve_size])
    if rule is not None and rule.bytes is not None and size > rule.bytes:
        text = "MaxRetrieveFileSize (%d byte%s) reached: aborting transfer of '%s'"
        path = cmd.argument if cmd.transfer is None else cmd.transfer.real_path
        cmd.session.log(Level.NOTICE, text, rule.bytes, "" if rule.bytes == 1 else "s", path)
        raise TransferError(426, f"Transfer aborted. {os.strerror(errno.EPERM)}")


def _check_part(cmd: Command, part: Part, size: int) -> int:
    """How many bytes there are to send."""
    if part is WHOLE:
        return size
    if not cmd.config[allow_retrieve_restart]:
        raise Refuse(451, f"{cmd.argument}: Restart not permitted, try again")
    if part.offset > size:
        raise Refuse(554, f"{part.verb}: invalid {cmd.argument} argument")
    if part.count is None:
        return size - part.offset
    if part.offset and part.offset + part.count > size:
        # less than was asked for would look like all of it (draft-bryan-ftp-range); from 0 on, the whole file is that
        raise Refuse(554, f"{cmd.argument}: invalid RANG argument")
    return min(part.count, size - part.offset)
