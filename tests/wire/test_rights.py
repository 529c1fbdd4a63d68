"""What the daemon's process may: the capabilities it keeps, and the limits that the configuration imposes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import as_root

CHOWN, SYS_ADMIN, SETUID = 1 << 0, 1 << 21, 1 << 7


@contextmanager
def running(folder: Path, conf: str) -> Iterator[Daemon]:
    daemon = Daemon(folder, conf)
    daemon.start()
    yield daemon
    daemon.assert_well()
    daemon.stop()


def proc(daemon: Daemon, file: str) -> str:
    return Path(f"/proc/{daemon._process.pid}/{file}").read_text()


def permitted(daemon: Daemon) -> int:
    found = re.search(r"CapPrm:\s*([0-9a-f]+)", proc(daemon, "status"))
    assert found
    return int(found[1], 16)


@as_root
@pytest.mark.parametrize(
    ("conf", "kept", "gone"),
    [
        ("", CHOWN | SETUID, SYS_ADMIN),
        ("CapabilitiesSet -CAP_CHOWN\n", SETUID, SYS_ADMIN | CHOWN),
    ],
)
def test_what_serving_does_not_take_is_given_up(tmp_path: Path, conf: str, kept: int, gone: int) -> None:
    with running(tmp_path, conf) as daemon:
        assert permitted(daemon) & kept == kept
        assert not permitted(daemon) & gone


@as_root
def test_switched_off_nothing_is_given_up(tmp_path: Path) -> None:
    mine = int(re.findall(r"CapPrm:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())[0], 16)
    with running(tmp_path, "CapabilitiesEngine off\n") as daemon:
        assert permitted(daemon) == mine


def test_limits_of_the_daemon_are_imposed(tmp_path: Path) -> None:
    with running(tmp_path, "RLimitOpenFiles daemon 200 300\nRLimitMemory daemon 4GB\n") as daemon:
        limits = proc(daemon, "limits")
        assert re.search(r"Max open files\s+200\s+300", limits)
        assert re.search(rf"Max data size\s+{4 << 30}", limits)
