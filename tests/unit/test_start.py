"""What a start does without, so that a daemon is there soon after its command."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

from ftpd.cli.ftpd import main

CONF = "Port 2121\nUser nobody\nDefaultAddress 127.0.0.1\n"


def imported(path: Path, *words: str) -> set[str]:
    """The modules that Python imports for this command line."""
    path.write_text(CONF)
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ftpd", *words], capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")}


def test_a_start_imports_nothing_for_what_only_some_daemons_do(tmp_path: Path) -> None:
    names = imported(tmp_path / "f.conf", "-t", "-c", str(tmp_path / "f.conf"))
    assert {"ftpd.daemon.server", "ftpd.modules._core_server"} <= names
    wasted = {"ftpd.sql", "ftpd.sql.backend", "ftpd.dispatch.explain", "importlib_metadata", "email.parser"}
    # hashes by each method that it knows, and what is needed for one path of an installation
    wasted |= {"_crypt", "_curses", "pathlib"}
    assert not wasted & names


def test_the_version_is_said_without_the_daemon(tmp_path: Path) -> None:
    names = imported(tmp_path / "f.conf", "-v")
    assert "ftpd.cli.ftpd" in names
    assert not {"asyncio", "pyftpdlib", "importlib_metadata", "ftpd.daemon.server"} & names


def test_the_collector_of_garbage_is_at_work_again_behind_a_command(tmp_path: Path) -> None:
    (tmp_path / "f.conf").write_text(CONF)
    assert main(["-t", "-c", str(tmp_path / "f.conf")]) == 0
    assert gc.isenabled()
