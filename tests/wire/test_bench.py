"""scripts/bench: does it run, and tell what it is asked for? What it measures is no matter of tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchmark import report
from scripts.benchmark.scenarios import Cost

ROOT = Path(__file__).resolve().parents[2]
needs_groups = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access("/sys/fs/cgroup", os.W_OK),
    reason="only root can put a server into a control group of its own, and only where there are control groups",
)


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.benchmark", *options], cwd=ROOT, capture_output=True, text=True, timeout=400
    )


@needs_groups
def test_a_short_round_tells_what_each_operation_costs_us_and_how_that_grows(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = bench("--smoke", "--rounds", "1", "--peers", "", "--growth", "--json", str(figures))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = dict(re.findall(r"^(\w+) \(\w+\) +([\d.]+)$", done.stdout, re.MULTILINE))
    assert {"login", "noop", "retr_1k", "stor_1k", "list_1000", "ascii_retr_10m", "parallel_50", "idle"} <= set(told)
    assert all(float(cost) > 0 for name, cost in told.items() if name != "idle")
    assert re.search(r"^entries +100 .*first byte", done.stdout, re.MULTILINE)
    assert '"growth"' in figures.read_text()
    assert not Path("/dev/shm/ftpd-bench").exists(), "what was served is cleared away"


def test_a_server_that_leaves_a_part_of_a_crowd_outside_is_named() -> None:
    rows = {"burst_300": {"vsftpd": Cost(2000.0, 1.0, "us", 0.44), "ours": Cost(160.0, 1.0, "us")}}
    told = report.terminal(rows, ["vsftpd", "ours"]).splitlines()
    assert told[1].split() == ["burst_300", "(us)", "2000.00", "160.00", "0.08", "(vsftpd)"]
    assert told[2:] == ["burst_300: of those that came at once vsftpd let 44% in within 10 s."]


def test_a_word_that_means_nothing_is_told() -> None:
    done = bench("--only", "logon")
    assert done.returncode == 1
    assert done.stderr == "bench: unknown: logon; see --help\n"
