"""AuthPasswordCache: who logs in again soon costs the daemon no second hash, unless an administrator wants it so."""

from __future__ import annotations

import ftplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.core import crypt
from tests.wire.command import Watched
from tests.wire.daemon import PATIENCE

SLOW = crypt.hash("secret", "$6$", 400_000)
"""A hash that takes a hundred times what all else of a login takes."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Watched]:
    daemon = Watched(tmp_path, f"UserPassword alice {SLOW}\n")
    daemon.start()
    yield daemon
    daemon.stop()


def cost(daemon: Watched, password: str = "secret") -> int:
    """The nanoseconds of a processor that the daemon spends on a login, threads and all (clock_getcpuclockid(3))."""
    clock = (~daemon.pid << 3) | 2
    before = time.clock_gettime_ns(clock)
    with ftplib.FTP() as ftp:
        ftp.connect(daemon.host, daemon.port, timeout=PATIENCE)
        if password == "secret":
            ftp.login("alice", password)
        else:
            with pytest.raises(ftplib.error_perm, match="530"):
                ftp.login("alice", password)
    return time.clock_gettime_ns(clock) - before


def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time(daemon: Watched) -> None:
    hashed = cost(daemon)
    assert cost(daemon) < hashed / 4
    for _ in range(2):
        assert cost(daemon, "wrong") > hashed / 4
    assert cost(daemon) < hashed / 4
    daemon.hang_up(f"AuthPasswordCache off\n{daemon.conf}")
    for _ in range(2):
        assert cost(daemon) > hashed / 4
    daemon.hang_up(daemon.conf.replace("AuthPasswordCache off", "AuthPasswordCache 1"))
    assert cost(daemon) > hashed / 4
    assert cost(daemon, "wrong") > hashed / 4
    time.sleep(1.1)
    assert cost(daemon) > hashed / 4
