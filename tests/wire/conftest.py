"""Fixtures of the tests that run a real daemon and real clients against it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.command import Site
from tests.wire.daemon import Daemon
from tests.wire.hostile import alive


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that the tests of one file share; it has to end well, too."""
    with Daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place for a daemon that a test starts and stops as an administrator would."""
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def ends_alive(server: Daemon) -> Iterator[None]:
    """For usefixtures: after each test the daemon serves others, has nothing left of it, and tells of no fault."""
    yield
    alive(server)


@pytest.fixture(scope="session")
def content() -> bytes:
    """2 MiB and a bit that no text conversion, compression or repetition leaves equal by chance."""
    return random.Random(2121).randbytes(2 * 1024 * 1024 + 12345)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's current folder: empty, and its home too, so that nobody's ~/.netrc or proxy takes part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return tmp_path
