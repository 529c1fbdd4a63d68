"""mod_dso -- shared modules: where they are (ModulePath) and which ones are loaded (LoadModule)."""

from __future__ import annotations

import os

from ftpd.api import SERVER, ConfigError, Module, Multi, Reading, check_folder, module_name, types

module = Module("mod_dso", version="1.0")

_ACTIONS = ("insmod", "lsmod", "rmmod")


@types.takes(1, 1)
def _module_path(words: list[str]) -> str:
    path = words[0]
    if not path.startswith("/"):
        raise ConfigError(f"'{path}' must be an absolute path", right="ModulePath /usr/local/libexec", word=0)
    try:
        os.stat(path)
    except OSError as error:
        raise ConfigError(f"error checking '{path}': {error.strerror}", word=0) from None
    if not os.path.isdir(path):
        raise ConfigError(f"{path} is not a directory", right="the folder that holds the mod_*.py files", word=0)
    check_folder(path)
    return path


@types.takes(1, 1)
def _module(words: list[str]) -> str:
    try:
        return f"{module_name(words[0])}.c"
    except ValueError as error:
        raise ConfigError(f"error loading module '{words[0]}': {error}", right="LoadModule mod_sql.c", word=0) from None


@types.takes(1)
def _order(words: list[str]) -> tuple[str, ...]:
    """Modules, each once."""
    names = [_module([word]) for word in words]
    for index, name in enumerate(names):
        if name in names[:index]:
            first = names.index(name) + 1
            raise ConfigError(f"duplicate module name '{name}' as parameters {first} and {index + 1}", word=index)
    return tuple(names)


@types.takes(4)
def _controls(words: list[str]) -> tuple[str, ...]:
    """``actions|all allow|deny user|group list``."""
    for action in words[0].split(","):
        if action.lower() not in (*_ACTIONS, "all"):
            raise ConfigError(f"unknown action: '{action}'", right=f"{', '.join(_ACTIONS)} or all", word=0)
    if words[1].lower() not in ("allow", "deny"):
        raise ConfigError("second parameter must be 'allow' or 'deny'", right="allow or deny", word=1)
    if words[2].lower() not in ("user", "group"):
        raise ConfigError("third parameter must be 'user' or 'group'", right="user or group", word=2)
    return tuple(words)


# -- what acts as the line is read ---------------------------------------------------------------------


def _look_there(reading: Reading, path: str) -> None:
    reading.modules.path = path


def _load(reading: Reading, name: str) -> None:
    reading.modules.load(name, reading)


def _must_be_loaded(reading: Reading, names: tuple[str, ...]) -> None:
    for index, name in enumerate(names):
        if not reading.modules.is_loaded(name):
            raise ConfigError(f"no such module '{name}' loaded", right=f"LoadModule {name} above this line", word=index)


module.directive(
    "ModulePath", _module_path, contexts=SERVER, multi=Multi.LAST, act=_look_there,
    usage="folder", doc="Where the LoadModule lines below look for modules, and nowhere else.",
)  # fmt: skip
module.directive_list(
    "LoadModule", _module, contexts=SERVER, act=_load,
    usage="mod_name.c", doc="Load a shared module; its directives are known from the next line on.",
)  # fmt: skip
module.directive_list(
    "LoadFile", types.path, contexts=SERVER, inert=True,
    usage="path", doc="Load a library of C that shared modules of ProFTPD need.",
)  # fmt: skip
module.directive(
    "ModuleOrder", _order, contexts=SERVER, multi=Multi.LAST, act=_must_be_loaded, inert=True,
    usage="mod_a.c mod_b.c ...", doc="The order in which modules are asked; it is that of the LoadModule lines.",
)  # fmt: skip
module.directive_list(
    "ModuleControlsACLs", _controls, contexts=SERVER, inert=True,
    usage="actions|all allow|deny user|group list", doc="Who may load and unload modules while the daemon runs.",
)  # fmt: skip
