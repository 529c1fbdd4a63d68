"""MFMT and MFF: facts that a client may change (draft-somers-ftp-mfxx), each checked before the first is changed."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

from ftpd.api import Class, Command, Group, Outcome, Path, Refuse, moment
from ftpd.modules._facts_config import UNABLE, module

CHANGEABLE = ("modify", "UNIX.group", "UNIX.mode")

_FORM = re.compile(r"[0-9]{14}(?:\.[0-9]{1,9})?")
"""RFC 3659 2.3."""


def _time(text: str, label: str) -> int:
    if not _FORM.fullmatch(text):
        # ProFTPD counts the letters before it reads them
        raise Refuse(501, f"{text if len(text) < 14 else label}: {os.strerror(errno.EINVAL)}")
    try:
        return moment(text[:14])
    except ValueError:
        raise Refuse(501, f"{label}: {os.strerror(errno.EINVAL)}") from None


def _existing(cmd: Command, label: str) -> Path:
    path = cmd.path(label, refusal=UNABLE)
    try:
        cmd.files.stat(path)
    except OSError as error:
        raise _refusal(label, error) from None
    return path


def _refusal(label: str, error: OSError) -> Refuse:
    missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
    return Refuse(550 if missing else 501, f"{label}: {os.strerror(error.errno or errno.EIO)}")


@module.cmd("MFMT", group=Group.WRITE, classes=Class.WRITE, arity=(2, None))
def set_modified(cmd: Command) -> Outcome:
    stamp, _, label = cmd.argument.partition(" ")
    if len(stamp) < 14:
        _time(stamp, label)
    path = _existing(cmd, label)
    seconds = _time(stamp, label)
    try:
        cmd.files.utime(path, seconds)
    except OSError as error:
        raise _refusal(label, error) from None
    return cmd.ok(213, f"Modify={stamp.partition('.')[0]}; {label}")


@module.cmd("MFF", group=Group.WRITE, classes=Class.WRITE, arity=(2, None))
def set_facts(cmd: Command) -> Outcome:
    given, _, label = cmd.argument.partition(" ")
    if not given.endswith(";"):
        raise Refuse(550, f"{given}: {os.strerror(errno.EINVAL)}")
    facts = given[:-1].split(";")
    known = {name.lower(): name for name in CHANGEABLE}
    for fact in facts:
        if fact.partition("=")[0].lower() not in known:
            raise Refuse(504, f"Cannot modify fact '{fact}'")
    path = _existing(cmd, label)
    changes = [_change(cmd, path, label, fact) for fact in facts]
    try:
        for change in changes:
            change()
    except OSError as error:
        raise _refusal(label, error) from None
    return cmd.ok(213, cmd.argument)


def _change(cmd: Command, path: Path, label: str, fact: str) -> Callable[[], None]:
    """What a fact asks for, ready to be done; Refuse where its value is none."""
    name, equals, value = fact.partition("=")
    files = cmd.files
    if name.lower() == "modify":
        seconds = _time(value if equals else fact, label)
        return lambda: files.utime(path, seconds)
    if name.lower() == "unix.mode":
        if not re.fullmatch(r"[0-7]{1,5}", value) or int(value, 8) > 0o7777:
            raise Refuse(501, f"{label}: {os.strerror(errno.EINVAL)}")
        mode = int(value, 8)
        return lambda: files.chmod(path, mode)
    gid = _gid(cmd, value)
    if gid is None:
        raise Refuse(501, f"{label}: {os.strerror(errno.EINVAL)}")
    return lambda: files.chown(path, gid=gid)


def _gid(cmd: Command, text: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII):
        number = int(text)
        return number if number < 2**32 - 1 else None
    return cmd.session.modules.accounts.name_gid(cmd.session, text) if text else None
