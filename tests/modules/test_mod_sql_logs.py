"""mod_sql's records and notes to the client, over SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sql_ground import RECORD, Database, entered, play, rows

from ftpd.api import Command, Module, Outcome, TransferError, sql
from ftpd.testing.memory import MemoryWire
from libexec import mod_sql


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
