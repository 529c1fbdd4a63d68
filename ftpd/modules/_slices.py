"""Much work on the names of a listing, a slice at a time: taken apart, sorted and merged without holding up others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence
from secrets import SystemRandom
from time import perf_counter
from typing import TypeVar

from ftpd.api import my_turn

T = TypeVar("T")

SLICE = 500
"""Entries that are handled before it is asked whether others wait."""
AT_ONCE = 10_000
"""Names that are picked and sorted in one go: two milliseconds."""
_PART = AT_ONCE // 8
"""Names that are merged in one go, where they are more than these."""
_PATIENCE = 0.0005
"""Seconds of work after which the others get their turn."""
PIECE = 1000
"""Names that are sorted in one step."""
_EVERY = 64
"""One of so many is looked at to tell where the order can be cut."""
_SAMPLE = 2000
_FIRST = 64 * 1024
"""About as many letters are told apart from all others at first: no less fills a segment to the same machine, and what
does not fill one waits for more."""
_chance = SystemRandom()


class Turn:
    """The time that a listing has had since others had theirs."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = perf_counter()

    @property
    def over(self) -> bool:
        return perf_counter() - self._began > _PATIENCE

    async def give(self) -> None:
        await my_turn()
        self._began = perf_counter()


def sliced(items: Sequence[T], size: int = SLICE) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def emptied(items: list[T], size: int = SLICE) -> Iterator[list[T]]:
    """The same, taking them out of their list: to let go of many at once would hold the loop, too."""
    items.reverse()
    while items:
        some = items[-size:]
        del items[-size:]
        some.reverse()
        yield some


async def in_order(pieces: list[list[str]], turn: Turn, *, last_first: bool = False) -> AsyncGenerator[list[str], None]:
    """All that is in these lists, no two of it equal, sorted and some at a time; it is taken out of them.

    To sort all would hold the interpreter, and with it the loop, for as long as it takes.
    """
    try:
        if sum(map(len, pieces)) <= AT_ONCE:
            yield _cut(pieces, None, last_first)
            return
        bound = _near_the_front(pieces, last_first)
        first: list[str] = []
        # what comes first is told apart from all others before these are sorted, as somebody waits for it
        for piece in pieces:
            if turn.over:
                await turn.give()
            if last_first:
                first += [item for item in piece if item > bound]
            else:
                first += [item for item in piece if item < bound]
        first.sort(reverse=last_first)
        yield first
        for piece in pieces:
            if turn.over:
                await turn.give()
            piece.sort()
            if last_first:
                del piece[bisect_right(piece, bound) :]
            else:
                del piece[: bisect_left(piece, bound)]
        # no part can be much larger than the others, whatever names somebody has chosen
        if turn.over:
            await turn.give()
        bounds = sorted(item for piece in pieces for item in piece[_EVERY // 2 :: _EVERY])
        between = max(_PART // _EVERY, 1)
        for bound in bounds[::-1][between::between] if last_first else bounds[between::between]:
            if turn.over:
                await turn.give()
            yield _cut(pieces, bound, last_first)
        if turn.over:
            await turn.give()
        yield _cut(pieces, None, last_first)
    finally:
        # to let go of many at once would hold the loop, too
        while pieces:
            if turn.over:
                await turn.give()
            pieces.pop()


def _near_the_front(pieces: list[list[str]], last_first: bool) -> str:
    """One of the items, before which some of them stand."""
    total = sum(map(len, pieces))
    stride = max(total // _SAMPLE, 1)
    # begun by chance: nobody can name files so that it is of no use
    sample = [item for piece in pieces for item in piece[_chance.randrange(stride) :: stride]]
    sample.sort(reverse=last_first)
    if not sample:
        return ""
    letters = sum(map(len, sample)) // len(sample) + 1
    return sample[len(sample) * min(_FIRST // letters, AT_ONCE // 3, total // 2) // total]


def _cut(pieces: list[list[str]], bound: str | None, last_first: bool) -> list[str]:
    """What stands before the bound in their order, or the rest."""
    part: list[str] = []
    for piece in pieces:
        at = None if bound is None else bisect_left(piece, bound)
        where = slice(at, None) if last_first else slice(None, at)
        part += piece[where]
        del piece[where]
    # of what is sorted in parts already this makes one
    part.sort(reverse=last_first)
    return part
