"""The servers that have databases: made of the lines of a configuration, and there as long as it is in service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager

from ftpd.conf.directive import ConfigError
from ftpd.conf.tree import Config, Scope
from ftpd.module.errands import Errands
from ftpd.module.session import Session
from ftpd.sql.backend import Backend, PasswordCheck
from ftpd.sql.databaselines import DatabaseLines, Stores
from ftpd.sql.queries import defined_twice
from ftpd.sql.server import Server
from ftpd.sql.serverlines import ServerLines
from ftpd.sql.service import Service


class Servers:
    """What the lines of each come to; ``service`` has their databases meanwhile."""

    def __init__(self, lines: ServerLines, databases: DatabaseLines, service: Service) -> None:
        self._lines = lines
        self._databases = databases
        self._service = service
        self._servers: dict[Scope, Server] = {}
        self._new: dict[Scope, Server] = {}
        """Those of the configuration that was read last, until it goes into service."""

    def set_up(
        self, config: Config, backends: Collection[Backend], checks: Collection[PasswordCheck], errands: Errands,
        tell: Callable[[Scope], Callable[[str], None] | None],
    ) -> Iterator[ConfigError]:  # fmt: skip
        """Bring together what the lines say; servers that speak with the same database share its connections.

        ``tell`` gives what adds a record to a server's log, None where it has none.
        """
        self._new.clear()
        databases = Stores(self._databases, backends)
        for scope in config.servers:
            nowhere = scope.settings[self._databases.connect_info] is None
            if nowhere or (scope.settings[self._lines.engine] == "off" and not scope.children):
                continue
            reconnects = not any("NoReconnect" in some for some in scope.settings[self._lines.options])
            try:
                stores = yield from databases.of(scope, reconnects=reconnects)
            except ConfigError as wrong:
                # what its queries are good for is not known without their databases
                yield wrong
                continue
            server = Server(self._lines, scope, stores, config, errands, tell=tell(scope), checks=checks)
            yield from server.faults
            self._new[scope] = self._servers[scope] = server
        yield from defined_twice(scope.settings[self._lines.named_queries] for scope in self._new)

    @asynccontextmanager
    async def in_service(self) -> AsyncIterator[None]:
        mine = dict(self._new)
        try:
            async with self._service.of([store for server in mine.values() for store in server.stores.values()]):
                yield
        finally:
            for scope in mine:
                self._servers.pop(scope, None)

    def of(self, session: Session) -> Server | None:
        return self._servers.get(session.server)

    def engaged(self, session: Session, purpose: str) -> Server | None:
        """What holds for the session, if the engine is on for this: auth or log."""
        server = self._servers.get(session.server)
        return server if server is not None and session.settings[self._lines.engine] in ("on", purpose) else None
