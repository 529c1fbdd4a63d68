"""Lines that are right by themselves and lead astray: classes nobody defines, logs that cannot be kept, links."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator

from ftpd.api import Config, ConfigError, ConfigWarning, Multi, Scope, acting_as_daemon, logfile
from ftpd.modules._core import module

_LOGS = ("ControlsLog", "ExecLog", "ExtendedLog", "RewriteLog", "SQLLogFile", "ServerLog", "TransferLog")
"""What is opened only as the first session has something for it; SystemLog and TraceLog end the start by themselves."""

_PATIENCE = 1.0
"""Seconds that one of them may keep us waiting."""


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
def logs_can_be_kept(config: Config) -> Iterator[ConfigError]:
    """Said as the configuration is checked, for a daemon that detaches itself says it to a log that nobody reads."""
    told = set()
    # where links are let, and for whom, is the log's own business
    follow = any(
        value is True for scope in _all(config) for key, value in scope.values.items() if key.name == "AllowLogSymlinks"
    )
    for scope in _all(config):
        for key, value in scope.values.items():
            if key.name not in _LOGS:
                continue
            lines = scope.where.get(key, ())
            if not isinstance(value, tuple):
                # only one of them counts
                value, lines = (value,), lines[-1:] if key.multi is Multi.LAST else lines[:1]
            for one, at in zip(value, lines, strict=False):
                path = getattr(one, "path", one) or ""
                if not path.startswith("/") or at in told:
                    continue
                told.add(at)
                if (found := _trouble(path, key.name, follow)) is not None:
                    yield ConfigWarning(
                        f"{found.reason}: nothing is logged there",
                        right=found.remedy, word=0, directive=key.name, at=at,
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


def _trouble(path: str, directive: str, follow: bool) -> logfile.Trouble | None:
    """What is known of it in time: a disk that hangs must not keep a new configuration from coming into force."""
    found: list[logfile.Trouble | None] = []

    def look() -> None:
        # who reads a FIFO would hear of an end that is none
        found.append(None if _is_fifo(path) else logfile.trouble(path, directive, follow=follow))

    looking = threading.Thread(target=look, name=f"a look at {directive}", daemon=True)
    looking.start()
    looking.join(_PATIENCE)
    return found[0] if found else None


def _is_fifo(path: str) -> bool:
    with acting_as_daemon():
        try:
            return stat.S_ISFIFO(os.stat(path).st_mode)
        except OSError:
            return False


def _all(config: Config) -> Iterator[Scope]:
    for server in config.servers:
        yield from _below(server)


def _below(scope: Scope) -> Iterator[Scope]:
    yield scope
    for inner in (*scope.children, *scope.conditional):
        yield from _below(inner)
