"""A token bucket: how many bytes a transfer may move now, and when to look again (TransferRate)."""

from __future__ import annotations

from time import monotonic

SLICE = 0.1
"""Seconds between two wake-ups of a throttled transfer: smooth for the client, idle for the loop."""


class Bucket:
    """``rate`` bytes a second after the first ``free`` bytes, which are not counted."""

    __slots__ = ("_filled", "_free", "_rate", "_tokens")

    def __init__(self, rate: float, free: int = 0) -> None:
        self._rate = rate
        self._free = free
        # nothing is saved up before the first byte: the whole transfer keeps to the rate
        self._tokens = 0.0
        self._filled = monotonic()

    @property
    def _slice(self) -> float:
        return max(self._rate * SLICE, 1.0)

    @property
    def _burst(self) -> float:
        # a transfer that was stalled for an hour must not make up for it at full speed
        return max(self._rate * SLICE * 2, 1.0)

    def grant(self, wanted: int) -> int:
        """How many of the ``wanted`` bytes may move at once; 0 is: not yet.

        What has come together since the last call is no reason to move it: whoever goes on as long as something may
        move would move single bytes for as long as the whole transfer takes, and nobody else had a turn.
        """
        now = monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if not self._free and self._tokens < min(wanted, self._slice):
            return 0
        return min(wanted, self._free + int(self._tokens))

    def took(self, count: int) -> None:
        """So many bytes have moved."""
        spared = min(self._free, count)
        self._free -= spared
        self._tokens -= count - spared

    def delay(self) -> float:
        """Seconds until a slice worth moving has come together; 0 when something may move now."""
        if self._free or self._tokens >= self._slice:
            return 0.0
        return (self._slice - self._tokens) / self._rate
