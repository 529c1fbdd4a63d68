"""What the daemon's process may: the capabilities it keeps, and the limits that the configuration imposes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.command import Watched
from tests.wire.daemon import until
from tests.wire.hostile import as_root

CHOWN, SYS_ADMIN, SETUID = 1 << 0, 1 << 21, 1 << 7


@contextmanager
def running(folder: Path, conf: str) -> Iterator[Watched]:
    daemon = Watched(folder, conf)
    daemon.start()
    yield daemon
    daemon.assert_well()
    daemon.stop()


def proc(daemon: Watched, file: str) -> str:
    return Path(f"/proc/{daemon.pid}/{file}").read_text()


def permitted(daemon: Watched) -> int:
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
        before = daemon.conf
        daemon.hang_up(before.replace("daemon 200 300", "daemon 3"))
        assert greeting(daemon).startswith("421 No descriptors are left"), "gaps among the daemon's own are no places"
        daemon.hang_up(before)
        assert greeting(daemon).startswith("220")


def test_processor_time_is_bounded_and_there_is_time_to_end(tmp_path: Path) -> None:
    with running(tmp_path, "RLimitCPU daemon 3600\nRLimitCPU session 1\n") as daemon:
        assert re.search(r"Max cpu time\s+3600\s+3605", proc(daemon, "limits"))


def title(daemon: Watched) -> str:
    return proc(daemon, "cmdline").rstrip("\0").replace("\0", " ")


def test_ps_shows_what_process_titles_say(tmp_path: Path) -> None:
    with running(tmp_path, "") as daemon:
        words = title(daemon)
        assert "-c" in words
        daemon.hang_up(daemon.conf + "ProcessTitles terse\n")
        assert title(daemon) == "proftpd: processing connections"
        daemon.hang_up(daemon.conf.replace("terse", "verbose"))
        assert title(daemon) == "proftpd: (accepting connections)"
        with daemon.login():
            assert title(daemon) == "proftpd: 1 connected"
        until("nobody is on", lambda: title(daemon) == "proftpd: (accepting connections)")
        daemon.hang_up(daemon.conf.replace("ProcessTitles verbose\n", ""))
        assert title(daemon) == words


def greeting(daemon: Watched) -> str:
    with socket.create_connection((daemon.host, daemon.port), 5) as client, client.makefile() as replies:
        return replies.readline()
