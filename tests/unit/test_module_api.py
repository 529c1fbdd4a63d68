"""What modules may rely on: arguments that can be replaced, events found by name, time before the greeting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ftpd.core.logfile import ModuleLog
from ftpd.core.reply import Refuse
from ftpd.module.events import SESSION_OPEN, Event, event_named
from ftpd.module.session import GREETING, Session
from ftpd.module.table import Module
from ftpd.testing import Bench


def test_a_command_can_be_given_another_argument_but_no_line_end() -> None:
    async def story() -> None:
        async with Bench() as ftp:
            assert ftp.session is not None and ftp.generation is not None
            command, _ = ftp.generation.command(ftp.session, "MKD", "a b")
            command.rewrite("c  d")
            assert (command.argument, command.words) == ("c  d", ["c", "d"])
            for text in ("x\ry", "x\ny", "x\0y"):
                with pytest.raises(ValueError, match="line end or a NUL"):
                    command.rewrite(text)
            assert command.argument == "c  d"

    asyncio.run(story())


def test_events_are_found_by_name_as_long_as_they_are_there() -> None:
    assert event_named("core.connect") is SESSION_OPEN
    assert event_named("test.none") is None
    event: Event[None] = Event("test.event")
    assert event_named("test.event") is event
    del event
    assert event_named("test.event") is None


def test_an_opening_is_awaited_before_the_greeting_and_may_add_to_it() -> None:
    module = Module("slow", version="1")

    @module.opening
    async def ask(session: Session) -> None:
        await asyncio.sleep(0)
        session[GREETING].append("I have asked")

    async def banner() -> str:
        ftp = Bench(module, login=None)
        try:
            return await ftp.open()
        finally:
            await ftp.close()

    assert asyncio.run(banner()).startswith("220-I have asked\n220 ")


def test_an_opening_may_turn_a_client_away() -> None:
    module = Module("stern", version="1")

    @module.opening
    async def refuse(session: Session) -> None:
        await asyncio.sleep(0)
        raise Refuse(421, "Not today")

    async def banner() -> tuple[str, str | None]:
        ftp = Bench(module, login=None)
        try:
            return await ftp.open(), ftp.wire.closed_for
        finally:
            await ftp.close()

    assert asyncio.run(banner()) == ("421 Not today", "refused")


def test_a_modules_log_has_one_line_a_record_and_one_complaint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = ModuleLog("TestLog", "mod_test/1.0")
    log.write(None, "nowhere")
    log.write("none", "nowhere")
    log.write(str(tmp_path / "log"), "one\ntwo")
    assert (tmp_path / "log").read_text().endswith("]: one\\x0atwo\n")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with caplog.at_level("INFO", "ftpd"):
        log.write(str(tmp_path / "link"), "x")
        log.write(str(tmp_path / "link"), "x")
    assert [record.message for record in caplog.records].count(
        f"mod_test/1.0: unable to write TestLog '{tmp_path}/link': Too many levels of symbolic links"
    ) == 1
    log.write(str(tmp_path / "link"), "followed", follow=True)
    assert "followed" in (tmp_path / "log").read_text()
