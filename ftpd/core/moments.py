"""A moment as clients write it: the digits of a calendar, UTC, and the second since 1970 that they mean."""

from __future__ import annotations

from calendar import timegm

_YEARS = range(1970, 2106)
"""What 32 bits hold: file systems keep no more, and some wrap silently."""
_NUMBERS = range(1, 13), range(1, 32), range(25), range(61)


def moment(digits: str, *, last: int = 60) -> int:
    """The second that ``YYYYMMDDhhmm[ss]`` means, ``last`` being the last of a minute; ValueError for what means none.

    As in ProFTPD what a calendar has not (30 February, 24:00, 12:60) is that much later than what it has.

    >>> moment("197001020000"), moment("19700102000001")
    (86400, 86401)
    >>> moment("20230230000000") == moment("20230302000000")
    True
    """
    if len(digits) not in (12, 14) or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"not a time: {digits}")
    year = int(digits[:4])
    numbers = [int(digits[at : at + 2]) for at in range(4, 12, 2)]
    second = int(digits[12:] or "0")
    if year not in _YEARS or second > last or any(n not in some for n, some in zip(numbers, _NUMBERS, strict=True)):
        raise ValueError(f"not a time: {digits}")
    return timegm((year, *numbers, second))
