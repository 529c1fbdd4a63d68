"""What a server has used: processor time and memory of all its processes, the dead ones among them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark.ground import PAPERS

_V1 = Path("/sys/fs/cgroup/cpuacct")
_V2 = Path("/sys/fs/cgroup/cgroup.controllers")
_NAME = "ftpd-bench"


class Account:
    """A control group that the server is started in: nothing that it forks gets out of the account."""

    def __init__(self) -> None:
        if _V1.is_dir():
            self._groups = [_V1 / _NAME, Path("/sys/fs/cgroup/memory") / _NAME]
        elif _V2.exists():
            self._groups = [Path("/sys/fs/cgroup") / _NAME]
        else:
            raise SystemExit("bench: no control groups here, so that what a server uses could not be told whole")
        try:
            for group in self._groups:
                group.mkdir(exist_ok=True)
        except OSError as error:
            raise SystemExit(f"bench: control groups cannot be made ({error.strerror}); run it as root") from None

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        if len(self._groups) == 2:
            return int((self._groups[0] / "cpuacct.usage").read_text()) / 1e9
        lines = dict(line.split() for line in (self._groups[0] / "cpu.stat").read_text().splitlines())
        return int(lines["usage_usec"]) / 1e6

    def rss(self) -> int:
        """Bytes of memory of its own, as they are now; mapped files and the kernel's buffers are not in them."""
        key = "rss" if len(self._groups) == 2 else "anon"
        lines = dict(line.split() for line in (self._groups[-1] / "memory.stat").read_text().splitlines())
        return int(lines[key])

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        def enter() -> None:
            for group in self._groups:
                (group / "cgroup.procs").write_text(str(os.getpid()))
            os.setsid()

        with open(PAPERS / "servers.log", "ab") as log:
            return subprocess.Popen(command, preexec_fn=enter, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End all that is in the group."""
        for _ in range(100):
            pids = (self._groups[0] / "cgroup.procs").read_text().split()
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        process.wait()
