"""Who serves has short turns on the processor, in whichever process; its threads have those of all others."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from ftpd.daemon import scheduling
from tests.wire.command import FTPD, Site
from tests.wire.test_workers import Several

_GET = {"x86_64": 315, "aarch64": 275, "riscv64": 275}
"""sched_getattr(2)"""
_RESET_ON_FORK = 1
pytestmark = pytest.mark.skipif(platform.machine() not in _GET, reason="nothing is asked for on this machine")


def of(thread: int) -> tuple[int, int, int]:
    """The flags of a thread, its niceness and the length of its turns in nanoseconds."""
    attributes = ctypes.create_string_buffer(scheduling._ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(_GET[platform.machine()], thread, attributes, len(attributes.raw), 0) == 0
    _size, _policy, flags, nice, _priority, turn, _deadline, _period = scheduling._ATTRIBUTES.unpack(attributes.raw)
    return flags, nice, turn


def shortest() -> int:
    """What this kernel gives to who asks: as much as to others where it is older than 6.12."""
    code = "import sys; from ftpd.daemon.scheduling import shorten_turns as f; print(f(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "True\n"
        return of(asking.pid)[2]


def test_the_loop_has_short_turns_and_its_threads_have_not(site: Site) -> None:
    daemon = site.start()
    assert of(daemon.pid) == (_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, 0), shortest())
    others = {int(name) for name in os.listdir(f"/proc/{daemon.pid}/task")} - {daemon.pid}
    assert others, "whoever writes the logs, at least"
    assert {of(thread)[::2] for thread in others} == {(0, of(os.getpid())[2])}


def test_a_daemon_that_was_told_to_stand_back_does_so(site: Site) -> None:
    said = subprocess.run(["nice", "-n", "5", *FTPD, "-c", str(site.path)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    flags, nice, turn = of(site.pid)
    assert (flags, nice, turn) == (_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, 0) + 5, shortest())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put somebody in front of others")
def test_one_that_was_put_in_front_of_others_is_left_alone_and_so_are_its_threads(site: Site) -> None:
    said = subprocess.run(["nice", "-n", "-5", *FTPD, "-c", str(site.path)], capture_output=True, check=False)
    assert said.returncode == 0
    place = os.getpriority(os.PRIO_PROCESS, 0) - 5
    threads = [int(name) for name in os.listdir(f"/proc/{site.pid}/task")]
    assert {of(thread)[:2] for thread in threads} == {(0, place)}


def test_each_worker_has_short_turns(tmp_path: Path) -> None:
    with Several(tmp_path) as daemon:
        assert daemon.workers()
        assert {of(worker)[2] for worker in daemon.workers()} == {shortest()}
