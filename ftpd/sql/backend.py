"""What modules that speak with databases share: a statement with its parameters, a backend, and who asks it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from ftpd.conf.directive import ConfigError
from ftpd.core.record import dataclass
from ftpd.module.offers import Offer

if TYPE_CHECKING:
    from ftpd.module.command import Command
    from ftpd.module.session import Session

Value = str | int | None
Row = tuple[str | None, ...]

_PLACE = re.compile(r"([^@:]+)(?:@(\[[^\]]+\]|/[^:]*|[^:/]+))?(?::([^:@]*))?")
_DIGITS = 5
_LAST_PORT = 65535


def as_text(value: Any) -> str | None:
    """What a driver has of a column, as the database writes it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(int(value)) if isinstance(value, bool) else str(value)


class SqlError(Exception):
    """The database refused the statement; it is as if it had not been sent."""


class SqlLost(SqlError):
    """The database cannot be reached, or stopped answering: nobody knows whether the statement took effect."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database reads SQL text, as far as it matters for finding what stands in quotes."""

    mark: str
    """What stands for a parameter in the text."""
    percent: str = "%"
    """How a percent sign is written in it."""
    backslash: bool = False
    """Whether a backslash in a quoted text quotes what follows."""
    double_quoted_text: bool = False
    """Whether double quotes hold text; else they hold a name."""
    dollar_quotes: bool = False
    brackets_quote: bool = False
    hash_comments: bool = False
    nul: bool = True
    """Whether its texts can hold a NUL character."""
    taken: str = r"(?!)"
    """A pattern, of ASCII, of what the driver would take for a parameter of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL text with a mark in the place of every value."""

    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a database is and who we are to it: the words of SQLConnectInfo."""

    backend: str
    database: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    ssl: tuple[tuple[str, str], ...] = ()
    """``ca``, ``cert``, ``key`` and ``ciphers``, those that are given."""
    doubt: str = field(default="", compare=False)
    """What is likely to be a mistake in it, and is taken all the same as ProFTPD takes it."""

    @classmethod
    def at(cls, backend: str, info: str, user: str, password: str, ssl: tuple[tuple[str, str], ...]) -> Target:
        """What ``database[@host][:port]`` means for who has servers; ConfigError when it makes no sense."""
        found = _PLACE.fullmatch(info)
        named = (found and found[3]) or ""
        port = int(named) if named.isascii() and named.isdigit() and len(named) <= _DIGITS else 0
        if found is None or port > _LAST_PORT or (named.isdigit() and not port):
            raise ConfigError(f"'{info}' does not say where the database is", right="database[@host][:port]")
        host = (found[2] or "localhost").strip("[]")
        doubt = "" if port or not named else f"'{named}' is no port: the database's own is used"
        return cls(backend, found[1], host, port, user, password, ssl, doubt)

    @property
    def label(self) -> str:
        """How logs name it."""
        place = f"@{self.host}" if self.host else ""
        return f"{self.backend}:{self.database}{place}{f':{self.port}' if self.port else ''}"


class Connection(Protocol):
    """One connection; asked one thing at a time. Every fault is a SqlError."""

    async def run(self, statement: Statement, values: Sequence[Value]) -> list[Row]: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...

    def abort(self) -> None:
        """Give the connection up at once, whatever it is doing."""


class Backend(Protocol):
    """A kind of database, offered by a module of its own."""

    @property
    def names(self) -> tuple[str, ...]:
        """What SQLBackend calls it, in lower case, its proper name first."""

    @property
    def dialect(self) -> Dialect: ...

    def target(self, info: str, user: str, password: str, ssl: tuple[tuple[str, str], ...]) -> Target:
        """The first word of SQLConnectInfo taken apart; ConfigError when it makes no sense."""

    async def connect(self, target: Target, timeout: float) -> Connection: ...

    def password_holds(self, password: str, stored: str) -> bool:
        """SQLAuthTypes Backend: whether the password has this hash of the database's own kind."""


class Queries(Protocol):
    """The named queries of the configuration, for other modules."""

    async def lookup(self, session: Session, name: str, *arguments: str, command: Command | None = None) -> list[Row]:
        """The rows of a SELECT; ``arguments`` are its %{0}, %{1}. SqlError when there is no such query."""

    async def change(self, session: Session, name: str, *arguments: str, command: Command | None = None) -> None:
        """Run an INSERT, UPDATE or FREEFORM."""

    def knows(self, session: Session, name: str) -> bool: ...


class PasswordCheck(Protocol):
    """A word of SQLAuthTypes."""

    @property
    def name(self) -> str: ...

    @property
    def costly(self) -> bool:
        """Whether it takes so long that the time would tell which users exist."""

    def __call__(self, session: Session, user: str, password: str, stored: str) -> Awaitable[bool]: ...


BACKENDS: Offer[Backend] = Offer("sql.backends")
QUERIES: Offer[Queries] = Offer("sql.queries")
PASSWORD_CHECKS: Offer[PasswordCheck] = Offer("sql.password-checks")


def backend_named(wanted: str, loaded: Collection[Backend]) -> Backend:
    """The one of that name, or the first where none is named; ConfigError where there is none."""
    for known in loaded:
        if not wanted or wanted in known.names:
            return known
    names = ", ".join(known.names[0] for known in loaded)
    raise ConfigError(
        f"no backend '{wanted}' is loaded" if wanted else "no backend is loaded",
        right=f"one of {names}" if names else "LoadModule mod_sql_mysql.c, mod_sql_postgres.c or mod_sql_sqlite.c",
    )
