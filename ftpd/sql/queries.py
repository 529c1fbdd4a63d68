"""The queries of one server: those that have a name and those that a module makes, each with the database it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from time import monotonic

from ftpd.conf.directive import ConfigError, ConfigWarning
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.sql.backend import Dialect, Row, SqlError, SqlLost, Statement, Value
from ftpd.sql.lines import NamedQuery
from ftpd.sql.patience import Patience
from ftpd.sql.pool import Pool
from ftpd.sql.spool import Spool
from ftpd.sql.text import Asking, Query, compiled

_LOOKS = 0.5
"""Seconds between two looks whether the client is still there, while the database lets it wait."""


@dataclass(eq=False)
class Store:
    """A database of one server."""

    name: str
    pool: Pool
    spool: Spool
    at_connect: bool = False
    keep_alive: tuple[float, Statement] | None = None
    kept_alive: float = 0.0


@dataclass(frozen=True, eq=False)
class Ready:
    """A compiled query and the database that runs it."""

    query: Query
    store: Store

    def values(self, asking: Asking) -> list[Value]:
        """What is bound in it, of this moment."""
        dialect = self.store.pool.backend.dialect
        return [_storable(value, dialect) for value in self.query.values(asking)]


class QueryBook:
    """All queries of a server, which logs call by its ``label``, and the way to have them run.

    ``elsewhere`` are the names of all servers' queries, ``environment`` is what ``%{env:NAME}`` stands for; ``tell``
    hears of each query how it ended.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        named: tuple[NamedQuery, ...],
        *,
        label: str,
        elsewhere: Set[str],
        environment: Mapping[str, str],
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.stores = stores
        self.environment = environment
        self._label = label
        self._elsewhere = elsewhere
        self._tell = tell
        self._named: dict[str, NamedQuery] = {}
        for query in named:
            self._named.setdefault(query.name, query)
        self.faults: list[ConfigError] = []
        """What is wrong with the queries that have a name."""
        self._ready: dict[str, Ready] = {}
        for query in self._named.values():
            try:
                self._ready[query.name] = self._compiled_named(query)
            except ConfigError as wrong:
                self.faults.append(wrong)

    # -- found and made

    def named(self, name: str) -> Ready | None:
        return self._ready.get(name)

    def knows(self, name: str) -> bool:
        return name in self._named

    def selects(self, name: str) -> bool:
        """Whether there is such a query and it gives rows."""
        return name in self._named and self._named[name].selects

    def changes(self, name: str) -> bool:
        """Whether there is such a query and it may record something."""
        return name in self._named and self._named[name].kind != "SELECT"

    def selecting(self, name: str, directive: str) -> Ready | None:
        """The query of that name, which the directive asks for; ConfigError when it is not there, or gives no rows.

        None where <Global> names one that only other servers have: nobody of the database comes in there; and where
        the query itself is faulty, which is told already.
        """
        if not self.knows(name) and name in self._elsewhere:
            log(
                Level.WARN, "%s: the query '%s' stands in another server; %s finds nobody", directive, name, self._label
            )
            return None
        if not self.selects(name):
            raise ConfigError(
                f"there is no query '{name}' that selects", right=f'SQLNamedQuery {name} SELECT "... FROM ..."'
            )
        return self._ready.get(name)

    def compiled(self, template: str) -> Ready:
        """A query of a module's own for the default connection, with the administrator's names in it."""
        store = self.stores["default"]
        return Ready(compiled(template, store.pool.backend.dialect, self.environment), store)

    def condition(self, text: str | None) -> str:
        """An administrator's condition as it is put behind a module's own."""
        if not text:
            return ""
        self.compiled(f"SELECT 1 WHERE ({text})")
        return f" AND ({text})"

    def _compiled_named(self, query: NamedQuery) -> Ready:
        store = self.stores.get(query.connection)
        if store is None:
            raise ConfigError(
                f"the query '{query.name}' wants the connection '{query.connection}', which nothing defines",
                right=f"SQLNamedConnectInfo {query.connection} ...", directive="SQLNamedQuery", at=query.at,
            )  # fmt: skip
        try:
            return Ready(compiled(query.template, store.pool.backend.dialect, self.environment), store)
        except ConfigError as wrong:
            raise ConfigError(
                f"the query '{query.name}': {wrong.message}", right=wrong.right, directive="SQLNamedQuery", at=query.at
            ) from None

    # -- run

    async def rows(self, ready: Ready | None, asking: Asking) -> list[Row]:
        """What it finds; without a query that is nothing. Given up when the client goes away meanwhile."""
        if ready is None:
            return []
        values, session = ready.values(asking), asking.session
        if session is None:
            return await self._run(ready, values)
        try:
            # who has gone shall keep no connection from those who are there
            async with Patience(_LOOKS, lambda: session.wire.gone):
                return await self._run(ready, values)
        except TimeoutError:
            raise SqlLost("the client has gone away") from None

    async def write(self, ready: Ready, values: Sequence[Value]) -> None:
        """Run a query that records something; what the database cannot take now waits for it in order."""
        spool = ready.store.spool
        if not spool:
            try:
                await self._run(ready, values)
                return
            except SqlLost as error:
                lost: SqlError = error
        else:
            lost = SqlLost(f"{len(spool)} rows wait already")
        if not spool.add(ready.query.statement, values):
            raise lost

    async def _run(self, ready: Ready, values: Sequence[Value]) -> list[Row]:
        began = monotonic()
        statement, name = ready.query.statement, ready.store.name
        try:
            rows = await ready.store.pool.run(statement, values)
        except SqlError as error:
            self.tell(f"[{name}] '{statement.text}' failed: {error}")
            raise
        if self._tell is not None:
            self._tell(f"[{name}] '{statement.text}': {len(rows)} rows, {(monotonic() - began) * 1000:.1f} ms")
        return rows

    def tell(self, message: str) -> None:
        if self._tell is not None:
            self._tell(message)


def _storable(value: Value, dialect: Dialect) -> Value:
    """The value as it came; what no database takes in a text (bytes that are no UTF-8) is made visible."""
    if not isinstance(value, str):
        return value
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value if dialect.nul else value.replace("\0", "\\x00")


def defined_twice(servers: Iterable[tuple[NamedQuery, ...]]) -> Iterator[ConfigWarning]:
    """Tells of each query whose name stands above already; a server may have its own in the place of <Global>'s."""
    homes: dict[NamedQuery, list[int]] = {}
    for number, named in enumerate(servers):
        for query in named:
            homes.setdefault(query, []).append(number)
    first: dict[tuple[str, tuple[int, ...]], NamedQuery] = {}
    for query, home in homes.items():
        known = first.setdefault((query.name, tuple(home)), query)
        if known is not query and known.at is not None:
            yield ConfigWarning(
                f"a query '{query.name}' is defined at {known.at[0]}:{known.at[1]} already, and that one counts",
                right="a name of its own for each", word=0, directive="SQLNamedQuery", at=query.at,
            )  # fmt: skip


class NamedQueries:
    """Implements :class:`ftpd.sql.backend.Queries`; ``book`` gives the one for a session, None where there is none."""

    def __init__(self, book: Callable[[Session], QueryBook | None]) -> None:
        self._book = book

    async def lookup(self, session: Session, name: str, *arguments: str, command: Command | None = None) -> list[Row]:
        book = self._book(session)
        ready = None if book is None else book.named(name)
        if book is None or ready is None:
            raise SqlError(f"there is no SQLNamedQuery '{name}' for this server")
        return await book.rows(ready, Asking(session, command, arguments))

    async def change(self, session: Session, name: str, *arguments: str, command: Command | None = None) -> None:
        await self.lookup(session, name, *arguments, command=command)

    def knows(self, session: Session, name: str) -> bool:
        book = self._book(session)
        return book is not None and book.knows(name)
