"""mod_ratio over sessions: RatioFile, parallel sessions, and ratios from a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_ground import Database, entered, play
from test_mod_ratio import MB, NO_BYTES, ON, TREE, VISITOR, said, told

from ftpd.module import ratioaccount, ratios
from ftpd.module.session import Session
from ftpd.testing import Bench
from libexec import mod_ratio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "ratios"


def saving(file: Path, more: str = "UserRatio * 0 0 1 0\n") -> str:
    return f"{ON}SaveRatios on\nRatioFile {file}\nRatioTempFile {file}.tmp\n{more}"


def test_what_a_user_has_done_is_there_at_the_next_login(file: Path) -> None:
    first = told(saving(file), "STOR up 3000000", "RETR small")
    assert first[-1].endswith("Down: 1 Files (0mb)  Up: 1 Files (2mb)   1:1B CR: 2")
    assert file.read_text() == "tom|1|2929|1|0|704|3\n"
    again = told(saving(file), "USER tom", "PASS secret", "RETR big", "RETR small", login=None)
    assert again[1].startswith("230-Down: 1 Files (0mb)  Up: 1 Files (2mb)   1:1B CR: 2\n")
    assert [reply[:3] for reply in again[2:]] == ["550", "226"]
    assert file.read_text() == "tom|1|2929|2|0|704|6\n"


def test_a_file_of_proftpds_is_read_and_lines_of_others_stay(file: Path) -> None:
    file.write_text("ann|1|5|2|7\ntom|2|3000|1|1000\nsomething else\n")
    assert told(saving(file), "SITE RATIO", "STOR up 1025")[0].startswith(
        "214-Current Ratio: ( -1/0 +2/2 (0 0 1 0) = -1/1 [LO B] )"
    )
    assert file.read_text().splitlines() == ["something else", "ann|1|5|2|7|0|0", "tom|3|3001|1|1000|1|0"]


@given(st.binary(max_size=100))
def test_no_line_of_the_file_is_too_odd(line: bytes) -> None:
    found = ratios.Lines().read(line)
    if found is not None:
        assert ratios.Lines().read(ratios.Lines().write(*found)) == found


@given(st.text(min_size=1), st.tuples(*[st.integers(0, 10**15)] * 4))
def test_what_is_written_is_read_again(name: str, counts: tuple[int, ...]) -> None:
    plain = name.translate(ratioaccount._ESCAPED).encode("utf-8", "replace").decode()
    line = ratios.Lines().write(plain, counts)
    assert line.count(b"\n") == 1
    assert ratios.Lines().read(line) == (plain, counts)


def test_off_or_without_a_file_the_session_counts_for_itself(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    off = saving(file).replace("SaveRatios on", "SaveRatios off")
    for conf in (off, ON + "SaveRatios on\nUserRatio * 0 0 1 0\n"):
        assert told(conf, "STOR up 5", "SITE RATIO")[1].startswith("214-Current Ratio: ( -0/0 +1/0 ")
        assert told(conf, "SITE RATIO")[0].startswith("214-Current Ratio: ( -0/0 +0/0 ")
    assert not file.exists()
    assert "server config: SaveRatios needs a RatioFile, and without one keeps nothing" in caplog.text


def test_a_file_that_cannot_be_used_is_told_of_and_the_session_goes_on(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.symlink_to("/etc/passwd")
    assert [reply[:3] for reply in told(saving(file), "STOR up 5", "RETR small")] == ["226", "226"]
    assert f"mod_ratio: RatioFile {file}: Too many levels of symbolic links; what is counted waits" in caplog.text
    assert f"mod_ratio: RatioFile {file} lacks, of 'tom': 1 1 5 3" in caplog.text
    assert "root:" in Path("/etc/passwd").read_text()


def test_a_temporary_file_elsewhere_is_not_used(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = file.parent / "sub/tmp"
    elsewhere.parent.mkdir()
    elsewhere.write_text("mine")
    conf = saving(file).replace(f"{file}.tmp", str(elsewhere))
    told(conf, "STOR up 5")
    assert (elsewhere.read_text(), file.read_text()) == ("mine", "tom|1|0|0|0|5|0\n")
    itself = saving(file).replace(f"{file}.tmp", f"{file.parent}/./ratios")
    told(itself, "STOR up 5")
    assert file.read_text() == "tom|2|0|0|0|10|0\n"
    assert caplog.text.count(f"has to be another file in RatioFile's folder: {file}.new is used") == 2


def test_a_visitor_is_nobody_elses_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = saving(file, VISITOR % "AnonRatio * 0 0 1 1000")
    for address in ("tom", "a|9|9|9|9", "x" * 500):
        assert told(conf, "USER anonymous", f"PASS {address}", "RETR small", login=None)[-1].startswith("226-")
    names = [line.split("|")[0] for line in file.read_text().splitlines()]
    assert names == ["tom:tom", "tom:a%7C9%7C9%7C9%7C9", "tom:" + "x" * 80]
    # and no crowd of them fills the disk
    monkeypatch.setattr(ratioaccount, "_FULL", 3)
    crowd = conf.replace("LoadModule mod_ratio.c\n", "")
    told(crowd, "USER anonymous", "PASS new", "RETR small", login=None, modules=[mod_ratio.module])
    told(crowd, "USER anonymous", "PASS tom", "RETR small", login=None, modules=[mod_ratio.module])
    told(crowd, "RETR small", modules=[mod_ratio.module], users={"tom": "secret", "ann": "secret"}, login="ann")
    assert [line.split("|")[:4:3] for line in file.read_text().splitlines()] == [
        [names[0], "2"], [names[1], "1"], [names[2], "1"], ["ann", "1"],
    ]  # fmt: skip


def test_parallel_sessions_cannot_each_fetch_what_is_there_once(file: Path) -> None:
    async def story() -> None:
        file.write_text("tom|1|6000|0|0\n")
        conf = f"DefaultRoot ~\n{saving(file).partition(chr(10))[2]}"
        async with Bench(mod_ratio.module, conf=conf, files=TREE) as ftp:
            await ftp("TYPE I")
            assert ftp.session is not None
            one, other = ftp.session, await second(ftp)
            refused: list[str] = []
            entered_at = ftp.wire.open_data

            async def while_it_goes_on(**how: Any) -> Any:
                ftp.wire.open_data = entered_at  # type: ignore[method-assign]
                ftp.session = other
                refused.append(await ftp("RETR big"))
                ftp.session = one
                return await ftp.wire.open_data(**how)

            ftp.wire.open_data = while_it_goes_on  # type: ignore[method-assign]
            assert (await said(ftp, "RETR big")).startswith("226-") or "226-" in ftp.replies
            assert refused == [f"550-{NO_BYTES}\n550 big: BYTE RATIO: 1:1B  Down: 0mb  Up: only 5mb!"]
            # what is over holds nothing back any more
            assert ratioaccount._held == {}
            ftp.session = other
            assert (await said(ftp, "RETR small")).startswith("226-")
            ftp.session = one
            assert other.files is not None
            other.files.close()

    play(story)


async def second(ftp: Bench) -> Session:
    """Another session of the same user."""
    assert ftp.session is not None and ftp.generation is not None
    first = ftp.session
    ftp.session = Session(
        wire=ftp.wire, modules=ftp.generation, server=first.server, settings=first.server.settings, enter=first.enter
    )
    await ftp("USER tom")
    assert (await ftp("PASS secret")).startswith("230")
    await ftp("TYPE I")
    other, ftp.session = ftp.session, first
    return other


# -- from a database ------------------------------------------------------------------------------------------


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    database.home.chmod(0o777)
    for column in ("frate", "fcred", "brate", "bcred"):
        database.do(f"ALTER TABLE users ADD COLUMN {column} INTEGER DEFAULT 0")
    (database.home / "big").write_bytes(bytes(2 * MB))
    yield database
    database.remove()


RATIOS = "Ratios on\nSQLRatioStats on\nSQLRatios on\nUserRatio * 9 9 9 9\nDefaultRoot ~\n"


def test_ratios_and_counts_come_from_the_users_row(db: Database) -> None:
    """The credit of bytes is in KB, as in UserRatio; what mod_sql counts is in bytes."""
    db.do("UPDATE users SET brate = 2, bcred = 1024, fstor = 3")

    async def story() -> None:
        async with db.bench(RATIOS, modules=[mod_ratio.module]) as ftp:
            await ftp("USER tom")
            login = await ftp("PASS secret")
            assert login.startswith("230-Down: 0 Files (0mb)  Up: 3 Files (0mb)   1:2B CR: 1\n")
            await ftp("TYPE I")
            assert (await said(ftp, "RETR big")) == (
                f"550-{NO_BYTES}\n550 big: BYTE RATIO: 1:2B  Down: 0mb  Up: only 0mb!"
            )
            told = await said(ftp, f"STOR up {MB}")
            assert told.endswith("226 Down: 0 Files (0mb)  Up: 4 Files (1mb)   1:2B CR: 3")
            told = await said(ftp, "RETR big")
            assert told.endswith("226 Down: 1 Files (2mb)  Up: 4 Files (1mb)   1:2B CR: 1")
            assert db.do("SELECT fstor, fretr, bstor, bretr FROM users") == [(4, 1, MB, 2 * MB)]
        async with db.bench(RATIOS, modules=[mod_ratio.module]) as ftp:
            await entered(ftp)
            assert (await ftp("SITE RATIO")).startswith("214-Current Ratio: ( -1/2 +4/1 (0 0 2 1024) = -1/1 [LO B] )")
            # somebody pays at the desk, and it holds at once
            db.do("UPDATE users SET bcred = 10240")
            assert (await ftp("SITE RATIO")).startswith("214-Current Ratio: ( -1/2 +4/1 (0 0 2 10240) = -1/10 )")

    play(story)


def test_counts_of_the_database_go_with_ratios_of_the_configuration(db: Database) -> None:
    db.do("UPDATE users SET fstor = 1, bstor = 5")

    async def story() -> None:
        conf = RATIOS.replace("SQLRatios on\n", "").replace("9 9 9 9", "1 0 0 0")
        async with db.bench(conf, modules=[mod_ratio.module]) as ftp:
            await entered(ftp)
            assert "-0/0 +1/0 (1 0 0 0) = 1/0" in await ftp("SITE RATIO")
            assert (await said(ftp, "RETR big")).startswith("226-")
            assert (await said(ftp, "RETR big")).startswith("550-Too few files")

    play(story)


def test_who_is_not_in_the_database_goes_by_the_lines(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RATIOS, modules=[mod_ratio.module]) as ftp:
            await entered(ftp)
            db.do("DELETE FROM users")
            assert "(9 9 9 9)" in await ftp("SITE RATIO")

    play(story)


def test_while_the_database_is_away_nothing_is_given_away(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with db.bench(RATIOS, modules=[mod_ratio.module]) as ftp:
            await entered(ftp)
            db.do("UPDATE users SET brate = 'much'")
            blind = "Ratios cannot be looked up, try again later"
            assert await said(ftp, "RETR big") == f"451 big: {blind}"
            assert await ftp("SITE RATIO") == f"451 SITE RATIO: {blind}"
            assert await said(ftp, "NLST") == "226 Transfer complete"
            db.do("UPDATE users SET brate = 0")
            assert (await said(ftp, "RETR big")).startswith("226-")

    play(story)
    assert "mod_ratio: ratios cannot be looked up: a column of ratios holds 'much'" in caplog.text


def test_sqlratios_draws_no_warning_any_more(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with db.bench(RATIOS, modules=[mod_ratio.module]) as ftp:
            assert ftp.generation is not None
            assert not [fault for fault in ftp.generation.config.warnings if "SQLRatios" in str(fault)]
            assert db.do("SELECT count(*) FROM users") == [(1,)]

    play(story)
