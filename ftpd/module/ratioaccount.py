"""Where it is counted what a session stores and fetches, how it stands by that, and what several share is under way."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from contextlib import suppress

from ftpd.core.log import Level
from ftpd.module.command import Command
from ftpd.module.files import Path
from ftpd.module.ledger import Ledger, Ledgers, beside
from ftpd.module.offers import Ratios
from ftpd.module.ratiolines import visitor
from ftpd.module.ratios import NOTHING, Counts, Rates, Standing
from ftpd.module.session import Session

_ESCAPED = {code: f"%{code:02X}" for code in (*range(32), *b"%:|\x7f")}
_FULL = 100_000
"""Names in the file from which on no visitor adds one: anybody can make up an address at every login."""
_held: dict[tuple[object, str], Counts] = {}
"""Downloads under way, by whose they are: somebody with several sessions cannot fetch in each what is there once."""


class OutOfReach(Exception):
    """Who keeps ratios elsewhere cannot say what they are."""


class Account:
    """Where what a session stores and fetches is counted: in the book, by whoever offers ratios, or here alone."""

    def __init__(self) -> None:
        self.name = ""
        self.book: Ledger | None = None
        self.own = NOTHING
        self.last: Standing | None = None
        self._hold: tuple[tuple[object, str], Counts] | None = None

    async def open(self, session: Session, ledgers: Ledgers, path: str | None, new: str | None) -> None:
        """Find out, at the login, where the session's account is: in the file at ``path``, if it is to be kept."""
        address = visitor(session)
        # a visitor's address, which is anything they like, is no user's name
        names = (session.user or "",) if address is None else (session.user or "", address[:80])
        self.name = ":".join(name.translate(_ESCAPED) for name in names)
        if path is None:
            return
        book = ledgers.at(f"mod_ratio: RatioFile {path}", path, beside(path, new), session.modules.offload)
        await book.refresh()
        if address is None or self.name in book or len(book) < _FULL:
            self.book = book
        else:
            session.log(Level.WARN, "RatioFile %s is full of visitors: this one is counted for the session alone", path)

    async def look(
        self, session: Session, sources: Iterable[Ratios], by_lines: Callable[[], Rates | None], just: Counts
    ) -> tuple[Standing, object]:
        """How the client stands, and whose account that is (None: the session's); OutOfReach.

        ``just`` is what others who count have yet to hear of, and ``by_lines`` gives the rates where they keep none.
        """
        counts: Counts | None = None
        rates: Rates | None = None
        try:
            for source in sources:
                if counts is None and (stats := await source.stats(session)) is not None:
                    counts = Counts(*stats).plus(just)
                if rates is None and (found := await source.rates(session)) is not None:
                    rates = Rates(*found)
        except Exception as error:
            raise OutOfReach(str(error)) from error
        whose: object = session.server if counts is not None else self.book
        if counts is None and self.book is not None:
            await self.book.refresh()
            counts = Counts(*self.book[self.name])
        self.last = Standing(rates or by_lines(), counts or self.own)
        return self.last, whose

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


def price(cmd: Command, path: Path) -> int:
    """The bytes that a download takes: what a client has already is not paid for twice."""
    with suppress(OSError):
        there = cmd.files.stat(path)
        if stat.S_ISREG(there.st_mode):
            return max(there.st_size - cmd.session.restart, 0)
    return 0
