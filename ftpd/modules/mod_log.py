"""mod_log -- the TransferLog in the layout of the xferlog, and the checked arguments of the other logs."""

from __future__ import annotations

import re
import time

from ftpd.api import ANON, GLOBAL, SERVER, VHOST, Command, ConfigError, Level, Module, Refuse, Session, logfile, types

module = Module("mod_log", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_SESSIONS = _SERVERS | ANON

_CLASSES = (
    "ALL", "NONE", "AUTH", "INFO", "DIRS", "READ", "WRITE", "MISC", "SEC", "SECURE", "CONNECT", "EXIT", "DISCONNECT",
    "SSH", "SFTP",
)  # fmt: skip
_LEVELS = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
_OPTIONS = ("Timestamp", "Hostname", "VirtualHost", "RoleBasedProcessLabels")


# -- directives --------------------------------------------------------------------------------------


@types.takes(1, 1)
def _path_or_none(words: list[str]) -> str:
    """An absolute path, or ``none``, which is more than no line at all: it silences what is around it."""
    return "none" if words[0].lower() == "none" else types.to_path(words[0])


@types.takes(1, 3)
def _extended_log(words: list[str]) -> tuple[str, ...]:
    """``path|syslog:level [classes [format]]``."""
    target = words[0]
    if target.startswith("syslog:"):
        if target.removeprefix("syslog:").lower() not in _LEVELS:
            right = f"syslog: and one of {', '.join(_LEVELS)}"
            raise ConfigError(f"'{target}' names no level of syslog", right=right, word=0)
    elif target.lower() not in ("none", "off") and not target.startswith("/"):
        raise ConfigError(f"relative paths not allowed: '{target}'", right="a path that begins with /", word=0)
    if len(words) > 1:
        for name in re.split(r"[,|]", words[1].partition("+")[0]):
            if name.removeprefix("!").upper() not in _CLASSES:
                raise ConfigError(f"invalid log class '{name}' in '{words[1]}'", right=", ".join(_CLASSES), word=1)
    return tuple(words)


@types.takes(2, 2)
def _log_format(words: list[str]) -> tuple[str, str]:
    """A name, and the text with its variables."""
    if not words[0]:
        raise ConfigError("missing required name parameter", right='LogFormat name "%h %u %r"', word=0)
    return words[0], words[1]


@types.takes(1)
def _log_options(words: list[str]) -> tuple[str, ...]:
    names = {name.lower(): name for name in _OPTIONS}
    for index, word in enumerate(words):
        if word[:1] not in ("+", "-") or word[1:].lower() not in names:
            raise ConfigError(f"bad LogOption: '{word}'", right=f"+ or - and {', '.join(_OPTIONS)}", word=index)
    return tuple(word[0] + names[word[1:].lower()] for word in words)


module.directive(
    "SystemLog", _path_or_none, contexts=SERVER | GLOBAL,
    usage="path|none", doc="Where the daemon's own messages go, instead of to syslog.",
)  # fmt: skip
allow_symlinks = module.directive(
    "AllowLogSymlinks", types.boolean, default=False, contexts=_SERVERS,
    usage="on|off", doc="Whether a log may be a symbolic link.",
)  # fmt: skip
module.directive(
    "ServerLog", _path_or_none, contexts=_SERVERS, inert=True,
    usage="path|none", doc="A SystemLog of one server's sessions.",
)  # fmt: skip
module.directive(
    "LogOptions", _log_options, contexts=_SERVERS, inert=True,
    usage="+|-Timestamp|Hostname|VirtualHost|RoleBasedProcessLabels ...", doc="How the lines of SystemLog look.",
)  # fmt: skip
module.directive_list(
    "LogFormat", _log_format, contexts=SERVER | GLOBAL, inert=True,
    usage='name "format"', doc="The layout of an ExtendedLog.",
)  # fmt: skip
module.directive_list(
    "ExtendedLog", _extended_log, contexts=_SESSIONS, inert=True,
    usage="path|syslog:level [classes [format]]", doc="A line for each command of some classes.",
)  # fmt: skip


# -- TransferLog -------------------------------------------------------------------------------------


class _Complaint:
    """Whether this session has said that its TransferLog cannot be written: once is enough."""

    made = False


complaint = module.session_state(_Complaint)


@module.pre("DELE")
def note_size(cmd: Command) -> None:
    """The line of a deleted file tells how large it was."""
    if cmd.session.user is None or _target(cmd.session) is None:
        return
    try:
        path = cmd.path()
        cmd.notes["mod_log.size"] = cmd.files.lstat(path).st_size
        cmd.notes["mod_log.path"] = cmd.files.real(path)
    except (OSError, Refuse):
        # DELE itself says what is wrong
        return


@module.log("APPE", "RETR", "STOR", "STOU", "SITE COPY", "SITE CPTO")
def log_transfer(cmd: Command) -> None:
    _record(cmd, whole=True)


@module.log_err("APPE", "RETR", "STOR", "STOU")
def log_broken_transfer(cmd: Command) -> None:
    # without a data connection nothing was transferred, and nothing was broken off
    if cmd.transfer is not None and cmd.transfer.port:
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
    anonymous = session.anonymous is not None
    user = session.notes.get("mod_auth.anon-passwd") if anonymous else None
    line = " ".join(
        [
            time.strftime("%a %b %d %H:%M:%S %Y"),
            str(int(seconds)),
            field(session.remote_name),
            str(size),
            field(path),
            "a" if ascii else "b",
            "_",
            direction,
            "a" if anonymous else "r",
            field(user or session.user or ""),
            session.protocol,
            "0",
            "*",
            "c" if whole else "i",
        ]
    )
    try:
        logfile.append(target, line, follow=session.settings[allow_symlinks])
    except OSError as error:
        if not session[complaint].made:
            session[complaint].made = True
            session.log(Level.ERROR, "unable to write TransferLog %s: %s", target, error.strerror)


def _target(session: Session) -> str | None:
    path: str | None = session.setting("TransferLog", None)
    return None if path == "none" else path


def field(text: str) -> str:
    """A text as one field of the line: what is blank, invisible or not UTF-8 becomes ``_``.

    >>> field("two words\\n"), field("")
    ('two_words_', '_')
    """
    return "".join(char if char.isprintable() and not char.isspace() else "_" for char in text) or "_"
