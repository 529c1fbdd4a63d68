"""Where it is counted what a session stores and fetches, and what of an account that several share is under way."""

from __future__ import annotations

from ftpd.module.ledger import Ledger
from ftpd.module.ratios import NOTHING, Counts, Standing

_held: dict[tuple[object, str], Counts] = {}
"""Downloads under way, by whose they are: somebody with several sessions cannot fetch in each what is there once."""


class Account:
    """Where what a session stores and fetches is counted: in the book, by whoever offers ratios, or here alone."""

    def __init__(self) -> None:
        self.name = ""
        self.book: Ledger | None = None
        self.own = NOTHING
        self.last: Standing | None = None
        self._hold: tuple[tuple[object, str], Counts] | None = None

    def add(self, counts: Counts) -> None:
        if self.book is None:
            self.own = self.own.plus(counts)
        else:
            self.book.add(self.name, counts)

    def under_way(self, whose: object) -> Counts:
        """What sessions of this account fetch at the moment; nothing where it is this session's alone."""
        return NOTHING if whose is None else _held.get((whose, self.name), NOTHING)

    def hold(self, whose: object, counts: Counts) -> None:
        """Let the others know of a download that begins, until it is released."""
        if whose is not None:
            self._hold = (whose, self.name), counts
            _held[whose, self.name] = self.under_way(whose).plus(counts)

    def release(self) -> None:
        if self._hold is not None:
            (whose, counts), self._hold = self._hold, None
            left = _held.pop(whose).plus(Counts(*(-number for number in counts)))
            if left != NOTHING:
                _held[whose] = left
