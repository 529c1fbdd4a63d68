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
    ConfigWarning,
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


_USERS = "user-table user-name passwd uid gid home-dir shell"
_GROUPS = "group-table group-name gid members"
_CONNECT = (
    "connection-info [username] [password] [policy] [ssl-ca:path] [ssl-cert:path] [ssl-key:path] [ssl-ciphers:list]"
)

authenticate = module.directive(
    "SQLAuthenticate", sql.authenticate_line, default=sql.authenticate_line(["on"]), contexts=_SERVERS,
    usage="on|off|[users] [groups] [userset[fast]] [groupset[fast]]", doc="What is looked up in the database.",
)  # fmt: skip
auth_types: Directive[tuple[str, ...]] = module.directive(
    "SQLAuthTypes", types.words, default=(), contexts=_SERVERS, usage="type ...",
    doc="In which ways passwords are stored, in the order in which they are tried.",
)  # fmt: skip
backend_name = module.directive(
    "SQLBackend", types.string, contexts=_SERVERS, usage="backend",
    doc="The kind of database of SQLConnectInfo; without it that of the backend loaded first.",
)  # fmt: skip
connect_info = module.directive(
    "SQLConnectInfo", sql.connect_line, contexts=_SERVERS, usage=_CONNECT,
    doc="Where the database is, and who the daemon is to it; without it the module does nothing.",
)  # fmt: skip
default_gid = module.directive(
    "SQLDefaultGID", types.integer(0, sql.MAX_ID), default=65533, contexts=_SERVERS, usage="gid",
    doc="The gid of accounts that have none, or one that is too small.",
)  # fmt: skip
default_home = module.directive(
    "SQLDefaultHomedir", types.path, contexts=_SERVERS, usage="path",
    doc="The home of accounts that have none.",
)  # fmt: skip
default_uid = module.directive(
    "SQLDefaultUID", types.integer(0, sql.MAX_ID), default=65533, contexts=_SERVERS, usage="uid",
    doc="The uid of accounts that have none, or one that is too small.",
)  # fmt: skip
engine = module.directive(
    "SQLEngine", sql.engine_line, default="on", contexts=_SERVERS | ANON, usage="on|off|auth|log",
    doc="Whether the module does anything; auth: accounts only, log: logs only.",
)  # fmt: skip
group_info = module.directive(
    "SQLGroupInfo", sql.columns_line(3, _GROUPS, 5), default=sql.Columns("groups", ("groupname", "gid", "members")),
    contexts=_SERVERS, usage=f"{_GROUPS} | custom:/by-name/by-id/by-member[/all-names[/all]]",
    doc="The table of the groups and its columns, or the queries in its place.",
)  # fmt: skip
group_key = module.directive(
    "SQLGroupPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
    doc="What of the group's row is kept as %{note:sql.group-primary-key}.",
)  # fmt: skip
group_where = module.directive(
    "SQLGroupWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
    doc="A condition that every row of the group table has to meet.",
)  # fmt: skip
health_check = module.directive(
    "SQLHealthCheck", types.seconds, default=30, contexts=_SERVERS, usage="seconds",
    doc="A connection that was idle for longer is tried before it is used.",
)  # fmt: skip
keep_alive = module.directive(
    "SQLKeepAlive", sql.keep_alive_line, contexts=_SERVERS, usage="interval [statement]",
    doc="Send a statement on every idle connection from time to time.",
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
min_id = module.directive(
    "SQLMinID", types.integer(0, sql.MAX_ID), contexts=_SERVERS, usage="id",
    doc="The smallest uid and gid that an account may have; SQLMinUserUID and SQLMinUserGID are not heard beside it.",
)  # fmt: skip
min_gid = module.directive(
    "SQLMinUserGID", types.integer(0, sql.MAX_ID), default=999, contexts=_SERVERS, usage="gid",
    doc="The smallest gid that an account may have.",
)  # fmt: skip
min_uid = module.directive(
    "SQLMinUserUID", types.integer(0, sql.MAX_ID), default=999, contexts=_SERVERS, usage="uid",
    doc="The smallest uid that an account may have.",
)  # fmt: skip
named_connect_info = module.directive_list(
    "SQLNamedConnectInfo", sql.named_connect_line, contexts=_SERVERS, usage=f"connection-name sql-backend {_CONNECT}",
    doc="A further connection, for the named queries that name it.",
)  # fmt: skip
named_queries = module.directive_list(
    "SQLNamedQuery", sql.query_line, contexts=_SERVERS, usage="name type query-string [table] [connection-name]",
    act=sql.remember_place, doc="A query of one's own; its variables become bound parameters.", keeps_variables=True,
)  # fmt: skip
negative_cache = module.directive(
    "SQLNegativeCache", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether it is remembered for long that an id has no name.",
)  # fmt: skip
options = module.directive_list(
    "SQLOptions",
    types.flags("NoDisconnectOnError", "UseNormalizedGroupSchema", "NoReconnect", "IgnoreConfigFile"),
    contexts=_SERVERS, usage="NoDisconnectOnError|UseNormalizedGroupSchema|NoReconnect|IgnoreConfigFile ...",
    doc="Small changes in what the module does.",
)  # fmt: skip
pool_size = module.directive(
    "SQLPoolSize", types.integer(1, 1000), default=8, contexts=_SERVERS, usage="count",
    doc="The most connections to one database.",
)  # fmt: skip
ratios: Directive[tuple[str, ...]] = module.directive(
    "SQLRatios", sql.counters_line("frate", "fcred", "brate", "bcred"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|frate fcred brate bcred", doc="The columns that mod_ratio goes by.",
)  # fmt: skip
ratio_stats: Directive[tuple[str, ...]] = module.directive(
    "SQLRatioStats", sql.counters_line("fstor", "fretr", "bstor", "bretr"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|fstor fretr bstor bretr", doc="Columns in which a user's files and bytes are counted.",
)  # fmt: skip
retry = module.directive(
    "SQLRetry", sql.retry_line, default=(1, 1.0), contexts=_SERVERS, usage="count [pause]",
    doc="How often a statement is tried again when the connection is lost, and the pause before a new connection.",
)  # fmt: skip
show_rules = module.directive_list(
    "SQLShowInfo", sql.show_line, contexts=_SERVERS, usage="commands code text", keeps_variables=True,
    doc="What the client is told behind the reply, with answers of named queries in it.",
)  # fmt: skip
spool_place: Directive[tuple[str | None, int]] = module.directive(
    "SQLSpool", sql.spool_line, default=(None, 10_000), contexts=_SERVERS, usage="folder|none [rows]",
    doc="Where rows of SQLLog wait while the database is away, and how many may.",
)  # fmt: skip
timeout = module.directive(
    "SQLTimeout", types.seconds, default=10, contexts=_SERVERS, usage="seconds",
    doc="How long a statement may take, with the waiting for a connection.",
)  # fmt: skip
user_info = module.directive(
    "SQLUserInfo", sql.columns_line(6, _USERS, 4),
    default=sql.Columns("users", ("userid", "passwd", "uid", "gid", "homedir", "shell")), contexts=_SERVERS,
    usage=f"{_USERS} | custom:/by-name[/by-id[/all-names[/all]]]",
    doc="The table of the accounts and its columns, or the queries in its place.",
)  # fmt: skip
user_key = module.directive(
    "SQLUserPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
    doc="What of the user's row is kept as %{note:sql.user-primary-key}.",
)  # fmt: skip
user_where = module.directive(
    "SQLUserWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
    doc="A condition that every row of the user table has to meet.",
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
    auth_types=auth_types, authenticate=authenticate, default_gid=default_gid, default_home=default_home,
    default_uid=default_uid, engine=engine, event_rules=event_rules, failure_rules=failure_rules,
    group_info=group_info, group_key=group_key, group_where=group_where, log_rules=log_rules, min_gid=min_gid,
    min_id=min_id, min_uid=min_uid, named_queries=named_queries, negative_cache=negative_cache, options=options,
    ratio_stats=ratio_stats, ratios=ratios, show_rules=show_rules, user_info=user_info, user_key=user_key,
    user_where=user_where,
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
    pools: dict[Any, tuple[sql.Pool, sql.Spool]] = {}
    for scope in config.servers:
        info = scope.settings[connect_info]
        if info is None or (scope.settings[engine] == "off" and not scope.children):
            continue
        stores: dict[str, sql.Store] = {}
        try:
            for connection in (info, *scope.settings[named_connect_info]):
                if connection.name not in stores:
                    stores[connection.name] = _store(scope, connection, pools)
                    if doubt := stores[connection.name].pool.target.doubt:
                        where = sql.place_of(scope, _directive_of(connection))
                        yield ConfigWarning(doubt, directive=_directive_of(connection).name, at=where, word=0)
        except ConfigError as wrong:
            # what its queries are good for is not known without their databases
            yield wrong
            continue
        tell = _teller(scope.settings[log_file])
        server = sql.Server(_lines, scope, stores, config, _errands, tell=tell, checks=_offered_checks)
        yield from server.faults
        _new[scope] = _servers[scope] = server
    yield from sql.defined_twice(scope.settings[named_queries] for scope in _new)


def _store(scope: Scope, info: sql.ConnectInfo, pools: dict[Any, tuple[sql.Pool, sql.Spool]]) -> sql.Store:
    settings = scope.settings
    count, pause = settings[retry]
    limits = sql.Limits(
        size=settings[pool_size],
        timeout=settings[timeout] or 10.0,
        retries=0 if any("NoReconnect" in some for some in settings[options]) else count,
        pause=pause,
        health=settings[health_check],
        idle=info.idle,
    )
    with sql.line_of(scope, _directive_of(info)):
        backend = sql.backend_named(info.backend or (settings[backend_name] or "").lower(), _backends)
        target = backend.target(info.info, info.user, info.password, info.ssl)
    with sql.line_of(scope, keep_alive):
        beat = sql.heartbeat(settings[keep_alive], backend.dialect)
    key = (target, limits, settings[spool_place])
    if key not in pools:
        pool = sql.Pool(backend, target, limits)
        pools[key] = pool, sql.Spool(pool, *settings[spool_place])
    return sql.Store(info.name, *pools[key], info.at_connect, beat)


def _directive_of(info: sql.ConnectInfo) -> Any:
    return connect_info if info.name == "default" else named_connect_info


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
