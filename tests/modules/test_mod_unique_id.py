"""mod_unique_id: every session has a note that no other has."""

from __future__ import annotations

import re

from xfer_ground import run

from ftpd.testing import Bench

LOAD = "LoadModule mod_unique_id.c\n"


async def _note(ftp: Bench) -> str | None:
    assert ftp.session is not None
    return ftp.session.notes.get("UNIQUE_ID")


def test_a_session_has_an_id_that_stays() -> None:
    async def tale(ftp: Bench) -> tuple[str | None, str | None]:
        first = await _note(ftp)
        await ftp("NOOP")
        return first, await _note(ftp)

    first, later = run(tale, conf=LOAD)
    assert first is not None
    assert re.fullmatch(r"[a-zA-Z0-9@-]{24}", first)
    assert first == later


def test_no_two_sessions_have_the_same() -> None:
    assert len({run(_note, conf=LOAD) for _ in range(20)}) == 20


def test_the_engine_can_be_turned_off() -> None:
    assert run(_note, conf=LOAD + "UniqueIDEngine off\n") is None
