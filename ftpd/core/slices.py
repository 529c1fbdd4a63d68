"""Slices of long work on the loop: one in each of its turns, whoever's it is.

Each of them is short, but where many clients list long folders at once, a slice for each of them between two looks at
what else there is would hold all others for as many milliseconds as there are listings.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class _Slices:
    __slots__ = ("_loop", "_running", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def queue(self) -> asyncio.Future[None]:
        """One's turn has come when that is done."""
        turn = self._loop.create_future()
        self._waiting.append(turn)
        if not self._running:
            self._running = True
            self._loop.call_soon(self._next)
        return turn

    def _next(self) -> None:
        """The loop has looked at what else there is."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                # behind the slice of whom that wakes
                self._loop.call_soon(self._next)
                return
        self._running = False


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slices] = WeakKeyDictionary()


async def my_turn() -> None:
    """Wait until the next slice may be made: the loop has looked around by then, and others had one who came before."""
    loop = asyncio.get_running_loop()
    slices = _of_loops.get(loop)
    if slices is None:
        slices = _of_loops[loop] = _Slices(loop)
    await slices.queue()
