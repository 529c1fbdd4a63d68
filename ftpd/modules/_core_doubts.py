"""Lines that are right by themselves and lead astray: classes without a definition, logs' folders, links."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ftpd.api import Config, ConfigError, ConfigWarning, Multi, Scope, acting_as_daemon
from ftpd.modules._core import module

_LOST = {
    "PidFile": "a start by this line ends here",
    **dict.fromkeys(
        ("ControlsLog", "ExecLog", "ExtendedLog", "RewriteLog", "SQLLogFile", "TransferLog"),
        "nothing is logged there",
    ),
}
"""What comes of it where the folder of such a file is not there."""


@module.check
def classes_are_defined(config: Config) -> Iterator[ConfigError]:
    """A Deny of a class that is not there is no protection, and an Allow of it lets nobody in."""
    there = {scope.args[0] for scope in config.classes}
    others = f", or one of {', '.join(sorted(there))}" if there else ""
    told = set()
    for scope in _all(config):
        for key, lines in scope.values.items():
            if key.name not in ("AllowClass", "DenyClass"):
                continue
            for line, at in zip(lines, scope.where.get(key, ()), strict=False):
                for name in line.mentioned:
                    if name not in there and (name, at) not in told:
                        told.add((name, at))
                        yield ConfigWarning(
                            f"no <Class> is called '{name}', so no client is in it",
                            right=f"<Class {name}> and its From lines{others}", directive=key.name, at=at,
                        )  # fmt: skip


@module.check
def folders_are_there(config: Config) -> Iterator[ConfigError]:
    """Said as the configuration is checked, for a daemon that detaches itself says it to a log that nobody reads."""
    told = set()
    for scope in _all(config):
        for key, value in scope.values.items():
            if key.name not in _LOST:
                continue
            lines = scope.where.get(key, ())
            if not isinstance(value, tuple):
                # only one of them counts
                value, lines = (value,), lines[-1:] if key.multi is Multi.LAST else lines[:1]
            for one, at in zip(value, lines, strict=False):
                folder = os.path.dirname(getattr(one, "path", one) or "")
                if not folder.startswith("/") or at in told or _is_there(folder):
                    continue
                told.add(at)
                yield ConfigWarning(
                    f"there is no folder {folder}: {_LOST[key.name]}",
                    right=f"mkdir {folder}", word=0, directive=key.name, at=at,
                )  # fmt: skip


@module.check
def sections_are_no_links(config: Config) -> Iterator[ConfigError]:
    """In ProFTPD such a section says nothing of where the link leads, which is where nearly all commands look."""
    for scope in _all(config):
        links = scope.places.links if scope.places is not None else {}
        for section, real in links.items():
            yield ConfigWarning(
                f"a symbolic link is on the way to it: what this section allows is not allowed in {real}",
                right=f"<Directory {real}>", word=0, directive="Directory", at=(section.file, section.line),
            )  # fmt: skip


def _is_there(folder: str) -> bool:
    with acting_as_daemon():
        try:
            os.stat(folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # who may not look is not told that it is missing
            return True
    return True


def _all(config: Config) -> Iterator[Scope]:
    for server in config.servers:
        yield from _below(server)


def _below(scope: Scope) -> Iterator[Scope]:
    yield scope
    for inner in (*scope.children, *scope.conditional):
        yield from _below(inner)
