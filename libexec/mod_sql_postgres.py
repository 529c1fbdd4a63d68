"""mod_sql_postgres -- PostgreSQL for mod_sql, by psycopg; values travel beside the statement, never in it."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - for names of hosts: later the daemon may not be allowed to read it
import logging
import os
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from ftpd.api import ConfigError, Module, sql

module = Module("sql_postgres", version="1.0", needs=("mod_sql",), extra="sql-postgres")

# classes of SQLSTATE: connection, resources, the operator's intervention, system, and a transaction rolled back by
# no fault of its own; 0A000 is a statement prepared before the table was changed, 25006 a server that fails over
_NOT_NOW = ("08", "0A000", "25006", "40", "53", "55P03", "57", "58")
_FAREWELL = 1.0
"""Seconds that a server has to end a statement that nobody waits for any more."""
_leaving: set[asyncio.Task[None]] = set()
# what it warns of is told by us, in the daemon's own log
logging.getLogger("psycopg").setLevel(logging.ERROR)
_NO_FILE = "/dev/null/none"
_SSL = {"ca": "sslrootcert", "cert": "sslcert", "key": "sslkey"}


def _fault(error: psycopg.Error) -> sql.SqlError:
    text = " ".join(str(error.diag.message_primary or error).split())
    state = error.sqlstate
    if state is None or state.startswith(_NOT_NOW):
        # without a state it did not come from the server: the connection broke, or a value was no text
        return sql.SqlError(text) if isinstance(error, psycopg.DataError) else sql.SqlLost(text)
    return sql.SqlError(f"{text} ({state})")


class PostgresConnection:
    """One connection; what is run often is prepared by psycopg itself."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._left = False

    async def run(self, statement: sql.Statement, values: Sequence[sql.Value]) -> list[sql.Row]:
        # given up, psycopg asks the server to stop and waits for that, up to ten seconds: whoever gave up shall not
        work = asyncio.ensure_future(self._run(statement, values))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._left = True
            farewell = asyncio.ensure_future(self._leave(work))
            _leaving.add(farewell)
            farewell.add_done_callback(_leaving.discard)
            raise

    async def _leave(self, work: asyncio.Future[list[sql.Row]]) -> None:
        """Have the statement ended, if the server still hears; then the connection is closed in any case."""
        try:
            for _ in range(2):
                work.cancel()
                await asyncio.wait({work}, timeout=_FAREWELL)
                if work.done():
                    break
            if work.done() and not work.cancelled():
                work.exception()
        finally:
            self._connection.pgconn.finish()

    async def _run(self, statement: sql.Statement, values: Sequence[sql.Value]) -> list[sql.Row]:
        try:
            async with self._connection.cursor() as cursor:
                await cursor.execute(statement.text, tuple(values))
                if cursor.description is None:
                    return []
                return [tuple(map(sql.as_text, row)) for row in await cursor.fetchall()]
        except psycopg.Error as error:
            if self._connection.closed or self._connection.info.transaction_status is TransactionStatus.UNKNOWN:
                raise sql.SqlLost(" ".join(str(error).split())) from None
            raise _fault(error) from None

    async def ping(self) -> None:
        await self.run(sql.Statement("SELECT 1"), ())

    async def close(self) -> None:
        try:
            await self._connection.close()
        except psycopg.Error as error:
            raise sql.SqlLost(str(error)) from None

    def abort(self) -> None:
        if not self._left:
            self._connection.pgconn.finish()


class Postgres:
    """The backend ``postgres``."""

    names = ("postgres", "postgresql")
    dialect = sql.Dialect(mark="%s", percent="%%", dollar_quotes=True, nul=False, taken=r"\$(?=[0-9])")

    def target(self, info: str, user: str, password: str, ssl: tuple[tuple[str, str], ...]) -> sql.Target:
        target = sql.Target.at("postgres", info, user, password, ssl)
        if any(name == "ciphers" for name, _ in ssl):
            raise ConfigError("libpq takes no list of ciphers", right="no ssl-ciphers with SQLBackend postgres")
        if os.path.isdir(dict(ssl).get("ca", "")):
            raise ConfigError("libpq takes no folder of authorities", right="ssl-ca: and a file")
        return target

    async def connect(self, target: sql.Target, timeout: float) -> PostgresConnection:
        # libpq would look for a certificate below the home of whoever started the daemon, and give TLS up when it
        # may not look there any more
        wanted: dict[str, Any] = {"sslcert": _NO_FILE} | {_SSL[name]: value for name, value in target.ssl}
        if target.ssl:
            wanted["sslmode"] = "verify-full" if "sslrootcert" in wanted else "require"
        for name, value in (("host", target.host), ("port", target.port), ("user", target.user)):
            if value:
                wanted[name] = value
        if target.password:
            wanted["password"] = target.password
        try:
            connection = await psycopg.AsyncConnection.connect(
                dbname=target.database,
                autocommit=True,
                connect_timeout=max(2, int(timeout)),
                application_name="ftpd",
                client_encoding="utf8",
                # what comes from our templates is text as the standard has it
                # and a statement that nobody waits for any more shall not go on in the server
                options=f"-c standard_conforming_strings=on -c statement_timeout={timeout * 1000:.0f}",
                **wanted,
            )
        except (psycopg.Error, OSError) as error:
            raise sql.SqlLost(" ".join(str(error).split())) from None
        return PostgresConnection(connection)

    def password_holds(self, password: str, stored: str) -> bool:
        """PostgreSQL has no hashes for others' passwords."""
        return False


module.offer(sql.BACKENDS, Postgres())
