"""What make does: fetch and build into build/, install from there, and remove what was installed."""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path

import buildplan
from buildplan import BUILD, ROOT, Plan

ENV = BUILD / "env"
WHEELS = BUILD / "wheels"
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
ADMIN_COMMANDS = ("ftpd", "proftpd", "ftpshut", "ftpasswd", "ftpscrub")
MANIFEST = "installed.json"


class Failed(Exception):
    """Why a step of make cannot be done, and what to do about it."""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/install.py", description=__doc__)
    parser.add_argument("act", choices=("build", "look", "install", "uninstall"))
    parser.add_argument("--destdir", default="", help="a folder to put in front of every path")
    asked = parser.parse_args(words)
    # what is installed is for everybody to read, whatever the umask of who installs
    os.umask(0o022)
    try:
        plan = buildplan.load()
        place = Place(plan, asked.destdir)
        match asked.act:
            case "build":
                build(plan)
            case "look":
                look_at_modules(plan)
            case "install":
                install(plan, place)
            case "uninstall":
                uninstall(place)
    except Failed as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"make: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"make: this ended with status {error.returncode}: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    return 0


# -- make ----------------------------------------------------------------------------------------------


def build(plan: Plan) -> None:
    """Wheels of ftpd and of all that it needs, so that the installation asks no index."""
    make_environment(plan)
    source = BUILD / "source"
    for folder in (source, WHEELS):
        shutil.rmtree(folder, ignore_errors=True)
    # setuptools writes beside what it reads, and would find there what was left from the last time
    shutil.copytree(ROOT / "ftpd", source / "ftpd", ignore=shutil.ignore_patterns("__pycache__", "build.json", "*.so"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    extras = f"[{','.join(plan.extras)}]" if plan.extras else ""
    pip("wheel", "--no-build-isolation", "-w", WHEELS, "-c", CONSTRAINTS, f"{source}{extras}", *plan.requirements)
    pip("install", "--no-index", "--find-links", WHEELS, "--no-compile", plan.wanted, *plan.requirements)


def make_environment(plan: Plan) -> None:
    shutil.rmtree(ENV, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    has_ensurepip = run([plan.python, "-c", "import ensurepip"], quiet=True) == 0
    venv_of(plan, ENV, with_pip=has_ensurepip)
    if not has_ensurepip:
        # Debian keeps it in python3-venv: the pip that is there installs itself from outside
        run([plan.python, "-m", "pip", "--python", ENV / "bin/python", "install", "--quiet", "pip"])
    pip("install", "-c", CONSTRAINTS, "setuptools")


def look_at_modules(plan: Plan) -> None:
    """Load each once, so that a missing library or a fault shows now and not at the first start."""
    if files := [*plan.static_files, *plan.shared_files]:
        run([ENV / "bin/python", "-P", "-m", "ftpd.cli.prxs", "-c", "--no-types", *files])
    print(f"built; the modules that are built in: {' '.join(plan.static)}")


def venv_of(plan: Plan, folder: Path, *, with_pip: bool) -> None:
    run([plan.python, "-m", "venv", *(() if with_pip else ("--without-pip",)), folder])


def pip(*words: str | Path, into: Path = ENV) -> None:
    run([ENV / "bin/python", "-m", "pip", "--python", into / "bin/python", words[0], "--quiet", *words[1:]])


def run(words: list[str | Path], *, quiet: bool = False) -> int:
    """Run a command; only a quiet one may fail."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(  # noqa: S603
        [str(word) for word in words],
        env=buildplan.without_python_path(),
        check=not quiet,
        stdout=output,
        stderr=output,
    ).returncode


# -- make install --------------------------------------------------------------------------------------


class Place:
    """Where things lie now (below DESTDIR) and where they will lie, and the list of what is put there."""

    def __init__(self, plan: Plan, destdir: str) -> None:
        self.plan = plan
        self.destdir = os.path.abspath(destdir) if destdir else ""
        self.home = self.now(plan.home)
        self.put: list[str] = []

    def now(self, final: str) -> Path:
        return Path(self.destdir + final)

    def folder(self, final: str) -> Path:
        path = self.now(final)
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        return path

    def write(self, final: str, text: str) -> None:
        """A file as a whole or not at all: a daemon may be reading the one that is there."""
        self.folder(os.path.dirname(final))
        path, new = self.now(final), self.now(f"{final}.new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(path)
        self.put.append(final)

    def link(self, final: str, target: str) -> None:
        """A relative link, so that it is right below DESTDIR too."""
        self.folder(os.path.dirname(final))
        path = self.now(final)
        path.unlink(missing_ok=True)
        path.symlink_to(os.path.relpath(os.path.realpath(self.now(target)), os.path.realpath(path.parent)))
        self.put.append(final)

    def is_ours(self, final: str) -> bool:
        """Whether a link leads into the private environment."""
        path = self.now(final)
        return path.is_symlink() and os.path.realpath(path).startswith(f"{os.path.realpath(self.home)}/")


def install(plan: Plan, place: Place) -> None:
    commands = {name: f"{plan.sbindir if name in ADMIN_COMMANDS else plan.bindir}/{name}" for name in console_scripts()}
    for final in commands.values():
        if os.path.lexists(place.now(final)) and not place.is_ours(final):
            raise Failed(
                f"{place.now(final)} is there and is not this ftpd's; move it away, or ./configure another --prefix"
            )
    install_environment(plan, place)
    for name, final in commands.items():
        place.link(final, f"{plan.home}/bin/{name}")
    place.folder(plan.libexecdir)
    for path in plan.shared_files:
        place.write(f"{plan.libexecdir}/{path.name}", path.read_text())
    prepare_modules(place.home, place.now(plan.libexecdir), plan.libexecdir)
    for path in plan.shared_files:
        place.put += (f"{plan.libexecdir}/{name}" for name in compiled_of(path.stem, place.now(plan.libexecdir)))
    for path in sorted((ROOT / "doc" / "man").glob("*.[1-8]")):
        place.write(f"{plan.mandir}/man{path.suffix[1:]}/{path.name}", path.read_text())
    place.write(f"{plan.prefix}/lib/systemd/system/ftpd.service", service_unit(plan))
    place.folder(plan.localstatedir)
    install_configuration(plan, place)
    earlier = json.loads((place.home / MANIFEST).read_text()) if (place.home / MANIFEST).exists() else []
    (place.home / MANIFEST).write_text(json.dumps(sorted({*earlier, *place.put}), indent=1) + "\n")
    tell(plan, place)


def console_scripts() -> list[str]:
    """The commands of the distribution that was built."""
    found = next(dist for dist in distributions(name="ftpd", path=[str(site_packages(ENV))]))
    return sorted(entry.name for entry in found.entry_points if entry.group == "console_scripts")


def site_packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python3.*/site-packages")
    return found


def install_environment(plan: Plan, place: Place) -> None:
    """Make the new one beside the old one, then let it take its place: an installation that fails changes nothing."""
    new = Path(f"{place.home}.new")
    old = Path(f"{place.home}.old")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    new.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    venv_of(plan, new, with_pip=False)
    pip(
        "install", "--no-index", "--find-links", WHEELS, "--no-compile", "--no-warn-script-location",
        plan.wanted, *plan.requirements, into=new,
    )  # fmt: skip
    (site_packages(new) / "ftpd" / "build.json").write_text(plan.record.to_json() + "\n")
    (new / "static").mkdir()
    for path in plan.static_files:
        (new / "static" / path.name).write_text(path.read_text())
    move_to(new, plan.home)
    prepare_modules(new, new / "static", f"{plan.home}/static")
    if (place.home / MANIFEST).exists():
        shutil.copy(place.home / MANIFEST, new)
    if place.home.exists():
        place.home.rename(old)
    new.rename(place.home)
    shutil.rmtree(old, ignore_errors=True)


def prepare_modules(environment: Path, folder: Path, final: str) -> None:
    """Compile the modules of a folder ahead: the daemon writes nothing there."""
    run([environment / "bin/python", "-I", "-m", "ftpd.module.prepared", folder, final])


def compiled_of(module: str, folder: Path) -> list[str]:
    """What was compiled of it, below the folder."""
    return [str(path.relative_to(folder)) for path in folder.glob(f"__pycache__/{module}.*")]


def move_to(environment: Path, final: str) -> None:
    """Name the final place wherever the environment names its own; nobody is to activate it."""
    python = re.escape(os.fsencode(f"{final}/bin/python"))
    for path in (environment / "bin").glob("[Aa]ctivate*"):
        path.unlink()
    for path in (*(environment / "bin").iterdir(), environment / "pyvenv.cfg"):
        if not path.is_symlink():
            text = path.read_bytes().replace(os.fsencode(environment), os.fsencode(final))
            # a command that root starts takes nothing from PYTHONPATH or from the folder of a user
            path.write_bytes(re.sub(python + rb'"?(?=\n| "\$0")', rb"\g<0> -I", text, count=1))
    lib = site_packages(environment)
    shown = f"{final}/{lib.relative_to(environment)}"
    run([environment / "bin/python", "-m", "compileall", "-q", "-s", lib, "-p", shown, lib])


def service_unit(plan: Plan) -> str:
    """etc/ftpd.service with the paths of this installation."""
    text = (ROOT / "etc" / "ftpd.service").read_text()
    start = f"ExecStart={unit_word(f'{plan.sbindir}/ftpd')} -n -c {unit_word(plan.configuration)}"
    text, starts = re.subn(r"(?m)^ExecStart=.*$", lambda _: start, text)
    state = unit_word(f"-{plan.localstatedir}")
    text, writes = re.subn(r"(?m)^ReadWritePaths=.*$", lambda found: f"{found[0]} {state}", text)
    if (starts, writes) != (1, 1):
        raise Failed("etc/ftpd.service needs one line ExecStart= and one line ReadWritePaths= to put the paths into")
    return text


def unit_word(text: str) -> str:
    """One word of a line of a unit, whatever stands in it (systemd.syntax(7), systemd.unit(5) on specifiers)."""
    text = text.replace("\\", "\\\\").replace("%", "%%")
    return f'"{text}"' if re.search(r"\s", text) else text


def install_configuration(plan: Plan, place: Place) -> None:
    """A configuration to start with; never over one that is there."""
    path = place.now(plan.configuration)
    if path.exists():
        print(f"kept: {path}")
        return
    place.folder(plan.sysconfdir)
    path.write_text(configuration(plan))


def configuration(plan: Plan) -> str:
    lines = [f"  #LoadModule           {name}.c" for name in plan.shared]
    values = {
        "SBINDIR": plan.sbindir,
        "LIBEXECDIR": plan.libexecdir,
        "LOCALSTATEDIR": plan.localstatedir,
        "LOADMODULES": "\n".join(lines)
        or "  # No shared module was installed with it: prxs -i mod_name.py installs one.",
        "GROUP": group_of_nobody(),
    }
    _, _, text = (ROOT / "etc" / "proftpd.conf.in").read_text().partition("#\n")
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text)


def group_of_nobody() -> str:
    """nogroup on Debian, nobody elsewhere."""
    try:
        return grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    except KeyError:
        return "nogroup"


def tell(plan: Plan, place: Place) -> None:
    below = f", below {place.destdir}" if place.destdir else ""
    print(f"installed in {plan.prefix}{below}: {plan.sbindir}/ftpd reads {plan.configuration}")
    for name in plan.shared:
        print(f"  to load it, add to the configuration: LoadModule {name}.c")


# -- make uninstall ------------------------------------------------------------------------------------


def uninstall(place: Place) -> None:
    """Remove what install put; configuration, modules that prxs installed, and data stay."""
    try:
        put = json.loads((place.home / MANIFEST).read_text())
    except FileNotFoundError:
        raise Failed(f"nothing to remove: no ftpd was installed in {place.home}") from None
    for final in put:
        path = place.now(final)
        # somebody may have put something else in the place of a command
        if not path.is_symlink() or place.is_ours(final):
            path.unlink(missing_ok=True)
    # what was compiled of modules that are the administrator's stays with them
    with suppress(OSError):
        place.now(f"{place.plan.libexecdir}/__pycache__").rmdir()
    shutil.rmtree(place.home)
    print(f"removed; {place.now(place.plan.configuration)} and {place.now(place.plan.localstatedir)} stay")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
