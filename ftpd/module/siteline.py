"""Refusals of mod_site_misc: the whole line behind SITE and the reason, as ProFTPD tells them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ftpd.core.listing import shown
from ftpd.core.reply import Refuse
from ftpd.module.command import Command

_FULL = {errno.ENOSPC: 452, errno.EDQUOT: 552}


def refusal(cmd: Command, code: int, number: int) -> Refuse:
    """For the reason of that errno."""
    return Refuse(code, f"{_said(cmd)}: {os.strerror(number)}")


def denied(cmd: Command) -> tuple[int, str]:
    """The code and the text where <Limit>, or a filter of names, forbids it."""
    return 550, f"{_said(cmd)}: {os.strerror(errno.EPERM)}"


@contextmanager
def told(cmd: Command) -> Iterator[None]:
    """What goes wrong inside is told so."""
    try:
        yield
    except OSError as error:
        raise refusal(cmd, _FULL.get(error.errno or 0, 550), error.errno or errno.EIO) from None
    except Refuse as error:
        # a name that lies on the disk may hold line ends
        reason = shown(error.lines[-1])
        said = f"{_said(cmd)}: "
        raise Refuse(error.code, said + reason.removeprefix(said)) from None


async def also(cmd: Command, name: str, virtual: str) -> None:
    """Its refusal is ours, where the path need not be named twice."""
    try:
        await cmd.also(name, virtual)
    except Refuse as refused:
        raise Refuse(refused.code, refused.lines[-1].removeprefix(f"{shown(virtual)}: ")) from None


def _said(cmd: Command) -> str:
    return f"{cmd.name.removeprefix('SITE ')} {cmd.argument}".rstrip()
