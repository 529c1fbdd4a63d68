"""Where shared modules are installed: put there as LoadModule wants them, and taken away."""

from __future__ import annotations

from pathlib import Path

from importlib_metadata import EntryPoint, PackageNotFoundError, distribution

from ftpd.conf.directive import ConfigError
from ftpd.module import prepared, writers

_SHIM = '''\
"""{name} -- brought by the package {package}; made by prxs."""

from {module} import {attribute} as module

__all__ = ["module"]
'''


def install(name: str, source: bytes, folder: Path, final: str) -> Path:
    """Write the module as a whole, readable by everybody and writable by who installs alone, and its code beside it.

    ``final`` is the folder's name where it will be used.
    """
    if not folder.is_dir():
        folder.mkdir(mode=0o755, parents=True)
        folder.chmod(0o755)
    writers.check_folder(str(folder))
    path = folder / f"{name}.py"
    writers.write(str(path), source)
    prepared.prepare(str(path), source, f"{final}/{path.name}")
    return path


def delete(name: str, folder: Path) -> Path:
    path = folder / f"{name}.py"
    try:
        path.unlink()
    except FileNotFoundError:
        there = ", ".join(sorted(found.stem for found in folder.glob("mod_*.py"))) or "no module"
        raise ConfigError(f"there is no {path.name} in {folder}; there is {there}") from None
    prepared.delete(str(path))
    return path


def modules_of(package: str) -> dict[str, bytes]:
    """The modules that an installed package brings, each as a file that imports it."""
    try:
        found = distribution(package)
    except (PackageNotFoundError, ValueError):
        raise ConfigError(
            f"{package} names neither a module file nor an installed package",
            right="a file such as mod_example.py, or a package that is installed for this ftpd's Python",
        ) from None
    entries = [entry for entry in found.entry_points if entry.group == "ftpd.modules"]
    if not entries:
        raise ConfigError(f"the package {package} brings no modules: it has no entry points in the group ftpd.modules")
    return {entry.name: _shim(entry, package) for entry in entries}


def _shim(entry: EntryPoint, package: str) -> bytes:
    return _SHIM.format(
        name=entry.name, package=package, module=entry.module, attribute=entry.attr or "module"
    ).encode()
