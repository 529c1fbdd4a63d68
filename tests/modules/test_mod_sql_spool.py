"""Rows that a database does not take now wait in a spool: none is lost, repeated, forged or held up by others."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sql_ground import RECORD, Database, play, rows

from ftpd.api import sql
from libexec import mod_sql


def test_rows_of_one_database_do_not_wait_for_another_that_is_away(db: Database, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Database(tmp_path / "other")
    conf = f"SQLNamedConnectInfo slow sqlite3 {other.path}\nSQLRetry 0 0\nSQLTimeout 30\n"

    async def story() -> None:
        async with db.bench(conf) as ftp:
            spools = {store.name: store.spool for store in mod_sql.service.stores}
            with closing(sqlite3.connect(other.path, isolation_level=None)) as holder:
                holder.execute("BEGIN EXCLUSIVE")
                spools["slow"].add(sql.Statement("INSERT INTO log VALUES ('slow', '', 0)"), ())
                for row in range(3):
                    spools["default"].add(sql.Statement("INSERT INTO log VALUES (?, '', 0)"), (row,))
                    async with asyncio.timeout(20):
                        await mod_sql.service.tend()
                        while spools["default"]:
                            await asyncio.sleep(0.01)
                assert len(spools["slow"]) == 1
                assert "1 rows wait" in await ftp.control("sql")
                holder.execute("ROLLBACK")
            async with asyncio.timeout(20):
                while spools["slow"]:
                    await asyncio.sleep(0.01)

    play(story)
    assert [row[0] for row in rows(db)] == ["0", "1", "2"]
    assert rows(other) == [("slow", "", 0)]
    other.remove()


def spooling(db: Database, folder: Path) -> str:
    return RECORD + f"SQLLog NOOP record\nSQLRetry 0 0\nSQLHealthCheck 0\nSQLSpool {folder}\n"


def test_a_spool_that_others_can_write_to_is_not_executed(db: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await ftp("NOOP")
        (spool,) = tmp_path.glob("*.spool")
        assert spool.stat().st_mode & 0o777 == 0o600
        spool.write_text('["DELETE FROM log", []]\n')
        spool.chmod(0o666)
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await mod_sql.service.tend()
            await ftp("NOOP")
        assert len(rows(db)) == 2

    play(story)


def test_a_folder_that_everybody_can_write_to_holds_no_spool(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(0o777)

    async def story() -> None:
        async with db.bench(spooling(db, folder)) as ftp:
            await ftp("NOOP")
        assert len(rows(db)) == 1

    play(story)
    assert list(folder.iterdir()) == []
    assert "everybody can write to" in caplog.text


def test_a_spool_with_another_name_elsewhere_is_left_alone(db: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await ftp("NOOP")
        (spool,) = tmp_path.glob("*.spool")
        precious = tmp_path / "precious"
        precious.write_text('["DELETE FROM log", []]\n')
        precious.chmod(0o600)
        spool.unlink()
        spool.hardlink_to(precious)
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await mod_sql.service.tend()
            await ftp("NOOP")
        assert precious.read_text() == '["DELETE FROM log", []]\n'
        assert len(rows(db)) == 2

    play(story)


def test_a_line_that_was_cut_off_costs_itself_alone(db: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await ftp("NOOP")
        (spool,) = tmp_path.glob("*.spool")
        good = '["INSERT INTO log VALUES (?, ?, ?)", ["a", "b\\\\u00fc", 3]]\n'
        refused = '["INSERT INTO nowhere VALUES (1)", []]\n'
        spool.write_text(refused + good + '["INSERT INTO log VAL')
        async with db.bench(spooling(db, tmp_path)) as ftp:
            await ftp("NOOP")
            await mod_sql.service.tend()
            assert "0 rows wait" in await ftp.control("sql")

    play(story)
    assert [row[0] for row in rows(db)] == ["-", "a", "-"]


def spool_of(folder: Path, database: str = "y", user: str = "ftpd") -> sql.Spool:
    pool = sql.Pool(None, sql.Target("x", database, user=user), sql.Limits())  # type: ignore[arg-type]
    return sql.Spool(pool, str(folder), 10)


def waiting(spool: sql.Spool) -> list[str]:
    return [row.text for row, _ in spool._rows]


def test_each_process_has_its_own_spool_and_the_next_one_takes_over_what_is_left(tmp_path: Path) -> None:
    one, two = spool_of(tmp_path), spool_of(tmp_path)
    one.open()
    two.open()
    one.add(sql.Statement("A"), ["ü\udcff", 1, None])
    two.add(sql.Statement("B"), [])
    # they are in files now: both processes may die at any moment
    assert sorted(path.read_text()[:5] for path in tmp_path.iterdir()) == ['["A",', '["B",']
    one.close()
    two.open()
    assert waiting(two) == ["B", "A"]
    assert two._rows[1][0].values == ("ü\udcff", 1, None)
    two.close()
    three = spool_of(tmp_path)
    three.open()
    assert waiting(three) == ["B", "A"]
    three.close()


def test_what_waits_for_one_database_is_never_written_to_another(tmp_path: Path) -> None:
    for database, user in (("y", "ftpd"), ("y+1", "ftpd"), ("y/z", "ftpd"), ("y_z", "ftpd"), ("y", "other")):
        spool = spool_of(tmp_path, database, user)
        spool.open()
        spool.add(sql.Statement(f"{database} {user}"), [])
        spool.close()
    for database, user in (("y_z", "ftpd"), ("y", "other"), ("y", "ftpd"), ("y+1", "ftpd"), ("y/z", "ftpd")):
        spool = spool_of(tmp_path, database, user)
        spool.open()
        assert waiting(spool) == [f"{database} {user}"]
        spool.close()


class Recorder:
    """A database that takes some rows and is gone then."""

    def __init__(self, takes: int) -> None:
        self.target = sql.Target("x", "y", user="ftpd")
        self.takes = takes
        self.rows: list[str] = []

    async def run(self, statement: sql.Statement, values: object) -> list[object]:
        await asyncio.sleep(0)
        if len(self.rows) == self.takes:
            raise sql.SqlLost("gone")
        self.rows.append(statement.text)
        return []


def test_a_daemon_that_dies_while_it_writes_loses_no_row_and_repeats_none(tmp_path: Path) -> None:
    async def story() -> None:
        first = Recorder(2)
        spool = sql.Spool(first, str(tmp_path), 10)  # type: ignore[arg-type]
        spool.open()
        for text in "ABCDE":
            spool.add(sql.Statement(text), [])
        # two turns at once write no row twice
        await asyncio.gather(spool.flush(), spool.flush())
        assert first.rows == ["A", "B"]
        (path,) = tmp_path.iterdir()
        # what a kill leaves behind
        killed = path.read_bytes()
        spool.close()
        path.write_bytes(killed)
        second = Recorder(99)
        spool = sql.Spool(second, str(tmp_path), 10)  # type: ignore[arg-type]
        await spool.flush()
        assert second.rows == ["C", "D", "E"]
        assert path.read_bytes() == b""
        spool.close()

    play(story)
