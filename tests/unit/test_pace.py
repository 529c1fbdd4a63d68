"""How often something may happen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftpd.engine.pace import Pace


@given(st.integers(1, 5), st.integers(1, 10), st.lists(st.floats(0, 5), max_size=60))
def test_no_span_that_begins_with_an_event_has_too_many(most: int, seconds: int, gaps: list[float]) -> None:
    pace, now, began, taken = Pace(most, seconds), 0.0, float("-inf"), 0
    for gap in gaps:
        now += gap
        if now >= began + seconds:
            began, taken = now, 0
        wait = pace.wait(now)
        taken += not wait
        assert taken <= most
        assert 0 <= wait <= seconds + 0.001


def test_who_waits_as_long_as_told_gets_through() -> None:
    pace = Pace(2, 10)
    assert [pace.wait(0.0), pace.wait(1.0)] == [0, 0]
    assert pace.wait(4.0) == 6
    assert pace.wait(10.0) == 0
