"""What listings keep for a session is let go of when enough others have listed since, or the session is over."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, cast
from weakref import ref

from ftpd.api import Session, Slot
from ftpd.modules import _ls_view
from ftpd.modules._lately import Lately
from ftpd.testing import Bench


class Shelf(dict[Any, Any]):
    """The slots of a session."""

    def __missing__(self, slot: Slot[Any]) -> Any:
        self[slot] = made = slot.make()
        return made


class Made:
    """What a listing would make."""


def sessions(number: int) -> list[Session]:
    return [cast(Session, Shelf()) for _ in range(number)]


def test_the_session_that_has_been_keeping_longest_lets_go() -> None:
    lately: Lately[str] = Lately("made", most=2)
    first, second, third = sessions(3)
    assert lately.of(first) is None
    lately.keep(first, "a")
    lately.keep(second, "b")
    assert (lately.of(first), lately.of(second)) == ("a", "b")
    lately.keep(third, "c")
    assert [lately.of(session) for session in (first, second, third)] == [None, "b", "c"]
    lately.keep(first, "again")
    assert [lately.of(session) for session in (first, second, third)] == ["again", None, "c"]


def test_making_it_anew_takes_nobodys_place() -> None:
    lately: Lately[str] = Lately("made", most=2)
    first, second = sessions(2)
    lately.keep(first, "a")
    for text in "bcd":
        lately.keep(second, text)
    assert (lately.of(first), lately.of(second)) == ("a", "d")


def test_a_session_that_is_over_is_not_kept_alive() -> None:
    lately: Lately[Made] = Lately("made", most=2)
    (session,) = sessions(1)
    made = Made()
    lately.keep(session, made)
    watched = ref(made)
    del session, made
    gc.collect()
    assert watched() is None


def test_a_listing_is_the_same_after_many_others_have_listed() -> None:
    async def story() -> None:
        async with Bench(files={"a.txt": b"abc"}) as ftp:
            before = await ftp.download("LIST"), await ftp.download("MLSD")
            for session in sessions(300):
                _ls_view._last.keep(session, cast(_ls_view.View, Made()))
            assert _ls_view._last.of(ftp.session) is None
            assert (await ftp.download("LIST"), await ftp.download("MLSD")) == before

    asyncio.run(story())
