"""Databases in service: spools are taken over and emptied, connections kept alive, and all closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from ftpd.core.log import Level
from ftpd.core.reply import Refuse
from ftpd.module.session import Session
from ftpd.sql.backend import SqlError, Statement
from ftpd.sql.pool import Pool
from ftpd.sql.queries import Store
from ftpd.sql.spool import Spool


class Service:
    """The databases of all servers; several stores may share a pool, and a spool with it."""

    def __init__(self, grace: float) -> None:
        self.stores: Sequence[Store] = ()
        self._grace = grace
        """Seconds that a spool has to be emptied at the end."""

    @property
    def pools(self) -> list[Pool]:
        return list(dict.fromkeys(store.pool for store in self.stores))

    @property
    def spools(self) -> list[Spool]:
        return list(dict.fromkeys(store.spool for store in self.stores))

    @asynccontextmanager
    async def of(self, stores: Iterable[Store]) -> AsyncIterator[None]:
        """Have these in service; a statement that is still on its way should be awaited before the end of it."""
        self.stores = list(dict.fromkeys(stores))
        pools, spools = self.pools, self.spools
        for spool in spools:
            spool.open()
        try:
            yield
        finally:
            for spool in spools:
                if spool and spool.pool.down is None:
                    try:
                        await asyncio.wait_for(spool.flush(), self._grace)
                    except TimeoutError:
                        pass
                spool.close()
            for pool in pools:
                await pool.close()

    async def tend(self) -> None:
        """Write what was spooled, close what is idle for too long, keep the rest alive."""
        now = monotonic()
        await asyncio.gather(*(spool.flush() for spool in self.spools))
        await asyncio.gather(*(pool.close_idle() for pool in self.pools))
        for store in self.stores:
            if store.keep_alive is not None and store.keep_alive[0] and now - store.kept_alive >= store.keep_alive[0]:
                store.kept_alive = now
                await store.pool.keep_alive(store.keep_alive[1])

    def report(self) -> Iterator[str]:
        """A few lines on each pool."""
        for pool in self.pools:
            names = ", ".join(dict.fromkeys(store.name for store in self.stores if store.pool is pool))
            spool = next(store.spool for store in self.stores if store.pool is pool)
            mean = pool.spent / pool.statements * 1000 if pool.statements else 0.0
            yield f"{pool.target.label} ({names}): {'up' if pool.down is None else f'down: {pool.down}'}"
            yield f"  connections: {pool.busy} busy, {pool.idle} idle, {pool.waiting} waiting, of {pool.limits.size}"
            yield f"  statements: {pool.statements}, {pool.failures} failed, {mean:.1f} ms in the mean"
            yield f"  spool: {len(spool)} rows wait, {spool.dropped} found no place"


async def reach(stores: Iterable[Store], session: Session) -> None:
    """PERCONNECTION: who comes while the database is away is told to come back."""
    for store in stores:
        if store.at_connect:
            try:
                await store.pool.run(Statement("SELECT 1"))
            except SqlError as error:
                session.log(Level.ERROR, "mod_sql: %s", error)
                raise Refuse(421, "Service not available, please try again later") from None
