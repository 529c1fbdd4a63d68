"""Which files an Include line means: a file, a folder's entries, or what a pattern finds, always in byte order."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from fnmatch import translate

from ftpd.conf.directive import ConfigError

OPTIONS = ("AllowSymlinks", "IgnoreTempFiles", "IgnoreWildcards")
_DEPTH = 64
_WILD = re.compile(r"[*?\[]")
_LEFTOVER = re.compile(r".*(~|\.sw.)", re.DOTALL)

Warn = Callable[[str], None]


def options(words: list[str]) -> frozenset[str]:
    """The IncludeOptions in force from this line on; they replace those from before."""
    if not words:
        raise ConfigError("missing parameters", right="IncludeOptions AllowSymlinks IgnoreTempFiles IgnoreWildcards")
    for index, word in enumerate(words):
        if word not in OPTIONS:
            raise ConfigError(f"unknown option '{word}'", right=", ".join(OPTIONS), word=index)
    return frozenset(words)


def files(path: str, chosen: frozenset[str], warn: Warn) -> list[str]:
    """The files to read; what is missing or is no file is told to ``warn``, as ProFTPD goes on without it."""
    if not path.startswith("/"):
        raise ConfigError(f"unable to use path for configuration file '{path}'", right="an absolute path", word=0)
    if _WILD.search(path) and "IgnoreWildcards" not in chosen:
        parts = [part for part in path.split("/") if part]
        if len(parts) > _DEPTH:
            raise ConfigError(f"a pattern may be {_DEPTH} folders deep, and this is deeper", word=0)
        found = _expanded("/", parts, chosen, warn)
    elif os.path.isdir(path):
        found = _entries(path, chosen, warn)
    else:
        return [path]
    return [file for file in found if _is_wanted(file, chosen, warn)]


def _entries(folder: str, chosen: frozenset[str], warn: Warn) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError as wrong:
        warn(f"unable to include '{folder}': {wrong.strerror}")
        return []
    return sorted((os.path.join(folder, name) for name in names), key=os.fsencode)


def _expanded(folder: str, parts: list[str], chosen: frozenset[str], warn: Warn) -> list[str]:
    """The paths below ``folder`` that the parts of a pattern match, in byte order."""
    while parts and not _WILD.search(parts[0]):
        folder, parts = os.path.join(folder, parts[0]), parts[1:]
    if not parts:
        return [folder] if os.path.lexists(folder) else []
    if os.path.islink(folder) and "AllowSymlinks" not in chosen:
        warn(
            f"cannot read configuration path '{folder}': it is a symbolic link, "
            "which only 'IncludeOptions AllowSymlinks' follows"
        )
        return []
    matches = re.compile(translate(parts[0])).fullmatch
    hidden = parts[0].startswith(".")
    found: list[str] = []
    for entry in _entries(folder, chosen, warn):
        name = os.path.basename(entry)
        if (hidden or not name.startswith(".")) and matches(name):
            if len(parts) == 1:
                found.append(entry)
            elif os.path.isdir(entry):
                found += _expanded(entry, parts[1:], chosen, warn)
    return found


def _is_wanted(file: str, chosen: frozenset[str], warn: Warn) -> bool:
    try:
        mode = os.stat(file).st_mode
    except OSError as wrong:
        warn(f"unable to include '{file}': {wrong.strerror}")
        return False
    if stat.S_ISDIR(mode):
        warn(f"'{file}' is left out: it is a folder, and Include does not look into folders below a folder")
        return False
    if _LEFTOVER.fullmatch(file):
        if "IgnoreTempFiles" in chosen:
            return False
        warn(f"'{file}' looks like an editor's left-over and is read; 'IncludeOptions IgnoreTempFiles' leaves it out")
    return True
