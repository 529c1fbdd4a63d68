"""The notice of a shutdown that ftpshut leaves in a file: when nobody is let in any more, when sessions end, why."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from ftpd.core.record import dataclass

PATH = "/etc/shutmsg"
"""Where ProFTPD has it, and its ftpshut."""
_MOST = 4096
_FIELDS = "YYYY M D H M S HHMM HHMM"
_VARIABLE = re.compile(r"%([A-Za-z])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class ShutmsgError(Exception):
    """What is wrong with the file."""


@dataclass(frozen=True)
class Shutdown:
    """What a notice says; moments are seconds of the wall's clock."""

    at: float
    denied: int
    """Seconds before that moment from which on nobody is let in."""
    ended: int
    """The same for when the sessions end that are there."""
    message: str

    @property
    def denies_from(self) -> float:
        return self.at - self.denied

    @property
    def ends_from(self) -> float:
        return self.at - self.ended

    def text(self, values: Mapping[str, str]) -> str:
        """The message with its %-variables; those of time are its own, what is no variable stays as it is."""
        known = {
            "s": moment(self.at), "r": moment(self.denies_from), "d": moment(self.ends_from), "T": moment(time.time()),
            **values,
        }  # fmt: skip
        filled = _VARIABLE.sub(lambda found: known.get(found[1], found[0]), self.message)
        return _UNPRINTABLE.sub("?", filled)

    def written(self) -> str:
        """The file's text."""
        at = time.localtime(self.at)
        return f"{at.tm_year} {at.tm_mon} {at.tm_mday} {at.tm_hour} {at.tm_min} {at.tm_sec} " \
               f"{_hhmm(self.denied)} {_hhmm(self.ended)}\n{self.message}\n"  # fmt: skip


def moment(seconds: float) -> str:
    """A moment as ProFTPD tells it: ``Mon Nov 30 05:00:26 2026``."""
    return time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(seconds))


def _hhmm(seconds: int) -> str:
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}"


def read(path: str = PATH) -> Shutdown | None:
    """The notice; None where there is no file. ShutmsgError, OSError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST)
    except FileNotFoundError:
        return None
    first, *others = text.split("\n")
    numbers = first.split()
    if len(numbers) != 8 or not all(number.isascii() and number.isdigit() and len(number) < 6 for number in numbers):
        raise ShutmsgError(f"its first line is not `{_FIELDS}`: {first[:80]!r}")
    year, month, day, hour, minute, second = map(int, numbers[:6])
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ShutmsgError(f"there is no such moment: {' '.join(numbers[:6])!r}")
    try:
        at = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    except OverflowError:
        raise ShutmsgError(f"there is no such moment: {' '.join(numbers[:6])!r}") from None
    denied, ended = (int(number) // 100 * 3600 + int(number) % 100 * 60 for number in numbers[6:])
    return Shutdown(at, denied, ended, (others[0] if others else "").strip("\r"))
