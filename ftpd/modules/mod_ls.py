"""mod_ls -- LIST, NLST and STAT: listings in the layout of ls, which clients have parsed for forty years."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial

from ftpd.api import (
    DECLINED,
    Class,
    Command,
    Data,
    Group,
    Outcome,
    Path,
    Phase,
    Refuse,
    ShortAnswer,
    Transfer,
    begin,
    listing,
    meant,
)
from ftpd.modules._folders import can_be_shown_again
from ftpd.modules._ls_config import module, show_symlinks
from ftpd.modules._ls_names import names
from ftpd.modules._ls_request import Denied, Flags, Found, Request, find, is_pattern, read
from ftpd.modules._ls_walk import SmallFolders, is_quick, lines, send_plain
from ftpd.modules._transfer import carry, opening, plural, tally

__all__ = ["module"]

COMPLETE = "Transfer complete"
_MOST_STATUS_LINES = 10_000
"""Lines of one STAT: all of it waits in memory for the control connection."""
_STATUS_LINE = 256
"""Bytes that such a line takes, and as a part of the reply once more."""
_REST = 10.0
"""Seconds between two looks for memory of long listings that nobody has wanted since."""

module.every(_REST)(listing.rest)


def _lists(cmd: Command, folder: str) -> ShortAnswer | None:
    """What lists other folders as this one was listed, where nothing is to be asked of each of them."""
    if not can_be_shown_again(cmd):
        return None
    request = read(cmd)
    if request.flags or request.limits.names_alone or request.limits.counts or not is_quick(cmd):
        return None
    return cmd.session.wire.lists(cmd, folder, opening(cmd, "file list"), COMPLETE, SmallFolders())


@module.cmd(
    "LIST", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> pathname]", shortcut=_lists, alike=True,
    records=Phase.LOG_CMD,
)  # fmt: skip
def list_folder(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_list_folder(cmd))


async def _list_folder(cmd: Command) -> Outcome:
    request = read(cmd)
    failure: Refuse | None = None
    try:
        found = await find(cmd, request.text)
    except OSError as error:
        found = Found([], False)
        # ProFTPD lists nothing where <Limit> denies what is there, nor for a pattern that nothing matches, be those off
        nothing = isinstance(error, Denied) or (isinstance(error, _NOT_THERE) and _is_wild(request.text))
        if not nothing and not _is_no_error(request, error):
            failure = _absent(request.text or ".", error)
    # ProFTPD announces the list before it looks: clients that wait for 150 get it, and the 450 after it
    await _send(cmd, request, found, lambda: lines(cmd, request, found), partial(send_plain, cmd, request, found))
    if failure is not None:
        raise failure
    return cmd.ok(226, COMPLETE)


@module.cmd("NLST", group=Group.DIRS, classes=Class.DIRS, usage="[<sp> (pathname)]")
def list_names(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_list_names(cmd))


async def _list_names(cmd: Command) -> Outcome:
    request = read(cmd)
    # with its options, as in ProFTPD
    told = cmd.argument.lstrip(" ")
    try:
        found = await find(cmd, request.text)
        if not found.targets and not found.veiled:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if (
            found.targets
            and found.literal
            and not found.is_folder
            and not stat.S_ISREG(cmd.files.stat(found.targets[0].path).st_mode)
        ):
            raise Refuse(450, f"{told}: Not a regular file")
    except OSError as error:
        # a pattern that leads into a closed folder matches nothing, as in ProFTPD
        nothing_matches = isinstance(error, _NOT_THERE) and is_pattern(cmd, request.text)
        if not (_is_no_error(request, error) or (nothing_matches and _may_be_absent(request))):
            if nothing_matches:
                raise Refuse(450, "No files found") from None
            raise _absent(told or cmd.session.cwd, error) from None
        found = Found([], False)
    await _send(cmd, request, found, lambda: names(cmd, request, found))
    return cmd.ok(226, COMPLETE)


def _absent(text: str, error: OSError) -> Refuse:
    return Refuse(450, f"{text}: {error.strerror}")


_NOT_THERE = FileNotFoundError, NotADirectoryError, PermissionError


def _is_wild(text: str) -> bool:
    """What ProFTPD takes for a pattern, be they on or off: nothing is said of what it does not match.

    >>> [name for name in ("a*", "?", "[ab]", "a[", "]a[", "{a,b}") if _is_wild(name)]
    ['a*', '?', '[ab]']
    """
    return "*" in text or "?" in text or "]" in text.partition("[")[2]


def _is_no_error(request: Request, error: OSError) -> bool:
    """NoErrorIfAbsent is about what is not there; a file in the place of a folder remains an error, as in ProFTPD."""
    return isinstance(error, FileNotFoundError) and _may_be_absent(request)


def _may_be_absent(request: Request) -> bool:
    return "NoErrorIfAbsent" in request.limits.words


async def _send(
    cmd: Command,
    request: Request,
    found: Found,
    source: Callable[[], AsyncGenerator[list[str], None]],
    plain: Callable[[Callable[[Iterable[bytes]], Awaitable[object]]], Awaitable[bool]] | None = None,
) -> None:
    """Send what comes from the source, if ``plain`` has not sent it already."""
    path = found.targets[0].path if found.literal and found.targets else Path(meant(cmd.session, request.text))
    transfer = Transfer(path.virtual, cmd.files.real(path), "l", ascii=True)

    async def chunks() -> AsyncGenerator[bytes, None]:
        async with aclosing(source()) as made:
            async for some in made:
                if some:
                    yield sendable(some)

    def sendable(some: list[str]) -> bytes:
        return cmd.session.spoken("\r\n".join(some) + "\r\n")

    async def move(data: Data) -> None:
        def send(steps: Iterable[bytes]) -> Awaitable[object]:
            return data.send(map(cmd.session.spoken, steps))

        if data.rest is not None:
            await data.send(data.rest)
            return
        if plain is not None and await plain(send):
            return
        # closing: a folder must not stay open behind a client that went away
        async with aclosing(chunks()) as made:
            await data.send(made)

    await carry(cmd, transfer, opening(cmd, "file list"), move)


# -- STAT --------------------------------------------------------------------------------------------


@module.cmd("STAT", group=Group.DIRS, classes=Class.INFO, usage="[<sp> pathname]")
def status_of_path(cmd: Command) -> Outcome | Awaitable[Outcome]:
    """A listing over the control connection (RFC 959): always with all entries, never what lies below."""
    return begin(_status_of_path(cmd))


def _is_there(cmd: Command, text: str) -> bool:
    try:
        return cmd.gate.is_there(cmd, text, follow=False) is not None
    except OSError:
        return False


async def _status_of_path(cmd: Command) -> Outcome:
    request = read(cmd)
    shown = request.text or "."
    always = {"a"} - set(request.limits.denied)
    # the client's -F has no say here, the configuration's has
    marks = {"F"} - set(request.limits.flags)
    letters = (request.flags | always) - {"R", "d", "C", "1"} - marks
    # what LIST must not show is not for STAT either
    request = Request(Flags(letters, "1" if request.limits.names_alone else "l"), request.text, request.limits)
    try:
        found = await find(cmd, request.text, patterns=False)
        made: list[str] = []
        async with aclosing(lines(cmd, request, found)) as source:
            async for some in source:
                made += [line for text in some for line in text.split("\r\n")]
                if cmd.session.allowance is not None:
                    cmd.session.allowance.room(len(made) * _STATUS_LINE, shown)
                if len(made) > _MOST_STATUS_LINES:
                    del made[_MOST_STATUS_LINES:]
                    made.append("... and more, which LIST shows")
                    break
    except Denied as denied:
        return cmd.ok(212 if denied.is_folder else 213, f"Status of {shown}:", "End of status")
    except OSError as error:
        # a link that leads nowhere is there; alone for NoErrorIfAbsent ProFTPD does not look where it leads
        if not (_is_no_error(request, error) and _is_there(cmd, shown)):
            raise _absent(shown, error) from None
        found, made = Found([], True), []
    # a link that is shown as a link is no folder
    as_link = cmd.config[show_symlinks] and any(stat.S_ISLNK(target.attributes.st_mode) for target in found.targets)
    return cmd.ok(212 if found.is_folder and not as_link else 213, f"Status of {shown}:", *made, "End of status")


@module.cmd("STAT", group=Group.DIRS, classes=Class.INFO, usage="[<sp> pathname]")
def status_of_session(cmd: Command) -> Outcome | None:
    """STAT alone tells of the session; it may come while a transfer runs. Declared last, it is asked first."""
    if cmd.argument:
        return DECLINED
    cmd.path(".", refusal=(500, "STAT: Operation not permitted"))
    session = cmd.session
    kind = "ASCII" if session.data_type == "A" else "BINARY"
    counts = session[tally]
    told = [
        f"Status of '{session.setting('ServerName', 'ProFTPD')}'",
        f"Connected from {session.remote_name} ({session.remote.host})",
        f"Logged in as {session.user}",
        f"TYPE: {kind}, STRUcture: File, Mode: Stream",
    ]
    moving = session.wire.data
    total = counts.moved + (0 if moving is None else moving.moved)
    if total:
        told.append(f"Total bytes transferred for session: {total}")
    if moving is None or counts.current is None:
        told.append("No data connection")
    else:
        told.append("Data connection established")
        told.append(f"{plural(moving.moved, 'byte')} transferred")
    return cmd.ok(211, *told, "End of status")
