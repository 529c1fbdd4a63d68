"""The documents say what is there: a page for every module, an index of every directive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for folder in ("ftpd/modules", "libexec") for path in (ROOT / folder).glob("mod_*.py"))


def test_the_directive_index_is_that_of_the_registry() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/directive_index.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_page_that_names_its_directives(name: str) -> None:
    page = (ROOT / "doc" / "modules" / f"{name}.md").read_text()
    index = (ROOT / "doc" / "Directives.md").read_text()
    own = [line.split("|")[1].split()[0].strip("`>") for line in index.splitlines() if f"modules/{name}.md" in line]
    missing = [directive for directive in own if directive not in page]
    assert missing == []
