"""./configure: options in ProFTPD's spelling in, build/plan.json for make out."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from buildplan import LIBEXEC, PLAN, ROOT, Plan

from ftpd.conf.known import similar
from ftpd.module.build import CORE_MODULES
from ftpd.module.names import module_name

FOLDERS = {
    "prefix": ("/usr/local", "all the others lie below it unless they are named"),
    "bindir": ("{prefix}/bin", "commands for everybody"),
    "sbindir": ("{prefix}/sbin", "ftpd and proftpd"),
    "libexecdir": ("{prefix}/libexec", "shared modules, where LoadModule looks"),
    "sysconfdir": ("{prefix}/etc", "proftpd.conf"),
    "localstatedir": ("{prefix}/var", "what a running daemon keeps: pid file, scoreboard, xferlog"),
    "mandir": ("{prefix}/share/man", "manual pages"),
}

HELP = """\
usage: ./configure [options]

Decides how ftpd is built; then "make" builds it and "make install" installs it.

Modules:
  --with-modules=mod_a:mod_b  build these in too (static); they come behind the core modules, in this order
  --enable-dso                load shared modules at run time (mod_dso: LoadModule, ModulePath)
  --with-shared=mod_a:mod_b   install these as shared modules; needs --enable-dso

Folders:
{folders}

PYTHON=/path/to/python3 ./configure ... chooses the Python (3.11 or newer) that runs ftpd.

Core modules, always in:
  {core}
Others, for --with-modules or --with-shared:
  {others}"""

# A configure line of ProFTPD's is taken as it is; what its other options decide is decided elsewhere here
WITHOUT_EFFECT = {
    "ctrls": "controls are always in",
    "facl": "access control lists of the file system are the kernel's affair, and always hold",
    "ident": "see the modules for --with-modules",
    "ipv6": "IPv6 is always in; the directive UseIPv6 and the options -4 and -6 switch it",
    "largefile": "files of any size are always served",
    "nls": "mod_lang is always in",
    "openssl": "TLS comes with Python",
    "sendfile": "it is always in where the system has it; the directive UseSendfile switches it",
    "shadow": "shadow passwords are always read",
    "autoshadow": "shadow passwords are always read",
    "includes": "nothing is compiled",
    "libraries": "nothing is compiled",
    "strip": "nothing is compiled",
    "devel": "nothing is compiled",
    "cap": "no capabilities but those it needs are kept",
}


class Refused(Exception):
    """What is wrong with the command line, and what would be right."""


@dataclass
class Asked:
    """What the command line said."""

    folders: dict[str, str] = field(default_factory=dict)
    static: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    dso: bool = False
    help: bool = False
    notes: list[str] = field(default_factory=list)


def main(words: list[str]) -> int:
    try:
        asked = read(words)
        if asked.help:
            try:
                print(help_text(), flush=True)
            except BrokenPipeError:
                # whoever read it has seen enough; Python would complain at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        plan = decide(asked, words)
    except Refused as error:
        print(f"configure: error: {error}", file=sys.stderr)
        return 1
    plan.save()
    for note in asked.notes:
        print(f"configure: note: {note}")
    print(summary(plan))
    return 0


# -- reading -------------------------------------------------------------------------------------------


def read(words: list[str]) -> Asked:
    """Work the options off, as autoconf's scripts do: --name=value or --name value."""
    asked = Asked()
    rest = iter(words)
    for word in rest:
        name, given, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            _read_other(asked, word)
        elif name in FOLDERS or name in ("with-modules", "with-shared"):
            if not given:
                value = next(rest, "")
            if name in FOLDERS:
                asked.folders[name] = _folder(name, value)
            else:
                (asked.static if name == "with-modules" else asked.shared).extend(_modules(name, value))
        elif name in ("enable-dso", "disable-dso", "help"):
            _read_switch(asked, name, value if given else "yes")
        else:
            _read_foreign(asked, word, name)
    return asked


def _read_switch(asked: Asked, name: str, value: str) -> None:
    if value not in ("yes", "no"):
        raise Refused(f"--{name} takes no value but yes or no, not '{value}'")
    if name == "help":
        asked.help = True
    else:
        asked.dso = (name == "enable-dso") == (value == "yes")


def _read_other(asked: Asked, word: str) -> None:
    """-h, or NAME=value for a compiler or an installer."""
    if word == "-h":
        asked.help = True
    elif re.fullmatch(r"[A-Za-z_]+=.*", word, re.S):
        asked.notes.append(
            f"{word.partition('=')[0]} is without effect: nothing is compiled, and files belong to whom installs"
        )
    else:
        raise Refused(f"'{word}' is not an option; options begin with --, and ./configure --help names them")


def _read_foreign(asked: Asked, word: str, name: str) -> None:
    """An option of ProFTPD's that has nothing to decide here, or one that nobody knows."""
    kind, _, what = name.partition("-")
    if kind in ("enable", "disable", "with", "without") and what in WITHOUT_EFFECT:
        asked.notes.append(f"{word} is without effect: {WITHOUT_EFFECT[what]}")
        return
    near = similar(name, [*FOLDERS, "with-modules", "with-shared", "enable-dso", "disable-dso", "help"])
    right = f"did you mean --{near[0]}?" if near else "./configure --help names the options"
    raise Refused(f"unknown option '{word}'; {right}")


def _folder(name: str, value: str) -> str:
    if not value.startswith("/"):
        raise Refused(
            f"--{name} needs an absolute path, not '{value}'; "
            f"left out, it would be {FOLDERS[name][0].format(prefix='/usr/local')}"
        )
    if "\n" in value or '"' in value:
        raise Refused(f"--{name}: a line break or a quotation mark in the path could not be written into proftpd.conf")
    return value.rstrip("/")


def _modules(option: str, value: str) -> list[str]:
    """The names between the colons; stray colons and repeated names do no harm."""
    if value == "no":
        return []
    words = [word for word in re.split(r"[:\s]+", value) if word]
    if not words or words == ["yes"] or words[0].startswith("-"):
        raise Refused(
            f"--{option} parameter missing required colon-separated list of modules, "
            f"as in --{option}=mod_readme:mod_unique_id"
        )
    try:
        return list(dict.fromkeys(module_name(word) for word in words))
    except ValueError as error:
        raise Refused(f"--{option}: {error}") from None


# -- deciding ------------------------------------------------------------------------------------------


def decide(asked: Asked, words: list[str]) -> Plan:
    """The plan, when all that was asked for can be had together."""
    packages = packaged_modules()
    static = _check_static(asked, packages)
    _check_shared(asked, packages)
    folders: dict[str, str] = {}
    for name, (default, _) in FOLDERS.items():
        folders[name] = asked.folders.get(name, default.format(prefix=folders.get("prefix")))
    return Plan(
        python=sys.executable,
        **folders,
        dso=asked.dso,
        static=_ordered(static, dso=asked.dso),
        shared=tuple(asked.shared),
        requirements=tuple(dict.fromkeys(packages[name] for name in static if name in packages)),
        extras=_extras([*static, *asked.shared]),
        options=tuple(words),
    )


def _check_static(asked: Asked, packages: dict[str, str]) -> list[str]:
    """The modules to build in beside the core ones."""
    static = []
    for name in asked.static:
        if name == "mod_dso":
            raise Refused("mod_dso is not for --with-modules; say --enable-dso")
        if name in CORE_MODULES:
            asked.notes.append(f"{name} is a core module: it is in without --with-modules")
        elif name in libexec_modules() or name in packages:
            static.append(name)
        else:
            raise Refused(_unknown("--with-modules", name, [*CORE_MODULES, *libexec_modules(), *packages]))
    for index, name in enumerate(static):
        if missing := [need for need in _needs(name) if need not in (*CORE_MODULES, *static[:index])]:
            order = [*missing, *(other for other in static if other not in missing)]
            raise Refused(f"{name} needs {', '.join(missing)} before it: --with-modules={':'.join(order)}")
    return static


def _needs(name: str) -> list[str]:
    """The modules that a file in libexec/ says it needs; what a package brings says so at the start."""
    try:
        tree = ast.parse((LIBEXEC / f"{name}.py").read_bytes())
        said = [
            ast.literal_eval(word.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            for word in node.value.keywords
            if word.arg == "needs" and ast.unparse(node.value.func).rpartition(".")[2] == "Module"
        ]
    except (OSError, SyntaxError, ValueError):
        # "make" loads it, and tells better what is wrong
        return []
    return [need if need.startswith("mod_") else f"mod_{need}" for needs in said for need in needs]


def _check_shared(asked: Asked, packages: dict[str, str]) -> None:
    if asked.shared and not asked.dso:
        raise Refused(
            "cannot build shared modules without DSO support: add --enable-dso, or use --with-modules instead"
        )
    for name in asked.shared:
        if name in asked.static:
            raise Refused(
                f"duplicate build request for {name}: name it in --with-modules or in --with-shared, not in both"
            )
        if name in CORE_MODULES:
            raise Refused(
                f"cannot build {name} as a shared module: it is a core module, which is always in; leave it out"
            )
        if name in libexec_modules():
            there = (*CORE_MODULES, *asked.static, *asked.shared)
            asked.notes += [
                f"{name} needs {need}, and cannot be loaded without it: --with-shared={need}:{name} brings both"
                for need in _needs(name)
                if need not in there
            ]
            continue
        if name in packages:
            raise Refused(
                f"{name} comes from the package {packages[name]}: name it in --with-modules, "
                f"or make it a shared module after the installation with prxs -i"
            )
        raise Refused(_unknown("--with-shared", name, libexec_modules()))


def _unknown(option: str, name: str, known: Iterable[str]) -> str:
    near = similar(name, known)
    right = f"did you mean {near[0]}?" if near else f"those that there are: {', '.join(libexec_modules()) or 'none'}"
    return f"{option} names {name}, but there is no libexec/{name}.py and no installed package brings it; {right}"


def _ordered(static: list[str], *, dso: bool) -> tuple[str, ...]:
    """ProFTPD's order: the core up to mod_dso, what was asked for, then the rest; mod_ifsession has to be the last."""
    behind = CORE_MODULES.index("mod_dso") + 1
    order = [*CORE_MODULES[:behind], *static, *CORE_MODULES[behind:]]
    order.sort(key="mod_ifsession".__eq__)
    return tuple(name for name in order if dso or name != "mod_dso")


def _extras(names: list[str]) -> tuple[str, ...]:
    """A library that one module alone needs is an extra called like the module."""
    there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("optional-dependencies", {})
    by_module = {f"mod_{extra.replace('-', '_')}": extra for extra in there}
    return tuple(by_module[name] for name in names if name in by_module)


def libexec_modules() -> list[str]:
    return sorted(path.stem for path in LIBEXEC.glob("mod_*.py"))


def packaged_modules() -> dict[str, str]:
    """Modules that installed packages bring, and the requirement that installs the package again."""
    found = {}
    for entry in entry_points(group="ftpd.modules"):
        if entry.dist is not None and entry.dist.name != "ftpd":
            found[entry.name] = f"{entry.dist.name}=={entry.dist.version}"
    return found


# -- telling -------------------------------------------------------------------------------------------


def help_text() -> str:
    others = [*libexec_modules(), *packaged_modules()]
    return HELP.format(
        folders="\n".join(
            f"  --{name + '=' + 'DIR':<24}  {what} [{default}]" for name, (default, what) in FOLDERS.items()
        ),
        core=" ".join(name for name in CORE_MODULES if name != "mod_dso"),
        others=" ".join(others) or "(none)",
    )


def summary(plan: Plan) -> str:
    rows = {
        "Python": plan.python,
        "prefix": plan.prefix,
        "configuration": plan.configuration,
        "run-time files": plan.localstatedir,
        "static modules": " ".join(plan.static),
        "shared modules": (" ".join(plan.shared) or "none") + f", in {plan.libexecdir}"
        if plan.dso
        else "no (--enable-dso)",
        "options": shlex.join(plan.options) or "none",
    }
    lines = [f"  {name:<15} {value}" for name, value in rows.items()]
    return "\n".join([f"configured ({PLAN.relative_to(ROOT)}):", *lines, "Now run: make, then: make install"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
