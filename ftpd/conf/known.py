"""What to say of a directive that nobody declares: names like it, or the module it belongs to."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from ftpd.conf.directive import ConfigError, ModuleHost

_SWAP, _SUBSTITUTE, _INSERT, _DELETE = 0, 2, 1, 3
_FAR = 7
_SLIP = 3
_LONG = 64


OURS = frozenset(
    f"mod_{name}"
    for name in (
        "copy", "digest", "exec", "facl", "ifversion", "ratio", "readme", "rewrite", "site_misc", "sql", "sql_mysql",
        "sql_passwd", "sql_postgres", "sql_sqlite", "unique_id",
    )
)  # fmt: skip
"""The modules of this ftpd that a build may be without."""
_SILENT = frozenset(
    f"mod_{name}"
    for name in (
        "auth_ldap", "quotatab_file", "quotatab_ldap", "quotatab_radius", "quotatab_sql", "sftp_sql", "tls_fscache",
        "tls_memcache", "tls_redis", "tls_shmcache", "wrap2_file", "wrap2_redis", "wrap2_sql",
    )
)  # fmt: skip
"""Modules of ProFTPD that have no directives."""
GUARDS = {"mod_tls": "passwords and files then go over the net in the clear"} | dict.fromkeys(
    ("mod_ban", "mod_dnsbl", "mod_geoip", "mod_wrap", "mod_wrap2"), "those whom it keeps out then come in"
)
"""What comes of it that this ftpd does not have such a module of ProFTPD."""
_BY_THEMSELVES = frozenset({"mod_wrap"})
"""Modules of ProFTPD that keep somebody out without a line that says so: by /etc/hosts.deny."""
_BACKENDS = ("mod_sql_mysql", "mod_sql_postgres", "mod_sql_sqlite")
"""Without one of them mod_sql does nothing; the sample configuration of ProFTPD is for the first."""


class Known(NamedTuple):
    """A directive of ProFTPD: its spelling, the modules that bring it, and its arguments."""

    name: str
    modules: tuple[str, ...]
    usage: str


@cache
def known() -> dict[str, Known]:
    """Every directive of ProFTPD by its name in lower case; read when the first unknown name is met."""
    table: dict[str, Known] = {}
    with open(os.path.join(os.path.dirname(__file__), "known.tsv"), encoding="utf-8") as file:
        rows = file.read().splitlines()[1:]
    for row in rows:
        name, module, usage = row.split("\t")
        earlier = table.get(name.lower())
        modules = (*earlier.modules, module) if earlier else (module,)
        table[name.lower()] = Known(name, modules, earlier.usage if earlier else usage)
    return table


def absent(bare: str, there: Sequence[str]) -> str:
    """What would be right where LoadModule finds no file for a module; ``there`` are the names that it would find."""
    if bare in OURS:
        return f"prxs -i {bare}.py, or ./configure --enable-dso --with-shared={bare}, installs it"
    if _is_proftpds(bare):
        return f"no such line: this ftpd has no {bare}, and passes over what is in <IfModule {bare}.c>{_warned(bare)}"
    # that each begins with mod_ makes no two of them alike
    meant = bare.removeprefix("mod_")
    near = [name for name in similar(meant, [name.removeprefix("mod_") for name in there]) if _is_slip(meant, name)]
    names = [f"mod_{name}.c" for name in near] if near else [f"{name}.c" for name in sorted(there)]
    if near:
        return f"did you mean {_listed(names)}?"
    return "one of " + ", ".join(names) if names else "an empty ModulePath holds no modules"


def is_dispensable(bare: str) -> bool:
    """Whether it is a module of ProFTPD's that this ftpd does not have, and that does nothing by itself."""
    return bare not in OURS and bare not in _BY_THEMSELVES and _is_proftpds(bare)


def _is_proftpds(bare: str) -> bool:
    return bare in _SILENT or any(bare in other.modules for other in known().values())


def _is_slip(written: str, meant: str) -> bool:
    """Names of modules are short, and two letters that differ make another one."""
    return meant.startswith(written) or distance(written, meant) <= _SLIP


def unknown(name: str, names: Iterable[str], modules: ModuleHost) -> ConfigError:
    """The complaint about a name that is not among ``names``."""
    if not name.isascii():
        return ConfigError(
            f"malformed directive name '{name}' (contains non-ASCII characters)", right=_in_place_of(name)
        )
    if name.startswith("<") and not name.endswith(">"):
        return ConfigError(f"the section line '{name}' has no '>' at its end", right=f"{name} ...>")
    if (found := known().get(name.lower())) is not None:
        return _belongs(found, modules)
    near = similar(name, names) or similar(name, (other.name for other in known().values()))
    if not near:
        return ConfigError("unknown configuration directive")
    return ConfigError("unknown configuration directive", right=f"did you mean {_listed(near)}?")


def _in_place_of(name: str) -> str:
    """What cannot be told by eye: a no-break space out of a web page looks like a space."""
    odd = next(char for char in name if not char.isascii())
    # how the lexer keeps a byte that is no UTF-8
    what = f"the byte {ord(odd) - 0xDC00:#04x}" if "\udc80" <= odd <= "\udcff" else f"U+{ord(odd):04X}"
    if called := unicodedata.name(odd, "").lower():
        what = f"{what}, {called}"
    place = name.index(odd) + 1
    return f"{'a plain space' if odd.isspace() else 'an ASCII letter'} for its character {place}, which is {what}"


def _belongs(found: Known, modules: ModuleHost) -> ConfigError:
    loaded = [module for module in found.modules if modules.is_loaded(f"{module}.c")]
    if loaded:
        return ConfigError(f"is a directive of ProFTPD's {loaded[0]} that this ftpd's {loaded[0]} does not have")
    for module in found.modules:
        if modules.can_load(f"{module}.c"):
            return ConfigError(f"belongs to {module}, which is not loaded", right=_to_load(module, modules))
    owners = _listed(list(found.modules))
    if "mod_dso" in found.modules:
        # the one core module that a build may be without
        return ConfigError(
            "belongs to mod_dso, which this ftpd was built without",
            right="build it with ./configure --enable-dso, or leave the line out",
        )
    ours = next((module for module in found.modules if module in OURS), None)
    if ours is not None:
        return ConfigError(f"belongs to {ours}, which this ftpd was built without", right=_to_build(ours, modules))
    owner = found.modules[0]
    return ConfigError(
        f"belongs to {owners}, which this ftpd does not have",
        right=f"leave the line out, or put it between <IfModule {owner}.c> and </IfModule>{_warned(owner)}",
    )


def lacking(bare: str) -> ConfigError:
    """The complaint about lines in <IfModule> for a module that LoadModule has asked for in vain."""
    return ConfigError(
        f"LoadModule asks for {bare}, which this ftpd does not have, and these lines are for it",
        right=f"without that LoadModule line they are passed over{_warned(bare)}",
        word=0,
    )


def _warned(module: str) -> str:
    return f"; {GUARDS[module]}" if module in GUARDS else ""


def _to_load(module: str, modules: ModuleHost) -> str:
    line = f"a line 'LoadModule {module}.c' above this one"
    if module != "mod_sql" or any(modules.is_loaded(f"{backend}.c") for backend in _BACKENDS):
        return line
    backends = [f"{backend}.c" for backend in _BACKENDS if modules.can_load(f"{backend}.c")]
    return f"{line}, and behind it that of the database: {_listed(backends)}" if backends else line


def _to_build(module: str, modules: ModuleHost) -> str:
    named = f"{module}:{_BACKENDS[0]}" if module == "mod_sql" else module
    if modules.is_loaded("mod_dso"):
        return f"install it with ./configure --enable-dso --with-shared={named}, and load it above this line"
    return f"build it in with ./configure --with-modules={named}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def similar(name: str, names: Iterable[str]) -> list[str]:
    """At most four names like this one, the nearest first: the distance that ProFTPD and git use.

    >>> similar("AlowOverwrite", ["AllowOverwrite", "Umask"])
    ['AllowOverwrite']
    """
    # of one or two letters anything could be meant
    if len(name) < 3 or len(name) > _LONG:
        return []
    wanted = name.lower()
    ranked = sorted(
        (0 if other.lower().startswith(wanted) else distance(wanted, other.lower()) + 1, other) for other in set(names)
    )
    return [other for far, other in ranked if far <= _FAR][:4]


def distance(source: str, target: str) -> int:
    """The least cost to turn ``source`` into ``target``: swap 0, substitute 2, insert 1, delete 3."""
    before: list[int] = []
    row = [column * _INSERT for column in range(len(target) + 1)]
    for i, char in enumerate(source):
        last, before, row = before, row, [(i + 1) * _DELETE]
        for j, other in enumerate(target):
            cost = before[j] + (_SUBSTITUTE if char != other else 0)
            if i and j and source[i - 1] == other and char == target[j - 1]:
                cost = min(cost, last[j - 1] + _SWAP)
            row.append(min(cost, before[j + 1] + _DELETE, row[j] + _INSERT))
    return row[-1]
