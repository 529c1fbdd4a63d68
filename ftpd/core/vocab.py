"""Phases, outcomes, groups and classes: the words of command dispatch (ProFTPD, doc/howto/Modules)."""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.Enum):
    """The six phases that one command walks through, in this order."""

    PRE_CMD = "PRE_CMD"
    CMD = "CMD"
    POST_CMD = "POST_CMD"
    POST_CMD_ERR = "POST_CMD_ERR"
    LOG_CMD = "LOG_CMD"
    LOG_CMD_ERR = "LOG_CMD_ERR"

    __hash__ = object.__hash__  # enum's own is a Python function, and each start asks some thousand times


class Outcome(enum.Enum):
    """What a handler says of a command; ``None`` (DECLINED) means: not mine, ask the next one."""

    HANDLED = 1
    ERROR = -1


HANDLED: Final = Outcome.HANDLED
ERROR: Final = Outcome.ERROR
DECLINED: Final = None

ANY: Final = "*"
"""Registers a handler for every verb; it runs before the handlers of the named verb."""


class Steady(enum.IntEnum):
    """For what a handler would do the same again, and nothing else, while a session stays as it is."""

    NOTHING = 0
    LINE = 1
    """The same line; ``True`` says as much."""
    VERB = 2
    """Any line of that verb."""


class Group(enum.Enum):
    """The command groups that ``<Limit>`` knows."""

    NONE = ""
    READ = "READ"
    WRITE = "WRITE"
    DIRS = "DIRS"

    __hash__ = object.__hash__  # as above, and every command asks


class Class(enum.Flag):
    """The log classes of ExtendedLog; a verb may be in several."""

    NONE = 0
    AUTH = enum.auto()
    INFO = enum.auto()
    DIRS = enum.auto()
    READ = enum.auto()
    WRITE = enum.auto()
    MISC = enum.auto()
    SEC = enum.auto()
    CONNECT = enum.auto()
    DISCONNECT = enum.auto()
    SSH = enum.auto()
    SFTP = enum.auto()
    ALL = AUTH | INFO | DIRS | READ | WRITE | MISC | SEC | SSH | SFTP
