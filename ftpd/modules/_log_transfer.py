"""TransferLog: one line in the layout of wu-ftpd's xferlog for each file sent, received or deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ftpd.api import (
    RESTART,
    STARTUP,
    Command,
    Config,
    Moved,
    Note,
    Refuse,
    Scope,
    Session,
    Steady,
    logfile,
)
from ftpd.modules._log_config import allow_symlinks, module

_configured: dict[str, bool] = {}
"""The paths of the configuration read last, and whether each may be a link."""


@module.check
def find_logs(config: Config) -> None:
    _configured.clear()
    for server, path in _named(config):
        _configured[path] = server.settings[allow_symlinks]


@module.on(STARTUP)
@module.on(RESTART)
def open_all(_: None) -> None:
    """What is wrong with a log is told when the daemon begins, not with the first transfer."""
    for path, follow in _configured.items():
        logfile.at(path, "TransferLog", follow=follow).open_soon()


@module.pre("DELE")
def note_size(cmd: Command) -> None:
    """The line of a deleted file tells how large it was."""
    if cmd.session.user is None:
        return
    try:
        path = cmd.path()
        cmd.notes["mod_log.size"] = cmd.files.lstat(path).st_size
        cmd.notes["mod_log.path"] = cmd.files.real(path)
    except (OSError, Refuse):
        # DELE itself says what is wrong
        return


def _is_kept(config: Config) -> bool:
    """Whether anybody has such a log."""
    return any(_named(config))


def _named(config: Config) -> Iterator[tuple[Scope, str]]:
    """Each TransferLog, and the server whose settings hold for it."""
    for server in config.servers:
        for scope in (server, *server.children):
            for key, value in scope.values.items():
                if key.name == "TransferLog" and value not in (None, "none"):
                    yield server, value


def _in_brief(session: Session, direction: str) -> Note | None:
    """What notes files that go as they are."""
    target = _target(session)
    if target is None:
        return None
    file = logfile.at(target, "TransferLog", follow=session.settings[allow_symlinks])

    def note(files: Sequence[Moved]) -> None:
        now, host = _now(int(time.time())), field(session.remote_name)
        # whose machine says who it is may have said it meanwhile
        behind = _behind(session, "b", direction, "c")
        for path, size, seconds in files:
            file.put(logfile.encoded(f"{now} {int(seconds)} {host} {size} {field(path)} {behind}"))

    return note


@module.log(
    "APPE", "RETR", "STOR", "STOU", "SITE COPY", "SITE CPTO", needed=_is_kept, brief=_in_brief,
    steady=lambda cmd: Steady.VERB if _target(cmd.session) is None else Steady.NOTHING, alike=True,
)  # fmt: skip
def log_transfer(cmd: Command) -> None:
    _record(cmd, whole=True)


@module.log_err("APPE", "RETR", "STOR", "STOU", needed=_is_kept)
def log_broken_transfer(cmd: Command) -> None:
    # as with ProFTPD also where the data connection never came: the file was there to be transferred
    _record(cmd, whole=False)


@module.log("DELE")
def log_deletion(cmd: Command) -> None:
    if "mod_log.path" in cmd.notes:
        size, path = cmd.notes["mod_log.size"], cmd.notes["mod_log.path"]
        _write(cmd, 0.0, size, path, ascii=cmd.session.data_type == "A", direction="d", whole=True)


def _record(cmd: Command, *, whole: bool) -> None:
    done = cmd.transfer
    if done is None or done.direction == "l":
        return
    _write(
        cmd, done.seconds, done.moved, done.real_path, ascii=done.ascii, direction=done.direction,
        whole=whole and done.status in ("-", "success"),
    )  # fmt: skip


def _write(
    cmd: Command, seconds: float, size: int, path: str, *, ascii: bool, direction: str, whole: bool
) -> None:  # fmt: skip
    session = cmd.session
    target = _target(session)
    if target is None:
        return
    behind = _behind(session, "a" if ascii else "b", direction, "c" if whole else "i")
    line = f"{_now(int(time.time()))} {int(seconds)} {field(session.remote_name)} {size} {field(path)} {behind}"
    logfile.append(target, line, "TransferLog", follow=session.settings[allow_symlinks])


def _behind(session: Session, kind: str, direction: str, whole: str) -> str:
    """The fields behind the path."""
    anonymous = session.anonymous is not None
    # whose password was asked for is known by the name that he sent
    user = session.notes.get("mod_auth.anon-passwd", session.login) if anonymous else None
    ident = session.notes.get("mod_ident.rfc1413-ident", "UNKNOWN")
    return " ".join(
        [
            kind,
            "_",
            direction,
            "a" if anonymous else "r",
            field(user or session.user or ""),
            session.protocol,
            "0" if ident == "UNKNOWN" else "1",
            "*" if ident == "UNKNOWN" else field(ident),
            whole,
        ]
    )


@lru_cache(maxsize=2)
def _now(second: int) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(second))


def _target(session: Session) -> str | None:
    path: str | None = session.setting("TransferLog", None)
    return None if path == "none" else path


def field(text: str) -> str:
    """A text as one field of the line: what is blank, invisible or not UTF-8 becomes ``_``.

    >>> field("two words\\n"), field("")
    ('two_words_', '_')
    """
    if text.isascii() and text.isprintable():
        return text.replace(" ", "_") or "_"
    return "".join(char if char.isprintable() and not char.isspace() else "_" for char in text) or "_"
