"""Where shared modules are installed: put there as LoadModule wants them, and taken away."""

from __future__ import annotations

import os
from pathlib import Path

from importlib_metadata import EntryPoint, PackageNotFoundError, distribution

from ftpd.conf.directive import ConfigError
from ftpd.module.loader import check_folder

_SHIM = '''\
"""{name} -- brought by the package {package}; made by prxs."""

from {module} import {attribute} as module

__all__ = ["module"]
'''


def install(name: str, source: bytes, folder: Path) -> Path:
    """Write the module as a whole, readable by everybody and writable by who installs alone."""
    if not folder.is_dir():
        folder.mkdir(mode=0o755, parents=True)
        folder.chmod(0o755)
    check_folder(str(folder))
    path, new = folder / f"{name}.py", folder / f".{name}.py.new"
    # what an installation left that was cut off; opened anew, it cannot be anybody else's file
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644), "wb") as out:
        out.write(source)
        os.fchmod(out.fileno(), 0o644)
    new.rename(path)
    return path


def delete(name: str, folder: Path) -> Path:
    path = folder / f"{name}.py"
    try:
        path.unlink()
    except FileNotFoundError:
        there = ", ".join(sorted(found.stem for found in folder.glob("mod_*.py"))) or "no module"
        raise ConfigError(f"there is no {path.name} in {folder}; there is {there}") from None
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
