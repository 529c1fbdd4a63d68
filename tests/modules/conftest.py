"""What the tests of modules share: a database in a file, real servers of databases, and the ways to write listings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sql_ground import Database
from sql_servers import MariaDB, Postgres, Server

from ftpd import native
from ftpd.fs import dents
from ftpd.modules import _folders


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A database in a file, with the user tom."""
    database = Database(tmp_path)
    yield database
    database.remove()


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


@pytest.fixture(params=["python", "python, as of many", "compiled", "compiled, as of many"])
def way_to_list(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of listings written by Python, of folders of any size as of huge ones, and by what is compiled."""
    if request.param.endswith("as of many"):
        monkeypatch.setattr(_folders, "_LARGE", -1)
        monkeypatch.setattr(_folders, "SMALL", -1)
    if request.param.startswith("python"):
        monkeypatch.setattr(native, "lines", None)
        if request.param != "python":
            monkeypatch.setattr(dents, "HUGE", -1)
    elif native.lines is None:
        pytest.skip("not compiled here")
