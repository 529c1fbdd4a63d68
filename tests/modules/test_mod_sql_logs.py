"""mod_sql's records and notes to the client, over SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sql_ground import Database, entered, play

from ftpd.api import Command, Module, Outcome, TransferError, sql
from ftpd.testing.memory import MemoryWire
from libexec import mod_sql

RECORD = """SQLNamedQuery record INSERT "'%u', '%m', %b" log\n"""


def rows(db: Database) -> list[tuple[object, ...]]:
    return db.do("SELECT who, what, size FROM log")


def test_commands_are_recorded_when_they_succeed_and_as_err_when_they_fail(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + "SQLLog STOR,ERR_RETR,EXIT record") as ftp:
            await entered(ftp)
            await ftp.upload("STOR it's", b"12345")
            await ftp.download("RETR it's")
            await ftp("RETR gone")
            await ftp("NOOP")

    db.home.chmod(0o777)
    play(story)
    # the last is of no command
    assert rows(db)[:2] == [("tom", "STOR", 5), ("tom", "RETR", 0)]
    assert [row[0] for row in rows(db)[2:]] == ["tom"]


@pytest.mark.parametrize(("ends", "recorded"), [(True, ["SYST"]), (False, ["SYST", "LIST"])])
def test_a_command_whose_session_ends_before_its_data_connection_comes_is_not_recorded(
    db: Database, ends: bool, recorded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def waited(wire: MemoryWire, **_: object) -> None:
        if ends:
            wire.end("Read EOF from client")
        raise TransferError(426, "Transfer aborted. Data connection closed", aborted=True)

    async def story() -> None:
        async with db.bench(RECORD + "SQLLog SYST,ERR_* record") as ftp:
            await entered(ftp)
            await ftp("SYST")
            await ftp("PASV")
            monkeypatch.setattr(MemoryWire, "data_at_once", waited)
            await ftp("LIST")

    play(story)
    assert [row[1] for row in rows(db)] == recorded


def test_a_star_is_every_command_and_err_star_every_failure(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + "SQLLog *,ERR_* record\nSQLLog NOOP record") as ftp:
            await ftp("NOOP")
            await ftp("NONSENSE a")
            await ftp("SITE NONSENSE")

    play(story)
    assert [row[1] for row in rows(db)] == ["NOOP", "NOOP", "NONSENSE", "SITE NONSENSE"]


def test_failures_have_a_directive_of_their_own(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + "SQLLogIfFailed RETR,PWD record\nSQLLogIfFailed MKD missing") as ftp:
            assert [fault.message for fault in ftp.generation.config.warnings] == [
                "the query 'missing' is not defined: nothing is recorded"
            ]
            await entered(ftp)
            await ftp("PWD")
            await ftp("RETR gone")
            await ftp("SIZE gone")

    play(story)
    assert rows(db) == [("tom", "RETR", 0)]


def test_commands_may_have_blanks_between_them(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + 'SQLLog "NOOP, PWD" record') as ftp:
            await ftp("NOOP")
            await entered(ftp)
            await ftp("PWD")

    play(story)
    assert [row[1] for row in rows(db)] == ["NOOP", "PWD"]


def test_the_end_of_a_session_is_no_command_but_has_a_name(db: Database) -> None:
    conf = """SQLNamedQuery star INSERT "'star', '%m', 0" log
SQLNamedQuery end INSERT "'%m', '%r', '%b'" log
SQLLog * star
SQLLog EXIT end"""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            await ftp("NOOP")

    play(story)
    assert rows(db) == [("star", "NOOP", 0), ("EXIT", "EXIT", 0)]


def test_variables_of_the_environment_are_values(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", "x', 'y', 1); DROP TABLE log; --")
    conf = """SetEnv OWN it's
SQLNamedQuery record INSERT "'%{env:EVIL}', '%{env:OWN} %{env:UNIQUE_ID}', 1" log
SQLLog NOOP record
SQLUserWhereClause "userid <> '%{env:OWN}'"
SQLShowInfo NOOP 200 "at %{env:OWN}\""""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            ftp.session.notes["env:UNIQUE_ID"] = "abc"
            assert (await ftp("NOOP")).endswith("200 at it's")
            assert await entered(ftp) == "230 User tom logged in"

    play(story)
    assert rows(db) == [("x', 'y', 1); DROP TABLE log; --", "it's abc", 1)]


def test_keys_are_found_by_queries_over_user_and_group(db: Database) -> None:
    db.do("INSERT INTO groups VALUES ('staff', 2002, 'tom')")
    db.do("INSERT INTO keys VALUES ('tom', 'U7'), ('staff', 'G9')")
    conf = """SQLNamedQuery user-key SELECT "id FROM keys WHERE name = '%U'"
SQLNamedQuery group-key SELECT "id FROM keys WHERE name = '%g' AND '%u' = 'tom'"
SQLUserPrimaryKey custom:/user-key
SQLGroupPrimaryKey custom:/group-key
SQLNamedQuery record INSERT "'%{note:sql.user-primary-key}', '%{note:sql.group-primary-key}', 1" log
SQLLog PASS record"""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            assert await entered(ftp) == "230 User tom logged in"

    play(story)
    assert rows(db) == [("U7", "G9", 1)]


def test_what_belongs_to_site_is_recorded_by_either_name(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + "SQLLog SITE_HELP record") as ftp:
            await ftp("SITE HELP")
        async with db.bench(RECORD + "SQLLog SITE record") as ftp:
            await ftp("SITE HELP")

    play(story)
    assert len(rows(db)) == 2


def test_events_are_recorded(db: Database) -> None:
    async def story() -> None:
        async with db.bench(RECORD + "SQLLogOnEvent mod_auth.max-login-attempts record\nMaxLoginAttempts 1") as ftp:
            await entered(ftp, password="wrong")

    play(story)
    assert len(rows(db)) == 1


def test_a_select_records_nothing_and_a_query_that_is_missing_neither(db: Database) -> None:
    async def story() -> None:
        conf = RECORD + 'SQLNamedQuery get SELECT "1"\nSQLLog NOOP get\nSQLLog NOOP missing\nSQLLog NOOP record'
        async with db.bench(conf) as ftp:
            assert (await ftp("NOOP")).startswith("200 ")
            assert ftp.wire.closed_for is None

    play(story)
    assert len(rows(db)) == 1


def test_names_of_hosts_groups_and_notes_are_values(db: Database) -> None:
    evil = "x'); DROP TABLE log; --"
    db.do("INSERT INTO groups VALUES (?, 2002, '')", evil)
    conf = """SQLNamedQuery record INSERT "'%h %g', '%{note:evil}', 1" log\nSQLLog NOOP record"""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            await entered(ftp)
            ftp.session.remote_name = evil
            ftp.session.notes["evil"] = "%u'"
            await ftp("NOOP")

    play(story)
    assert rows(db) == [(f"{evil} {evil}", "%u'", 1)]


def test_another_database_takes_the_records(db: Database, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Database(tmp_path / "other")
    conf = f"""SQLNamedConnectInfo logs sqlite3 {other.path}
SQLNamedQuery record INSERT "'%U', 'x', 1" log logs
SQLLog PASS record"""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            await entered(ftp)
            assert "(logs): up" in await ftp.control("sql")

    play(story)
    assert rows(db) == [] and rows(other) == [("tom", "x", 1)]
    other.remove()


def test_the_engine_says_whether_there_are_records(db: Database) -> None:
    async def story() -> None:
        for mode in ("off", "auth", "log"):
            async with db.bench(RECORD + f"SQLLog NOOP record\nSQLEngine {mode}") as ftp:
                await ftp("NOOP")

    play(story)
    assert len(rows(db)) == 1


def test_the_client_is_told_what_the_database_knows(db: Database) -> None:
    conf = """SQLNamedQuery size SELECT "bstor FROM users WHERE userid = '%u'"
SQLNamedQuery none SELECT "1 WHERE 1 = 2"
SQLNamedQuery null SELECT "NULL"
SQLNamedQuery write UPDATE "bstor = 1" users
SQLShowInfo PASS 230 "You, %u, have %{size} bytes, 100%% %{none}%{null}%{write}%{missing}"
SQLShowInfo ERR_RETR 550 "Ask for %{protocol}"
"""

    async def story() -> None:
        db.do("UPDATE users SET bstor = 77")
        async with db.bench(conf) as ftp:
            await ftp("USER tom")
            answer = (await ftp("PASS secret")).splitlines()
            assert answer == ["230-User tom logged in", "230 You, tom, have 77 bytes, 100% {null}{null}{null}{null}"]
            assert (await ftp("RETR gone")).splitlines()[-1] == "550 Ask for ftp"

    play(story)


def test_a_row_with_line_ends_forges_no_reply(db: Database) -> None:
    conf = 'SQLNamedQuery evil SELECT "who FROM log"\nSQLShowInfo NOOP 200 "%{evil}"'
    db.do("INSERT INTO log VALUES (?, '', 0)", "a\r\n230 you are root")

    async def story() -> None:
        async with db.bench(conf) as ftp:
            assert (await ftp("NOOP")).splitlines() == ["200-NOOP command successful", "200 a??230 you are root"]

    play(story)


def test_files_and_bytes_of_a_user_are_counted(db: Database) -> None:
    async def story() -> None:
        async with db.bench("SQLRatioStats on") as ftp:
            await entered(ftp)
            await ftp.upload("STOR a", b"12345")
            await ftp.upload("STOR b", b"678")
            await ftp.download("RETR a")
            await ftp.download("RETR gone")

    db.home.chmod(0o777)
    play(story)
    assert db.do("SELECT fstor, fretr, bstor, bretr FROM users") == [(2, 1, 8, 5)]


def test_ratios_are_there_for_who_goes_by_them(db: Database) -> None:
    """mod_ratio's part is played by a module that shows what it is handed."""
    db.do("ALTER TABLE users ADD COLUMN frate INTEGER")
    for column in ("fcred", "brate", "bcred"):
        db.do(f"ALTER TABLE users ADD COLUMN {column} INTEGER DEFAULT 7")
    db.do("UPDATE users SET brate = -3, bstor = 12000000000")
    asking = Module("asking", version="1.0")
    offered = asking.takes_offers(sql.RATIOS)

    @asking.site("RATIO")
    async def ratio(cmd: Command) -> Outcome:
        return cmd.ok(200, f"{await offered[0].rates(cmd.session)} {await offered[0].stats(cmd.session)}")

    async def story() -> None:
        async with db.bench("SQLRatioStats on\nSQLRatios on", modules=[asking]) as ftp:
            await entered(ftp)
            assert await ftp("SITE RATIO") == "200 (0, 7, -3, 7) (0, 0, 12000000000, 0)"
            db.do("UPDATE users SET fcred = 'many'")
            assert (await ftp("SITE RATIO")).startswith("451")
            db.do("DELETE FROM users")
            assert await ftp("SITE RATIO") == "200 None None"
        async with db.bench("SQLRatioStats on", modules=[asking]) as ftp:
            db.user("tom", "secret")
            await entered(ftp)
            assert await ftp("SITE RATIO") == "200 None (0, 0, 0, 0)"

    play(story)


def test_the_log_tells_statements_and_no_values(db: Database, tmp_path: Path) -> None:
    log = tmp_path / "sql.log"

    async def story() -> None:
        async with db.bench(RECORD + f"SQLLogFile {log}\nSQLLog NOOP record") as ftp:
            await entered(ftp)
            await ftp("NOOP sesame")

    play(story)
    text = log.read_text()
    assert "mod_sql/" in text and "INSERT INTO log VALUES (?, ?, ?)': 0 rows" in text
    assert "WHERE (userid = ?) LIMIT 1': 1 rows" in text
    assert "sesame" not in text and "secret" not in text


def test_idle_connections_are_closed_and_others_kept_alive(db: Database) -> None:
    async def story() -> None:
        base = f"""SQLConnectInfo {db.path} "" "" 1
SQLBackend sqlite3
SQLAuthTypes Plaintext
SQLMinID 0
AuthOrder mod_sql.c
RequireValidShell off
SQLKeepAlive 1 "INSERT INTO log VALUES ('alive', '', 0)"
"""
        async with db.bench(base=base) as ftp:
            await entered(ftp)
            await mod_sql.service.tend()
            assert "1 idle" in await ftp.control("sql")
            assert rows(db) == [("alive", "", 0)]
            (store,) = mod_sql.service.stores
            store.pool._idle = [(connection, since - 5) for connection, since in store.pool._idle]
            await mod_sql.service.tend()
            assert "0 idle" in await ftp.control("sql")

    play(story)


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


class Door:
    """A database that takes a while to connect to, and breaks what it is asked on the first connection."""

    names = ("x",)

    def __init__(self, connects_in: float, breaks_after: float) -> None:
        self._connects_in, self._breaks_after = connects_in, breaks_after

    async def connect(self, target: sql.Target, timeout: float) -> Door:
        await asyncio.sleep(self._connects_in)
        return self

    async def run(self, statement: sql.Statement, values: object) -> list[object]:
        await asyncio.sleep(self._breaks_after)
        raise sql.SqlLost("broken")

    def abort(self) -> None:
        pass


def test_a_turn_that_comes_too_late_says_nothing_about_the_database() -> None:
    async def story() -> None:
        # the first is lost half a second before the second gives up, who would be connected half a second after that
        limits = sql.Limits(size=1, timeout=2.5, retries=0)
        pool = sql.Pool(Door(1.0, 1.0), sql.Target("x", "y"), limits)  # type: ignore[arg-type]
        first, second = await asyncio.gather(
            *(pool.run(sql.Statement("SELECT 1")) for _ in range(2)), return_exceptions=True
        )
        assert str(first) == "broken"
        assert str(second) == "x:y: no connection was free within 2.5 s"
        assert pool.down is None

    play(story)
