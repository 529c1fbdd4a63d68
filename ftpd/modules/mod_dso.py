"""mod_dso -- shared modules: where they are (ModulePath) and which ones are loaded (LoadModule)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import AsyncIterator, Iterator, Sequence

from ftpd.api import (
    CORE_MODULES,
    DISPENSABLE,
    SERVER,
    Asked,
    ConfigError,
    ControlError,
    Module,
    Multi,
    Reading,
    Status,
    acting_as_daemon,
    check_folder,
    check_way,
    check_writers,
    control_rules,
    module_name,
    types,
)

module = Module("mod_dso", version="1.0")


@types.takes(1, 1)
def _module_path(words: list[str]) -> str:
    path = words[0]
    if not path.startswith("/"):
        raise ConfigError(f"'{path}' must be an absolute path", right="ModulePath /usr/local/libexec", word=0)
    try:
        os.stat(path)
    except OSError as error:
        right = "the folder that holds the mod_*.py files, or no ModulePath line for that of the build"
        raise ConfigError(f"error checking '{path}': {error.strerror}", right=right, word=0) from None
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


# -- what acts as the line is read ---------------------------------------------------------------------


def _look_there(reading: Reading, path: str) -> None:
    ours = reading.modules.path
    if ours and _is_proftpds(path):
        reading.warn(f"holds ProFTPD's own modules (.so), no ftpd can load them: its own come from {ours}", word=0)
    else:
        reading.modules.path = path


def _is_proftpds(path: str) -> bool:
    """A folder that came with an administrator from there."""
    try:
        with acting_as_daemon():
            names = [name for name in os.listdir(path) if name.startswith("mod_")]
    except OSError:
        return False
    return any(name.endswith(".so") for name in names) and not any(name.endswith(".py") for name in names)


def _load(reading: Reading, name: str) -> None:
    reading.modules.load(name, reading)


def _put_in_order(reading: Reading, names: tuple[str, ...]) -> None:
    for index, name in enumerate(names):
        if not reading.modules.is_loaded(name):
            raise ConfigError(f"no such module '{name}' loaded", right=f"LoadModule {name} above this line", word=index)
    reading.modules.order(names)


def _load_library(reading: Reading, path: str) -> None:
    """For modules that find a C library's symbols in the process; what others could write would run as the daemon."""
    with acting_as_daemon():
        try:
            # what was checked is what is loaded, wherever a link leads by then
            real = check_way(path)
            check_folder(os.path.dirname(real))
            check_writers(real, os.stat(real))
            ctypes.CDLL(real, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            reason = "file not found" if isinstance(error, FileNotFoundError) else str(error)
            raise ConfigError(
                f"error loading '{path}': {reason}", right="a shared library, as /usr/lib/libx.so.1", word=0
            ) from None


module.directive(
    "ModulePath", _module_path, contexts=SERVER, multi=Multi.LAST, act=_look_there,
    usage="folder", doc="Where the LoadModule lines below look for modules, and nowhere else.",
)  # fmt: skip
module.directive_list(
    "LoadModule", _module, contexts=SERVER, act=_load,
    usage="mod_name.c", doc="Load a shared module; its directives are known from the next line on.",
)  # fmt: skip
module.directive_list(
    "LoadFile", types.path, contexts=SERVER, act=_load_library,
    usage="path", doc="Load a C library into the process, for modules that look for its symbols there.",
)  # fmt: skip
module.directive(
    "ModuleOrder", _order, contexts=SERVER, multi=Multi.LAST, act=_put_in_order,
    usage="mod_a.c mod_b.c ...", doc="The order of all loaded modules, as if they had been loaded in it.",
)  # fmt: skip
acls = module.directive_list(
    "ModuleControlsACLs", control_rules("insmod", "lsmod", "rmmod", "reload"), contexts=SERVER,
    usage="actions|all allow|deny user|group list", doc="Who may load and unload modules while the daemon runs.",
)  # fmt: skip


# -- while the daemon runs -----------------------------------------------------------------------------


@module.control("insmod", help="load modules", acl=acls)
async def insert(asked: Asked) -> AsyncIterator[str]:
    for word in _names(asked):
        name = _bare(word, f"error loading '{word}'")
        if name in _loaded(asked):
            raise ControlError(Status.IGNORED, f"error loading '{word}': Already loaded")
        await _swap(asked, f"error loading '{word}'", add=[name])
        yield f"'{word}' loaded"


@module.control("rmmod", help="unload modules", acl=acls)
async def remove(asked: Asked) -> AsyncIterator[str]:
    for word in _names(asked):
        trouble = f"error unloading '{word}'"
        name = _bare(word, trouble)
        if name not in _loaded(asked):
            raise ControlError(Status.NOT_FOUND, f"{trouble}: Module not loaded")
        if name in CORE_MODULES and name not in DISPENSABLE:
            raise ControlError(Status.INTERNAL, f"{trouble}: Operation not permitted, it is a core module")
        if users := [f"{other.name}.c" for other in asked.daemon.modules if name in other.needs]:
            raise ControlError(Status.DENIED, f"{trouble}: {', '.join(users)} needs it; unload that first")
        await _swap(asked, trouble, remove=[name])
        yield f"'{word}' unloaded"


@module.control("lsmod", help="list modules", acl=acls)
def show(asked: Asked) -> Iterator[str]:
    if asked.words:
        raise ControlError(Status.WRONG_PARAMETERS, "wrong number of parameters")
    yield "Loaded Modules:"
    for name in _loaded(asked):
        yield f"  {name}.c"


@module.control("reload", help="replace modules by what their files are now", acl=acls)
async def renew(asked: Asked) -> AsyncIterator[str]:
    for word in _names(asked):
        trouble = f"error reloading '{word}'"
        name = _bare(word, trouble)
        found = _loaded(asked).get(name)
        if found is None:
            raise ControlError(Status.NOT_FOUND, f"{trouble}: Module not loaded")
        if not found.namespace:
            raise ControlError(Status.DENIED, f"{trouble}: it is built in; restart the daemon for a new version of it")
        await _swap(asked, trouble, renew=[name])
        if _loaded(asked).get(name) is found:
            # its file only imports it, and what is imported stays for the life of the process
            right = "restart the daemon for a new version of it"
            raise ControlError(Status.DENIED, f"{trouble}: it comes from a Python package; {right}")
        yield f"'{word}' reloaded, {name}/{_loaded(asked)[name].version}"


def _names(asked: Asked) -> list[str]:
    if not asked.words:
        raise ControlError(Status.WRONG_PARAMETERS, "missing required parameters")
    return asked.words


def _bare(word: str, trouble: str) -> str:
    try:
        return module_name(word)
    except ValueError:
        raise ControlError(Status.NOT_FOUND, f"{trouble}: Bad module name") from None


def _loaded(asked: Asked) -> dict[str, Module]:
    return {loaded.name: loaded for loaded in asked.daemon.modules}


async def _swap(
    asked: Asked, trouble: str, *, add: Sequence[str] = (), remove: Sequence[str] = (), renew: Sequence[str] = ()
) -> None:  # fmt: skip
    """A new set of modules goes into service, or the first line of the refusal says what was to be done."""
    try:
        await asked.daemon.swap(add=add, remove=remove, renew=renew)
    except ControlError as error:
        first, *others = error.lines
        raise ControlError(error.status, f"{trouble}: {first}", *others) from None
