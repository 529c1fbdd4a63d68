"""What loading each shared module costs beyond what it imports: prints a table, fails above the 5 ms that are allowed.

The first load is that of a module as it is installed, with the code that was compiled of it then; the next that of one
that was edited since, in a process that has compiled nothing yet and in one that has.  Each is measured in a process of
its own, which stands as the daemon does that serves, and by that process's own time: what others of the machine do
meanwhile is not in it.  They still empty the processor's caches, so the least of some repeats is what counts.
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
from tempfile import TemporaryDirectory
from time import process_time

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ftpd.daemon.process import spare_the_loop
from ftpd.module import loader, prepared, writers
from ftpd.module.build import unconfigured

_ALLOWED = 5.0


def import_what_it_imports(path: Path) -> None:
    """All of it, submodules among it; what the module needs and is not installed is for the loader to tell."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                with suppress(ImportError):
                    import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                with suppress(ImportError):
                    # to ask for a name is what makes some packages import it, concurrent.futures for one
                    if not hasattr(import_module(node.module), alias.name):
                        import_module(f"{node.module}.{alias.name}")


def stand_as_the_daemon(path: Path) -> None:
    """With what the module imports, and with the collector of garbage held back from what was there before."""
    import_what_it_imports(path)
    spare_the_loop()


def loaded(path: Path) -> float:
    """The milliseconds of a load."""
    began = process_time()
    module = loader.load(str(path.parent), path.stem)
    took = (process_time() - began) * 1000
    loader.unload(module.namespace)
    return took


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"# a change\n")


def installed(path: Path) -> list[float]:
    """Of a first load with the code that was prepared, of a second one, and of one after an edit."""
    stand_as_the_daemon(path)
    times = [loaded(path), loaded(path)]
    edit(path)
    loaded(path)
    edit(path)
    return [*times, loaded(path)]


def edited(path: Path) -> list[float]:
    """Of a first load of a file that is not what its code was prepared of."""
    stand_as_the_daemon(path)
    edit(path)
    return [loaded(path)]


_ROUNDS = {"installed": installed, "edited": edited}


def least(path: Path, how: str, repeats: int) -> list[float]:
    rounds = []
    for _ in range(repeats):
        with TemporaryDirectory(prefix="ftpd-bench-") as folder:
            copy = Path(folder) / path.name
            writers.write(str(copy), path.read_bytes())
            prepared.prepare(str(copy), path.read_bytes())
            words = [sys.executable, __file__, "--once", how, str(copy)]
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True)  # noqa: S603
        rounds.append(json.loads(done.stdout))
    return [min(times) for times in zip(*rounds, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_loading", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help="mod_sql, say; default: all of libexec")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once is not None:
        print(json.dumps(_ROUNDS[asked.once](Path(asked.modules[0]))))
        return 0
    folder = Path(unconfigured().libexec)
    paths = [folder / f"{name}.py" for name in asked.modules] or sorted(folder.glob("mod_*.py"))
    print("milliseconds:")
    print(f"{'':18} {'lines':>6} {'installed':>10} {'again':>10} {'edited':>10} {'as a first':>11}")
    slow = []
    for path in paths:
        lines = len(path.read_text().splitlines())
        first, again, changed = least(path, "installed", asked.repeats)
        (alone,) = least(path, "edited", asked.repeats)
        print(f"{path.stem:18} {lines:6} {first:10.2f} {again:10.2f} {changed:10.2f} {alone:11.2f}", flush=True)
        if max(first, changed, alone) > _ALLOWED:
            slow.append(path.stem)
    if slow:
        print(f"above {_ALLOWED:g} ms: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
