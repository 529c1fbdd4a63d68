"""LogFormat texts: ``%u`` and its kin, compiled once and filled in from a session and the command under way."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from ftpd.core.log import escape, stamp
from ftpd.core.vocab import Class
from ftpd.module.build import ftpd_version
from ftpd.module.command import Command, is_secret
from ftpd.module.files import Path
from ftpd.module.home import meant
from ftpd.module.session import Session

Value = Callable[[Session | None, Command | None], str | None]
"""What a variable stands for; None where it has no value now."""

_NAMING_LAST = ("MFF", "MFMT", "SITE CHGRP", "SITE CHMOD")
"""Verbs with a word before the path."""
_FILES = frozenset(
    ["APPE", "DELE", "MDTM", "RETR", "RNFR", "RNTO", "SIZE", "STOR", "STOU", "SITE CPFR", "SITE CPTO", *_NAMING_LAST]
)
_MOVING = frozenset(["CDUP", "CWD", "XCUP", "XCWD"])
_FOLDERS = _MOVING | frozenset(["LIST", "MKD", "MLSD", "MLST", "NLST", "RMD", "XMKD", "XRMD"])
_HERE = frozenset(["PWD", "XPWD"])
_TRANSFERS = frozenset(["APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU"])

DEFAULT = '%h %l %u %t "%r" %s %b'
"""What an ExtendedLog without a LogFormat writes: NCSA's Common Log Format."""


class Format:
    """A compiled text."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[Value | None, str, bool]] = list(_with_quotes(_compiled(text)))

    @property
    def varies(self) -> bool:
        """Whether there is a variable in it."""
        return any(ask is not None for ask, _, _ in self._parts)

    def fill(self, session: Session | None, command: Command | None = None, *, blank: bool = False) -> str:
        """The text with its values; what has none is ``-`` (or what ProFTPD writes there), with ``blank`` nothing.

        Without a session only what concerns the daemon has one.
        """
        out = []
        for ask, default, _ in self._parts:
            value = default if ask is None else ask(session, command)
            out.append(value if value is not None else "" if blank else default)
        return "".join(out)

    def line(self, session: Session, command: Command) -> str:
        """The same as one line of a log: no value can end it, hide it, or leave the quotes that it stands in."""
        out = []
        for ask, default, quoted in self._parts:
            value = default if ask is None else ask(session, command)
            if value is None:
                value = default
            elif quoted and ('"' in value or "\\" in value):
                value = value.replace("\\", "\\\\").replace('"', '\\"')
            out.append(value)
        line = "".join(out)
        if line.isprintable():
            return line
        # not the line as a whole: the text of the format itself may hold a tab
        values = zip(out, self._parts, strict=True)
        return "".join(value if part[0] is None else escape(value) for value, part in values)


_CLOCK = "[%d/%b/%Y:%H:%M:%S %z]"
_VARIABLE = re.compile(r"%(?:\{var:%\{(?P<var>\w+)\}\}|\{(?P<name>[^{}]*)\}(?P<kind>[et]?)|(?P<letter>.))", re.DOTALL)


def _compiled(text: str) -> list[str | tuple[Value, str]]:
    parts: list[str | tuple[Value, str]] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if (letter := found["letter"]) is not None:
            # an unknown letter is printed as it stands; two % are one, as the documents promise
            parts.append(_LETTERS.get(letter, "%" if letter == "%" else f"%{letter}"))
        elif found["var"] is not None:
            parts.append(_named(f"var:{found['var']}"))
        elif found["kind"]:
            parts.append(_named(f"{'env' if found['kind'] == 'e' else 'time'}:{found['name']}"))
        else:
            parts.append(_named(found["name"]))
    parts.append(text[at:])
    return [part for part in parts if part != ""]


def _with_quotes(parts: Iterable[str | tuple[Value, str]]) -> Iterator[tuple[Value | None, str, bool]]:
    """Each part, and of a variable whether it stands between quotation marks."""
    quoted = False
    for part in parts:
        if isinstance(part, str):
            quoted ^= part.count('"') % 2 == 1
            yield None, part, False
        else:
            yield part[0], part[1], quoted


def _named(name: str) -> str | tuple[Value, str]:
    kind, colon, rest = name.partition(":")
    if colon:
        match kind:
            case "env":
                return (lambda session, command: environment(session, rest)), ""
            case "note":
                return (lambda session, command: _note(session, command, rest)), ""
            case "time":
                return _clock(rest or _CLOCK), ""
            case "var":
                return _VARS.get(rest, "")
    if name.lower() == "version":
        # asked while the format is read: later the daemon may not be allowed to
        return ftpd_version()
    return _NAMED.get(name.lower(), name)


def _clock(pattern: str) -> Value:
    return lambda session, command: _told(pattern, int(time.time()))


@lru_cache(maxsize=16)
def _told(pattern: str, second: int) -> str:
    """The time of day; a busy log asks many times in one second."""
    return time.strftime(pattern, time.localtime(second))


def environment(session: Session | None, name: str, constant: str | None = None) -> str:
    """A variable of the environment; what ProFTPD sets in each session's process is a note ``env:NAME`` here."""
    own = None if session is None else session.notes.get(f"env:{name}")
    if own is not None:
        return own
    return os.environ.get(name, "") if constant is None else constant


def _note(session: Session | None, command: Command | None, key: str) -> str | None:
    if command is not None and key in command.notes:
        return str(command.notes[key])
    if session is None:
        return None
    # two that are kept in another way than ProFTPD's
    if key == "mod_auth.orig-user":
        return session.login or None
    value = session.notes.get(key)
    return value.partition(": ")[2] if value is not None and key == "core.disconnect-details" else value


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
    if command.name in _HERE:
        return command.session.cwd
    if command.name not in _FILES and command.name not in _FOLDERS:
        return None
    if command.name in _MOVING and (command.replies or not command.argument):
        # the argument was relative to where the client came from
        return command.session.cwd
    if not command.argument and command.name in _FILES:
        return None
    given = command.argument.partition(" ")[2] if command.name in _NAMING_LAST else command.argument
    return meant(command.session, given, command.name)


def _real_folder(command: Command) -> str | None:
    path = named_path(command) if command.name in _FOLDERS else None
    return None if path is None else _real(command.session, path)


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
    if is_secret(command) and (command.argument or command.name == "PASS"):
        return "(hidden)"
    if command.name.startswith("SITE "):
        return f"{command.name[5:]} {command.argument}" if command.argument else command.name[5:]
    return command.argument


def _verb(command: Command) -> str:
    """SITE with the word behind it, whether it is one that is known or not."""
    if command.name == "SITE" and command.argument:
        return f"SITE {command.argument.partition(' ')[0].upper()}"
    return command.name


def _line(command: Command) -> str:
    return "" if command.classes in (Class.CONNECT, Class.DISCONNECT) else command.shown


def _moved(command: Command) -> str | None:
    if command.transfer is None:
        size = command.notes.get("mod_log.size")
        return None if size is None else str(size)
    return str(command.transfer.moved)


def _renamed(command: Command) -> str | None:
    source = command.session.rename_from or command.notes.get("mod_core.rnfr-path")
    if source is None or command.name != "RNTO":
        return None
    return source.virtual if isinstance(source, Path) else str(source)


def _speed(command: Command) -> str | None:
    done = command.transfer
    return None if done is None or not done.seconds else f"{done.moved / 1024 / done.seconds:.2f}"


def _offset(command: Command) -> str | None:
    done = command.transfer
    return None if done is None or done.direction == "l" else str(done.offset)


def _file_size(command: Command) -> str | None:
    done = command.transfer
    # how large the file became is known of what went whole only
    return None if done is None or done.file_size is None or done.status != "success" else str(done.file_size)


def _status(command: Command) -> str | None:
    if command.transfer is not None:
        return command.transfer.status
    if command.name == "ABOR":
        return "failed" if command.errors else "cancelled"
    return "failed" if command.name in _TRANSFERS and command.errors else None


def _failure(command: Command) -> str | None:
    if _status(command) in (None, "success", "-") or command.name == "ABOR" or command.status is None:
        return None
    if _status(command) == "cancelled":
        return "aborted"
    # that it was broken off says the status
    return command.status[1].removeprefix("Transfer aborted. ")


def _type(command: Command) -> str | None:
    if command.transfer is not None and command.transfer.direction != "l":
        return "ASCII" if command.transfer.ascii else "binary"
    if command.name not in _TRANSFERS:
        return None
    # the default is that of a session that has logged in
    return "ASCII" if command.session.data_type == "A" and command.session.logged_in else "binary"


def _data_port(command: Command) -> str | None:
    if command.transfer is not None:
        return str(command.transfer.port) if command.transfer.port else None
    if command.name not in ("EPSV", "PASV") or command.status is None:
        return None
    # what the client was told is where the next transfer comes in
    found = re.search(r"\|(\d+)\|\)|,(\d+),(\d+)\)", command.status[1])
    if found is None:
        return None
    return found[1] or str(int(found[2]) << 8 | int(found[3]))


def _iso8601() -> str:
    return stamp(time.time())


_LETTERS: dict[str, tuple[Value, str]] = {
    "A": (_of_session(lambda s: s.notes.get("mod_auth.anon-passwd")), "UNKNOWN"),
    "a": (_of_session(lambda s: s.remote.host), "-"),
    "b": (_of_command(_moved), "-"),
    "c": (_of_session(lambda s: s.class_name or None), "-"),
    "D": (_of_command(_real_folder), ""),
    "d": (_folder, ""),
    "E": (_of_session(lambda s: s.notes.get("core.disconnect-details")), ""),
    "F": (_of_command(named_path), "-"),
    "f": (_of_command(_file), "-"),
    "g": (_of_session(lambda s: s.groups[0][1] if s.groups else s.notes.get("mod_auth.admitted-group")), "-"),
    "H": (_of_session(lambda s: s.local.host), "-"),
    "h": (_of_session(lambda s: s.remote_name), "-"),
    "I": (_of_session(lambda s: str(s.bytes_in)), "-"),
    "J": (_of_command(_parameters), ""),
    "L": (_of_session(lambda s: s.local.host), "-"),
    "l": (_of_session(lambda s: s.notes.get("mod_ident.rfc1413-ident")), "UNKNOWN"),
    "m": (_of_command(_verb), ""),
    "O": (_of_session(lambda s: str(s.bytes_out)), "-"),
    "P": (_always(lambda: str(os.getpid())), "-"),
    "p": (_of_session(lambda s: str(s.local.port)), "-"),
    "R": (_of_command(lambda c: str(int((time.time() - c.started) * 1000))), "-"),
    "r": (_of_command(_line), ""),
    "S": (_of_command(lambda c: c.status[1] if c.status else None), "-"),
    "s": (_of_command(lambda c: str(c.status[0]) if c.status else None), "-"),
    "T": (_of_command(lambda c: None if c.transfer is None else f"{c.transfer.seconds:.3f}"), "-"),
    "t": (_clock(_CLOCK), "-"),
    "U": (_of_session(lambda s: s.login or None), "-"),
    "u": (_of_session(lambda s: s.user or s.notes.get("mod_auth.admitted")), "-"),
    "V": (_of_session(lambda s: s.server.args[0] if s.server.args else s.local.host), "-"),
    "v": (_of_session(lambda s: s.setting("ServerName", None)), "-"),
    "w": (_of_command(_renamed), "-"),
}

_NAMED: dict[str, tuple[Value, str]] = {
    "basename": (_of_command(lambda c: (named_path(c) or "").rpartition("/")[2] or None), "-"),
    "epoch": (_always(lambda: str(int(time.time()))), ""),
    "file-modified": (_of_command(lambda c: c.notes.get("mod_xfer.file-modified")), "false"),
    "file-offset": (_of_command(_offset), "-"),
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
    "transfer-port": (_of_command(_data_port), "-"),
    "transfer-speed": (_of_command(_speed), "-"),
    "transfer-status": (_of_command(_status), "-"),
    "transfer-type": (_of_command(_type), "-"),
}

_VARS: dict[str, tuple[Value, str]] = {
    "bytes_xfer": (_of_command(_moved), ""),
    "total_bytes_in": (_of_session(lambda s: str(s.bytes_in)), ""),
    "total_bytes_out": (_of_session(lambda s: str(s.bytes_out)), ""),
    "total_bytes_xfer": (_of_session(lambda s: str(s.bytes_in + s.bytes_out)), ""),
}
