"""mod_sql -- accounts from a database and logs into one, through a backend (mod_sql_mysql and its kin)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from ftpd.api import (
    ANON,
    GLOBAL,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Asked,
    Command,
    Config,
    ConfigError,
    Directive,
    Module,
    Reading,
    Scope,
    Session,
    control_rules,
    logfile,
    sql,
    types,
)

module = Module("sql", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_TURN = 2.0
"""Seconds between two looks at what is spooled, idle or to be kept alive."""
_GRACE = 5.0
"""Seconds that rows on their way have when the module goes out of service."""

# -- directives ----------------------------------------------------------------------------------------------


def _listen(reading: Reading, value: sql.Record) -> None:
    """Which queries are meant is looked up when it happens."""
    (name,) = value.verbs
    module.on_named(name, _happened, reading)


_accounts = sql.account_lines(module)
_databases = sql.database_lines(module)

engine = module.directive(
    "SQLEngine", sql.engine_line, default="on", contexts=_SERVERS | ANON, usage="on|off|auth|log",
    doc="Whether the module does anything; auth: accounts only, log: logs only.",
)  # fmt: skip
log_rules: Directive[tuple[sql.Record, ...]] = module.directive_list(
    "SQLLog", sql.log_line, contexts=_SERVERS, usage='commands query-name ["IGNORE_ERRORS"]',
    doc="Run a named query when one of these commands succeeded, or as ERR_command failed.",
)  # fmt: skip
log_file = module.directive(
    "SQLLogFile", types.path_or_none, contexts=_SERVERS, usage='file|"none"',
    doc="Where it is told which statements were sent and how they ended; values are never told.",
)  # fmt: skip
event_rules: Directive[tuple[sql.Record, ...]] = module.directive_list(
    "SQLLogOnEvent", sql.event_line, contexts=_SERVERS, usage='event query-name ["IGNORE_ERRORS"]', act=_listen,
    doc="Run a named query when something happens.",
)  # fmt: skip
failure_rules: Directive[tuple[sql.Record, ...]] = module.directive_list(
    "SQLLogIfFailed", sql.failure_line, contexts=_SERVERS, usage='commands query-name ["IGNORE_ERRORS"]',
    doc="Run a named query when one of these commands failed: SQLLog with ERR_ before each.",
)  # fmt: skip
named_queries = module.directive_list(
    "SQLNamedQuery", sql.query_line, contexts=_SERVERS, usage="name type query-string [table] [connection-name]",
    act=sql.remember_place, doc="A query of one's own; its variables become bound parameters.", keeps_variables=True,
)  # fmt: skip
options = module.directive_list(
    "SQLOptions",
    types.flags("NoDisconnectOnError", "UseNormalizedGroupSchema", "NoReconnect", "IgnoreConfigFile"),
    contexts=_SERVERS, usage="NoDisconnectOnError|UseNormalizedGroupSchema|NoReconnect|IgnoreConfigFile ...",
    doc="Small changes in what the module does.",
)  # fmt: skip
ratios: Directive[tuple[str, ...]] = module.directive(
    "SQLRatios", sql.counters_line("frate", "fcred", "brate", "bcred"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|frate fcred brate bcred", doc="The columns that mod_ratio goes by.",
)  # fmt: skip
ratio_stats: Directive[tuple[str, ...]] = module.directive(
    "SQLRatioStats", sql.counters_line("fstor", "fretr", "bstor", "bretr"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|fstor fretr bstor bretr", doc="Columns in which a user's files and bytes are counted.",
)  # fmt: skip
show_rules = module.directive_list(
    "SQLShowInfo", sql.show_line, contexts=_SERVERS, usage="commands code text", keeps_variables=True,
    doc="What the client is told behind the reply, with answers of named queries in it.",
)  # fmt: skip
acls: Any = module.directive_list(
    "SQLControlsACLs", control_rules("sql"), contexts=SERVER, usage="actions|all allow|deny user|group list",
    doc="Who may ask ftpdctl sql.",
)  # fmt: skip

_backends = module.takes_offers(sql.BACKENDS)
_offered_checks = module.takes_offers(sql.PASSWORD_CHECKS)
_log = logfile.ModuleLog("SQLLogFile", f"mod_sql/{module.version}")


# -- what a server's lines come to ---------------------------------------------------------------------------

_lines = sql.ServerLines(
    _accounts, engine=engine, event_rules=event_rules, failure_rules=failure_rules, log_rules=log_rules,
    named_queries=named_queries, options=options, ratio_stats=ratio_stats, ratios=ratios, show_rules=show_rules,
)  # fmt: skip


def _teller(path: str | None) -> Callable[[str], None] | None:
    return None if path is None else lambda message: _log.write(path, message)


_servers: dict[Scope, sql.Server] = {}
_new: dict[Scope, sql.Server] = {}
"""Those of the configuration that was read last, until it goes into service."""


@module.check
def set_up(config: Config) -> Iterator[ConfigError]:
    """Bring together what the lines say; servers that speak with the same database share its connections."""
    _new.clear()
    databases = sql.Stores(_databases, _backends)
    for scope in config.servers:
        nowhere = scope.settings[_databases.connect_info] is None
        if nowhere or (scope.settings[engine] == "off" and not scope.children):
            continue
        reconnects = not any("NoReconnect" in some for some in scope.settings[options])
        try:
            stores = yield from databases.of(scope, reconnects=reconnects)
        except ConfigError as wrong:
            # what its queries are good for is not known without their databases
            yield wrong
            continue
        tell = _teller(scope.settings[log_file])
        server = sql.Server(_lines, scope, stores, config, _errands, tell=tell, checks=_offered_checks)
        yield from server.faults
        _new[scope] = _servers[scope] = server
    yield from sql.defined_twice(scope.settings[named_queries] for scope in _new)


def _server(session: Session, purpose: str) -> sql.Server | None:
    """What holds for the session, if the engine is on for this: auth or log."""
    server = _servers.get(session.server)
    return server if server is not None and session.settings[engine] in ("on", purpose) else None


# -- in service ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def in_service() -> AsyncIterator[None]:
    mine = dict(_new)
    try:
        async with service.of([store for server in mine.values() for store in server.stores.values()]):
            yield
    finally:
        for scope in mine:
            _servers.pop(scope, None)


service = sql.Service(_GRACE)
module.resource(in_service)
module.every(_TURN)(service.tend)
# what is on its way arrives before the connections are closed: entered last, left first
_errands = module.errands(_GRACE)


@module.opening
async def reach(session: Session) -> None:
    server = _servers.get(session.server)
    if server is not None and session.server.settings[engine] != "off":
        await sql.reach(server.stores.values(), session)


@module.control("sql", help="connections to databases, and rows that wait for them", acl=acls)
def pools(asked: Asked) -> Iterator[str]:
    return service.report()


# -- accounts, and queries for other modules -----------------------------------------------------------------


def _directory_of(session: Session) -> sql.Directory | None:
    server = _server(session, "auth")
    return None if server is None else server.directory


def _book_of(session: Session) -> sql.QueryBook | None:
    server = _servers.get(session.server)
    return None if server is None else server.book


module.auth(sql.SqlAccounts(_directory_of, _errands))


def _ledger_of(session: Session) -> sql.Ledger | None:
    server = _server(session, "log")
    return None if server is None else server.ledger


module.offer(sql.RATIOS, sql.SqlRatios(_ledger_of))
module.offer(sql.QUERIES, sql.NamedQueries(_book_of))


# -- logs ----------------------------------------------------------------------------------------------------


@module.log()
def log_success(cmd: Command) -> Awaitable[None] | None:
    server = _server(cmd.session, "log")
    return None if server is None else server.journal.record(cmd, failed=False)


@module.log_err()
def log_failure(cmd: Command) -> Awaitable[None] | None:
    server = _server(cmd.session, "log")
    return None if server is None else server.journal.record(cmd, failed=True)


@module.on(SESSION_CLOSE)
def log_exit(session: Session) -> None:
    if (server := _server(session, "log")) is not None:
        server.journal.leave(session)


def _happened(name: str, payload: Any) -> None:
    """An event of a session or of a command; what happens to the daemon alone has no database."""
    cmd = payload if isinstance(payload, Command) else None
    session = cmd.session if cmd is not None else payload
    if isinstance(session, Session) and (server := _server(session, "log")) is not None:
        server.journal.happened(name, session, cmd)


@module.post()
def show_success(cmd: Command) -> Awaitable[None] | None:
    server = _server(cmd.session, "log")
    return None if server is None else server.journal.show(cmd, failed=False)


@module.post_err()
def show_failure(cmd: Command) -> Awaitable[None] | None:
    server = _server(cmd.session, "log")
    return None if server is None else server.journal.show(cmd, failed=True)
