"""mod_rlimit -- limits on what the process and each session may use, and the guard of /etc and /lib inside a root."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import inf
from typing import NamedTuple

from ftpd.api import (
    GLOBAL,
    LETS_BE,
    RESTART,
    SERVER,
    SESSION_OPEN,
    SHUTDOWN,
    STARTUP,
    UPLOAD_GUARD,
    VHOST,
    Allowance,
    Command,
    Config,
    ConfigError,
    ConfigWarning,
    Level,
    Module,
    Path,
    Reading,
    Refuse,
    Reply,
    Session,
    Settings,
    debug,
    log,
    meant,
    resolved,
    types,
)

module = Module("mod_rlimit", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_SCOPES = ("daemon", "session", "none")
_GUARDED = ("/etc/", "/lib/")
_LEAST_FILES = 64
"""Descriptors without which the daemon hardly serves: its sockets, its logs, a session or two."""
_LEAST_SECONDS = 2
"""Of processor time, beyond what is used up: before that the daemon has hardly started."""
_TO_END = 5
"""Seconds that it has between being told that its time is up and being killed, where there is one number for both."""
_LEAST_SPARE = 64 * 1024 * 1024
"""Bytes of data, beyond those in use, without which no threads can be started for what would block the loop."""


class Rlimit(NamedTuple):
    """A line: for whom, and both limits; RLIM_INFINITY is ``max``."""

    scope: str | None
    soft: int
    hard: int

    @property
    def possible(self) -> bool:
        """Whether the kernel would take it; as in ProFTPD, a line that it does not take is no limit."""
        return self.hard == resource.RLIM_INFINITY or resource.RLIM_INFINITY != self.soft <= self.hard


def _limits(number: Callable[[str, int], int], what: str) -> types.Parser[Rlimit]:
    @types.takes(1, 3, strict=True)
    def parse(words: list[str]) -> Rlimit:
        scope = words[0].lower() if words[0].lower() in _SCOPES else None
        values = words[1:] if scope else words
        at = 1 if scope else 0
        if scope == "none":
            return Rlimit(scope, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        if scope is None and len(values) == 3:
            types.doubt(f"'{' '.join(values[1:])}' is ignored: of three numbers the first is both limits", word=1)
            values = values[:1]
        if not 1 <= len(values) <= 2:
            raise ConfigError("missing parameters", right=f"daemon|session {what} [{what}]", word=at)
        found = [
            resource.RLIM_INFINITY if _endless(word, at + place) else number(word, at + place)
            for place, word in enumerate(values)
        ]
        return Rlimit(scope, found[0], found[-1])

    return parse


def _endless(text: str, word: int) -> bool:
    """Whether this is no limit; a number below 0, or too large to be one, is none to the kernel either."""
    if text.lower() in ("max", "unlimited"):
        return True
    if not re.fullmatch(r"-0*[1-9]\d*|\+?\d{19,}", text, re.ASCII):
        return False
    types.doubt(f"'{text}' is no limit; 'max' says so", word=word)
    return True


def _placed(reading: Reading, value: Rlimit) -> None:
    if value.scope == "daemon" and reading.context is not SERVER:
        raise ConfigError("there is one daemon for all servers", right="the line outside of sections", word=0)
    if not value.possible:
        reading.warn("is no limit: the first number is above the second")


def _seconds(text: str, word: int) -> int:
    return types.to_integer(text, 0, word=word)


def _count(text: str, word: int) -> int:
    return types.to_integer(text, 0, word=word)


def _bytes(text: str, word: int) -> int:
    return types.to_size(text, word=word)


cpu = module.directive_list(
    "RLimitCPU", _limits(_seconds, "seconds"), contexts=_SERVERS, act=_placed,
    usage="[daemon|session|none] seconds|max [seconds|max]",
    doc="Processor time after which a session ends, or the daemon.",
)  # fmt: skip
memory = module.directive_list(
    "RLimitMemory", _limits(_bytes, "bytes"), contexts=_SERVERS, act=_placed,
    usage="[daemon|session|none] bytes[B|KB|MB|GB]|max [bytes|max]",
    doc="Memory that the daemon may use for its data, or a session for its answers.",
)  # fmt: skip
open_files = module.directive_list(
    "RLimitOpenFiles", _limits(_count, "count"), contexts=_SERVERS, act=_placed,
    usage="[daemon|session|none] count|max [count|max]",
    doc="Files and connections that the daemon may have open, or a session.",
)  # fmt: skip
guard = module.directive(
    "RLimitChroot", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether /etc and /lib inside a session's root (DefaultRoot, <Anonymous>) are left alone.",
)  # fmt: skip


# -- the process ---------------------------------------------------------------------------------------


class Wanted:
    """What the configuration that was read last asks of the process."""

    def __init__(self) -> None:
        self.limits: list[tuple[str, int, Rlimit]] = []
        self.no_room = False
        """Whether the daemon alone has more open than RLimitOpenFiles lets it: the rest is nothing."""


_wanted = Wanted()


@module.check
def remember(config: Config) -> Iterator[ConfigError]:
    settings = config.main.settings
    kinds = (
        ("RLimitCPU", resource.RLIMIT_CPU, cpu),
        ("RLimitMemory", resource.RLIMIT_DATA, memory),
        ("RLimitOpenFiles", resource.RLIMIT_NOFILE, open_files),
    )
    _wanted.limits = [
        (name, kind, limit)
        for name, kind, key in kinds
        for limit in settings[key]
        if limit.scope == "daemon" and limit.possible
    ]
    for _, kind, key in kinds:
        least = _least(kind)
        for limit, at in zip(config.main.values.get(key, ()), config.main.where.get(key, ()), strict=True):
            if (
                limit.scope == "daemon"
                and limit.possible
                and limit.soft != resource.RLIM_INFINITY
                and limit.soft < least
            ):
                # without memory it would fall at once; without descriptors it stands, and turns clients away
                kind_of_fault = ConfigWarning if kind == resource.RLIMIT_NOFILE else ConfigError
                yield kind_of_fault(
                    f"{limit.soft} is less than the daemon itself needs", right=f"{least} or more, or max", word=1,
                    directive=key.name, at=at,
                )  # fmt: skip


def _least(kind: int) -> int:
    if kind == resource.RLIMIT_CPU:
        return int(time.process_time()) + _LEAST_SECONDS
    return _LEAST_FILES if kind == resource.RLIMIT_NOFILE else _data_in_use() + _LEAST_SPARE


def _data_in_use() -> int:
    """Bytes of what RLIMIT_DATA counts (proc(5))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:")), 0)


@module.on(STARTUP)
@module.on(RESTART)
def impose(_: object) -> None:
    _wanted.no_room = False
    for name, kind, limit in _wanted.limits:
        _, highest = resource.getrlimit(kind)
        # max is as much as there may be
        hard = highest if limit.hard == resource.RLIM_INFINITY else limit.hard
        soft = hard if limit.soft == resource.RLIM_INFINITY else limit.soft
        if kind == resource.RLIMIT_NOFILE:
            # what is open stays so, and there has to be a way back: for another configuration, and for the end
            open_now = _open_now()
            _wanted.no_room = soft <= len(open_now)
            soft = max(soft, max(open_now) + (_LEAST_FILES if _wanted.no_room else 1))
            hard = max(hard, soft + _LEAST_FILES)
        if kind == resource.RLIMIT_CPU and soft == hard != resource.RLIM_INFINITY:
            hard = soft + _TO_END if highest == resource.RLIM_INFINITY else min(soft + _TO_END, highest)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError) as error:
            log(Level.WARN, "%s daemon %d %d could not be imposed: %s", name, soft, hard, error)


def _open_now() -> list[int]:
    """The descriptors that are open now."""
    looking = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return [number for number in map(int, os.listdir(looking)) if number != looking]
    finally:
        os.close(looking)


@module.on(
    SESSION_OPEN, needed=lambda config: any(limit.scope == "daemon" for limit in config.main.settings[open_files])
)
def turn_away(_: Session) -> None:
    """Where the daemon itself fills the limit, gaps between its own descriptors are no places for clients."""
    if _wanted.no_room:
        raise Refuse(421, "No descriptors are left for clients (RLimitOpenFiles), please try again later")


# -- a session -----------------------------------------------------------------------------------------


def _ration(lines: tuple[Rlimit, ...]) -> int | None:
    """What a session may have; None is no limit.

    Each line is imposed in its turn, as ProFTPD does it for a session, which cannot raise its hard limit again.
    """
    soft = hard = resource.RLIM_INFINITY
    for limit in lines:
        if limit.scope not in (None, "session") or not limit.possible:
            continue
        if hard == resource.RLIM_INFINITY or resource.RLIM_INFINITY != limit.hard <= hard:
            soft, hard = limit.soft, limit.hard
    return None if soft == resource.RLIM_INFINITY else soft


def _is_rationed(settings: Settings) -> bool:
    return any(_ration(settings[key]) is not None for key in (cpu, memory, open_files))


@module.on(SESSION_OPEN, needed=lambda config: any(_is_rationed(server.settings) for server in config.servers))
def ration(session: Session) -> None:
    settings = session.settings
    seconds, files, size = _ration(settings[cpu]), _ration(settings[open_files]), _ration(settings[memory])
    if seconds is not None:
        # the kernel takes 0 for 1
        seconds = max(seconds, 1)
        session.wire.budget(seconds, partial(_end, session, seconds))
    elif files is not None or size is not None:
        # such a session goes no short ways, on which nothing is counted
        session.wire.budget(inf, lambda: None)
    if files is not None or size is not None:
        session.allowance = Allowance(files, size, partial(session.log, Level.NOTICE, "%s"))


@module.pre(
    "PASS", needed=lambda config: any(_ration(server.settings[open_files]) is not None for server in config.servers)
)
def look_up_nobody(cmd: Command) -> None:
    """ProFTPD cannot open the file of its users then."""
    if cmd.session.allowance is not None and not cmd.session.allowance.admits():
        raise Refuse(530, "Login incorrect.")


def _end(session: Session, seconds: int) -> None:
    session.log(Level.NOTICE, "CPU limit exceeded (RLimitCPU, %d seconds)", seconds)
    session.send(Reply(421, ("CPU limit exceeded: closing control connection",)))
    session.end("CPU limit exceeded")


@module.on(SHUTDOWN)
def relax(_: object) -> None:
    """Logs are opened once more as the daemon ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _LEAST_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# -- /etc and /lib -------------------------------------------------------------------------------------


def leave_uploads_alone(cmd: Command, path: Path) -> None:
    # where no link is on the way, the path itself says where it leads
    looked = path.seen is not None or path.vacant
    if _is_sensitive(cmd, path.virtual) if looked else _leads_there(cmd, path.virtual):
        raise Refuse(550, f"{cmd.argument}: Permission denied")


def _leads_there(cmd: Command, virtual: str) -> bool:
    """Whether an upload comes to such a place, be it by a link that bears its own name."""
    session = cmd.session
    if session.files is None:
        return False
    if _sensitive(cmd, virtual):
        return True
    try:
        return _is_sensitive(cmd, resolved(session.files, virtual, session.settled, to_be_made=True))
    except OSError:
        # what is not there the command itself will tell
        return False


def _lets_be(cmd: Command, folder: str) -> bool:
    """Whether nothing in the folder is guarded; no link is on the way there."""
    return folder != "/" and not f"{folder}/".startswith(_GUARDED)


module.offer(UPLOAD_GUARD, leave_uploads_alone)
module.offer(LETS_BE, (leave_uploads_alone, _lets_be))


@module.pre("DELE", "MKD", "XMKD", "RMD", "XRMD", "STOU")
def leave_alone(cmd: Command) -> None:
    given = cmd.argument or ("." if cmd.name == "STOU" else "")
    if _sensitive(cmd, meant(cmd.session, given, cmd.name)):
        raise Refuse(550, f"{cmd.argument}: Permission denied")


@module.pre("MFMT", "MFF", "SITE CHMOD", "SITE CHGRP")
def leave_alone_what_is_named_second(cmd: Command) -> None:
    _, _, given = cmd.argument.strip().partition(" ")
    if given and _sensitive(cmd, meant(cmd.session, given, cmd.name)):
        # ProFTPD repeats the line of a CHMOD, and of the others the path alone
        told = f"CHMOD {cmd.argument}" if cmd.name == "SITE CHMOD" else given
        raise Refuse(550, f"{told}: Permission denied")


@module.pre("RNTO")
def leave_alone_when_renaming(cmd: Command) -> None:
    source = cmd.session.rename_from
    ends = [meant(cmd.session, cmd.argument, cmd.name), *([source.virtual] if source else [])]
    if any(_sensitive(cmd, end) for end in ends):
        raise Refuse(550, f"{cmd.argument}: Permission denied")


def _is_sensitive(cmd: Command, place: str) -> bool:
    """Whether that is, or lies in, what a program inside a chroot would trust."""
    if not f"{place}/".startswith(_GUARDED):
        return False
    session = cmd.session
    if session.files is None or session.files.root == "/" or not session.settings[guard]:
        return False
    debug(
        2, "attempt to use sensitive path '%s' within the root '%s', refused", place, session.files.root,
        peer=session.peer,
    )  # fmt: skip
    return True


def _sensitive(cmd: Command, virtual: str) -> bool:
    """The same of a path that may lead there by a link."""
    session = cmd.session
    if session.files is None or session.files.root == "/" or not session.settings[guard]:
        return False
    folder, _, name = virtual.rpartition("/")
    # through a link into it, too; what is not there the command itself will tell
    with suppress(OSError):
        virtual = f"{resolved(session.files, folder or '/', session.settled).rstrip('/')}/{name}"
    return _is_sensitive(cmd, virtual)
