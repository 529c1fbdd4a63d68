"""ExtendedLog: a line for each command that its classes name, as its LogFormat has it, into a file or to syslog."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ftpd.api import (
    ANON,
    RESTART,
    SESSION_CLOSE,
    SESSION_OPEN,
    STARTUP,
    Class,
    Command,
    Config,
    ConfigError,
    ConfigWarning,
    Level,
    Scope,
    Session,
    Steady,
    dataclass,
    log,
    logfile,
    logformat,
    syslog,
    trace,
)
from ftpd.modules._log_config import Extended, allow_symlinks, extended_log, log_format, module

_configured: list[Extended] = []
"""The lines of the configuration read last, for when it comes into force."""


# -- when the configuration is read ----------------------------------------------------------------------


@module.check
def find_formats(config: Config) -> None:
    """Give every line its format; one of another server, or below the line, will do as well."""
    formats: dict[str, logformat.Format] = {}
    for server in config.servers:
        for name, form in server.values.get(log_format, ()):
            formats.setdefault(name, form)
    formats.setdefault("default", logformat.Format(logformat.DEFAULT))
    standard = logformat.Format(logformat.DEFAULT)
    _configured.clear()
    for server in config.servers:
        for scope, line in _lines_of(server):
            line.form = standard if line.name is None else formats.get(line.name)
            line.follow = server.settings[allow_symlinks]
            line.anonymous = scope.kind is ANON
            _configured.append(line)


@module.check
def formats_are_there(config: Config) -> Iterator[ConfigError]:
    for server in config.servers:
        yield from _without_format(server)


def _without_format(scope: Scope) -> Iterator[ConfigError]:
    for line, at in zip(scope.values.get(extended_log, ()), scope.where.get(extended_log, ()), strict=False):
        if line.form is None:
            yield ConfigWarning(
                f"no LogFormat is called '{line.name}', so this log stays empty",
                right="the name of a LogFormat, or none for the default one",
                directive="ExtendedLog",
                at=at,
            )
    for inner in (*scope.children, *scope.conditional):
        yield from _without_format(inner)


def _lines_of(scope: Scope) -> Iterator[tuple[Scope, Extended]]:
    for line in scope.values.get(extended_log, ()):
        yield scope, line
    for inner in (*scope.children, *scope.conditional):
        yield from _lines_of(inner)


@module.on(STARTUP)
@module.on(RESTART)
def open_all(_: None) -> None:
    """What is wrong with a log is told when the daemon begins, not when the first client comes."""
    for line in _configured:
        if line.form is None:
            log(Level.NOTICE, "ExtendedLog '%s' uses unknown format name '%s'", _shown(line), line.name)
        elif line.path:
            _file(line).open_soon()


def _shown(line: Extended) -> str:
    return line.path or "syslog"


def _file(line: Extended) -> logfile.LogFile:
    return logfile.at(line.path, "ExtendedLog", follow=line.follow)


# -- what is recorded ------------------------------------------------------------------------------------


class _Target:
    """One log that counts for a session."""

    __slots__ = ("_file", "_form", "_level", "line")

    def __init__(self, line: Extended, form: logformat.Format) -> None:
        self.line = line
        self._form = form
        self._level = line.level
        self._file = _file(line) if line.path else None

    def write(self, cmd: Command) -> None:
        text = self._form.line(cmd.session, cmd)
        if self._file is not None:
            self._file.put(logfile.encoded(text))
        elif self._level is not None:
            syslog.record(self._level, text)


class _Recorder:
    """The logs that count for a session, and which of them each verb goes to."""

    __slots__ = ("_by_verb", "_targets")

    def __init__(self, lines: tuple[Extended, ...]) -> None:
        self._targets: list[_Target] = []
        self._by_verb: dict[str, tuple[_Target, ...]] = {}
        # one of an <Anonymous> is in the place of the server's with its path; of one place there may be any number
        instead = {line.path for line in lines if line.anonymous and line.path}
        # the lines of inner sections come first
        for line in lines:
            if line.ends:
                break
            if line.form is None or (line.path in instead and not line.anonymous):
                continue
            self._targets.append(_Target(line, line.form))
        # what is written last in the configuration is recorded first, as in ProFTPD
        self._targets.reverse()

    def of(self, cmd: Command) -> tuple[_Target, ...]:
        # what no module knows has no classes; clients can make up any number of such verbs
        found = self._by_verb.get(cmd.name) if cmd.classes else None
        if found is None:
            found = tuple(one for one in self._targets if one.line.filter.wants(cmd.name, cmd.classes))
            if cmd.classes:
                self._by_verb[cmd.name] = found
        return found


_recorder = lru_cache(maxsize=512)(_Recorder)


def _used(config: Config) -> bool:
    return any(True for server in config.servers for _ in _lines_of(server))


def _has_nothing_to_record(cmd: Command) -> Steady:
    lines = cmd.session.settings[extended_log]
    return Steady.NOTHING if lines and _recorder(lines).of(cmd) else Steady.VERB


@module.log(needed=_used, steady=_has_nothing_to_record, alike=True)
@module.log_err(needed=_used)
def record(cmd: Command) -> None:
    lines = cmd.session.settings[extended_log]
    if lines and not cmd.unheard:
        for target in _recorder(lines).of(cmd):
            target.write(cmd)
            if trace.active:
                where = _shown(target.line)
                trace.say(
                    "extlog", 19, "%s of class %s for '%s'", cmd.name, cmd.classes.name, where, peer=cmd.session.peer
                )


@dataclass(slots=True)
class _Known:
    begun: bool = False


_known = module.session_state(_Known)


@module.on(SESSION_OPEN, needed=_used)
def record_connect(session: Session) -> None:
    session[_known].begun = True
    _record_moment(session, "CONNECT", Class.CONNECT)


@module.on(SESSION_CLOSE, needed=_used)
def record_exit(session: Session) -> None:
    # whom <Limit LOGIN> turns away at the door has no session, in ProFTPD as well
    if session[_known].begun:
        _record_moment(session, "EXIT", Class.DISCONNECT)


def _record_moment(session: Session, name: str, kind: Class) -> None:
    """The beginning and the end of a session, which no command stands for."""
    if session.settings[extended_log]:
        moment = session.modules.pseudo(session, name)
        moment.classes = kind
        record(moment)
