"""Where the daemon's own log goes: the terminal, SystemLog, a server's ServerLog or syslog; and what is traced."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import Fault, of_check
from ftpd.conf.tree import Config, Scope
from ftpd.core import logfile, scribe, trace
from ftpd.core.log import Level, LineFormatter, LineHandler, Route, TraceStyle, log, logger, set_main_route
from ftpd.core.syslog import FACILITIES, SyslogHandler, syslog
from ftpd.daemon import newcomer
from ftpd.daemon.errors import StartError
from ftpd.daemon.plan import Plan
from ftpd.daemon.values import value_of

_LOOK_EVERY = 1.0
_own: set[logfile.LogFile] = set()
"""SystemLog, ServerLogs and TraceLog of the configuration in force."""
_COMMANDS = 4
"""The DebugLevel that shows each command's way through the modules."""


def to_terminal(debug: int = 0) -> None:
    """Everything to stderr, as before the configuration is known and with -n."""
    set_main_route(Route(level=Level.DEBUG, debug=debug))
    _use(logging.StreamHandler(sys.stderr))


def to_syslog() -> None:
    """To syslog, or nowhere on a machine that has none."""
    set_main_route(Route(level=Level.DEBUG))
    _use(_syslog())


def direct(plan: Plan, *, again: bool = False) -> None:
    """As the configuration has it; StartError names a SystemLog that is not safe or not there.

    ``again``: clients are being served, and must not wait where its disk hangs.
    """
    servers = plan.generation.config.servers
    before = frozenset(_own)
    _own.clear()
    try:
        handler = _foreground() if plan.to_terminal else _system_log(plan, before, again)
    except StartError:
        _own.update(before)
        raise
    facility = value_of(plan.generation, servers[0], "SyslogFacility", None)
    syslog.facility = None if facility is None else FACILITIES[facility]
    main = _route(plan, servers[0], Route())
    # a ServerLog is for the sessions; what the daemon itself has to say stays where it was
    set_main_route(replace(main, handler=None))
    if handler is not None:
        _use(handler)
    servers[0].route = main
    for server in servers[1:]:
        server.route = _route(plan, server, main)
    _begin_to_trace(plan)
    for file in before - _own:
        file.kept = False
    # SIGHUP asks for it; what was moved away, or has no more use, is let go of
    logfile.reopen()


def unopened(config: Config, *, terminal: bool = False) -> list[Fault]:
    """What would keep a start from opening SystemLog or TraceLog, and the lines that name them; nothing is made.

    At a ``terminal``, which stands for SystemLog, that is not asked for. Who checks need not be who starts the
    daemon, so rights that are missing are no fault.
    """
    values = config.main.values
    keys = {key.name: key for key in values}
    follow = "AllowLogSymlinks" in keys and bool(values[keys["AllowLogSymlinks"]])
    faults = []
    for name in ("TraceLog",) if terminal else ("SystemLog", "TraceLog"):
        path = values[keys[name]] if name in keys else None
        if path is None or path == "none":
            continue
        if (found := logfile.trouble(path, name, follow=follow)) is not None:
            where = config.main.where[keys[name]][-1]
            wrong = ConfigError(
                f"unable to open '{path}': {found.error.strerror}", right=found.remedy, word=0, directive=name, at=where
            )
            faults.append(of_check(wrong, where[0]))
    return faults


async def keep_writing() -> None:
    """See to it, as long as the daemon lives, that no log waits behind one whose disk hangs."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        scribe.look()


# -- the daemon's own log ------------------------------------------------------------------------------


class _ScribeHandler(LineHandler):
    """Records that the scribe writes."""

    def __init__(self, outlet: scribe.Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def put(self, line: bytes) -> None:
        self._outlet.put(line)


class _RegularHandler(LineHandler):
    """Standard error where it is a file, which takes a record as soon as it is there."""

    def put(self, line: bytes) -> None:
        try:
            os.write(sys.stderr.fileno(), line)
        except (OSError, ValueError):
            pass


class _Stderr(scribe.Outlet):
    """Standard error, which may be a pipe or a terminal that nobody reads."""

    def _send(self) -> None:
        scribe.write(sys.stderr.fileno(), self._batch, scribe.PIPE)


def _foreground() -> logging.Handler:
    try:
        waits = not stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode)
    except (OSError, ValueError):
        waits = False
    return _ScribeHandler(_Stderr("standard error")) if waits else _RegularHandler()


def _use(handler: logging.Handler) -> None:
    if handler.formatter is None:
        handler.setFormatter(LineFormatter())
    old = list(logger.handlers)
    logger.handlers[:] = [handler]
    logger.propagate = False
    # a log that cannot be written must not end what it reports on
    logging.raiseExceptions = False
    for one in old:
        one.close()


def _syslog() -> logging.Handler:
    return SyslogHandler() if os.path.exists(syslog.path) else logging.NullHandler()


def _system_log(plan: Plan, before: Collection[logfile.LogFile], again: bool) -> logging.Handler | None:
    """None where it is the log from before until the one that is wanted has been opened."""
    path = plan.settings.system_log
    newcomer.forget()
    if path is None:
        return _syslog()
    if path == "none":
        return logging.NullHandler()
    file = _file(plan, plan.generation.config.main, path, "SystemLog")
    if file in before:
        # its disk may hang by now, and sessions must not wait for that: whoever writes it follows its name
        file.open_soon()
        return _ScribeHandler(file)
    try:
        if not again:
            file.open()
        elif not newcomer.open(file, lambda: _use(_ScribeHandler(file))):
            log(Level.WARN, "SystemLog '%s' is not opened yet: the log before goes on until then", path)
            return None
    except OSError as error:
        raise _unable(path, error) from None
    return _ScribeHandler(file)


def _unable(path: str, error: OSError) -> StartError:
    return StartError(f"unable to open SystemLog '{path}': {error.strerror}")


def _file(plan: Plan, server: Scope, path: str, directive: str) -> logfile.LogFile:
    follow = value_of(plan.generation, server, "AllowLogSymlinks", False)
    file = logfile.at(path, directive, mode=0o640, follow=follow)
    file.kept = True
    _own.add(file)
    return file


# -- one server's part in it -----------------------------------------------------------------------------


def _route(plan: Plan, server: Scope, above: Route) -> Route:
    """What a server says for its sessions; what is traced, and how lines look, the main one says where it does not."""
    generation = plan.generation
    debug = value_of(generation, server, "DebugLevel", 0) if plan.options.debug is None else plan.options.debug
    wanted = value_of(generation, server, "SyslogLevel", "debug" if debug else "notice")
    options = value_of(generation, server, "LogOptions", None)
    signs = _signs(options or ())
    route = Route(
        server=_name(plan, server),
        # -d is for who looks for something now, a DebugLevel for what SyslogLevel lets through, as in ProFTPD
        level=Level.DEBUG if plan.to_terminal or plan.options.debug else Level[wanted.upper()],
        debug=debug,
        hidden=above.hidden if options is None else frozenset(name.lower() for name, on in signs.items() if not on),
        labels=above.labels if options is None else signs.get("RoleBasedProcessLabels", False),
    )
    if value_of(generation, server, "Trace", ()):
        route.channels, route.own_channels = (_channels(plan, server, daemon=daemon) for daemon in (False, True))
    else:
        route.channels, route.own_channels = above.channels, above.own_channels
    traced = value_of(generation, server, "TraceOptions", None)
    route.trace_style = above.trace_style if traced is None else _trace_style(traced)
    path = value_of(generation, server, "ServerLog", None)
    if path is not None and not plan.to_terminal:
        route.handler = _server_log(plan, server, path)
    return route


def _name(plan: Plan, server: Scope) -> str:
    if server.args:
        return server.args[0]
    addresses = value_of(plan.generation, server, "DefaultAddress", ())
    return str(addresses[0]) if addresses else os.uname().nodename


def _server_log(plan: Plan, server: Scope, path: str) -> logging.Handler:
    if path == "none":
        return logging.NullHandler()
    file = _file(plan, server, path, "ServerLog")
    file.open_soon()
    return _ScribeHandler(file)


# -- TraceLog --------------------------------------------------------------------------------------------


def _begin_to_trace(plan: Plan) -> None:
    config = plan.generation.config
    path = value_of(plan.generation, config.main, "TraceLog", None)
    routes = [server.route for server in config.servers if server.route is not None]
    commands = any(route.debug >= _COMMANDS for route in routes)
    if path is None or not any(route.channels for route in routes):
        trace.configure(None, commands=commands)
        return
    file = _file(plan, config.main, path, "TraceLog")
    file.open_soon()
    trace.configure(lambda line: file.put(logfile.encoded(line)))
    trace.say("config", 3, "%d servers, read from %s", len(config.servers), ", ".join(config.files))
    for module in plan.generation.loaded:
        trace.say("module", 5, "in service: %s", module)


def _trace_style(options: Sequence[str]) -> TraceStyle:
    signs = _signs(options)
    return TraceStyle(
        timestamp=signs.get("Timestamp", True),
        millis=signs.get("TimestampMillis", True),
        ends=signs.get("ConnIPs", False),
    )


def _signs(options: Sequence[str]) -> dict[str, bool]:
    """Whether each is on; of several words about one the last counts."""
    return {option[1:]: option[0] == "+" for option in options}


def _channels(plan: Plan, server: Scope, *, daemon: bool) -> Mapping[str, range]:
    """The levels of each channel; a later line changes what an earlier one said of it."""
    found: dict[str, range] = {}
    for line in value_of(plan.generation, server, "Trace", ()):
        if daemon and line.sessions_only:
            continue
        for channel, levels in line.channels:
            for name in trace.CHANNELS if channel == "DEFAULT" else (channel,):
                found[name] = levels
    return {name: levels for name, levels in found.items() if levels}
