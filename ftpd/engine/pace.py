"""How often something may happen: so many times in so many seconds (MaxCommandRate, MaxConnectionRate)."""

from __future__ import annotations

from ftpd.core.tally import Window


class Pace:
    """Counts in windows that begin with the first event after the last one ended."""

    __slots__ = ("_window", "most", "seconds")

    def __init__(self, most: int, seconds: int, window: Window | None = None) -> None:
        self.most = most
        self.seconds = seconds
        self._window = Window() if window is None else window

    def wait(self, now: float) -> float:
        """0 where one more may happen now, which is then counted; else the seconds until there is room again.

        >>> pace = Pace(2, 10)
        >>> pace.wait(100), pace.wait(101), pace.wait(103), pace.wait(110)
        (0.0, 0.0, 7, 0.0)
        """
        window = self._window
        if now >= window.began + self.seconds:
            window.began, window.count = now, 0
        if window.count >= self.most:
            # never 0, to which the difference of two times can be rounded
            return max(window.began + self.seconds - now, 0.001)
        window.count += 1
        return 0.0
