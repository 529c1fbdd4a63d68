"""mod_sql over SQLite: who is let in, as whom, and what happens when the database says no."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sql_ground import CONF, Database, entered, play

from ftpd.core import crypt
from libexec import mod_sql

REFUSED = "530 Login incorrect."


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
