"""What ftpwho and its kin share: their options, and the scoreboard that these lead to."""

from __future__ import annotations

import getopt
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ftpd.core.record import dataclass
from ftpd.core.scoreboard import Entry, ScoreboardError, Scores, alive, read
from ftpd.module.build import build_record

_VARIABLE = re.compile(r"%\{env:([^}]*)\}")
_HINT = """\
(Perhaps you need to specify the ScoreboardFile with -f, or change
 the compile-time default directory?)"""


class UsageError(Exception):
    """An option that is none."""


class NoScoresError(Exception):
    """There is nothing to show, and why."""


@dataclass
class Wanted:
    """The options of a command line."""

    config: str | None = None
    file: str | None = None
    server: str | None = None
    form: str = ""
    verbose: bool = False
    help: bool = False


_SHORT = {"c:": "config", "f:": "file", "S:": "server", "o:": "form", "v": "verbose", "h": "help"}
_LONG = {"config=": "config", "file=": "file", "server=": "server", "outform=": "form", "verbose": "verbose",
         "help": "help"}  # fmt: skip


def understand(words: list[str], letters: str) -> Wanted:
    """The options among ``letters``; UsageError for others."""
    short = {key: value for key, value in _SHORT.items() if key[0] in letters}
    long = {key: value for key, value in _LONG.items() if value in short.values()}
    try:
        found, _ = getopt.getopt(words, "".join(short), list(long))
    except getopt.GetoptError as error:
        raise UsageError(f"unknown option: {error.opt}") from None
    wanted = Wanted()
    for option, value in found:
        name = next(
            name for key, name in {**short, **long}.items() if key.rstrip(":=") == option.lstrip("-")
        )  # fmt: skip
        setattr(wanted, name, value if value or name not in ("verbose", "help") else True)
    return wanted


def scores(wanted: Wanted) -> Scores:
    """The scoreboard that the options lead to; NoScoresError says why there is none."""
    path = place(wanted)
    if path is None:
        return Scores(0, 0, ())
    with reasons(path):
        found = read(path)
    if found.pid and not alive(found.pid):
        # killed, or in another container
        print(f"{path}: process {found.pid}, which kept it, is not there; this is what it wrote last", file=sys.stderr)
    return found


def place(wanted: Wanted) -> str | None:
    """Where it is: by ``-f``, by the configuration of ``-c``, or by the build; None where none is kept."""
    record = build_record()
    path = wanted.file or _named_in(wanted.config or record.configuration, told=wanted.config is not None)
    if path is not None and path.lower() in ("none", "/dev/null", "off", "no", "false", "0"):
        return None
    return path or record.scoreboard


@contextmanager
def reasons(path: str) -> Iterator[None]:
    """What goes wrong with a scoreboard, as a NoScoresError."""
    try:
        yield
    except OSError as error:
        raise NoScoresError(f"{path}: {error.strerror}\n{_HINT}") from None
    except ScoreboardError as error:
        raise NoScoresError(f"error opening scoreboard: {error}") from None


def _named_in(config: str, *, told: bool) -> str | None:
    """What the last ScoreboardFile line of that file says, which need not be a configuration of ours.

    One with a variable that only the daemon was started with names nothing here.
    """
    found = None
    try:
        with open(config, errors="replace") as lines:
            for line in lines:
                words = line.split()
                if len(words) > 1 and words[0].lower() == "scoreboardfile":
                    names = _VARIABLE.findall(words[1])
                    known = all(name in os.environ for name in names)
                    found = _VARIABLE.sub(lambda one: os.environ[one[1]], words[1]).strip('"') if known else None
    except OSError as error:
        if told:
            raise NoScoresError(f"{config}: {error.strerror}") from None
    return found


def of_server(entries: tuple[Entry, ...], name: str | None) -> list[Entry]:
    return [entry for entry in entries if name is None or entry.label == name]


def by_class(entries: list[Entry]) -> list[str]:
    """A line for each class of clients."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.client_class] = counts.get(entry.client_class, 0) + 1
    return [f"Service class {name:<20} - {count:3d} user{'s' if count > 1 else ''}" for name, count in counts.items()]


def up_for(found: Scores, now: float) -> str:
    """How long the daemon has been there."""
    days, rest = divmod(max(int(now) - found.started, 0), 86400)
    hours, minutes = rest // 3600, rest // 60 % 60
    up = f"{days} day{'' if days == 1 else 's'}, " if days else ""
    return up + (f"{hours:2d} hr{'' if hours == 1 else 's'} {minutes:02d} min" if hours or days else f"{minutes} min")


def span(seconds: float) -> str:
    """A time in few letters."""
    whole = max(int(seconds), 0)
    return f"{whole // 3600}h{whole // 60 % 60}m" if whole >= 3600 else f"{whole // 60}m{whole % 60}s"


def percent(entry: Entry) -> int:
    """How much of what is sent is done."""
    return min(round(entry.done * 100 / entry.size), 100) if entry.size else 0


def fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
