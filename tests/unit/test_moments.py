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
        # what no calendar has, as ProFTPD takes it
        ("20230231000000", 1677801600),
        ("20240230000000", 1709251200),
        ("20230431000000", 1682899200),
        ("20230101240000", 1672617600),
        ("20230101246060", 1672621260),
    ],
)
def test_a_time_is_a_second(digits: str, second: int) -> None:
    assert moment(digits) == second


@pytest.mark.parametrize(
    "digits",
    [
        "", "1970", "1970010200000", "197001020000001", "19690101000000", "21060101000000", "20210132000000",
        "20201301000000", "20200100000000", "20200101250000", "20200101006100", "20200101000061",
        "2020010100000x", "+2020101000000", "2020010100 000", "２０２００１０１００００", "20200101000²",
    ],
)  # fmt: skip
def test_what_no_calendar_has_is_none(digits: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|must be in|out of range"):
        moment(digits)
