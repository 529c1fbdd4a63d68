"""mod_sql_mysql -- MySQL and MariaDB for mod_sql, by asyncmy; every statement is prepared on the server."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - for names of hosts: later the daemon may not be allowed to read it
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from asyncmy import errors
from asyncmy.connection import Connection

from ftpd.api import Module, sql

module = Module("sql_mysql", version="1.0", needs=("mod_sql",), extra="sql-mysql")

_MOST_PREPARED = 200
"""Statements that one connection keeps prepared."""
# the server says so, but nothing is wrong with the statement: read-only while it fails over, out of memory, shutting
# down, a lock that was waited for too long, a deadlock, too many connections, prepared before the table was changed
_NOT_NOW = frozenset(
    {1021, 1037, 1038, 1040, 1041, 1053, 1114, 1203, 1205, 1213, 1226, 1243, 1290, 1615, 1836, 1927, 1969, 3024}
)
_GONE = range(2000, 3000)
_FAREWELL = 5.0
"""Seconds to have a statement ended that nobody waits for any more."""
_leaving: set[asyncio.Task[None]] = set()


def _fault(error: BaseException) -> sql.SqlError:
    """What went wrong, without the values that were bound."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error) or type(error).__name__
    lost = not isinstance(error, errors.MySQLError) or isinstance(error, errors.InterfaceError | errors.InternalError)
    if lost or code in _NOT_NOW or code in _GONE:
        return sql.SqlLost(text)
    return sql.SqlError(f"{text} ({code})" if code else text)


def _wants_tls(error: Exception) -> bool:
    if isinstance(error, errors.OperationalError):
        # access denied, which is all that an account with REQUIRE SSL says; and require_secure_transport
        return error.args[0] in (1045, 3159)
    # MySQL 8 wants the password, and nothing encrypts it
    return isinstance(error, RuntimeError)


class MySQLConnection:
    """One connection and the statements that are prepared on it."""

    def __init__(self, connection: Any, another: Callable[[], Awaitable[Any]]) -> None:
        self._connection = connection
        self._another = another
        """Makes one more connection to the same server."""
        self._prepared: dict[str, Any] = {}

    async def run(self, statement: sql.Statement, values: Sequence[sql.Value]) -> list[sql.Row]:
        try:
            return await self._run(statement, values)
        except asyncio.CancelledError:
            # the server would go on, for it does not look whether anybody listens
            farewell = asyncio.ensure_future(self._end_in_server())
            _leaving.add(farewell)
            farewell.add_done_callback(_leaving.discard)
            raise

    async def _end_in_server(self) -> None:
        number = self._connection.thread_id()
        try:
            async with asyncio.timeout(_FAREWELL):
                other = await self._another()
                try:
                    await other.query(f"KILL {number:d}")
                finally:
                    other.close()
        except (errors.MySQLError, OSError, EOFError):
            # it has ended already, or the server is away; TimeoutError is an OSError
            pass

    async def _run(self, statement: sql.Statement, values: Sequence[sql.Value]) -> list[sql.Row]:
        try:
            prepared = self._prepared.get(statement.text)
            if prepared is None:
                prepared = await self._prepare(statement.text)
            result = await prepared.execute(tuple(values))
            return [tuple(map(sql.as_text, row)) for row in result.rows or ()]
        except (errors.MySQLError, OSError, EOFError) as error:
            raise _fault(error) from None

    async def _prepare(self, text: str) -> Any:
        if len(self._prepared) >= _MOST_PREPARED:
            oldest = next(iter(self._prepared))
            await self._prepared.pop(oldest).close()
        prepared = self._prepared[text] = await self._connection.prepare(text)
        return prepared

    async def ping(self) -> None:
        try:
            await self._connection.ping(reconnect=False)
        except (errors.MySQLError, OSError, EOFError) as error:
            raise sql.SqlLost(str(error)) from None

    async def close(self) -> None:
        try:
            await self._connection.ensure_closed()
        except (errors.MySQLError, OSError) as error:
            raise sql.SqlLost(str(error)) from None

    def abort(self) -> None:
        self._connection.close()


class MySQL:
    """The backend ``mysql``."""

    names = ("mysql", "mariadb")
    dialect = sql.Dialect(mark="?", backslash=True, double_quoted_text=True, hash_comments=True, taken=r"\?")

    def __init__(self) -> None:
        self._ways = sql.mysqlways.Ways()

    def target(self, info: str, user: str, password: str, ssl: tuple[tuple[str, str], ...]) -> sql.Target:
        return sql.Target.at("mysql", info, user, password, ssl)

    async def connect(self, target: sql.Target, timeout: float) -> MySQLConnection:
        place = sql.mysqlways.place(target)
        connected = partial(_connected, target, timeout, place)
        reach = partial(self._ways.first, target, place, connected, _wants_tls)
        try:
            connection = await reach()
            # a statement that nobody waits for any more shall not go on in the server; MySQL ends SELECTs only
            name = "max_statement_time" if "mariadb" in connection.get_server_info().lower() else "max_execution_time"
            limit = timeout if name == "max_statement_time" else timeout * 1000
            await connection.query(f"SET SESSION {name} = {limit:.0f}")
        except RuntimeError as error:
            # a way to prove who we are that wants a package, where TLS would do or the package is missing
            tls = "cryptography" in str(error)
            raise sql.SqlLost("the account needs TLS, which the server does not have" if tls else str(error)) from None
        except (errors.MySQLError, OSError, EOFError, ssl.SSLError) as error:
            raise sql.SqlLost(str(error.args[1]) if len(error.args) > 1 else str(error)) from None
        return MySQLConnection(connection, reach)

    def password_holds(self, password: str, stored: str) -> bool:
        """``PASSWORD()`` of MariaDB, and of MySQL up to 5.7: a star and SHA1 of SHA1, in hex."""
        return sql.hashes.mysql_holds(password, stored)


async def _connected(
    target: sql.Target, timeout: float, place: dict[str, Any], tls: ssl.SSLContext | None
) -> Any:  # fmt: skip
    made: Any = Connection
    connection = made(
        user=target.user,
        # text it would take for latin1, where MySQL's own clients send what was typed
        password=target.password.encode("utf-8", "surrogateescape"),
        database=target.database,
        charset="utf8mb4",
        connect_timeout=timeout,
        autocommit=True,
        program_name="ftpd",
        ssl=tls,
        **place,
    )
    await connection.connect()
    return connection


module.offer(sql.BACKENDS, MySQL())
