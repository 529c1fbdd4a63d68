"""Objects that are made as a pattern is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from ftpd import native
from ftpd.core.mould import MouldByPython


class _Base:
    __slots__ = ("__weakref__", "below", "empty")


class _Kind(_Base):
    __slots__ = ("above", "shared")

    def __init__(self) -> None:
        self.below, self.above, self.shared = 1, "two", object()


@pytest.fixture(params=["python", "compiled"])
def mould(request: pytest.FixtureRequest) -> Callable[[Any], Callable[[], Any]]:
    if request.param == "compiled":
        if native.moulds is None:
            pytest.skip("not compiled here")
        return native.moulds.Mould  # type: ignore[no-any-return]
    return MouldByPython


def test_what_is_made_holds_what_the_pattern_held(mould: Callable[[Any], Callable[[], Any]]) -> None:
    pattern = _Kind()
    make = mould(pattern)
    pattern.above = "later"
    one, other = make(), make()
    assert type(one) is _Kind and one is not other
    assert (one.below, one.above) == (1, "two") and one.shared is other.shared is pattern.shared


def test_one_that_is_changed_leaves_the_others_as_they_are(mould: Callable[[Any], Callable[[], Any]]) -> None:
    make = mould(_Kind())
    one = make()
    one.below = 7
    del one.above
    assert (make().below, make().above) == (1, "two")


def test_what_is_empty_in_the_pattern_stays_empty(mould: Callable[[Any], Callable[[], Any]]) -> None:
    made = mould(_Kind())()
    with pytest.raises(AttributeError):
        _ = made.empty
    made.empty = 3
    assert made.empty == 3


def test_nothing_holds_on_to_what_was_made_nor_to_the_pattern(mould: Callable[[Any], Callable[[], Any]]) -> None:
    pattern = _Kind()
    make = mould(pattern)
    pattern_gone, made = weakref.ref(pattern), make()
    made_gone = weakref.ref(made)
    del pattern, made
    assert pattern_gone() is made_gone() is None


def test_a_mould_in_a_circle_is_collected(mould: Callable[[Any], Callable[[], Any]]) -> None:
    pattern = _Kind()
    pattern.shared = [_Kind()]
    inside = pattern.shared[0]
    gone = weakref.ref(inside)
    pattern.shared.append(mould(pattern))
    del pattern, inside
    gc.collect()
    assert gone() is None


def test_without_a_pattern_there_is_none(mould: Callable[[Any], Callable[[], Any]]) -> None:
    with pytest.raises(TypeError):
        mould()  # type: ignore[call-arg]
