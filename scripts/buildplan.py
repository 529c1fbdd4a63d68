"""What ./configure decided, for make to carry out: where things go, and which modules are static or shared."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PLAN = BUILD / "plan.json"
LIBEXEC = ROOT / "libexec"

# the checkout's own ftpd, of which only what needs nothing but Python is used: nothing else is there yet
sys.path.insert(0, str(ROOT))

from ftpd.module.build import BuildRecord  # noqa: E402


@dataclass(frozen=True)
class Plan:
    """All paths are final ones; DESTDIR is put in front of them only while files are written."""

    python: str
    prefix: str
    bindir: str
    sbindir: str
    libexecdir: str
    sysconfdir: str
    localstatedir: str
    mandir: str
    dso: bool
    static: tuple[str, ...]
    """All static modules in the order in which they are loaded."""
    shared: tuple[str, ...]
    requirements: tuple[str, ...]
    """Distributions that bring static modules."""
    extras: tuple[str, ...]
    """The extras of pyproject.toml that the chosen modules need."""
    options: tuple[str, ...]

    @property
    def home(self) -> str:
        """The private environment, with all that is ftpd's alone."""
        return f"{self.prefix}/lib/ftpd"

    @property
    def configuration(self) -> str:
        return f"{self.sysconfdir}/proftpd.conf"

    @property
    def record(self) -> BuildRecord:
        return BuildRecord(
            dso=self.dso,
            static=self.static,
            libexec=self.libexecdir,
            configuration=self.configuration,
            rundir=self.localstatedir,
            options=self.options,
            static_folder=f"{self.home}/static",
        )

    @property
    def static_files(self) -> list[Path]:
        """The static modules that lie in libexec/ of the checkout."""
        return [path for name in self.static if (path := LIBEXEC / f"{name}.py").is_file()]

    @property
    def shared_files(self) -> list[Path]:
        return [LIBEXEC / f"{name}.py" for name in self.shared]

    @property
    def wanted(self) -> str:
        """What pip is asked for."""
        return f"ftpd[{','.join(self.extras)}]" if self.extras else "ftpd"

    def save(self) -> None:
        BUILD.mkdir(exist_ok=True)
        PLAN.write_text(json.dumps(asdict(self), indent=1) + "\n")
        # "$" and blanks mean something to make and to its shell
        python = self.python.replace("'", "'\\''").replace("$", "$$")
        (BUILD / "config.mk").write_text(f"PYTHON = '{python}'\n")


def load() -> Plan:
    fields: dict[str, Any] = json.loads(PLAN.read_text())
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = tuple(value)
    return Plan(**fields)


def without_python_path() -> dict[str, str]:
    """The environment for pip: a PYTHONPATH would let it find packages that are not in the one it works on."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")} | {
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
