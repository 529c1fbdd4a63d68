"""What scripts/test says of the clients and servers that it wants, and which tests it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"


def missing(clients: str) -> list[str]:
    """The packages that are named as missing, for somebody whose PATH is an ordinary user's."""
    script = f'set -eu; . {SCRIPTS}/clients.sh; clients="{clients}"; missing'
    environ = {"PATH": "/usr/bin:/bin"}
    run = subprocess.run(["sh", "-c", script], env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.split()


def test_a_server_counts_as_installed_where_an_ordinary_users_path_does_not_lead() -> None:
    assert missing("sh=dash ldconfig=libc-bin") == []


def test_what_is_not_there_is_named_by_its_package() -> None:
    assert missing("sh=dash no-such-server=server-package") == ["server-package"]


def test_each_file_of_tests_is_in_one_group() -> None:
    script = f". {SCRIPTS}/groups.sh; files_of_groups"
    run = subprocess.run(["sh", "-euc", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert sorted(run.stdout.split()) == sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py"))
