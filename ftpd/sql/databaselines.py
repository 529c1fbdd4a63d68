"""The directives that say where databases are and how the daemon deals with them, and the stores that they come to."""

from __future__ import annotations

from collections.abc import Collection, Generator

from ftpd.conf import types
from ftpd.conf.directive import GLOBAL, SERVER, VHOST, ConfigWarning, Directive
from ftpd.conf.tree import Scope
from ftpd.core.record import dataclass
from ftpd.module.table import Module
from ftpd.sql.backend import Backend, Target, backend_named
from ftpd.sql.lines import (
    ConnectInfo,
    connect_line,
    keep_alive_line,
    line_of,
    named_connect_line,
    place_of,
    retry_line,
    spool_line,
)
from ftpd.sql.pool import Limits, Pool
from ftpd.sql.queries import Store
from ftpd.sql.spool import Spool
from ftpd.sql.text import heartbeat

_SERVERS = SERVER | GLOBAL | VHOST
_CONNECT = (
    "connection-info [username] [password] [policy] [ssl-ca:path] [ssl-cert:path] [ssl-key:path] [ssl-ciphers:list]"
)


@dataclass(frozen=True)
class DatabaseLines:
    """The directives of connections, by their names."""

    backend_name: Directive[str | None]
    connect_info: Directive[ConnectInfo | None]
    health_check: Directive[float]
    keep_alive: Directive[tuple[int, str] | None]
    named_connect_info: Directive[tuple[ConnectInfo, ...]]
    pool_size: Directive[int]
    retry: Directive[tuple[int, float]]
    spool_place: Directive[tuple[str | None, int]]
    timeout: Directive[float]

    def that_names(self, info: ConnectInfo) -> Directive[ConnectInfo | None] | Directive[tuple[ConnectInfo, ...]]:
        """The directive that names the connection."""
        return self.connect_info if info.name == "default" else self.named_connect_info


def database_lines(module: Module) -> DatabaseLines:
    """Have the module declare them; they are its own."""
    return DatabaseLines(
        backend_name=module.directive(
            "SQLBackend", types.string, contexts=_SERVERS, usage="backend",
            doc="The kind of database of SQLConnectInfo; without it that of the backend loaded first.",
        ),
        connect_info=module.directive(
            "SQLConnectInfo", connect_line, contexts=_SERVERS, usage=_CONNECT,
            doc="Where the database is, and who the daemon is to it; without it the module does nothing.",
        ),
        health_check=module.directive(
            "SQLHealthCheck", types.seconds, default=30, contexts=_SERVERS, usage="seconds",
            doc="A connection that was idle for longer is tried before it is used.",
        ),
        keep_alive=module.directive(
            "SQLKeepAlive", keep_alive_line, contexts=_SERVERS, usage="interval [statement]",
            doc="Send a statement on every idle connection from time to time.",
        ),
        named_connect_info=module.directive_list(
            "SQLNamedConnectInfo", named_connect_line, contexts=_SERVERS,
            usage=f"connection-name sql-backend {_CONNECT}",
            doc="A further connection, for the named queries that name it.",
        ),
        pool_size=module.directive(
            "SQLPoolSize", types.integer(1, 1000), default=8, contexts=_SERVERS, usage="count",
            doc="The most connections to one database.",
        ),
        retry=module.directive(
            "SQLRetry", retry_line, default=(1, 1.0), contexts=_SERVERS, usage="count [pause]",
            doc="How often a statement is tried again when the connection is lost, "
            "and the pause before a new connection.",
        ),
        spool_place=module.directive(
            "SQLSpool", spool_line, default=(None, 10_000), contexts=_SERVERS, usage="folder|none [rows]",
            doc="Where rows of SQLLog wait while the database is away, and how many may.",
        ),
        timeout=module.directive(
            "SQLTimeout", types.seconds, default=10, contexts=_SERVERS, usage="seconds",
            doc="How long a statement may take, with the waiting for a connection.",
        ),
    )  # fmt: skip


class Stores:
    """Makes the stores of one configuration: servers that speak with the same database share its connections."""

    def __init__(self, lines: DatabaseLines, backends: Collection[Backend]) -> None:
        self._lines = lines
        self._backends = backends
        self._pools: dict[tuple[Target, Limits, tuple[str | None, int]], tuple[Pool, Spool]] = {}

    def of(self, scope: Scope, *, reconnects: bool) -> Generator[ConfigWarning, None, dict[str, Store]]:
        """A server's stores by their names; yields what is doubtful, ConfigError at the line that is wrong."""
        lines = self._lines
        stores: dict[str, Store] = {}
        for info in (scope.settings[lines.connect_info], *scope.settings[lines.named_connect_info]):
            if info is not None and info.name not in stores:
                stores[info.name] = self._store(scope, info, reconnects=reconnects)
                if doubt := stores[info.name].pool.target.doubt:
                    line = lines.that_names(info)
                    yield ConfigWarning(doubt, directive=line.name, at=place_of(scope, line), word=0)
        return stores

    def _store(self, scope: Scope, info: ConnectInfo, *, reconnects: bool) -> Store:
        lines, settings = self._lines, scope.settings
        count, pause = settings[lines.retry]
        limits = Limits(
            size=settings[lines.pool_size],
            timeout=settings[lines.timeout] or 10.0,
            retries=count if reconnects else 0,
            pause=pause,
            health=settings[lines.health_check],
            idle=info.idle,
        )
        with line_of(scope, lines.that_names(info)):
            backend = backend_named(info.backend or (settings[lines.backend_name] or "").lower(), self._backends)
            target = backend.target(info.info, info.user, info.password, info.ssl)
        with line_of(scope, lines.keep_alive):
            beat = heartbeat(settings[lines.keep_alive], backend.dialect)
        key = (target, limits, settings[lines.spool_place])
        if key not in self._pools:
            pool = Pool(backend, target, limits)
            self._pools[key] = pool, Spool(pool, *settings[lines.spool_place])
        return Store(info.name, *self._pools[key], info.at_connect, beat)
