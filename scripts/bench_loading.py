"""What loading each shared module costs beyond what it imports: prints a table, fails above the 5 ms that are allowed.

Each load is measured in a process of its own, in which nothing has been compiled yet, and by that process's own time:
what others of the machine do meanwhile is not in it.  They still empty the processor's caches, so the least of some
repeats is what counts.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import process_time

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ftpd.module import loader
from ftpd.module.build import unconfigured

_ALLOWED = 5.0


def import_what_it_imports(path: Path) -> None:
    """All of it, submodules among it; what the module needs and is not installed is for the loader to tell."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            with suppress(ImportError):
                import_module(name)


def measured(path: Path) -> list[float]:
    """The milliseconds of a first load, compiler and all, and of one that finds its code compiled."""
    import_what_it_imports(path)
    times = []
    for _ in range(2):
        began = process_time()
        loader.load(str(path.parent), path.stem)
        times.append((process_time() - began) * 1000)
    return times


def least(path: Path, repeats: int) -> list[float]:
    rounds = []
    for _ in range(repeats):
        words = [sys.executable, __file__, "--once", str(path)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True)  # noqa: S603
        rounds.append(json.loads(done.stdout))
    return [min(times) for times in zip(*rounds, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_loading", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help="mod_sql, say; default: all of libexec")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once is not None:
        print(json.dumps(measured(asked.once)))
        return 0
    folder = Path(unconfigured().libexec)
    paths = [folder / f"{name}.py" for name in asked.modules] or sorted(folder.glob("mod_*.py"))
    print(f"{'':18} {'lines':>6} {'first, ms':>10} {'again, ms':>10}")
    slow = []
    for path in paths:
        lines = len(path.read_text().splitlines())
        first, again = least(path, asked.repeats)
        print(f"{path.stem:18} {lines:6} {first:10.2f} {again:10.2f}", flush=True)
        if first > _ALLOWED:
            slow.append(path.stem)
    if slow:
        print(f"above {_ALLOWED:g} ms: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
