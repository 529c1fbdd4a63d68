"""From a file in ModulePath to a Module: who may own it, how it is read, and what is said when it will not do."""

from __future__ import annotations

import errno
import glob
import grp
import itertools
import os
import pwd
import re
import stat
import sys
import types
import weakref

from ftpd.conf.directive import ConfigError
from ftpd.core import turns
from ftpd.core.fault import is_interrupt
from ftpd.core.identity import acting_as_daemon
from ftpd.module.names import module_name
from ftpd.module.table import API_VERSION, Module

_loads = itertools.count(1)
_code: dict[str, tuple[bytes, types.CodeType]] = {}
_author = os.stat(__file__).st_uid
"""Who owns the daemon's own code, as in a checkout that root starts: no module is needed to have anything run by it."""

_MOST_LINKS = 40
"""As the kernel has it, for one path."""

unloaded: weakref.WeakValueDictionary[str, types.ModuleType] = weakref.WeakValueDictionary()
"""The namespaces that were forgotten and are there still: rings of functions and their globals, for the collector."""


def load(folder: str, name: str) -> Module:
    """Execute ``folder/name.py`` afresh and give its Module; ConfigError says why not.

    Nothing but this file is looked at: no search path, no bytecode, neither read nor written.
    """
    try:
        bare = module_name(name)
    except ValueError as error:
        raise ConfigError(str(error), right="LoadModule mod_example.c", word=0) from None
    with acting_as_daemon():
        # the folder that was checked is the one that is read, wherever a link leads by then
        path = os.path.join(check_folder(folder), f"{bare}.py")
        source = _read(path, bare)
    return execute(path, bare, source)


def unload(module: types.ModuleType | str) -> None:
    """Forget a loaded file's namespace; what still runs from it keeps it alive until it is done."""
    namespace = sys.modules.pop(module if isinstance(module, str) else module.__name__, None)
    if namespace is not None:
        unloaded[namespace.__name__] = namespace


def check_folder(folder: str) -> str:
    """The folder without symbolic links; ConfigError unless only root and the daemon's user can change its files."""
    try:
        real = check_way(folder)
        found = os.stat(real)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        check_writers(real, found)
    except OSError as error:
        raise ConfigError(
            f"the ModulePath {folder} cannot be used: {error.strerror}", right="ModulePath /usr/local/libexec", word=0
        ) from None
    return real


def check_way(path: str) -> str:
    """Where a path leads, without symbolic links; ConfigError where others than root and the daemon's user may turn it.

    Every folder that is passed through is looked at, and every link: whoever owns one may lead it elsewhere.
    """
    here, links = "/", 0
    rest = os.path.join(os.getcwd(), path).split("/")[::-1]
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        check_writers(here, os.stat(here), is_parent=True)
        there = os.path.join(here, part)
        found = os.lstat(there)
        if not stat.S_ISLNK(found.st_mode):
            here = there
            continue
        check_writers(there, found)
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(there)
        here = "/" if target.startswith("/") else here
        rest += target.split("/")[::-1]
    return here


def check_writers(path: str, found: os.stat_result, *, is_parent: bool = False) -> None:
    """ConfigError where others than root and the daemon's user may write to what has these attributes."""
    if found.st_uid not in (0, os.geteuid(), _author):
        raise ConfigError(
            f"{path} belongs to uid {found.st_uid}; only root and the daemon's user may own modules and their folder",
            right=f"chown {'root' if os.geteuid() == 0 else os.geteuid()} {path}",
            word=0,
        )
    if stat.S_ISLNK(found.st_mode):
        # what it leads to only its owner changes, whatever its mode says
        return
    if is_parent and found.st_mode & stat.S_ISVTX:
        # as in /tmp: what others may add here, they may not put in the place of ours
        return
    if found.st_mode & stat.S_IWOTH:
        who = "everybody"
    elif found.st_mode & stat.S_IWGRP and not _is_private(found):
        who = f"group {found.st_gid}"
    else:
        return
    raise ConfigError(
        f"{path} can be written by {who}, who could run code as this daemon", right=f"chmod go-w {path}", word=0
    )


def _is_private(found: os.stat_result) -> bool:
    """Whether the group is its owner's alone: distributions that give each user one also make files group-writable.

    Root's group is not taken for one, nor is a group that has members.
    """
    if found.st_uid == 0 or found.st_uid not in (os.geteuid(), _author):
        return False
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return (group.gr_name, group.gr_gid) == (owner.pw_name, owner.pw_gid) and set(group.gr_mem) <= {owner.pw_name}


def _read(path: str, bare: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        compiled = "; what is there of it is compiled, which nobody loads" if _has_bytecode(folder, bare) else ""
        raise ConfigError(
            f"there is no {bare}.py in {folder}, the ModulePath{compiled}", right=_available(path), word=0
        ) from None
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
        raise ConfigError(f"{path} cannot be read: {reason}", word=0) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} is not a regular file", word=0)
        check_writers(path, found)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _has_bytecode(folder: str, bare: str) -> bool:
    names = (f"{bare}.pyc", f"__pycache__/{bare}.*.pyc")
    return any(glob.glob(f"{glob.escape(folder)}/{name}") for name in names)


def _available(path: str) -> str:
    there = [name for name in os.listdir(os.path.dirname(path)) if name.startswith("mod_")]
    names = sorted(name[:-3] + ".c" for name in there if name.endswith(".py"))
    if not names and any(name.endswith(".so") for name in there):
        # a ModulePath that came with an administrator from ProFTPD
        return "no ModulePath line: the modules there are ProFTPD's own (.so), and ftpd's are found without it"
    return "one of " + ", ".join(names) if names else "an empty ModulePath holds no modules"


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
            right=f"pip install 'ftpd[{extra}]', or the package by its own name",
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
    known = _code.get(path)
    if known is None or known[0] != source:
        known = _code[path] = (source, compile(source, path, "exec", dont_inherit=True))
    return known[1]


def forget_code() -> None:
    """Have every file compiled again at its next load."""
    _code.clear()


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
    return module


def _made_at(path: str, source: bytes) -> str:
    """The place where the file makes its module."""
    made = (line for line, text in enumerate(source.splitlines(), 1) if re.match(rb"module\b.*=", text))
    return f"{path}:{next(made, 1)}"
