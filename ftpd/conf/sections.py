"""The sections that belong to the language itself: where each may stand and what its opening line takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from ftpd.conf.directive import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    LIMIT,
    SERVER,
    VHOST,
    ConfigError,
    Context,
)
from ftpd.conf.tree import Scope
from ftpd.conf.types import doubt
from ftpd.core.record import dataclass

TITLES = {
    SERVER: "server config",
    GLOBAL: "<Global>",
    VHOST: "<VirtualHost>",
    ANON: "<Anonymous>",
    DIRECTORY: "<Directory>",
    LIMIT: "<Limit>",
    CLASS: "<Class>",
    FTPACCESS: ".ftpaccess",
}
_WILD = re.compile(r"[*?\[]")


def places(contexts: Context) -> str:
    """The contexts in words: ``server config, <Global> or <VirtualHost>``."""
    named = [title for context, title in TITLES.items() if context in contexts]
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of section; ``check`` gives the arguments to keep, or refuses them; more than ``most`` are ignored."""

    name: str
    kind: Context
    parents: Context
    check: Callable[[list[str], Scope], list[str]]
    most: int | None = None


def _global(args: list[str], parent: Scope) -> list[str]:
    if args:
        raise ConfigError("Too many parameters", right="<Global>", word=0)
    return []


def _virtual_host(args: list[str], parent: Scope) -> list[str]:
    if not args:
        raise ConfigError("wrong number of parameters", right="<VirtualHost address|name ...>")
    return args


def _class(args: list[str], parent: Scope) -> list[str]:
    if not args:
        raise ConfigError("missing parameters", right="<Class name>")
    return args


def _limit(args: list[str], parent: Scope) -> list[str]:
    words = [word for arg in args for word in arg.split(",") if word]
    if not words:
        raise ConfigError(
            "directive requires one or more commands", right="<Limit command|READ|WRITE|DIRS|LOGIN|ALL ...>"
        )
    return words


def _anonymous(args: list[str], parent: Scope) -> list[str]:
    if not args:
        raise ConfigError("wrong number of parameters", right="<Anonymous root-path>")
    path = args[0]
    if path[:1] not in ("/", "~"):
        raise ConfigError(f"({path}) absolute pathname required", right="a path that begins with / or ~", word=0)
    if _WILD.search(path):
        raise ConfigError(f"({path}) wildcards not allowed in pathname", right="the path of one folder", word=0)
    path = _tidy(path)
    if path == "/":
        raise ConfigError(
            "'/' not permitted for anonymous root directory", right="a folder of its own, as /srv/ftp", word=0
        )
    return [path]


def _directory(args: list[str], parent: Scope) -> list[str]:
    if not args or not args[0]:
        raise ConfigError("wrong number of parameters", right="<Directory path>")
    path = _tidy(args[0])
    if path[0] not in "/~" and parent.kind is not ANON:
        raise ConfigError(
            f"relative path not allowed in non-<Anonymous> sections: '{path}'",
            right="a path that begins with / or ~",
            word=0,
        )
    for other in _others(path, args[0], parent.children):
        if parent.kind is ANON:
            doubt(f"takes the place of the section at {other.file}:{other.line}, which has the same path", word=0)
        else:
            raise ConfigError(
                f"<Directory> section already configured for '{path}' at {other.file}:{other.line}",
                right="one section that holds the lines of both", word=0,
            )  # fmt: skip
    return [path]


def _others(path: str, spelt: str, siblings: list[Scope], *, slashes: bool = False) -> list[Scope]:
    """The sections of the same path: those that differ in the slashes at its end, or all but those."""
    return [
        other
        for other in siblings
        if other.kind is DIRECTORY
        and other.args == [path]
        and slashes == (other.spelt != spelt and other.spelt.rstrip("/") == spelt.rstrip("/"))
    ]


_BARE = frozenset({"AllowAll", "DenyAll"})


def join(scope: Scope, siblings: list[Scope]) -> ConfigError | None:
    """Have a <Directory> that has been read take in those that ProFTPD takes it to lie in, or to hold: /srv, /srv/.

    Gives what is wrong: where one says AllowAll and the other DenyAll, it is about the folder there, and about what
    lies in it.
    """
    for other in _others(scope.args[0], scope.spelt, siblings, slashes=True) if scope.kind is DIRECTORY else ():
        if {directive.name for directive in (*scope.values, *other.values)} >= _BARE:
            return ConfigError(
                f"<Directory> says the opposite of the one at {other.file}:{other.line}",
                right="AllowAll or DenyAll in both of them", word=0,
            )  # fmt: skip
        scope.take_in(other)
        siblings.remove(other)
    return None


def _tidy(path: str) -> str:
    path = re.sub("/+", "/", path)
    if not _WILD.search(path):
        path = os.path.normpath(path)
    return path.rstrip("/") or "/"


SECTIONS: dict[str, Section] = {
    section.name.lower(): section
    for section in (
        Section("<Global>", GLOBAL, SERVER | VHOST, _global),
        Section("<VirtualHost>", VHOST, SERVER, _virtual_host),
        Section("<Class>", CLASS, SERVER | GLOBAL, _class, 1),
        Section("<Anonymous>", ANON, SERVER | GLOBAL | VHOST, _anonymous, 1),
        Section("<Directory>", DIRECTORY, SERVER | GLOBAL | VHOST | ANON, _directory, 1),
        Section("<Limit>", LIMIT, SERVER | GLOBAL | VHOST | ANON | DIRECTORY | FTPACCESS, _limit),
    )
}
