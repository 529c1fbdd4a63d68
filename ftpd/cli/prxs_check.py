"""What prxs -c asks of a module file; the file itself runs in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import ftpd
from ftpd.conf.directive import ConfigError
from ftpd.conf.known import known
from ftpd.core.record import dataclass
from ftpd.dispatch.assemble import static_modules
from ftpd.module import loader
from ftpd.module.build import BuildRecord
from ftpd.module.names import module_name

_PATIENCE = 60


@dataclass(frozen=True)
class Facts:
    """What a module says of itself."""

    name: str
    version: str
    needs: list[str]
    directives: list[str]


def look(path: Path) -> Facts:
    """Load the file in a process of its own; ConfigError with what the loader says of it."""
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", "ftpd.cli.prxs_check", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"{path} was not loaded within {_PATIENCE} seconds: a module may not wait as it loads"
        ) from None
    answer = done.stdout.decode(errors="replace").rpartition(_MARK)[2]
    try:
        told = json.loads(answer)
    except ValueError:
        why = done.stderr.decode(errors="replace").strip() or "and said nothing"
        raise ConfigError(f"{path} ended the process that loaded it (status {done.returncode}): {why}") from None
    if "wrong" in told:
        raise ConfigError(told["wrong"], right=told["right"])
    return Facts(**told)


_MARK = "\0prxs\0"
"""Before the answer: what a module prints while it loads is not it."""


def _look_here(path: str) -> str:
    """The answer of the process: the facts, or what is wrong."""
    try:
        source = Path(path).read_bytes()
        module = loader.execute(path, module_name(Path(path).name), source)
    except (ConfigError, ValueError, OSError) as error:
        return json.dumps({"wrong": str(error), "right": getattr(error, "right", "")})
    names = [directive.name for directive in module.directives]
    return json.dumps(asdict(Facts(module.name, module.version, list(module.needs), names)))


def faults(path: Path, facts: Facts, record: BuildRecord) -> list[str]:
    """All that would make trouble beside other modules, or with the next ftpd."""
    found = [f"{path}:{line}: imports {name}; only ftpd.api is promised to modules" for line, name in _imports(path)]
    others = directives_of_others(facts.name, record)
    for name in facts.directives:
        if (owner := others.get(name.lower())) is not None:
            found.append(f"{path}: the directive {name} is {owner}'s already; call it otherwise")
        elif (belongs := known().get(name.lower())) is not None and facts.name not in belongs.modules:
            found.append(f"{path}: ProFTPD knows {name} as a directive of {belongs.modules[0]}; call it otherwise")
    # their names hold in any case of letters
    names = {name.lower(): name for name in reversed(facts.directives)}
    times = Counter(name.lower() for name in facts.directives)
    doubled = [name for lower, name in names.items() if times[lower] > 1]
    found += [f"{path}: the directive {name} is declared more than once" for name in sorted(doubled)]
    return found


def _imports(path: Path) -> list[tuple[int, str]]:
    """What of ftpd a file imports that is not promised to modules."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "ftpd":
            found += [(node.lineno, f"ftpd.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
    return sorted((line, name) for line, name in found if name.split(".")[0] == "ftpd" and not _is_promised(name))


def _is_promised(name: str) -> bool:
    return name == "ftpd.api" or name.startswith("ftpd.api.")


def directives_of_others(name: str, record: BuildRecord) -> dict[str, str]:
    """The directives of all other modules, built in and shared, by name in lower case."""
    found = {d.name.lower(): module.name for module in static_modules(record) for d in module.directives}
    for path in sorted(Path(record.libexec).glob("mod_*.py")):
        if path.stem != name:
            try:
                module = loader.load(record.libexec, path.stem)
            except ConfigError:
                continue  # whoever asks to check that one hears of it
            found.update((d.name.lower(), module.name) for d in module.directives)
            loader.unload(module.namespace)
    return {directive: owner for directive, owner in found.items() if owner != name}


def has_mypy() -> bool:
    return find_spec("mypy") is not None


def type_faults(path: Path) -> list[str]:
    """What mypy --strict says of the file; nothing where it is not installed."""
    if not has_mypy():
        return []
    # a first look takes seconds; kept beside what other programs keep for their user
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ftpd" / "mypy"
    done = subprocess.run(  # noqa: S603
        [
            sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--no-color-output",
            "--follow-imports=silent", f"--cache-dir={cache}", path.name,
        ],
        cwd=path.parent, env=os.environ | _mypy_path(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if ": error: " in line] or (
        [f"mypy ended with status {done.returncode}: {done.stdout.strip()}"] if done.returncode else []
    )


def _mypy_path() -> dict[str, str]:
    """Where mypy finds this ftpd when it is not among the installed packages, where it looks by itself."""
    folder = Path(ftpd.__file__).parent.parent
    return {} if folder.name == "site-packages" else {"MYPYPATH": str(folder)}


if __name__ == "__main__":
    answer = _look_here(sys.argv[1])
    sys.stdout.write(_MARK + answer)
    sys.stdout.flush()
    # whatever the module started while it loaded is not waited for
    os._exit(0)
