"""A pool of connections to one database: so many and no more, each statement within its time, told when it is down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from ftpd.core.log import Level, log
from ftpd.core.record import dataclass
from ftpd.sql.backend import Backend, Connection, Row, SqlError, SqlLost, Statement, Target, Value
from ftpd.sql.patience import Patience

_WAITING = "no connection was free"
_CONNECTING = "no connection was made"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows a pool."""

    size: int = 8
    timeout: float = 10.0
    """Seconds for a statement, with all waiting for a connection."""
    retries: int = 1
    """How often a statement is tried again on another connection when one is lost."""
    pause: float = 1.0
    """Seconds between two attempts to reach a database that is down."""
    health: float = 30.0
    """A connection that was idle for longer is asked whether it is alive before it is used."""
    idle: float = 0.0
    """Seconds after which an idle connection is closed; 0 is never."""


class Attempt:
    """How far a statement has come, for the word on it when its time is up."""

    __slots__ = ("doing", "since")

    def __init__(self) -> None:
        self.doing = _WAITING
        self.since = 0.0


class Pool:
    """Runs statements, each on a connection of its own while it runs; connections are made when they are needed."""

    def __init__(self, backend: Backend, target: Target, limits: Limits) -> None:
        self.backend = backend
        self.target = target
        self.limits = limits
        self.down: str | None = None
        """Why the database could not be reached when it was last tried."""
        self.statements = 0
        self.failures = 0
        self.spent = 0.0
        self.waiting = 0
        self.busy = 0
        self._turns = asyncio.Semaphore(limits.size)
        self._idle: list[tuple[Connection, float]] = []
        self._tried = 0.0
        self._closed = False

    @property
    def idle(self) -> int:
        return len(self._idle)

    async def run(self, statement: Statement, values: Sequence[Value] = ()) -> list[Row]:
        """The rows of the statement; SqlLost when the database cannot be asked, SqlError when it says no."""
        began = monotonic()
        attempt = Attempt()
        self.waiting += 1
        try:
            async with Patience(self.limits.timeout), self._turns:
                self.waiting -= 1
                self.busy += 1
                try:
                    return await self._run(statement, values, attempt)
                finally:
                    self.busy -= 1
                    self.waiting += 1
        except TimeoutError:
            # raised below: what was being done, a socket among it, shall not live as long as that exception
            pass
        except SqlError:
            self.failures += 1
            raise
        finally:
            self.waiting -= 1
            self.statements += 1
            self.spent += monotonic() - began
        self.failures += 1
        if attempt.doing == _CONNECTING:
            if monotonic() - attempt.since < self.limits.timeout / 2:
                # its turn came too late to say anything about the database
                attempt.doing = _WAITING
            else:
                self._is_down(attempt.doing)
        raise SqlLost(f"{self.target.label}: {attempt.doing} within {self.limits.timeout:g} s")

    async def _run(self, statement: Statement, values: Sequence[Value], attempt: Attempt) -> list[Row]:
        attempts = self.limits.retries
        while True:
            try:
                connection = await self._take(attempt)
                attempt.doing = "there was no answer"
                try:
                    rows = await connection.run(statement, values)
                except SqlLost:
                    connection.abort()
                    # what died here has most likely died everywhere
                    self._drop_idle()
                    raise
                except SqlError:
                    self._put_back(connection)
                    raise
                except BaseException:
                    # given up half-way: what comes next on this connection would be the answer to this
                    connection.abort()
                    raise
            except SqlLost:
                if attempts <= 0 or self._closed:
                    raise
                attempts -= 1
                continue
            self._put_back(connection)
            return rows

    async def _take(self, attempt: Attempt) -> Connection:
        now = monotonic()
        while self._idle:
            connection, since = self._idle.pop()
            if self.limits.idle and now - since > self.limits.idle:
                await self._close(connection)
            elif now - since <= self.limits.health or await self._is_alive(connection):
                return connection
        attempt.doing, attempt.since = _CONNECTING, monotonic()
        return await self._connect()

    async def _connect(self) -> Connection:
        if self.down is not None and (rest := self._tried + self.limits.pause - monotonic()) > 0:
            await asyncio.sleep(rest)
        self._tried = monotonic()
        try:
            connection = await self.backend.connect(self.target, self.limits.timeout)
        except SqlError as error:
            self._is_down(str(error))
            raise SqlLost(f"{self.target.label} cannot be reached: {error}") from None
        if self.down is not None:
            self.down = None
            log(Level.NOTICE, "mod_sql: %s can be reached again", self.target.label)
        return connection

    def _is_down(self, reason: str) -> None:
        if self.down is None:
            log(Level.ERROR, "mod_sql: %s cannot be reached: %s", self.target.label, reason)
        self.down = reason

    async def _is_alive(self, connection: Connection) -> bool:
        try:
            await connection.ping()
        except SqlError:
            connection.abort()
            return False
        except BaseException:
            connection.abort()
            raise
        return True

    def _put_back(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
        else:
            self._idle.append((connection, monotonic()))

    def _drop_idle(self) -> None:
        for connection, _ in self._idle:
            connection.abort()
        self._idle.clear()

    async def _close(self, connection: Connection) -> None:
        try:
            async with Patience(self.limits.timeout):
                await connection.close()
        except (SqlError, TimeoutError):
            connection.abort()

    async def close_idle(self) -> None:
        """Close what was idle for longer than the configuration lets a connection be."""
        limit = monotonic() - self.limits.idle
        late = [connection for connection, since in self._idle if since < limit] if self.limits.idle else []
        self._idle = [(connection, since) for connection, since in self._idle if connection not in late]
        for connection in late:
            await self._close(connection)

    async def keep_alive(self, statement: Statement) -> None:
        """Send something on every idle connection, so that no firewall forgets them; how it ends is no matter."""
        idle, self._idle = self._idle, []
        for connection, since in idle:
            try:
                async with Patience(self.limits.timeout):
                    await connection.run(statement, ())
            except (SqlLost, TimeoutError):
                connection.abort()
                continue
            except SqlError:
                pass
            if self._closed:
                connection.abort()
            else:
                self._idle.insert(0, (connection, since))

    async def close(self) -> None:
        """Close all that is idle now, and the others as they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await self._close(connection)
