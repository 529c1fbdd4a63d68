"""AnonAllowRobots off: an anonymous area without a robots.txt has one that sends web robots away."""

from __future__ import annotations

import errno
from collections.abc import Awaitable

from ftpd.api import (
    ANON,
    Class,
    Command,
    Config,
    Data,
    Group,
    Outcome,
    Path,
    Refuse,
    Scope,
    Steady,
    Transfer,
    normalise,
)
from ftpd.modules._auth_directives import anon_allow_robots, module
from ftpd.modules._transfer import carry, opening
from ftpd.modules._xfer_params import take_part, translates

_PLACE = "/robots.txt"
_TEXT = b"User-agent: *\nDisallow: /\n"


def _has_visitors(config: Config) -> bool:
    return any(map(_is_for_visitors, config.servers))


def _is_for_visitors(scope: Scope) -> bool:
    return scope.kind == ANON or any(map(_is_for_visitors, (*scope.children, *scope.conditional)))


def _declines(cmd: Command) -> Steady:
    """Of all files of a folder, where there may be no such one."""
    session = cmd.session
    shown = session.anonymous is None or session.settings[anon_allow_robots]
    elsewhere = normalise(session.cwd, cmd.argument).count("/") > _PLACE.count("/")
    return Steady.VERB if shown or elsewhere else Steady.NOTHING


@module.cmd("RETR", group=Group.READ, classes=Class.READ, needed=_has_visitors, steady=_declines, alike=True)
def robots(cmd: Command) -> Awaitable[Outcome] | None:
    """Asked before mod_xfer, which answers for every other file and for a robots.txt that is there."""
    session = cmd.session
    if session.anonymous is None or not cmd.argument.endswith("robots.txt"):
        return None
    if normalise(session.cwd, cmd.argument) != _PLACE or session.settings[anon_allow_robots] or _is_there(cmd):
        return None
    return _send(cmd)


def _is_there(cmd: Command) -> bool:
    try:
        cmd.files.lstat(Path(_PLACE))
    except OSError as error:
        return error.errno != errno.ENOENT
    return True


async def _send(cmd: Command) -> Outcome:
    part = take_part(cmd.session)
    path = cmd.path()
    last = len(_TEXT) if part.count is None else part.offset + part.count
    if part.offset > len(_TEXT) or last > len(_TEXT):
        raise Refuse(554, f"{part.verb}: invalid {cmd.argument} argument")
    ascii = translates(cmd.session)
    content = _TEXT[part.offset : last]
    if ascii:
        content = content.replace(b"\n", b"\r\n")

    async def move(data: Data) -> None:
        await data.send((content,))

    transfer = Transfer(path.virtual, cmd.files.real(path), "o", ascii=ascii, offset=part.offset)
    transfer.file_size = len(_TEXT)
    await carry(cmd, transfer, opening(cmd, cmd.argument, last - part.offset), move)
    return cmd.ok(226, "Transfer complete")
