"""What scripts/bench_loading has imported before it measures: all that the module would import itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.bench_loading import import_what_it_imports

_LAZY = """\
from importlib import import_module

def __getattr__(name):
    if name == "Late":
        return import_module("lazy_by_name.later").Late
    raise AttributeError(name)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that imports a part of itself when somebody asks for the part's name, as concurrent.futures does."""
    folder = tmp_path / "lazy_by_name"
    folder.mkdir()
    (folder / "__init__.py").write_text(_LAZY)
    (folder / "later.py").write_text("Late = 1\n")
    (folder / "beside.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("lazy_by_name", "lazy_by_name.later", "lazy_by_name.beside"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from lazy_by_name import Late", "lazy_by_name.later"),
        ("from lazy_by_name import beside", "lazy_by_name.beside"),
        ("import lazy_by_name.beside", "lazy_by_name.beside"),
        ("from lazy_by_name import missing, Late", "lazy_by_name.later"),
    ],
)
def test_what_a_line_imports_is_imported(package: Path, line: str, imported: str) -> None:
    module = package / "mod_x.py"
    module.write_text(f"{line}\n")
    import_what_it_imports(module)
    assert imported in sys.modules
