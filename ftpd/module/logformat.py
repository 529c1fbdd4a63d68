"""LogFormat texts: ``%u`` and its kin, compiled once and filled in from a session and the command under way."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from ftpd.core.paths import normalise
from ftpd.module.build import ftpd_version
from ftpd.module.command import Command
from ftpd.module.files import Path
from ftpd.module.session import Session

Value = Callable[[Session | None, Command | None], str | None]
"""What a variable stands for; None where it has no value now."""

_NAMING_LAST = ("MFF", "MFMT", "SITE CHGRP", "SITE CHMOD")
"""Verbs with a word before the path."""
_FILES = frozenset(
    ["APPE", "DELE", "MDTM", "RETR", "RNFR", "RNTO", "SIZE", "STOR", "STOU", "SITE CPFR", "SITE CPTO", *_NAMING_LAST]
)
_FOLDERS = frozenset(["CWD", "LIST", "MKD", "MLSD", "MLST", "NLST", "RMD", "XCWD", "XMKD", "XRMD"])
_SECRET = frozenset(["PASS", "ACCT", "ADAT"])


class Format:
    """A compiled text."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[str | tuple[Value, str]] = list(_compiled(text))

    def fill(self, session: Session | None, command: Command | None = None, *, blank: bool = False) -> str:
        """The text with its values; what has none is ``-`` (or what ProFTPD writes there), with ``blank`` nothing.

        Without a session only what concerns the daemon has one.
        """
        out = []
        for part in self._parts:
            if isinstance(part, str):
                out.append(part)
                continue
            value = part[0](session, command)
            out.append(value if value is not None else "" if blank else part[1])
        return "".join(out)


_VARIABLE = re.compile(r"%(?:\{([^{}]*)\}(t?)|(.))", re.DOTALL)


def _compiled(text: str) -> list[str | tuple[Value, str]]:
    parts: list[str | tuple[Value, str]] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        name, timed, letter = found.groups()
        if letter is not None:
            # an unknown letter is printed as it stands; two % are one, as the documents promise
            parts.append(_LETTERS.get(letter, "%" if letter == "%" else f"%{letter}"))
            continue
        parts.append(_named(name) if not timed else (_clock(name), ""))
    parts.append(text[at:])
    return [part for part in parts if part != ""]


def _named(name: str) -> str | tuple[Value, str]:
    kind, colon, rest = name.partition(":")
    if colon:
        if kind == "env":
            return (lambda session, command: os.environ.get(rest)), ""
        if kind == "note":
            return (lambda session, command: _note(session, command, rest)), ""
        if kind == "time":
            return _clock(rest), ""
    return _NAMED.get(name.lower(), name)


def _clock(pattern: str) -> Value:
    return lambda session, command: time.strftime(pattern)


def _note(session: Session | None, command: Command | None, key: str) -> str | None:
    if command is not None and key in command.notes:
        return str(command.notes[key])
    return None if session is None else session.notes.get(key)


# -- what the variables stand for ----------------------------------------------------------------------


def _of_command(ask: Callable[[Command], str | None]) -> Value:
    return lambda session, command: None if command is None else ask(command)


def _of_session(ask: Callable[[Session], str | None]) -> Value:
    return lambda session, command: None if session is None else ask(session)


def _always(ask: Callable[[], str]) -> Value:
    return lambda session, command: ask()


def named_path(command: Command) -> str | None:
    """The virtual path that the command is about; None for one that is about no path."""
    if command.transfer is not None:
        return command.transfer.path
    if command.name not in _FILES and command.name not in _FOLDERS:
        return None
    if command.name in ("CWD", "XCWD") and command.replies:
        # the argument was relative to where the client came from
        return command.session.cwd
    given = command.argument.partition(" ")[2] if command.name in _NAMING_LAST else command.argument
    return normalise(command.session.cwd, given)


def _real_folder(session: Session | None, command: Command | None) -> str | None:
    virtual = _folder(session, command)
    return None if session is None or virtual is None else _real(session, virtual)


def _real(session: Session, virtual: str) -> str:
    return virtual if session.files is None else session.files.real(Path(virtual))


def _file(command: Command) -> str | None:
    """The path on the machine."""
    if command.transfer is not None:
        return command.transfer.real_path
    path = named_path(command)
    return None if path is None else _real(command.session, path)


def _folder(session: Session | None, command: Command | None) -> str | None:
    if session is None:
        return None
    found = named_path(command) if command is not None and command.name in _FOLDERS else None
    return found or session.cwd


def _parameters(command: Command) -> str:
    return "(hidden)" if command.name in _SECRET and command.argument else command.argument


def _renamed(command: Command) -> str | None:
    source = command.session.rename_from or command.notes.get("mod_core.rnfr-path")
    if source is None or command.name != "RNTO":
        return None
    return _real(command.session, source.virtual) if isinstance(source, Path) else str(source)


def _speed(command: Command) -> str | None:
    done = command.transfer
    return None if done is None or not done.seconds else f"{done.moved / 1024 / done.seconds:.2f}"


def _file_size(command: Command) -> str | None:
    done = command.transfer
    return None if done is None or done.file_size is None else str(done.file_size)


def _status(command: Command) -> str | None:
    return None if command.transfer is None else command.transfer.status


def _failure(command: Command) -> str | None:
    done = command.transfer
    if done is None or done.status in ("success", "-") or command.status is None:
        return None
    return command.status[1]


def _iso8601() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now * 1000) % 1000:03d}"


_LETTERS: dict[str, tuple[Value, str]] = {
    "A": (_of_session(lambda s: s.notes.get("mod_auth.anon-passwd")), "UNKNOWN"),
    "a": (_of_session(lambda s: s.remote.host), "-"),
    "b": (_of_command(lambda c: None if c.transfer is None else str(c.transfer.moved)), "-"),
    "c": (_of_session(lambda s: s.class_name or None), "-"),
    "D": (_real_folder, ""),
    "d": (_folder, ""),
    "E": (_of_session(lambda s: s.notes.get("core.disconnect-details")), ""),
    "F": (_of_command(named_path), "-"),
    "f": (_of_command(_file), "-"),
    "g": (_of_session(lambda s: s.groups[0][1] if s.groups else None), "-"),
    "H": (_of_session(lambda s: s.local.host), "-"),
    "h": (_of_session(lambda s: s.remote_name), "-"),
    "I": (_of_session(lambda s: str(s.bytes_in)), "-"),
    "J": (_of_command(_parameters), ""),
    "L": (_of_session(lambda s: s.local.host), "-"),
    "l": (_of_session(lambda s: s.notes.get("mod_ident.rfc1413-ident")), "UNKNOWN"),
    "m": (_of_command(lambda c: c.name), ""),
    "O": (_of_session(lambda s: str(s.bytes_out)), "-"),
    "P": (_always(lambda: str(os.getpid())), "-"),
    "p": (_of_session(lambda s: str(s.local.port)), "-"),
    "R": (_of_command(lambda c: str(int((time.time() - c.started) * 1000))), "-"),
    "r": (_of_command(lambda c: c.shown), ""),
    "S": (_of_command(lambda c: c.status[1] if c.status else None), "-"),
    "s": (_of_command(lambda c: str(c.status[0]) if c.status else None), "-"),
    "T": (_of_command(lambda c: None if c.transfer is None else f"{c.transfer.seconds:.3f}"), "-"),
    "t": (_always(lambda: time.strftime("[%d/%b/%Y:%H:%M:%S %z]")), "-"),
    "U": (_of_session(lambda s: s.login or None), "-"),
    "u": (_of_session(lambda s: s.user), "-"),
    "V": (_of_session(lambda s: s.server.args[0] if s.server.args else s.local.host), "-"),
    "v": (_of_session(lambda s: s.setting("ServerName", None)), "-"),
    "w": (_of_command(_renamed), "-"),
}

_NAMED: dict[str, tuple[Value, str]] = {
    "basename": (_of_command(lambda c: (named_path(c) or "").rpartition("/")[2] or None), "-"),
    "epoch": (_always(lambda: str(int(time.time()))), ""),
    "file-modified": (_of_command(lambda c: c.notes.get("mod_xfer.file-modified")), "false"),
    "file-offset": (_of_command(lambda c: None if c.transfer is None else str(c.transfer.offset)), "-"),
    "file-size": (_of_command(_file_size), "-"),
    "gid": (_of_session(lambda s: str(s.account.gid) if s.account else None), "-"),
    "uid": (_of_session(lambda s: str(s.account.uid) if s.account else None), "-"),
    "iso8601": (_always(_iso8601), ""),
    "microsecs": (_always(lambda: f"{int(time.time() * 1e6) % 1_000_000:06d}"), ""),
    "millisecs": (_always(lambda: f"{int(time.time() * 1e3) % 1000:03d}"), ""),
    "protocol": (_of_session(lambda s: s.protocol), "-"),
    "remote-port": (_of_session(lambda s: str(s.remote.port)), "-"),
    "transfer-failure": (_of_command(_failure), "-"),
    "transfer-millisecs": (_of_command(lambda c: str(int(c.transfer.seconds * 1000)) if c.transfer else None), "-"),
    "transfer-port": (_of_command(lambda c: str(c.transfer.port) if c.transfer and c.transfer.port else None), "-"),
    "transfer-speed": (_of_command(_speed), "-"),
    "transfer-status": (_of_command(_status), "-"),
    "transfer-type": (_of_command(lambda c: ("ASCII" if c.transfer.ascii else "binary") if c.transfer else None), "-"),
    "version": (_always(ftpd_version), ""),
}
