"""The prxs command: check, install and delete shared modules, begin a new one, and say how ftpd was built."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import field
from functools import partial
from pathlib import Path

from ftpd.cli import prxs_check, prxs_place
from ftpd.cli.prxs_new import write_module
from ftpd.conf.directive import ConfigError
from ftpd.core.record import dataclass
from ftpd.module.build import BuildError, BuildRecord, build_record, ftpd_version
from ftpd.module.names import module_name
from ftpd.module.table import API_VERSION

USAGE = """\
usage: prxs [-c] [-i] [-d] [--no-types] mod_name.py ...
       prxs -n NAME
       prxs -q [SETTING]

  -c, --check     check the module file: it loads, its name, API version, imports and types, and that none of its
                  directives is another module's (--compile is the same)
  -i, --install   install the module, or each that the installed package of that name brings, where LoadModule looks
  -d, --delete    delete the installed module; together with -c or -i it only cleans up, as prxs of ProFTPD does
                  (--clean is the same)
  -n, --name NAME write a new module mod_NAME.py and its test, which passes at once, into the current folder
  -q, --query     print how this ftpd was built, or one setting of it
      --no-types  leave the types out of -c (they need mypy, and are left out where that is not installed)
  -h, --help      show this help

-c, -i and -d can be combined and are done in this order. A DESTDIR in the environment is put in front of the folder
of the modules. -D, -I, -L, -l and -W, which are for a C compiler, are taken and without effect."""

_SWITCHES = {
    "-c": "check", "--check": "check", "--compile": "check",
    "-i": "install", "--install": "install",
    "-d": "delete", "--delete": "delete", "--clean": "delete",
    "-q": "query", "--query": "query",
    "-h": "help", "--help": "help",
    "--no-types": "no types",
}  # fmt: skip
_FOR_A_COMPILER = ("-D", "-I", "-L", "-l", "-W")


class Refused(Exception):
    """Why it is not done, and what would be right."""


@dataclass
class Asked:
    """What the command line said."""

    switches: set[str] = field(default_factory=set)
    new: str | None = None
    words: list[str] = field(default_factory=list)


def main(words: list[str] | None = None) -> int:
    """Run with these words (default: those of the command line); gives the exit status."""
    return _told(lambda: _act(_read(sys.argv[1:] if words is None else words)))


def _told(act: Callable[[], int]) -> int:
    """Do it and give its status; what is wrong is said, and is status 1."""
    try:
        return act()
    except (Refused, ConfigError, BuildError) as error:
        _complain(str(error))
        if isinstance(error, ConfigError) and error.right:
            _complain(f"  right: {error.right}")
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}")
    return 1


def _complain(message: str) -> None:
    print(f"prxs: {message}", file=sys.stderr)


def _read(words: list[str]) -> Asked:
    asked = Asked()
    rest = iter(words)
    for word in rest:
        name, given, value = word.partition("=")
        if word in _SWITCHES:
            asked.switches.add(_SWITCHES[word])
        elif word in ("-n", "--name") or (given and name == "--name"):
            asked.new = value if given else next(rest, "")
        elif word.startswith(_FOR_A_COMPILER):
            if len(word) == len("-D"):
                next(rest, None)
        elif word.startswith("-") and set(word[1:]) <= set("cidq") and len(word) > 1:
            asked.switches |= {_SWITCHES[f"-{letter}"] for letter in word[1:]}
        elif word.startswith("-"):
            raise Refused(f"unknown option '{word}'; prxs -h names the options")
        else:
            asked.words.append(word)
    return asked


def _act(asked: Asked) -> int:
    actions = asked.switches & {"check", "install", "delete"}
    if "help" in asked.switches:
        print(USAGE)
        return 0
    if "query" in asked.switches:
        return _query(asked.words)
    if asked.new is not None:
        if actions or asked.words:
            raise Refused("-n writes a new module and stands alone; check and install it when it is written")
        print(write_module(asked.new, Path.cwd(), build_record()))
        return 0
    if not actions:
        # word for word as ProFTPD's, which scripts may wait for
        print("No compile, install, or clean mode requested, exiting", file=sys.stderr)
        return 1
    if not asked.words:
        raise Refused("no module is named, as in: prxs -c -i mod_example.py")
    record = build_record()
    if "install" in actions and not record.dso:
        raise Refused(
            "Your installed proftpd does not support shared modules/DSOs. "
            "Build it with ./configure --enable-dso, or build the module in by --with-modules"
        )
    types = "no types" not in asked.switches
    # a fault of one keeps none of the others out
    return max([_told(partial(_module, word, actions, record, types=types)) for word in asked.words])


# -- the actions ---------------------------------------------------------------------------------------


def _module(word: str, actions: set[str], record: BuildRecord, *, types: bool) -> int:
    """Do what is asked with one module, in order; what its check says ends it."""
    folder = Path(f"{os.environ.get('DESTDIR', '')}{record.libexec}")
    if actions == {"delete"}:
        print(f"prxs: deleted {prxs_place.delete(_name(word), folder)}")
        return 0
    if (brought := None if _is_module(word) else prxs_place.modules_of(word)) is not None:
        if actions & {"check"}:
            raise Refused(f"{word} is an installed package; -c checks the file of a module")
        for name, source in brought.items():
            _install(name, source, folder, record)
        return 0
    path = _file(word)
    facts = prxs_check.look(path)
    if "check" in actions and not _check(path, facts, record, types=types):
        return 1
    if "install" in actions:
        _install(facts.name, path.read_bytes(), folder, record)
    if "delete" in actions:
        print(f"prxs: nothing of {path.name} to clean up: beside it nothing was compiled")
    return 0


def _check(path: Path, facts: prxs_check.Facts, record: BuildRecord, *, types: bool) -> bool:
    faults = prxs_check.faults(path, facts, record)
    if types:
        faults += prxs_check.type_faults(path)
    for fault in faults:
        _complain(fault)
    if not faults:
        left_out = "" if types and prxs_check.has_mypy() else "; types not checked"
        print(f"prxs: {path} is {facts.name}/{facts.version}, directives: {len(facts.directives)}{left_out}")
    return not faults


def _install(name: str, source: bytes, folder: Path, record: BuildRecord) -> None:
    path = prxs_place.install(name, source, folder, record.libexec)
    print(f"prxs: installed {path}; to load it, add to the configuration: LoadModule {name}.c")
    if name in record.static:
        _complain(f"{name} is built into this ftpd: a LoadModule line for it loads nothing")


def _is_module(word: str) -> bool:
    return Path(word).name.startswith("mod_")


def _name(word: str) -> str:
    try:
        return module_name(word)
    except ValueError as error:
        raise Refused(f"{error}, without a folder") from None


def _file(word: str) -> Path:
    path = Path(word)
    if path.suffix in (".c", ".cpp", ".la", ".so"):
        raise Refused(
            f"Cannot compile {path}: modules of this ftpd are written in Python, as {path.with_suffix('.py')}"
        )
    if path.suffix != ".py":
        raise Refused(
            f"{word} names neither a module file, as mod_example.py, nor an installed package that brings modules"
        )
    if not path.is_file():
        raise Refused(f"there is no file {path}")
    return path


# -- asked how it was built ----------------------------------------------------------------------------

_SETTINGS: dict[str, Callable[[BuildRecord], str]] = {
    "version": lambda record: ftpd_version(),
    "api": lambda record: str(API_VERSION),
    "python": lambda record: sys.executable,
    "dso": lambda record: "yes" if record.dso else "no",
    "libexecdir": lambda record: record.libexec,
    "configuration": lambda record: record.configuration,
    "localstatedir": lambda record: record.rundir,
    "static": lambda record: ":".join(record.static),
    "configure": lambda record: " ".join(record.options),
}


def _query(names: list[str]) -> int:
    record = build_record()
    for name in names:
        if name not in _SETTINGS:
            raise Refused(f"no setting is called {name}; there are {', '.join(_SETTINGS)}")
    for name in names or _SETTINGS:
        value = _SETTINGS[name](record)
        print(value if names else f"{name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
