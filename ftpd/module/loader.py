"""From a file in ModulePath to a Module: how it is read and run, and what is said when it will not do."""

from __future__ import annotations

import itertools
import os
import re
import sys
import types
import weakref

from ftpd.conf.directive import ConfigError
from ftpd.conf.known import OURS, absent
from ftpd.core import turns
from ftpd.core.fault import is_interrupt
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.module import prepared
from ftpd.module.build import build_record
from ftpd.module.names import module_name
from ftpd.module.table import API_VERSION, Module
from ftpd.module.writers import check_folder, content

_loads = itertools.count(1)
_code: dict[str, tuple[bytes, types.CodeType]] = {}

unloaded: weakref.WeakValueDictionary[str, types.ModuleType] = weakref.WeakValueDictionary()
"""The namespaces that were forgotten and are there still: rings of functions and their globals, for the collector."""


def load(folder: str, name: str, *, in_service: tuple[str, bytes] | None = None) -> Module:
    """Execute ``folder/name.py`` afresh and give its Module; ConfigError says why not.

    No search path is asked and nothing is written.  What was compiled of this very source before is taken where it is
    as safe as the source (:mod:`ftpd.module.prepared`).  Where the file will not do any more, what it was when a module
    of it went into service (``in_service``, as :attr:`Module.source` has it) is executed in its place.
    """
    try:
        bare = module_name(name)
    except ValueError as error:
        raise ConfigError(str(error), right="LoadModule mod_example.c", word=0) from None
    with acting_as_daemon():
        # the folder that was checked is the one that is read, wherever a link leads by then
        path = os.path.join(check_folder(folder), f"{bare}.py")
    try:
        with acting_as_daemon():
            source = _read(path, bare)
            if not _is_known(path, source) and (code := prepared.read(path, source)) is not None:
                _code[path] = (source, code)
        return execute(path, bare, source)
    except ConfigError as error:
        if in_service is None or in_service[0] != path:
            raise
        log(Level.WARN, "%s: the %s.c that is in service goes on", error.message, bare)
        return execute(path, bare, in_service[1])


def unload(module: types.ModuleType | str) -> None:
    """Forget a loaded file's namespace; what still runs from it keeps it alive until it is done."""
    namespace = sys.modules.pop(module if isinstance(module, str) else module.__name__, None)
    if namespace is not None:
        unloaded[namespace.__name__] = namespace


def _read(path: str, bare: str) -> bytes:
    try:
        return content(path)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        there = prepared.bytecode_of(path) or prepared.kept_of(path)
        compiled = "; what is there of it is compiled, which nobody loads" if there else ""
        raise ConfigError(
            f"there is no {bare}.py in {folder}, the ModulePath{compiled}", right=_available(path, bare), word=0
        ) from None


def _available(path: str, bare: str) -> str:
    folder = os.path.dirname(path)
    built = build_record().libexec
    if os.path.isfile(f"{built}/{bare}.py") and not os.path.samefile(built, folder):
        return f"no ModulePath line, for {built} has it"
    names = os.listdir(folder)
    return absent(bare, [name[:-3] for name in names if name.startswith("mod_") and name.endswith(".py")])


def execute(path: str, bare: str, source: bytes) -> Module:
    """Run the source in a namespace of its own and give its Module; who may write the file is not asked."""
    if b"\0" in source:
        # some releases of Python 3.11 say so without the line
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        raise ConfigError(f"{path}:{line}: source code string cannot contain null bytes", word=0)
    namespace = types.ModuleType(f"ftpd_shared_{next(_loads)}.{bare}")
    namespace.__file__ = path
    # its functions keep the names that they use, not the module that these are in: so both are there for as long
    namespace.__dict__["__namespace__"] = namespace
    # dataclasses and typing look their module up by name while the file runs
    sys.modules[namespace.__name__] = namespace
    turns.rest()
    try:
        exec(_compiled(path, source), namespace.__dict__)  # noqa: S102
        return _checked(namespace, path, bare, source)
    except ConfigError:
        unload(namespace)
        raise
    except SyntaxError as error:
        unload(namespace)
        raise ConfigError(f"{path}:{error.lineno or 1}: {error.msg}", word=0) from None
    except ModuleNotFoundError as error:
        unload(namespace)
        extra = bare.removeprefix("mod_").replace("_", "-")
        raise ConfigError(
            f"{path}{_where(error, path)} needs the Python package '{error.name}', which is not installed",
            right=f"pip install 'ftpd[{extra}]', or the package by its own name"
            if bare in OURS
            else f"{sys.executable} -m pip install {error.name}, or the package that it is part of",
            word=0,
        ) from None
    except BaseException as error:
        # a module that calls sys.exit ends itself, not the daemon that goes on serving while it reads a configuration
        unload(namespace)
        if is_interrupt(error):
            raise
        raise ConfigError(f"{path}{_where(error, path)}: {type(error).__name__}: {error}", word=0) from error


def _compiled(path: str, source: bytes) -> types.CodeType:
    """The code of this source; of each file the last is kept, for each change of modules loads the others afresh, too.

    Most of what loading costs is the compiler's, who lets no other thread run meanwhile.
    """
    if not _is_known(path, source):
        _code[path] = (source, prepared.compiled(path, source))
    return _code[path][1]


def _is_known(path: str, source: bytes) -> bool:
    known = _code.get(path)
    return known is not None and known[0] == source


def _where(error: BaseException, path: str) -> str:
    """``:LINE`` of the file in a traceback."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f":{line}" if line else ""


def _checked(namespace: types.ModuleType, path: str, bare: str, source: bytes) -> Module:
    module = getattr(namespace, "module", None)
    if not isinstance(module, Module):
        raise ConfigError(f"{path} defines no module", right=f'module = Module("{bare}", version="1.0")', word=0)
    if module.name != bare:
        raise ConfigError(
            f"{_made_at(path, source)} calls itself {module.name}", right=f'module = Module("{bare}", ...)', word=0
        )
    if module.api != API_VERSION:
        place = _made_at(path, source)
        raise ConfigError(
            f"{place} was written for version {module.api} of the module API; this ftpd has version {API_VERSION}",
            word=0,
        )
    module.namespace = namespace.__name__
    module.source = (path, source)
    return module


def _made_at(path: str, source: bytes) -> str:
    """The place where the file makes its module."""
    made = (line for line, text in enumerate(source.splitlines(), 1) if re.match(rb"module\b.*=", text))
    return f"{path}:{next(made, 1)}"
