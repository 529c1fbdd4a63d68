"""STOR, APPE and STOU: nothing that is there is touched before the client's bytes come, and 226 means in place."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Awaitable

from ftpd.api import (
    LARGEST_UPLOAD,
    LETS_BE,
    NOTED_NAMES,
    UPLOAD_GUARD,
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
    Use,
    at_file,
    begin,
    close_file,
    resolved,
)
from ftpd.modules._transfer import Place, carry, goes_straight, opening, tally
from ftpd.modules._xfer_config import (
    allow_overwrite,
    allow_store_restart,
    delete_aborted,
    display_file_transfer,
    hidden,
    max_store_size,
    max_transfers_per_host,
    max_transfers_per_user,
    module,
    option,
    rate_for,
    rule_for,
    transfer_rates,
)
from ftpd.modules._xfer_params import Part, not_understood, nothing_is_asked, take_part, translates
from ftpd.modules._xfer_send import COMPLETE, complete
from ftpd.modules._xfer_slots import slot
from ftpd.modules._xfer_spot import Spot, no_overwrite, open_spot, open_unique

_FULL = (452, 552)
_guards = module.takes_offers(UPLOAD_GUARD)
_let_be = module.takes_offers(LETS_BE)
_noted = module.takes_offers(NOTED_NAMES)


# -- the commands --------------------------------------------------------------------------------------


def _takes(cmd: Command, folder: str) -> ShortAnswer | None:
    """What takes other files as this one was taken, where nothing is to be asked of each of them or done to it."""
    session, config, files = cmd.session, cmd.config, cmd.files
    limited = bool(config[max_transfers_per_host] or config[max_transfers_per_user])
    asked = limited or config[max_store_size] or config[transfer_rates] or config[display_file_transfer]
    given = cmd.setting("UserOwner", None) is not None or cmd.setting("GroupOwner", None) is not None
    done_to_it = config[hidden] is not None or given or translates(session)
    if asked or done_to_it or session.is_debugged(10) or not goes_straight(cmd):
        return None
    way = files.way(folder)
    if way is None:
        return None

    free = [guard for guard, lets_be in _let_be if lets_be(cmd, folder)]
    guards = [guard for guard in _guards if guard not in free]

    def passes(other: Command, name: str) -> bool:
        try:
            for guard in guards:
                guard(other, Path(f"{folder.rstrip('/')}/{name}", name, config, vacant=True))
        except Refuse:
            return False
        return True

    mode = 0o666 & ~files.umask
    return session.wire.takes(
        cmd, way, opening(cmd, ""), COMPLETE, mode=mode, replaces=config[allow_overwrite],
        guard=passes if guards else None, noted=tuple(_noted), came=_came,
    )  # fmt: skip


def _came(cmd: Command, made: bool) -> None:
    """What else an upload leaves behind it that went without its command."""
    if cmd.transfer is not None:
        cmd.session[tally].moved += cmd.transfer.moved
    if not made:
        cmd.notes["mod_xfer.file-modified"] = "true"


@module.cmd(
    "STOR", group=Group.WRITE, classes=Class.WRITE, usage="<sp> pathname", shortcut=_takes, alike=nothing_is_asked,
    records=Phase.POST_CMD,
)  # fmt: skip
def store(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_store(cmd))


async def _store(cmd: Command) -> Outcome:
    part = take_part(cmd.session)
    if (begun := cmd.session.wire.begun_file()) is not None:
        return await _go_on(cmd, *begun)
    path, there = _destination(cmd, "write" if _may_replace(cmd, part) else "")
    # as in ProFTPD, who may not transfer now hears that before what else is against it
    with slot(cmd) as place:
        if there and not cmd.config[allow_overwrite]:
            raise no_overwrite(cmd.argument)
        _note_change(cmd, there)
        path, there = _aim(cmd, path, there)
        if not part.whole:
            _check_restart(cmd, there)
            _no_part_of_hidden(cmd, part)
        spot = open_spot(cmd, path, there, part)
        return await _receive(cmd, spot, place, opening(cmd, cmd.argument, part.count or 0))


async def _go_on(cmd: Command, descriptor: int, made: bool) -> Outcome:
    """With an upload that was begun as the one before it: its file is open and empty, or holds what has come."""
    try:
        path = cmd.path()
        spot = Spot(cmd.files, cmd.argument, path, path, descriptor, made)
    except BaseException:
        close_file(descriptor)
        raise
    if not made:
        cmd.notes["mod_xfer.file-modified"] = "true"
    with slot(cmd) as place:
        return await _receive(cmd, spot, place, opening(cmd, cmd.argument))


@module.cmd("APPE", group=Group.WRITE, classes=Class.WRITE, usage="<sp> pathname")
def append(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_append(cmd))


async def _append(cmd: Command) -> Outcome:
    part = take_part(cmd.session)
    if part.count is not None:
        raise Refuse(550, "APPE incompatible with RANG")
    path, there = _destination(cmd)
    with slot(cmd) as place:
        _note_change(cmd, there)
        path, there = _aim(cmd, path, there)
        _check_restart(cmd, there)
        if not part.whole:
            _no_part_of_hidden(cmd, part)
        # some clients send REST before APPE as they do before STOR: then the offset holds, as with ProFTPD
        spot = open_spot(cmd, path, there, part, appends=part.whole)
        return await _receive(cmd, spot, place, opening(cmd, cmd.argument))


@module.cmd("STOU", group=Group.WRITE, classes=Class.WRITE, usage="(store unique filename)")
async def store_unique(cmd: Command) -> Outcome:
    part = take_part(cmd.session)
    if len(cmd.words) > 1:
        raise not_understood(cmd)
    if not part.whole:
        raise Refuse(550, f"STOU incompatible with {part.verb}")
    with slot(cmd) as place:
        spot = open_unique(cmd)
        # RFC 1123 4.1.2.9: clients parse the name out of this text; ftplib's programs only get to see the last reply
        named = f"FILE: {spot.target.name}"
        return await _receive(cmd, spot, place, named, named)


# -- before the data connection --------------------------------------------------------------------------


def _no_part_of_hidden(cmd: Command, part: Part) -> None:
    if cmd.config[hidden] is not None:
        # the part would be renamed over the whole
        raise Refuse(501, f"{part.verb} not compatible with server configuration")


def _may_replace(cmd: Command, part: Part) -> bool:
    """Whether what is there will be opened as it is: nobody who watches a file is to see it opened for nothing."""
    settings = cmd.config
    return part.whole and settings[allow_overwrite] and settings[hidden] is None


def _destination(cmd: Command, use: Use = "") -> tuple[Path, os.stat_result | None]:
    """The path, and what is there already; a folder that is missing or closed is told at once."""
    if not cmd.argument:
        raise not_understood(cmd)
    path = cmd.path(use=use)
    for guard in _guards:
        guard(cmd, path)
    if path.seen is not None or path.vacant:
        return path, path.seen
    try:
        return path, cmd.files.lstat(path)
    except FileNotFoundError:
        return path, None


def _note_change(cmd: Command, there: os.stat_result | None) -> None:
    """What %{file-modified} of a LogFormat tells: that there was a file before."""
    if there is not None and not stat.S_ISDIR(there.st_mode):
        cmd.notes["mod_xfer.file-modified"] = "true"


def _aim(cmd: Command, path: Path, there: os.stat_result | None) -> tuple[Path, os.stat_result | None]:
    """Uploads go into regular files; a link leads to one that is there, and whose folder's settings hold."""
    if there is None or stat.S_ISREG(there.st_mode):
        return path, there
    links = option(cmd.session, "AllowSymlinkUpload") or option(cmd.session, "AllowSymlinkUploads")
    if stat.S_ISLNK(there.st_mode):
        try:
            virtual = resolved(cmd.files, path.virtual, cmd.session.settled, to_be_made=links)
        except FileNotFoundError:
            if links:
                raise
        except OSError:
            pass
        else:
            target = Path(virtual, path.given, path.settings)
            try:
                there = cmd.files.lstat(target)
            except FileNotFoundError:
                return target, None
            if stat.S_ISREG(there.st_mode):
                return target, there
    raise Refuse(550, f"{cmd.argument}: Not a regular file")


def _check_restart(cmd: Command, there: os.stat_result | None) -> None:
    if there and not cmd.config[allow_store_restart]:
        raise Refuse(451, f"{cmd.argument}: Append/Restart not permitted, try again")


# -- the transfer and its end ------------------------------------------------------------------------------


async def _receive(cmd: Command, spot: Spot, place: Place, announce: str, *told: str) -> Outcome:
    ascii = translates(cmd.session)
    offset = spot.size if spot.appends else spot.part.offset
    transfer = Transfer(spot.target.virtual, spot.files.real(spot.target), "i", ascii=ascii, offset=offset)
    try:
        room = _room(cmd, spot)

        def move(data: Data) -> Awaitable[object]:
            if rate := rate_for(cmd.session, cmd.config[transfer_rates], cmd.name):
                data.throttle(rate.rate, rate.free)
            if spot.replaces and not data.announced:
                at_file(spot.descriptor, _empty)
            at = None if spot.appends else spot.part.offset + data.moved
            coming = data.receive_file(spot.descriptor, offset=at, ascii=ascii, limit=room)
            return coming if spot.part.count is None else _whole_range(coming, spot.part.count)

        await carry(cmd, transfer, announce, move, place=place)
        # what was empty holds what has come; of anything else the file itself tells
        begun_empty = spot.replaces or (spot.made and not offset)
        transfer.file_size = transfer.moved if begun_empty else at_file(spot.descriptor, os.fstat).st_size
        _publish(cmd, spot)
    except BaseException as error:  # a session that ends in the middle of it cleans up as well
        if transfer.status == "success":
            transfer.status = "failed"
        if spot.descriptor >= 0:
            transfer.file_size = at_file(spot.descriptor, os.fstat).st_size
        if _unwanted(cmd, spot, transfer, error):
            kind = "file" if spot.work == spot.target else "HiddenStores file"
            cmd.session.log(Level.NOTICE, "removing aborted %s '%s'", kind, spot.files.real(spot.work))
            spot.remove()
        if isinstance(error, TransferError) and error.code == 552 and error.moved == spot.part.count:
            raise TransferError(426, f"Transfer aborted. {os.strerror(errno.EPERM)}", moved=error.moved) from None
        if isinstance(error, TransferError) and error.code == 552 and offset + error.moved == (most := _largest(cmd)):
            text = "MaxStoreFileSize (%d bytes) reached: aborting transfer of '%s'"
            cmd.session.log(Level.NOTICE, text, most, transfer.real_path)
        raise
    finally:
        spot.close()
    return complete(cmd, *told)


async def _whole_range(coming: Awaitable[int], count: int) -> None:
    moved = await coming
    if moved < count:
        # the range was promised whole; what is missing would look as if it had come
        raise TransferError(426, f"Transfer aborted. {os.strerror(errno.EPERM)}", moved=moved)


def _empty(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)


def _room(cmd: Command, spot: Spot) -> int | None:
    """How many bytes may come: what MaxStoreFileSize leaves, and no more than the range."""
    most = _largest(cmd)
    if most is None:
        return spot.part.count
    start = spot.size if spot.appends else spot.part.offset
    if start >= most:
        raise Refuse(552, f"{spot.label}: {os.strerror(errno.EFBIG)}")
    return min(most - start, spot.part.count or most)


def _largest(cmd: Command) -> int | None:
    """What MaxStoreFileSize says here, for uploads and for those who make files by other commands."""
    rule = rule_for(cmd.session, cmd.config[max_store_size])
    return None if rule is None else rule.bytes


module.offer(LARGEST_UPLOAD, _largest)


def _publish(cmd: Command, spot: Spot) -> None:
    """Close, which is when NFS and quotas tell of a full disk, and give a hidden file its name."""
    spot.close()
    if spot.work == spot.target:
        return
    try:
        spot.files.rename(spot.work, spot.target, replace=cmd.config[allow_overwrite] and cmd.name != "STOU")
    except FileExistsError:
        raise no_overwrite(spot.label) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        work, target, reason = spot.work, spot.target, error.strerror
        real = spot.files.real
        cmd.session.log(Level.WARN, "Rename of %s to %s failed: %s.", real(work), real(target), reason)
        text = f"{target.virtual}: Rename of hidden file {work.virtual} failed: {reason}"
        raise Refuse(550, text) from None


def _unwanted(cmd: Command, spot: Spot, transfer: Transfer, error: BaseException) -> bool:
    """Whether what there is of a failed upload goes: never what was there before and has not been touched."""
    if not transfer.moved:
        # nothing has come: an empty file would look like one that was sent
        return spot.made
    if spot.work != spot.target:
        return cmd.config[delete_aborted] or delete_aborted not in cmd.config
    if not (spot.made or spot.replaces):
        return False
    return cmd.config[delete_aborted] or (isinstance(error, TransferError) and error.code in _FULL)
