"""A small module host for the tests: a few directives as ProFTPD has them, and modules that are only names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftpd.conf import build
from ftpd.conf.acl import LIMIT_DIRECTIVES
from ftpd.conf.directive import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    LIMIT,
    SERVER,
    VHOST,
    ConfigError,
    Directive,
    DirectiveTable,
    Multi,
    Reading,
)
from ftpd.conf.expr import user_expression
from ftpd.conf.tree import Config
from ftpd.conf.types import (
    boolean,
    flags,
    integer,
    limit_or_none,
    one_of,
    optional_path,
    path,
    regex,
    seconds,
    size,
    string,
    takes,
    umask,
    umasks,
    words,
)

S = SERVER | GLOBAL | VHOST
A = S | ANON
D = A | DIRECTORY | FTPACCESS


def _set_env(reading: Reading, value: tuple[str, ...]) -> None:
    reading.environment[value[0]] = value[1]


def _load(reading: Reading, value: str) -> None:
    reading.modules.load(value, reading)


def brittle(words: list[str]) -> int:
    """A parser written without care, as a module author may write one."""
    return int(words[0])


USER = Directive("User", string, default="", contexts=A, usage="name|uid")
PORT = Directive("Port", integer(0, 65535), default=21, contexts=SERVER | VHOST, usage="port")
UMASK = Directive("Umask", umask, default=(0o22, 0o22), contexts=D, usage="octal-file [octal-dir]", combine=umasks)
ALLOW_OVERWRITE = Directive("AllowOverwrite", boolean, default=False, contexts=D, usage="on|off")
SERVER_NAME = Directive(
    "ServerName", string, default="ProFTPD", contexts=SERVER | VHOST, multi=Multi.LAST, usage="name"
)
HIDE_FILES: Directive[tuple[Any, ...]] = Directive(
    "HideFiles", regex, default=(), contexts=D, multi=Multi.LIST, usage="regex|none"
)
AUTH_ORDER = Directive("AuthOrder", words, default=(), contexts=S, multi=Multi.ERROR, usage="module ...")
GROUP_OWNER = Directive("GroupOwner", string, default="", contexts=ANON | DIRECTORY, usage="group", inherit=False)
IF_USER = Directive("<IfUser>", user_expression, default=None, contexts=S, usage="[AND|OR|regex] user-expr")

CORE: tuple[Directive[Any], ...] = (
    USER,
    PORT,
    UMASK,
    ALLOW_OVERWRITE,
    SERVER_NAME,
    HIDE_FILES,
    AUTH_ORDER,
    GROUP_OWNER,
    Directive("ServerType", one_of("inetd", "standalone"), default="standalone", contexts=SERVER, usage="type"),
    Directive("TimeoutIdle", seconds, default=600, contexts=A, usage="seconds"),
    Directive("MaxClients", limit_or_none, default=None, contexts=A, usage="number|none [message]"),
    Directive("MaxStoreFileSize", size, default=None, contexts=D, usage="number units"),
    Directive("TransferLog", optional_path, default=None, contexts=A, usage="path|none"),
    Directive("AuthUserFile", path, default=None, contexts=S, usage="path"),
    Directive("DenyFilter", regex, default=None, contexts=D | LIMIT, usage="pattern [flags]"),
    Directive("AllowFilter", regex, default=None, contexts=D | LIMIT, usage="pattern [flags]"),
    Directive("TransferOptions", flags("IgnoreASCII", "AllowSymlinkUpload"), default=frozenset(), contexts=S),
    Directive(
        "SetEnv", takes(2, 2)(lambda words: tuple(words)), default=(), contexts=S, act=_set_env, multi=Multi.LIST
    ),
    Directive("LoadModule", string, default=(), contexts=SERVER, act=_load, multi=Multi.LIST, usage="module"),
    Directive("Brittle", brittle, default=0, contexts=S, usage="number", module="mod_brittle"),
)


class Host:
    """mod_core is there; mod_tls, mod_ifsession and mod_ifversion can be loaded; nothing else can."""

    path = "/usr/lib/ftpd"

    def __init__(self) -> None:
        self.directives = DirectiveTable()
        self.directives.add((*CORE, *LIMIT_DIRECTIVES))
        self.loaded = {"mod_core"}
        self._shared: dict[str, tuple[Directive[Any], ...]] = {
            "mod_tls": (Directive("TLSEngine", boolean, default=False, contexts=S, usage="on|off"),),
            "mod_ifsession": (IF_USER,),
            "mod_ifversion": (),
            # brings a directive that another module has too
            "mod_umask": (Directive("Umask", words, default=(), contexts=SERVER, module="mod_umask"),),
        }

    def load(self, name: str, reading: Reading) -> None:
        bare = name.removesuffix(".c")
        if bare not in self._shared:
            raise ConfigError(f"{self.path}/{bare}.py: no such module", right="a module of that folder", word=0)
        self.loaded.add(bare)
        self.directives.add(self._shared[bare])

    def is_loaded(self, name: str) -> bool:
        return name.removesuffix(".c").removesuffix(".py") in self.loaded

    def can_load(self, name: str) -> bool:
        return name.removesuffix(".c") in self._shared

    def is_lacking(self, name: str) -> bool:
        return False


def configured(folder: Path, text: str, **options: Any) -> Config:
    """The configuration that the text makes."""
    file = folder / "proftpd.conf"
    file.write_text(text)
    return build.read(str(file), Host(), **options)
