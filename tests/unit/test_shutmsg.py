"""A shutdown that ftpshut announces: what it writes, what is read again, and what clients are told."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest
from engine_ground import serving
from hypothesis import given
from hypothesis import strategies as some

from ftpd.cli import ftpshut
from ftpd.core import shutmsg
from ftpd.core.shutmsg import Shutdown, ShutmsgError, read
from ftpd.dispatch.assemble import static_modules
from ftpd.engine import closing
from ftpd.module.build import build_record

NOW = time.mktime((2026, 11, 30, 5, 0, 30, 0, 0, -1))


@pytest.fixture
def notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the daemons of a test look, ten times a second."""
    path = tmp_path / "shutmsg"
    monkeypatch.setattr(shutmsg, "PATH", str(path))
    monkeypatch.setattr(closing, "_EVERY", 0.1)
    return path


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("now", (30, 5, 0, 30)),
        ("+0", (30, 5, 0, 30)),
        ("+90", (30, 6, 30, 30)),
        ("0501", (30, 5, 1, 0)),
        ("23", (30, 23, 0, 0)),
        ("0500", (31, 5, 0, 0)),
        ("00", (31, 0, 0, 0)),
    ],
)
def test_the_time_of_a_shutdown(word: str, moment: tuple[int, int, int, int]) -> None:
    day, hour, minute, second = moment
    assert ftpshut.moment_of(word, NOW) == time.mktime((2026, 11, day, hour, minute, second, 0, 0, -1))


@pytest.mark.parametrize("word", ["", "7", "2460", "25", "bad", "+", "+x", "-5", "12345", "+1.5", "\u0661\u0662"])
def test_what_is_no_time_is_told_of(word: str, capsys: pytest.CaptureFixture[str], notice: Path) -> None:
    assert ftpshut.main(["--", word], str(notice)) == 1
    assert capsys.readouterr().err.startswith("ftpshut: Invalid time interval specified.\nusage: ftpshut")
    assert not notice.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-l", "a", "now"], "ftpshut: -l requires a numeric argument"),
        (["-d", "6000", "now"], "ftpshut: -d takes at most 5940 minutes"),
        (["-x"], "ftpshut: option -x not recognized"),
    ],
)
def test_an_option_that_is_none(words: list[str], told: str, capsys: pytest.CaptureFixture[str], notice: Path) -> None:
    assert ftpshut.main(words, str(notice)) == 1
    assert capsys.readouterr().err.startswith(told)
    assert not notice.exists()


def test_it_is_written_as_proftpd_writes_it_and_taken_back(notice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ftpshut.main(["-l", "90", "-d", "5", "+30", "Back", "at %s"], str(notice)) == 0
    first, second = notice.read_text().splitlines()
    assert first.endswith(" 0130 0005")
    assert second == "Back at %s"
    assert notice.stat().st_mode & 0o777 == 0o644
    assert [*notice.parent.iterdir()] == [notice]
    assert ftpshut.main(["-R"], str(notice)) == 0
    assert capsys.readouterr().out == f"ftpshut: {notice} removed\n"
    assert ftpshut.main(["-R"], str(notice)) == 1
    assert capsys.readouterr().err == f"ftpshut: error removing '{notice}': No such file or directory\n"
    assert ftpshut.main(["now"], str(notice / "there")) == 1
    assert "error writing" in capsys.readouterr().err


@given(
    some.integers(1_000_000_000, 4_000_000_000),
    some.integers(0, 5999),
    some.integers(0, 5999),
    some.text(some.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r"), max_size=80),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, at: int, denied: int, ended: int, message: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "written"
    shutdown = Shutdown(float(at), 60 * denied, 60 * ended, message)
    path.write_text(shutdown.written(), encoding="utf-8", newline="")
    found = read(str(path))
    assert found is not None
    # an hour of the night in which the clock is put back is there twice
    assert abs(found.at - at) in (0.0, 3600.0)
    assert (found.denied, found.ended, found.message) == (60 * denied, 60 * ended, message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage\nx\n",
        "2026 1 1\nx\n",
        "2026 13 1 0 0 0 0010 0005\nx\n",
        "2026 1 1 24 0 0 0010 0005\nx\n",
        "\0" * 50,
    ],
)
def test_a_file_that_says_nothing_is_told_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(ShutmsgError):
        read(str(tmp_path / "file"))


def test_the_message_says_when_and_to_whom() -> None:
    shutdown = Shutdown(NOW, 600, 300, "%s, %r, %d for %U in %C, not %N or %% \x01")
    assert shutdown.text({"U": "ann", "C": "/%s"}) == (
        "Mon Nov 30 05:00:30 2026, Mon Nov 30 04:50:30 2026, Mon Nov 30 04:55:30 2026 for ann in /%s, not %N or %% ?"
    )


def _announced(path: Path, *, denied: float, ended: float, message: str = "Bye %U") -> None:
    """So many seconds from now until nobody is let in, and until sessions end."""
    at = time.time() + max(denied, ended) + 7200
    minutes = [int(at - time.time() - seconds) // 60 * 60 for seconds in (denied, ended)]
    path.write_text(Shutdown(at, minutes[0], minutes[1], message).written())


def test_nobody_is_let_in_and_who_is_there_is_sent_away(
    tmp_path: Path, notice: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        conf = 'ServerName "Here"\nWtmpLog off\n'
        async with serving(tmp_path, *static_modules(build_record()), conf=conf) as place, place.client() as early:
            assert (await early.line()).startswith("220 ")
            _announced(notice, denied=3600, ended=7000)
            await asyncio.sleep(0.8)
            async with place.client() as other:
                assert (await other.line()).startswith("220 ")
            _announced(notice, denied=-60, ended=7000, message="Bye %U of %V")
            await asyncio.sleep(0.8)
            async with place.client() as late:
                assert await late.rest() == "500 FTP server shut down (Bye NONE of Here) -- please try again later\r\n"
            assert (await early.ask("NOOP")).startswith("200 ")
            _announced(notice, denied=-60, ended=-60)
            assert await early.rest() == "421 FTP server shutting down - Bye NONE\r\n"
            assert "connection refused (Bye NONE of Here) from 127.0.0.1 [127.0.0.1]" in caplog.text
            notice.unlink()
            await asyncio.sleep(0.8)
            async with place.client() as welcome:
                assert (await welcome.line()).startswith("220 ")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())


def test_a_faulty_notice_shuts_nobody_out_and_the_log_says_so_once(
    tmp_path: Path, notice: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notice.write_text("soon\n")

    async def story() -> None:
        async with serving(tmp_path, *static_modules(build_record()), conf="WtmpLog off\n") as place:
            await asyncio.sleep(0.8)
            async with place.client() as client:
                assert (await client.line()).startswith("220 ")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert caplog.text.count("is not heeded: its first line is not `YYYY M D H M S HHMM HHMM`: 'soon'") == 1
