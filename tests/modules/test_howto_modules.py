"""doc/howto/Modules.md: every block in it is a file, and all its tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "doc" / "howto" / "Modules.md"
BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.M | re.S)


def test_every_block_of_the_page_runs(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == PAGE.read_text().count("```python"), "a block that does not begin with its file name"
    for name, text in blocks:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    tmp_path.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    tests = sum(text.count("def test_") for name, text in blocks if name.startswith("tests/"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{tests} passed" in run.stdout
