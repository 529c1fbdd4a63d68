"""The workers as their master knows them: which team they belong to, and who still owes whom an answer."""

from __future__ import annotations

from dataclasses import field
from time import monotonic
from typing import Any

from ftpd.core.record import dataclass
from ftpd.core.scoreboard import Board
from ftpd.daemon.line import Line, Message
from ftpd.daemon.pidfile import PidFile
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Opened


@dataclass(eq=False)
class Team:
    """The workers of one configuration."""

    plan: Plan
    board: Board | None = None
    hands: list[Hand] = field(default_factory=list)
    opened: Opened = field(default_factory=dict)
    """Sockets that are the daemon's only when the team takes over."""
    pid_file: PidFile | None = None
    asked: tuple[Hand, int] | None = None
    """Who wants to hear of the outcome, and the number of that question."""
    told: bool = False
    """That it is in force, and the one before takes no more clients, has been said."""
    modules: list[list[Any]] = field(default_factory=list)
    """Of each its name, version, needs and namespace, and whether it is the very one of the team before."""
    said: list[str] = field(default_factory=list)
    """For the log, when the team is in force."""

    @property
    def complete(self) -> bool:
        return bool(self.hands) and all(hand.ready for hand in self.hands)

    def describe_modules(self, before: Team) -> None:
        """Fill :attr:`modules`, while the generation of the team before is not forgotten."""
        former = {module.name: module for module in before.plan.generation.modules}
        self.modules = [
            [module.name, module.version, module.needs, module.namespace, module is former.get(module.name)]
            for module in self.plan.generation.modules
        ]

    def say(self, message: Message) -> None:
        for hand in self.hands:
            hand.line.send(message)


@dataclass(eq=False)
class Hand:
    """A worker."""

    number: int
    column: int
    pid: int
    line: Line
    team: Team
    born: float = field(default_factory=monotonic)
    ready: bool = False
    listens: bool = True
    """It takes clients, or may come to."""
    retired: bool = False
    """It has been told to end, at once or with its last session."""
    to_speak: bool = False
    """It has been told to speak for the daemon, and has no control socket yet."""
    place: list[int] | None = None
    """Its control socket, by which the one that speaks next knows it."""
    heard: bool = True
    """It has answered since it was last asked whether it lives."""


Answers = list[tuple[int, list[str]]]
"""The lines of each worker by its number."""


@dataclass
class _Question:
    asker: Hand
    number: int
    owing: list[Hand]
    answers: Answers = field(default_factory=list)


class Questions:
    """Actions that one worker has others do as well."""

    def __init__(self) -> None:
        self._open: dict[int, _Question] = {}
        self._last = 0

    def ask(self, asker: Hand, number: int, others: list[Hand]) -> int:
        """A question of that worker's own number; gives ours, or one that nobody owes an answer to."""
        self._last += 1
        if others:
            self._open[self._last] = _Question(asker, number, list(others))
        return self._last

    def answered(self, hand: Hand, answer: Message) -> list[tuple[Hand, int, Answers]]:
        """One has answered: gives the questions that are complete by that."""
        question = self._open.get(answer["id"])
        if question is None or hand not in question.owing:
            return []
        question.owing.remove(hand)
        question.answers.append((hand.number, answer["lines"]))
        return self._complete()

    def without(self, hand: Hand) -> list[tuple[Hand, int, Answers]]:
        """One is dead, and owes nothing more: gives the questions that are complete by that."""
        self._open = {label: one for label, one in self._open.items() if one.asker is not hand}
        for question in self._open.values():
            if hand in question.owing:
                question.owing.remove(hand)
        return self._complete()

    def _complete(self) -> list[tuple[Hand, int, Answers]]:
        done = {label: one for label, one in self._open.items() if not one.owing}
        for label in done:
            del self._open[label]
        return [(one.asker, one.number, sorted(one.answers)) for one in done.values()]
