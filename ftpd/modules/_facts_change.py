"""MFMT and MFF: facts that a client may change (draft-somers-ftp-mfxx), each checked before the first is changed."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

from ftpd.api import Class, Command, Group, Outcome, Path, Refuse, moment
from ftpd.modules._facts_config import UNABLE, module

CHANGEABLE = ("modify", "UNIX.group", "UNIX.mode")
# ProFTPD looks at the beginning of the name, so that what MLST shows as the group's name can be sent back
_KNOWN = frozenset({*(name.lower() for name in CHANGEABLE), "unix.groupname"})

_FORM = re.compile(r"([0-9]{14})(?![0-9]).*", re.DOTALL)
"""RFC 3659 2.3; what stands behind the seconds is passed over, as ProFTPD does."""

_LAST = 61
"""The last second of a minute, for ProFTPD."""

_FRACTION = re.compile(r"(?<==[0-9]{14})\.[^;]*")
"""Passed over, and not told of as set."""


def _time(text: str, label: str) -> int:
    if len(text) < 14:
        # ProFTPD counts the letters before it reads them
        raise Refuse(501, f"{text}: {os.strerror(errno.EINVAL)}")
    if (found := _FORM.fullmatch(text)) is None:
        raise _invalid(label)
    try:
        return moment(found[1], last=_LAST)
    except ValueError:
        raise _invalid(label) from None


def _invalid(label: str) -> Refuse:
    return Refuse(501, f"{label}: {os.strerror(errno.EINVAL)}")


def _exists(cmd: Command, path: Path, label: str) -> None:
    """ProFTPD looks whether something is there when it comes to the change, after what is wrong with the value."""
    try:
        cmd.files.stat(path)
    except OSError as error:
        raise _refusal(label, error) from None


def _refusal(label: str, error: OSError) -> Refuse:
    missing = error.errno == errno.ENOENT
    return Refuse(550 if missing else 501, f"{label}: {os.strerror(error.errno or errno.EIO)}")


def _first_word(cmd: Command) -> tuple[str, str]:
    """The first word, and the path, which is all behind the first blank as in ProFTPD."""
    return cmd.words[0], cmd.argument.partition(" ")[2]


@module.cmd("MFMT", group=Group.WRITE, classes=Class.WRITE, arity=(2, None))
def set_modified(cmd: Command) -> Outcome:
    stamp, label = _first_word(cmd)
    path = cmd.path(label, refusal=UNABLE)
    seconds = _time(stamp, label)
    _exists(cmd, path, label)
    try:
        cmd.files.utime(path, seconds)
    except OSError as error:
        raise _refusal(label, error) from None
    return cmd.ok(213, f"Modify={stamp.partition('.')[0]}; {label}")


@module.cmd("MFF", group=Group.WRITE, classes=Class.WRITE, arity=(2, None))
def set_facts(cmd: Command) -> Outcome:
    given, label = _first_word(cmd)
    path = cmd.path(label, refusal=UNABLE)
    if not given.endswith(";"):
        raise Refuse(550, f"{given}: {os.strerror(errno.EINVAL)}")
    changes = []
    for fact in given[:-1].split(";"):
        changes.append(_change(cmd, path, label, fact))
        _exists(cmd, path, label)
    try:
        for change in changes:
            change()
    except OSError as error:
        raise _refusal(label, error) from None
    return cmd.ok(213, f"{_FRACTION.sub('', given)} {label}")


def _change(cmd: Command, path: Path, label: str, fact: str) -> Callable[[], None]:
    """What a fact asks for, ready to be done; Refuse where its value is none."""
    name, equals, value = fact.partition("=")
    files = cmd.files
    if name.lower() not in _KNOWN:
        raise Refuse(504, f"Cannot modify fact '{fact}'")
    if name.lower() == "modify":
        seconds = _time(value if equals else fact, label)
        return lambda: files.utime(path, seconds)
    if name.lower() == "unix.mode":
        if not re.fullmatch(r"[0-7]{1,5}", value) or int(value, 8) > 0o7777:
            raise _invalid(label)
        mode = int(value, 8)
        return lambda: files.chmod(path, mode)
    gid = _gid(cmd, value)
    if gid is None:
        raise _invalid(label)
    return lambda: files.chown(path, gid=gid)


def _gid(cmd: Command, text: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII):
        number = int(text)
        return number if number < 2**32 - 1 else None
    return cmd.session.modules.accounts.name_gid(cmd.session, text) if text else None
