"""A moment as clients write it: the digits of a calendar, UTC, and the second since 1970 that they mean."""

from __future__ import annotations

from datetime import UTC, datetime

_YEARS = range(1970, 2106)
"""What 32 bits hold: file systems keep no more, and some wrap silently."""


def moment(digits: str) -> int:
    """The second that ``YYYYMMDDhhmm[ss]`` means; ValueError for what is no time of any calendar.

    >>> moment("197001020000"), moment("19700102000001")
    (86400, 86401)
    """
    if len(digits) not in (12, 14) or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"not a time: {digits}")
    year = int(digits[:4])
    month, day, hour, minute, second = (int(digits[at : at + 2] or "0") for at in range(4, 14, 2))
    if year not in _YEARS or second > 60:
        raise ValueError(f"not a time: {digits}")
    # :60 is a leap second, which is the next minute's first for a file system
    return int(datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()) + (second == 60)
