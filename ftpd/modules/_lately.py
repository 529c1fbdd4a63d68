"""What listings make for a session is kept for those who listed a moment ago; who idles costs nothing for it."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar
from weakref import ref

from ftpd.api import Session, Slot, dataclass

T = TypeVar("T")
MOST = 256
"""Sessions: of more, not all can be busy with listings at once."""


@dataclass(slots=True, weakref_slot=True)
class _Kept:
    value: Any = None


class Lately(Generic[T]):
    """One thing for each of the last so many sessions that made it."""

    def __init__(self, name: str, most: int = MOST) -> None:
        self._slot = Slot(name, _Kept)
        self._most = most
        # weak, as a session that is over is to be free at once
        self._order: deque[ref[_Kept]] = deque()

    def of(self, session: Session) -> T | None:
        """What the session made last, if not too many others have made theirs since it began."""
        found: T | None = session[self._slot].value
        return found

    def keep(self, session: Session, value: T) -> None:
        """Have it for the next time; the session that has been keeping longest lets go of its own."""
        kept = session[self._slot]
        if kept.value is None:
            if len(self._order) >= self._most:
                oldest = self._order.popleft()()
                if oldest is not None:
                    oldest.value = None
            self._order.append(ref(kept))
        kept.value = value
