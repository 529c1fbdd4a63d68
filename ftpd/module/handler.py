"""One row of a module's command table: which verb it is for in which phase, and what it says of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ftpd.conf.directive import Directive
from ftpd.conf.tree import Config
from ftpd.core.answers import ShortAnswer
from ftpd.core.record import dataclass
from ftpd.core.vocab import Class, Group, Outcome, Phase, Steady
from ftpd.module.command import Command
from ftpd.module.session import Session

Answer = Callable[[Command], Outcome | None | Awaitable[Outcome | None]]
Steadiness = Callable[[Command], int]
"""Tells a :class:`Steady`, or a bool."""
Alikeness = Callable[[Session], bool]
Moved = tuple[str, int, float]
"""A file that was moved: the machine's path of it, its bytes, and the seconds that it took."""
Note = Callable[[Sequence[Moved]], None]
Brief = Callable[[Session, str], Note | None]
Shortcut = Callable[[Command, str], ShortAnswer | None]


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """One row of a module's command table."""

    phase: Phase
    verb: str
    run: Answer
    module: str
    auth: bool = False
    group: Group | None = None
    classes: Class = Class.NONE
    usage: str | None = None
    """The arguments for HELP; None keeps the verb out of HELP."""
    arity: tuple[int, int | None] = (0, None)
    """The fewest and the most words the verb takes; None is no upper bound."""
    when: Directive[bool] | None = None
    """The engine without which the handler declines, and HELP does not show the verb."""
    needed: Callable[[Config], bool] | None = None
    """Whether a configuration has any use for it; where none has, no command pays for it."""
    limit: tuple[int, str] | None = None
    """The refusal when <Limit> denies the verb at the working directory; None: the handler asks for its path."""
    steady: Steadiness | None = None
    """For what it would do the same again, and nothing else; None: nobody knows."""
    alike: Alikeness | None = None
    """Whether it would for all sessions that stand as this one does; None: nobody knows."""
    shortcut: Shortcut | None = None
    """Makes what answers the verb for other arguments, where nobody else has a say in it."""
    leads: Shortcut | None = None
    """Makes what answers the verb and leads other sessions where it has led one."""
    leads_by: Steady = Steady.VERB
    """Whether by plain names, or by just that line."""
    parts: bool = False
    """Whether the verb ends the session, and does nothing else but to say so."""
    records: Phase | None = None
    """The first phase that is told of each command by what that makes."""
    brief: Brief | None = None
    """Makes what notes files that are moved as one before was, so that none of them needs a command."""


def steady_for(steady: int | Steadiness) -> Steadiness | None:
    if callable(steady):
        return steady
    return (lambda command: steady) if steady else None


def alike_for(alike: bool | Alikeness) -> Alikeness | None:
    if callable(alike):
        return alike
    return always_alike if alike else None


def always_alike(session: Session) -> bool:
    return True


def only_where(engine: Directive[bool], function: Answer) -> Answer:
    """Declines where the engine is off, so that nobody else's command pays for the question."""

    def run(cmd: Command) -> Outcome | None | Awaitable[Outcome | None]:
        return function(cmd) if cmd.session.settings[engine] else None

    return run
