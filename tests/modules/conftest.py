"""Servers of databases, each started when the first test wants it and shared by all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sql_servers import MariaDB, Postgres, Server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    server = MariaDB()
    yield server
    server.remove()


@pytest.fixture(params=["mariadb", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    """One after the other, with empty tables and the user tom."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    found.fresh()
    return found
