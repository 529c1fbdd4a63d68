"""How often something may happen: so many times in so many seconds (MaxCommandRate, MaxConnectionRate)."""

from __future__ import annotations


class Pace:
    """Counts in windows that begin with the first event after the last one ended."""

    __slots__ = ("_began", "_count", "most", "seconds")

    def __init__(self, most: int, seconds: int) -> None:
        self.most = most
        self.seconds = seconds
        self._began = float("-inf")
        self._count = 0

    def wait(self, now: float) -> float:
        """0 where one more may happen now, which is then counted; else the seconds until there is room again.

        >>> pace = Pace(2, 10)
        >>> pace.wait(100), pace.wait(101), pace.wait(103), pace.wait(110)
        (0.0, 0.0, 7, 0.0)
        """
        if now >= self._began + self.seconds:
            self._began, self._count = now, 0
        if self._count >= self.most:
            # never 0, to which the difference of two times can be rounded
            return max(self._began + self.seconds - now, 0.001)
        self._count += 1
        return 0.0
