"""Times as clients write them in MFMT, MFF and SITE UTIME."""

from __future__ import annotations

import pytest

from ftpd.core.moments import moment


@pytest.mark.parametrize(
    ("digits", "second"),
    [
        ("19700101000000", 0),
        ("197001020000", 86400),
        ("19700102000001", 86401),
        ("20200229235959", 1583020799),
        ("20161231235960", 1483228800),
        ("21051231235959", 4291747199),
    ],
)
def test_a_time_is_a_second(digits: str, second: int) -> None:
    assert moment(digits) == second


@pytest.mark.parametrize(
    "digits",
    [
        "", "1970", "1970010200000", "197001020000001", "19690101000000", "21060101000000", "20210229000000",
        "20201301000000", "20200100000000", "20200101240000", "20200101006000", "20200101000061",
        "2020010100000x", "+2020101000000", "2020010100 000", "２０２００１０１００００", "20200101000²",
    ],
)  # fmt: skip
def test_what_no_calendar_has_is_none(digits: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|must be in|out of range"):
        moment(digits)
