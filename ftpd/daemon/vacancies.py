"""Which workers have to be replaced, and when: at once, unless those of that number have a habit of dying."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

_SETTLED = 10.0
"""Seconds that a worker has to live for its end to be an accident and not a habit."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class Vacancies:
    """Of one team; workers are known by their numbers."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int]] = []
        self._pauses: dict[int, float] = {}
        """How long the next one of that number is waited for, where those before it did not live long."""

    def note(self, number: int, born: float) -> None:
        """One has died that was born at that moment of the monotonic clock."""
        if monotonic() - born >= _SETTLED:
            self._pauses.pop(number, None)
        self.put_off(number)

    def put_off(self, number: int) -> float:
        """It is to be replaced after a pause, longer each time; gives the seconds."""
        pause = self._pauses.get(number, 0.0)
        self._pauses[number] = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, pause * 2))
        self._due.append((monotonic() + pause, number))
        return pause

    def times(self) -> Iterable[float]:
        return [when for when, _ in self._due]

    def due(self, now: float) -> list[int]:
        """Those to be replaced now; they are vacancies no more."""
        found = [number for when, number in self._due if when <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        return found
