"""Which extras of pyproject.toml a .venv has, and one more that is wanted: extras.py CHECKOUT [EXTRA], for setup.sh."""

import re
import sys
import tomllib
from pathlib import Path


def installed(root: Path) -> list[str]:
    """Those whose packages are all there."""
    told = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    there = {normal(found.name) for found in root.glob(".venv/lib/python*/site-packages/*.dist-info")}
    return [extra for extra, packages in told.items() if all(normal(package) in there for package in packages)]


def normal(text: str) -> str:
    """A package's name, out of a requirement or of the name of a folder."""
    found = re.match(r"[A-Za-z0-9_.]+(?:-(?![0-9])[A-Za-z0-9_.]+)*", text)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


if __name__ == "__main__":
    print(",".join(dict.fromkeys([*installed(Path(sys.argv[1])), *sys.argv[2:]])))
