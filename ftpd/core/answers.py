"""Answers that are known before they are asked for: packets of one line, and what each is answered."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

ShortAnswer = Callable[[bytes], bytes | None]
"""The reply to an argument, or None where it takes more to find it."""


class Answers(dict[bytes, bytes | ShortAnswer]):
    """Of one session: replies by their packet, and what answers a verb by that verb and one blank.

    They hold for as long as nothing changes, and no longer than until a moment of :func:`time.monotonic`.  Whoever
    changes something that an answer hangs on clears the table.
    """

    __slots__ = ("__weakref__", "until")
    __hash__ = object.__hash__  # type: ignore[assignment]  # one table is not another, whatever is in them

    def __init__(self) -> None:
        self.until = inf

    def clear(self) -> None:
        dict.clear(self)
        self.until = inf
