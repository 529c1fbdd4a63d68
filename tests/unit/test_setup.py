"""scripts/setup.sh makes .venv anew when what it is made from has changed, with all that was in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PYPROJECT = """[project]
name = "ftpd"

[project.optional-dependencies]
sql-mysql = ["asyncmy>=0.2"]
sql-passwd = ["argon2-cffi>=23.1,<26"]
dev = ["ftpd[sql-mysql]", "x-y"]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One whose .venv is made by nobody: pip and venv say what they were asked for."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "ftpd" / "native").mkdir(parents=True)
    (tmp_path / "ftpd" / "native" / "a.c").touch()
    for name in ("setup.sh", "extras.py", "constraints.txt"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


def set_up(checkout: Path, wanted: str = "") -> str:
    program = f"""set -eu
root={checkout}
. "$root/scripts/setup.sh"
make_venv() {{ rm -rf "$root/.venv"; mkdir -p "$root/.venv"; }}
pip_install() {{ [ $# = 1 ] || echo "$5"; }}
install_venv {wanted}"""
    environ = os.environ | {"PYTHON": sys.executable}
    return subprocess.run(["sh", "-c", program], env=environ, capture_output=True, text=True, check=True).stdout.strip()


def there(checkout: Path, *packages: str) -> None:
    for package in packages:
        (checkout / ".venv" / "lib" / "python3.11" / "site-packages" / f"{package}.dist-info").mkdir(parents=True)


def test_what_a_module_needs_is_there_again_after_an_update(checkout: Path) -> None:
    assert set_up(checkout) == str(checkout)
    assert set_up(checkout) == ""
    there(checkout, "ftpd-0.1.0", "asyncmy-0.2.18", "argon2_cffi_bindings-26.2.0")
    (checkout / "ftpd" / "native" / "a.c").write_text("int changed;")
    assert set_up(checkout) == f"{checkout}[sql-mysql]"
    there(checkout, "ftpd-0.1.0", "asyncmy-0.2.18", "argon2_cffi-25.1.0", "x_y-1")
    (checkout / "ftpd" / "native" / "a.c").write_text("int again;")
    assert set_up(checkout) == f"{checkout}[sql-mysql,sql-passwd,dev]"
    # with the tools of development it serves as well
    assert set_up(checkout) == set_up(checkout, "dev") == ""


def test_tests_bring_their_tools(checkout: Path) -> None:
    assert set_up(checkout) == str(checkout)
    there(checkout, "ftpd-0.1.0")
    assert set_up(checkout, "dev") == f"{checkout}[dev]"
    assert set_up(checkout) == ""


def test_what_was_compiled_of_sources_that_were_changed_and_changed_back_is_up_to_date(checkout: Path) -> None:
    compiled = checkout / "ftpd" / "native" / "_a.so"
    set_up(checkout)
    compiled.touch()
    os.utime(compiled, (1, 1))
    assert set_up(checkout) == ""
    assert compiled.stat().st_mtime >= (checkout / "ftpd" / "native" / "a.c").stat().st_mtime


def test_shared_modules_are_compiled_ahead(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (checkout / "libexec").mkdir()
    (checkout / "libexec" / "mod_x.py").touch(0o644)
    environ = os.environ | {"PYTHONPATH": str(SCRIPTS.parent)}
    subprocess.run(["sh", "-c", f'root={checkout}; . "$root/scripts/setup.sh"; compile_ahead'], env=environ, check=True)
    (made,) = (checkout / "libexec" / "__pycache__").iterdir()
    assert made.name.startswith("mod_x.")
