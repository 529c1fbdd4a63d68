"""Where the words of a command line end: at the white space of C, as a name may well be made of Unicode's."""

from __future__ import annotations

import re

_WORD = re.compile("[^ \t\n\v\f\r]+")


def words_in(text: str) -> list[str]:
    r"""The words of an argument; a no-break space, U+2028 or \x1f is a letter of one.

    >>> words_in(" a  b\tc "), words_in("\u2028"), words_in("x\x1fy\xa0z")
    (['a', 'b', 'c'], ['\u2028'], ['x\x1fy\xa0z'])
    """
    # nearly always, and quicker: nothing here that Python and C see differently
    return text.split() if text.isascii() and text.isprintable() else _WORD.findall(text)
