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

_TOGETHER = 2.0
"""Seconds that one look at all of them takes at most."""


class Service:
    """The databases of all servers; several stores may share a pool, and a spool with it."""

    def __init__(self, grace: float) -> None:
        self.stores: Sequence[Store] = ()
        self._grace = grace
        """Seconds that a spool has to be emptied at the end."""
        self._tended: dict[Pool, asyncio.Task[None]] = {}

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
                if (task := self._tended.pop(spool.pool, None)) is not None:
                    task.cancel()
                    await asyncio.wait([task])
                spool.close()
            for pool in pools:
                await pool.close()

    async def tend(self) -> None:
        """Write what was spooled, close what is idle for too long, keep the rest alive; to be called again and again.

        Where a database does not answer, the others are not waited for together with it.
        """
        for pool in self.pools:
            if pool not in self._tended:
                self._tended[pool] = asyncio.create_task(self._tend(pool))
        if self._tended:
            await asyncio.wait(self._tended.values(), timeout=_TOGETHER)
        for pool in [pool for pool, task in self._tended.items() if task.done()]:
            self._tended.pop(pool).result()

    async def _tend(self, pool: Pool) -> None:
        now = monotonic()
        for spool in self.spools:
            if spool.pool is pool:
                await spool.flush()
        await pool.close_idle()
        for store in self.stores:
            alive = store.keep_alive
            if store.pool is pool and alive is not None and alive[0] and now - store.kept_alive >= alive[0]:
                store.kept_alive = now
                await pool.keep_alive(alive[1])

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
