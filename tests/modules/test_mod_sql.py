"""mod_sql over SQLite: who is let in, as whom, and what happens when the database says no."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from sql_ground import CONF, Database, entered, play

from ftpd.conf.faults import ConfigFaults
from ftpd.core import crypt
from ftpd.testing import Bench
from libexec import mod_sql

REFUSED = "530 Login incorrect."


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    database.remove()


def test_a_user_of_the_database_is_let_in_by_the_password_and_by_no_other(db: Database) -> None:
    async def story() -> None:
        async with db.bench() as ftp:
            assert await entered(ftp, password="wrong") == REFUSED
            assert await entered(ftp, "nobody") == REFUSED
            assert await entered(ftp) == "230 User tom logged in"
            account = ftp.session.account
            assert (account.uid, account.gid, account.home) == (2001, 2002, str(db.home))
            assert "secret" not in repr(account)

    play(story)


def test_users_come_and_go_while_sessions_are_on(db: Database) -> None:
    async def story() -> None:
        async with db.bench() as ftp:
            assert await entered(ftp, "eve", "pw") == REFUSED
            db.user("eve", "pw")
            assert await entered(ftp, "eve", "pw") == "230 User eve logged in"
        async with db.bench() as ftp:
            db.do("DELETE FROM users WHERE userid = 'eve'")
            assert await entered(ftp, "eve", "pw") == REFUSED

    play(story)


@pytest.mark.parametrize(
    "name",
    ["' OR '1'='1", "tom' --", "tom\\", "%", "t%m", "t_m", "tom\0", "\udcbf'", "\udcbf\\' OR 1=1 #", '" OR 1=1', "0"],
)
def test_no_name_is_anything_but_a_name(db: Database, name: str) -> None:
    async def story() -> None:
        for conf in ("", "SQLUserInfo custom:/get\nSQLNamedQuery get SELECT \"userid,passwd,uid,gid,homedir,shell FROM "
                     "users WHERE userid = '%U'\"", "SQLUserInfo custom:/get\nSQLNamedQuery get SELECT "
                     '"userid,passwd,uid,gid,homedir,shell FROM users WHERE userid = %U"'):  # fmt: skip
            async with db.bench(conf) as ftp:
                # a NUL in it is refused before anybody is asked
                assert await entered(ftp, name) == ("503 Login with USER first" if "\0" in name else REFUSED)
                assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_ids_that_are_too_small_become_the_default_ones(db: Database) -> None:
    async def story() -> None:
        base = CONF.replace("SQLMinID 0", "SQLMinID 3000\nSQLDefaultUID 4001\nSQLDefaultGID 4002")
        async with db.bench(base=base) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert (ftp.session.account.uid, ftp.session.account.gid) == (4001, 4002)
        least = "SQLMinUserUID 2002\nSQLMinUserGID 2002"
        async with db.bench(base=CONF.replace("SQLMinID 0", least)) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert (ftp.session.account.uid, ftp.session.account.gid) == (65533, 2002)
        async with db.bench(least) as ftp:
            # as in ProFTPD: beside SQLMinID they are not heard
            assert await entered(ftp) == "230 User tom logged in"
            assert (ftp.session.account.uid, ftp.session.account.gid) == (2001, 2002)

    play(story)


@pytest.mark.parametrize("home", [None, "NULL"])
def test_an_account_without_a_home_is_none(db: Database, home: str | None) -> None:
    db.user("ann", "pw", home=home)

    async def story() -> None:
        async with db.bench() as ftp:
            assert await entered(ftp, "ann", "pw") == REFUSED
        async with db.bench(f"SQLDefaultHomedir {db.home}") as ftp:
            assert await entered(ftp, "ann", "pw") == "230 User ann logged in"
            assert ftp.session.account.home == str(db.home)
        columns = f"SQLUserInfo users userid passwd uid gid NULL NULL\nSQLDefaultHomedir {db.home}"
        async with db.bench(columns) as ftp:
            assert await entered(ftp, "ann", "pw") == "230 User ann logged in"
            assert ftp.session.account.home == str(db.home)

    play(story)


def test_the_where_clause_holds_for_every_user(db: Database) -> None:
    async def story() -> None:
        async with db.bench("SQLUserWhereClause \"userid <> 'tom' AND '%a' = '127.0.0.1'\"") as ftp:
            assert await entered(ftp) == REFUSED
            db.user("ann", "pw")
            assert await entered(ftp, "ann", "pw") == "230 User ann logged in"

    play(story)


def test_groups_are_those_that_list_the_user(db: Database) -> None:
    for row in [("staff", 2002, ""), ("ftp", 3001, "ann,tom"), ("web", 3002, "naomi, tom ,bob"), ("no", 3003, "tommy"),
                ("also", 3004, "xtom"), ("alone", 3005, "tom")]:  # fmt: skip
        db.do("INSERT INTO groups VALUES (?, ?, ?)", *row)

    async def story() -> None:
        async with db.bench() as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"), (3002, "web"), (3005, "alone"))
        async with db.bench("SQLOptions UseNormalizedGroupSchema\nSQLGroupWhereClause gid<>3005") as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "staff"),)
        async with db.bench("SQLAuthenticate users") as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "2002"),)

    play(story)


def test_groups_of_users_who_are_elsewhere(db: Database, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"tom:$1$abc$BXBqpb9BZcZhXLgbee.0s/:2001:2002::{db.home}:/bin/sh\n")
    passwd.chmod(0o600)
    db.do("INSERT INTO groups VALUES ('staff', 2002, 'ann'), ('ftp', 3001, 'ann,tom')")
    base = CONF.replace("mod_sql.c", "mod_sql.c mod_auth_file.c") + f"AuthUserFile {passwd}\n"

    async def story() -> None:
        async with db.bench("SQLAuthenticate groups", base=base) as ftp:
            assert await entered(ftp, password="password") == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))

    play(story)


def test_ids_may_be_computed(db: Database) -> None:
    # a column of a view has no type in SQLite: a number in it is no text
    db.do("ALTER TABLE groups RENAME TO kept")
    db.do("CREATE VIEW groups AS SELECT groupname, gid + 2000 AS gid, members FROM kept")
    db.do("INSERT INTO kept VALUES ('staff', 2, ''), ('ftp', 1001, 'tom')")
    db.do("CREATE VIEW people AS SELECT userid, passwd, uid + 1000 AS uid, gid, homedir, shell FROM users")
    db.user("ann", "pw", uid=2500)

    async def story() -> None:
        async with db.bench("SQLUserInfo people userid passwd uid gid homedir shell") as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))
            names = ftp.session.modules.accounts
            names.uid_name(ftp.session, 3500)
            end = monotonic() + 5
            while names.uid_name(ftp.session, 3500) == "3500" and monotonic() < end:
                await asyncio.sleep(0.01)
            assert names.uid_name(ftp.session, 3500) == "ann"

    play(story)


def test_a_name_with_wildcards_is_in_no_group_but_its_own(db: Database) -> None:
    db.user("t%", "pw")
    db.do("INSERT INTO groups VALUES ('a', 3001, 'tom'), ('b', 3002, 'x,t%'), ('c', 3003, 't%x')")

    async def story() -> None:
        async with db.bench() as ftp:
            assert await entered(ftp, "t%", "pw") == "230 User t% logged in"
            assert ftp.session.groups == ((2002, "2002"), (3002, "b"))

    play(story)


CUSTOM = """
SQLUserInfo custom:/user/uid
SQLGroupInfo custom:/group/gid/member
SQLNamedQuery user SELECT "userid, passwd, uid, gid, homedir, shell FROM users WHERE userid = '%U'"
SQLNamedQuery uid SELECT "userid, passwd, uid, gid, homedir, shell FROM users WHERE uid = %{0}"
SQLNamedQuery group SELECT "groupname, gid, members FROM groups WHERE groupname = '%{0}'"
SQLNamedQuery gid SELECT "groupname, gid, members FROM groups WHERE gid = %{0}"
SQLNamedQuery member SELECT "groupname, gid, '%{0}' FROM groups WHERE (',' || members || ',') LIKE '%%,%{0},%%'"
SQLUserPrimaryKey custom:/key
SQLNamedQuery key SELECT "id FROM keys WHERE name = '%{0}'"
SQLGroupPrimaryKey custom:/key
"""


def test_queries_of_ones_own_take_the_place_of_tables(db: Database) -> None:
    db.do("INSERT INTO groups VALUES ('staff', 2002, ''), ('ftp', 3001, 'ann,tom')")
    db.do("INSERT INTO keys VALUES ('tom', '17'), ('staff', '18')")

    async def story() -> None:
        async with db.bench(CUSTOM) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))
            assert ftp.session.notes["sql.user-primary-key"] == "17"
            assert ftp.session.notes["sql.group-primary-key"] == "18"
            assert ftp.session.notes["primary-group"] == "staff"

    play(story)


def test_a_query_that_finds_two_users_lets_in_neither(db: Database) -> None:
    async def story() -> None:
        db.user("tim", "pw")
        conf = (
            'SQLUserInfo custom:/user\nSQLNamedQuery user SELECT "userid, passwd, uid, gid, homedir, shell FROM users"'
        )
        async with db.bench(conf) as ftp:
            assert await entered(ftp) == REFUSED

    play(story)


def test_a_database_that_is_away_lets_nobody_in_and_is_asked_again(db: Database) -> None:
    async def story() -> None:
        away = db.path.with_suffix(".away")
        async with db.bench("SQLRetry 0\nSQLHealthCheck 0") as ftp:
            db.path.rename(away)
            assert await entered(ftp) == REFUSED
            assert "down: " in await ftp.control("sql")
            away.rename(db.path)
            # a pause of a second at most lies between two attempts
            assert await entered(ftp) == "230 User tom logged in"
            assert "(default): up" in await ftp.control("sql")

    play(story)


def test_a_file_that_was_renamed_into_place_counts_at_once(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    new = Database(folder)
    new.do("DELETE FROM users")
    new.user("ann", "secret")

    async def story() -> None:
        async with db.bench("MaxLoginAttempts 9") as ftp:
            assert await entered(ftp, "ann") == REFUSED
            new.path.rename(db.path)
            assert await entered(ftp, "tom") == REFUSED
            assert await entered(ftp, "ann") == "230 User ann logged in"

    play(story)
    new.remove()


def test_other_backends_are_asked_when_that_is_wished(db: Database, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"tom:$1$abc$BXBqpb9BZcZhXLgbee.0s/:2001:2002::{db.home}:/bin/sh\n")
    passwd.chmod(0o600)
    base = CONF.replace("mod_sql.c", "mod_sql.c mod_auth_file.c") + f"AuthUserFile {passwd}\nSQLRetry 0\n"

    async def story() -> None:
        db.path.unlink()
        async with db.bench(base=base) as ftp:
            assert await entered(ftp, password="password") == REFUSED
        async with db.bench("SQLOptions NoDisconnectOnError", base=base) as ftp:
            assert await entered(ftp, password="password") == "230 User tom logged in"

    play(story)


def test_engine_and_lookups_can_be_switched_off(db: Database) -> None:
    async def story() -> None:
        for conf in ("SQLEngine off", "SQLEngine log", "SQLAuthenticate off", "SQLAuthenticate groups"):
            async with db.bench(conf) as ftp:
                assert await entered(ftp) == REFUSED
        async with db.bench("SQLEngine auth") as ftp:
            assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_the_last_word_of_an_engine_that_is_off_is_none(db: Database) -> None:
    last = CONF.replace("AuthOrder mod_sql.c", "AuthOrder mod_sql.c* mod_bench.c")

    async def story() -> None:
        for conf, answer in (("SQLEngine off", "230 User ann logged in"), ("SQLEngine on", REFUSED)):
            async with db.bench(conf, base=last, users={"ann": "pw"}) as ftp:
                assert await entered(ftp, "ann", "pw") == answer

    play(story)


@pytest.mark.parametrize(
    ("kind", "stored", "good", "bad"),
    [
        ("Plaintext", "pw", "pw", "px"),
        ("Crypt", "$1$abc$BXBqpb9BZcZhXLgbee.0s/", "password", "passwore"),
        ("OpenSSL", "{md5}X03MO1qnZdYdgyfeuILPmQ==", "password", "x"),
        ("OpenSSL", "{sha1}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password", "x"),
        ("Empty", "", "anything", None),
    ],
)
def test_every_kind_of_password_holds_by_its_own_word(
    db: Database, kind: str, stored: str, good: str, bad: str | None
) -> None:
    db.user("ann", stored)

    async def story() -> None:
        async with db.bench(base=CONF.replace("Plaintext", kind)) as ftp:
            if bad is not None:
                assert await entered(ftp, "ann", bad) == REFUSED
            assert await entered(ftp, "ann", good) == "230 User ann logged in"
        others = {"Plaintext", "Crypt", "OpenSSL", "Empty", "Backend"} - {kind}
        async with db.bench(base=CONF.replace("Plaintext", " ".join(sorted(others)))) as ftp:
            if good != stored:
                assert await entered(ftp, "ann", good) == REFUSED

    play(story)


@pytest.mark.parametrize("stored", ["", None])
def test_no_password_is_no_password(db: Database, stored: str | None) -> None:
    db.user("ann", stored)

    async def story() -> None:
        async with db.bench(base=CONF.replace("Plaintext", "Plaintext Crypt OpenSSL Backend MD5")) as ftp:
            assert await entered(ftp, "ann", "") == REFUSED
            assert await entered(ftp, "ann", "x") == REFUSED

    play(story)


def test_who_has_no_password_costs_a_slow_hash_as_well(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the answer shall not tell who is locked, or not there."""
    db.do("UPDATE users SET passwd = ?", crypt.hash("secret", "$2b$"))
    db.user("ann", None)
    slow: list[str] = []
    verify = crypt.verify
    monkeypatch.setattr(crypt, "verify", lambda password, stored: slow.append(stored) or verify(password, stored))

    async def story() -> None:
        async with db.bench("SQLPasswordEngine on", base=CONF.replace("Plaintext", "Bcrypt")) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            accounts, session = ftp.session.modules.accounts, ftp.session
            counts = []
            for name in ("tom", "ann"):
                slow.clear()
                account = await accounts.getpwnam(session, name)
                await accounts.authenticate(session, account, "wrong")
                counts.append(len(slow))
            assert counts == [1, 1]

    play(story)


def test_listings_show_names_of_the_database(db: Database) -> None:
    db.do("INSERT INTO groups VALUES ('staff', 2002, '')")

    async def story() -> None:
        async with db.bench() as ftp:
            await entered(ftp)
            accounts, session = ftp.session.modules.accounts, ftp.session
            assert accounts.uid_name(session, 2001) == "tom"
            assert accounts.gid_name(session, 2002) == "staff"
            assert accounts.name_gid(session, "staff") == 2002

    play(story)


@pytest.mark.parametrize("line", ["LIST", "MLSD"])
def test_a_name_that_was_asked_for_stands_in_a_later_listing_of_the_same_session(db: Database, line: str) -> None:
    (db.home / "file").write_text("x")
    there = (db.home / "file").stat()
    db.user("ann", "secret", there.st_uid, there.st_gid)
    db.do("INSERT INTO groups VALUES ('staff', ?, '')", there.st_gid)

    async def story() -> None:
        async with db.bench(f"DefaultRoot {db.home}") as ftp:
            await entered(ftp)
            end = monotonic() + 10
            while not {b"ann", b"staff"} <= set(re.split(rb"[ ;=]", text := await ftp.download(line))):
                assert monotonic() < end, text
                await asyncio.sleep(0.02)

    play(story)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SQLNamedQuery q SELECT \"a FROM %u\"", "behind FROM would be a name"),
        ("SQLNamedQuery q UPDATE \"a = 1\"", "needs a table"),
        ("SQLNamedQuery q UPDATE \"a = 1\" t_%u", "cannot hold a variable"),
        ("SQLNamedQuery q MERGE x", "no type of query"),
        ("SQLNamedQuery q SELECT 1 elsewhere", "wants the connection 'elsewhere'"),
        ("SQLNamedConnectInfo logs oracle db", "no backend 'oracle' is loaded"),
        ("SQLUserInfo users userid", "1 words name no table|2 words name no table"),
        ("SQLUserInfo custom:/missing", "no query 'missing' that selects"),
        ("SQLAuthTypes Rot13", "'Rot13' is unknown here"),
        ("SQLUserWhereClause \"a = 'b\"", "never closed"),
        ("SQLShowInfo PASS 99 x", "no code of a reply"),
        ("SQLLog , q", "no command is named"),
        ("SQLKeepAlive 30 \"SELECT '%u'\"", "has no variables"),
        ("SQLKeepAlive 30 \"SELECT 1; SELECT 2\"", r"conf:\d+: SQLKeepAlive: this is more than one statement"),
        ("SQLConnectInfo {db} a b c d", "5 words do not say"),
        ("SQLConnectInfo {db} ssl-cert:/", "needs its key"),
        ("SQLConnectInfo relative.db", "absolute pathname"),
    ],
)  # fmt: skip
def test_what_is_wrong_ends_the_start_with_the_reason(db: Database, line: str, reason: str) -> None:
    directive = line.split()[0]
    base = "\n".join(old for old in CONF.splitlines() if directive != old.partition(" ")[0] or directive == "SQLAuth")

    async def story() -> None:
        if directive != "SQLConnectInfo" and "SQLConnectInfo" not in base:
            raise AssertionError("the database is missing")
        with pytest.raises(ConfigFaults, match=reason) as found:
            async with db.bench(f"\n{line}", base=base):
                pass
        assert directive in str(found.value)

    play(story)


@pytest.mark.parametrize(("port", "doubted"), [("port", True), ("3307", False), ("", False)])
def test_a_port_that_is_no_number_is_doubted_and_the_databases_own_is_used(port: str, doubted: bool) -> None:
    """As in the sample file mod_sql.conf of ProFTPD, which passes there."""
    conf = f"LoadModule mod_sql.c\nLoadModule mod_sql_mysql.c\nSQLConnectInfo ftp@127.0.0.1:{port} proftpd x\n"

    async def story() -> None:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            told = [warning.summary() for warning in ftp.generation.config.warnings]
        assert [text.endswith("SQLConnectInfo: 'port' is no port: the database's own is used") for text in told] == (
            [True] if doubted else []
        )

    play(story)


@pytest.mark.parametrize("info", ["ftp@127.0.0.1:0", "ftp@127.0.0.1:65536", "ftp@127.0.0.1:123456", "@127.0.0.1"])
def test_what_is_no_place_of_a_database_is_refused(info: str) -> None:
    conf = f"LoadModule mod_sql.c\nLoadModule mod_sql_mysql.c\nSQLConnectInfo {info} proftpd x\n"

    async def story() -> None:
        with pytest.raises(ConfigFaults, match="does not say where the database is"):
            async with Bench(conf=conf, login=None):
                pass

    play(story)


def test_all_that_is_wrong_with_queries_is_told_at_once(db: Database) -> None:
    lines = [
        'SQLNamedQuery a SELECT "x FROM %u"',
        'SQLNamedQuery b FREEFORM "SELECT 1; SELECT 2"',
        "SQLNamedConnectInfo other sqlite3 {db}",
        "SQLNamedQuery c SELECT 1 elsewhere",
        'SQLUserWhereClause "a = \'b"',
        "SQLGroupInfo custom:/missing/missing/missing",
    ]

    async def story() -> None:
        with pytest.raises(ConfigFaults) as found:
            async with db.bench("\n".join(lines)):
                pass
        assert [fault.name for fault in found.value.faults] == [
            "SQLNamedQuery", "SQLNamedQuery", "SQLNamedQuery", "SQLUserWhereClause", "SQLGroupInfo",
        ]  # fmt: skip
        assert len({fault.line for fault in found.value.faults}) == 5

    play(story)


def test_a_record_whose_query_records_nothing_is_told_of_with_its_line(db: Database) -> None:
    lines = [
        "SQLNamedQuery note INSERT \"'%u', 'STOR', 0\" log",
        'SQLNamedQuery look SELECT "who FROM log"',
        "SQLLog STOR note",
        "SQLLog STOR look",
        "SQLLog STOR missing",
    ]

    async def story() -> None:
        async with db.bench("\n".join(lines)) as ftp:
            told = {fault.source.strip(): fault.message for fault in ftp.generation.config.warnings}
        assert told == {
            "SQLLog STOR look": "the query 'look' is a SELECT: nothing is recorded",
            "SQLLog STOR missing": "the query 'missing' is not defined: nothing is recorded",
        }

    play(story)


def test_a_query_that_is_defined_twice_is_told_of_and_a_server_s_own_is_not(db: Database) -> None:
    lines = [
        'SQLNamedQuery once SELECT "1 FROM log"',
        'SQLNamedQuery again SELECT "1 FROM log"',
        'SQLNamedQuery again SELECT "2 FROM log"',
        "<Global>",
        'SQLNamedQuery common SELECT "3 FROM log"',
        "</Global>",
        "<VirtualHost 127.0.0.9>",
        f"SQLConnectInfo {db.path}",
        'SQLNamedQuery common SELECT "4 FROM log"',
        'SQLNamedQuery once SELECT "5 FROM log"',
        "</VirtualHost>",
    ]

    async def story() -> None:
        async with db.bench("\n".join(lines)) as ftp:
            told = {fault.source.strip(): fault.message for fault in ftp.generation.config.warnings}
        assert list(told) == ['SQLNamedQuery again SELECT "2 FROM log"']
        assert "a query 'again' is defined at " in told['SQLNamedQuery again SELECT "2 FROM log"']

    play(story)


def test_a_database_that_anybody_can_write_to_makes_nobody(db: Database) -> None:
    db.path.chmod(0o666)

    async def story() -> None:
        async with db.bench("SQLRetry 0") as ftp:
            assert await entered(ftp) == REFUSED
            assert "can be written by everybody" in await ftp.control("sql")

    play(story)


def test_a_slow_statement_is_given_up_and_others_go_on(db: Database) -> None:
    slow = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"

    async def story() -> None:
        conf = f'SQLTimeout 1\nSQLPoolSize 2\nSQLRetry 0\nSQLNamedQuery slow FREEFORM "{slow}"\n'
        conf += "SQLShowInfo NOOP 200 %{slow}"
        async with db.bench(conf) as ftp:
            assert (await ftp("NOOP")).endswith("200 {null}")
            assert await entered(ftp) == "230 User tom logged in"
            assert "1 failed" in await ftp.control("sql")

    play(story)


def test_an_unknown_user_is_asked_for_as_often_as_a_known_one(db: Database) -> None:
    async def story() -> None:
        async with db.bench() as ftp:
            counts = []
            for name in ("tom", "nobody"):
                before = mod_sql.service.stores[0].pool.statements
                assert await entered(ftp, name, "wrong") == REFUSED
                counts.append(mod_sql.service.stores[0].pool.statements - before)
            assert counts[0] == counts[1] > 1

    play(story)


def test_the_file_is_left_as_it_was(db: Database) -> None:
    before = db.path.read_bytes()

    async def story() -> None:
        async with db.bench() as ftp:
            await entered(ftp)

    play(story)
    assert db.path.read_bytes() == before
    assert sqlite3.connect(db.path).close() is None


def test_a_query_that_only_another_server_has_finds_nobody(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A custom query named in <Global>, and defined in the one <VirtualHost> that is used."""
    conf = """SQLUserInfo custom:/by-name
<VirtualHost 127.0.0.2>
  SQLNamedQuery by-name SELECT "userid, passwd, uid, gid, homedir, shell FROM users WHERE userid = '%U'"
</VirtualHost>"""

    async def story() -> None:
        async with db.bench(conf) as ftp:
            assert await entered(ftp) == REFUSED
        assert "SQLUserInfo: the query 'by-name' stands in another server; the main server finds nobody" in caplog.text

    play(story)
