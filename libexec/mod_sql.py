"""mod_sql -- accounts from a database and logs into one, through a backend (mod_sql_mysql and its kin)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ftpd.api import (
    GLOBAL,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Asked,
    Command,
    Config,
    ConfigError,
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


_databases = sql.database_lines(module)
_lines = sql.server_lines(module, sql.account_lines(module), _listen)

log_file = module.directive(
    "SQLLogFile", types.path_or_none, contexts=_SERVERS, usage='file|"none"',
    doc="Where it is told which statements were sent and how they ended; values are never told.",
)  # fmt: skip
acls: Any = module.directive_list(
    "SQLControlsACLs", control_rules("sql"), contexts=SERVER, usage="actions|all allow|deny user|group list",
    doc="Who may ask ftpdctl sql.",
)  # fmt: skip

_backends = module.takes_offers(sql.BACKENDS)
_offered_checks = module.takes_offers(sql.PASSWORD_CHECKS)
_log = logfile.ModuleLog("SQLLogFile", f"mod_sql/{module.version}")


# -- in service ----------------------------------------------------------------------------------------------

service = sql.Service(_GRACE)
_servers = sql.Servers(_lines, _databases, service)
module.resource(_servers.in_service)
module.every(_TURN)(service.tend)
# what is on its way arrives before the connections are closed: entered last, left first
_errands = module.errands(_GRACE)


def _teller(scope: Scope) -> Callable[[str], None] | None:
    path = scope.settings[log_file]
    return None if path is None else lambda message: _log.write(path, message)


@module.check
def set_up(config: Config) -> Iterator[ConfigError]:
    return _servers.set_up(config, _backends, _offered_checks, _errands, _teller)


@module.opening
async def reach(session: Session) -> None:
    server = _servers.of(session)
    if server is not None and session.server.settings[_lines.engine] != "off":
        await sql.reach(server.stores.values(), session)


@module.control("sql", help="connections to databases, and rows that wait for them", acl=acls)
def pools(asked: Asked) -> Iterator[str]:
    return service.report()


# -- accounts, and queries for other modules -----------------------------------------------------------------


def _directory_of(session: Session) -> sql.Directory | None:
    server = _servers.engaged(session, "auth")
    return None if server is None else server.directory


def _book_of(session: Session) -> sql.QueryBook | None:
    server = _servers.of(session)
    return None if server is None else server.book


module.auth(sql.SqlAccounts(_directory_of, _errands))


def _ledger_of(session: Session) -> sql.Ledger | None:
    server = _servers.engaged(session, "log")
    return None if server is None else server.ledger


module.offer(sql.RATIOS, sql.SqlRatios(_ledger_of))
module.offer(sql.QUERIES, sql.NamedQueries(_book_of))


# -- logs ----------------------------------------------------------------------------------------------------


@module.log()
def log_success(cmd: Command) -> Awaitable[None] | None:
    server = _servers.engaged(cmd.session, "log")
    return None if server is None else server.journal.record(cmd, failed=False)


@module.log_err()
def log_failure(cmd: Command) -> Awaitable[None] | None:
    server = None if cmd.unheard else _servers.engaged(cmd.session, "log")
    return None if server is None else server.journal.record(cmd, failed=True)


@module.on(SESSION_CLOSE)
def log_exit(session: Session) -> None:
    if (server := _servers.engaged(session, "log")) is not None:
        server.journal.leave(session)


def _happened(name: str, payload: Any) -> None:
    """An event of a session or of a command; what happens to the daemon alone has no database."""
    cmd = payload if isinstance(payload, Command) else None
    session = cmd.session if cmd is not None else payload
    if isinstance(session, Session) and (server := _servers.engaged(session, "log")) is not None:
        server.journal.happened(name, session, cmd)


@module.post()
def show_success(cmd: Command) -> Awaitable[None] | None:
    server = _servers.engaged(cmd.session, "log")
    return None if server is None else server.journal.show(cmd, failed=False)


@module.post_err()
def show_failure(cmd: Command) -> Awaitable[None] | None:
    server = _servers.engaged(cmd.session, "log")
    return None if server is None else server.journal.show(cmd, failed=True)
