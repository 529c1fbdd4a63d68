"""A hosting provider's configuration, as many have it from tutorials for ProFTPD: copied, it works."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from sql_ground import entered, play
from sql_servers import Server

from ftpd.api import crypt
from ftpd.testing import Bench
from libexec import mod_sql, mod_sql_mysql, mod_sql_passwd, mod_sql_postgres

TABLES = """
CREATE TABLE ftpuser (id int unsigned NOT NULL auto_increment, userid varchar(32) NOT NULL default '',
  passwd varchar(64) NOT NULL default '', uid smallint NOT NULL default 5500, gid smallint NOT NULL default 5500,
  homedir varchar(255) NOT NULL default '', shell varchar(16) NOT NULL default '/sbin/nologin',
  count int NOT NULL default 0, accessed datetime, modified datetime, PRIMARY KEY (id), UNIQUE KEY userid (userid));
CREATE TABLE ftpgroup (groupname varchar(16) NOT NULL default '', gid smallint NOT NULL default 5500,
  members varchar(16) NOT NULL default '', KEY groupname (groupname));
CREATE TABLE xfer_stat (userid text, file text, size bigint(20), host text, address text, command text,
  timespent text, time text, success varchar(20));
INSERT INTO ftpgroup VALUES ('ftpgroup', 2001, 'ftpuser')
"""
CONF = """
DefaultRoot            ~
DelayEngine            off
<IfModule mod_sql.c>
SQLBackend             mysql
SQLEngine              on
SQLAuthenticate        on
SQLAuthTypes           Crypt Plaintext
SQLConnectInfo         {connect}
SQLUserInfo            ftpuser userid passwd uid gid homedir shell
SQLGroupInfo           ftpgroup groupname gid members
SQLMinID               500
SQLNegativeCache       on
RequireValidShell      off
AuthOrder              mod_sql.c

SQLLog                 PASS updatecount
SQLNamedQuery          updatecount UPDATE "count=count+1, accessed=now() WHERE userid='%u'" ftpuser
SQLLog                 STOR,DELE modified
SQLNamedQuery          modified UPDATE "modified=now() WHERE userid='%u'" ftpuser
SQLLog                 RETR,STOR transfer1
SQLNamedQuery          transfer1 INSERT "'%u', '%f', '%b', '%h', '%a', '%m', '%T', now(), 'c'" xfer_stat
SQLLog                 ERR_RETR,ERR_STOR transfer2
SQLNamedQuery          transfer2 FREEFORM "INSERT INTO xfer_stat (userid, file, size, success) VALUES ('%u', '%f', %b, 'i')"
SQLNamedQuery          get-quota-limit SELECT "name, bytes_in_avail FROM ftpquotalimits WHERE name = '%{{0}}' AND quota_type = '%{{1}}'"
SQLNamedQuery          update-quota-tally UPDATE "bytes_in_used = bytes_in_used + %{{0}} WHERE name = '%{{6}}'" ftpquotatallies
SQLNamedQuery          insert-quota-tally INSERT "%{{0}}, %{{1}}, %{{2}}, %{{3}}" ftpquotatallies
</IfModule>
"""  # noqa: E501 - as it is found


def test_it_works(mariadb_server: Server) -> None:
    mariadb_server.fresh()
    Path(mariadb_server.home.name).chmod(0o777)
    for text in TABLES.split(";\n"):
        mariadb_server.do(text)
    mariadb_server.do(
        "INSERT INTO ftpuser (userid, passwd, uid, gid, homedir) VALUES ('web1', ENCRYPT('secret'), 2001, 2001, %s)",
        mariadb_server.home.name,
    )

    async def story() -> None:
        conf = CONF.format(connect=mariadb_server.connect)
        modules = (mod_sql.module, mod_sql_mysql.module, mod_sql_passwd.module)
        async with Bench(*modules, conf=conf, users={}, login=None) as ftp:
            assert await entered(ftp, "web1", "wrong") == "530 Login incorrect."
            assert await entered(ftp, "web1", "secret") == "230 User web1 logged in"
            assert ftp.session.groups == ((2001, "ftpgroup"),)
            assert "226" in await ftp.upload("STOR it's", b"12345")
            await ftp("RETR nothing")
            assert ftp.wire.closed_for is None

    try:
        play(story)
        assert mariadb_server.do("SELECT userid, count, modified IS NOT NULL FROM ftpuser") == [("web1", 1, 1)]
        rows = mariadb_server.do("SELECT userid, file, size, command, success FROM xfer_stat")
        home = mariadb_server.home.name
        assert rows == [("web1", f"{home}/it's", 5, "STOR", "c"), ("web1", f"{home}/nothing", 0, None, "i")]
    finally:
        mariadb_server.do("DROP TABLE ftpuser, ftpgroup, xfer_stat")
        Path(mariadb_server.home.name).chmod(0o755)


async def _day(ftp: Bench, user: str) -> None:
    """What a customer does: mistyped, in, up, down, not there, away; nothing of it ends the session."""
    assert await entered(ftp, user, "wrong") == "530 Login incorrect."
    assert (await entered(ftp, user)).startswith("230 ")
    assert "226" in await ftp.upload("STOR page.html", b"12345")
    await ftp.download("RETR page.html")
    await ftp("RETR nothing")
    await ftp("DELE page.html")
    assert await ftp("NOOP") == "200 NOOP command successful"
    assert ftp.wire.closed_for is None


def _tables(server: Server, *texts: str) -> None:
    server.fresh()
    Path(server.home.name).chmod(0o777)
    for text in texts:
        server.do(text)


def test_a_galaxy_of_accounts(postgres_server: Server) -> None:
    """A web application's own table: the salt is a part of the password, the home is made out of the name."""
    salt = "A1B2C3D4E5F6G7H8"
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"secret", salt.encode(), 10000, 24)).decode()
    _tables(
        postgres_server,
        "DROP TABLE IF EXISTS members",
        "CREATE TABLE members (email VARCHAR(255), password VARCHAR(255))",
        f"INSERT INTO members VALUES ('tom@x.org', 'PBKDF2$sha256$10000${salt}${key}')",
    )
    conf = f"""
DefaultRoot ~
CreateHome on dirmode 700
DelayEngine off
AuthOrder mod_sql.c
SQLEngine on
SQLPasswordEngine on
SQLBackend postgres
SQLConnectInfo {postgres_server.connect}
SQLAuthenticate users
SQLAuthTypes PBKDF2
SQLPasswordPBKDF2 SHA256 10000 24
SQLPasswordEncoding base64
SQLPasswordUserSalt sql:/salt-of
SQLUserInfo custom:/account-of
SQLNamedQuery account-of SELECT "email, (CASE WHEN substring(password from 1 for 6) = 'PBKDF2' THEN substring(password from 38 for 69) ELSE password END) AS hash, 2999, 2999, '{postgres_server.home.name}/%U', '/bin/bash' FROM members WHERE email = '%U'"
SQLNamedQuery salt-of SELECT "(CASE WHEN substring(password from 1 for 6) = 'PBKDF2' THEN substring(password from 21 for 16) END) AS salt FROM members WHERE email='%U'"
"""  # noqa: E501 - as such lines are

    async def story() -> None:
        modules = (mod_sql.module, mod_sql_postgres.module, mod_sql_passwd.module)
        async with Bench(*modules, conf=conf, users={}, login=None) as ftp:
            await _day(ftp, "tom@x.org")
            assert ftp.session.account is not None
            assert ftp.session.account.home == f"{postgres_server.home.name}/tom@x.org"

    play(story)


def test_a_panel_with_few_columns(postgres_server: Server) -> None:
    _tables(
        postgres_server,
        "DROP TABLE IF EXISTS accounts",
        "CREATE TABLE accounts (username TEXT, password TEXT, home_directory TEXT, is_active INTEGER)",
        f"INSERT INTO accounts VALUES ('tom', '{crypt.hash('secret', '$6$')}', '{postgres_server.home.name}', 1),"
        f" ('eve', '{crypt.hash('secret', '$6$')}', '{postgres_server.home.name}', 0)",
    )
    conf = f"""
DefaultRoot ~
DelayEngine off
RequireValidShell off
AuthOrder mod_sql.c
SQLBackend postgres
SQLAuthTypes Crypt
SQLAuthenticate users
SQLDefaultUID 33
SQLDefaultGID 33
SQLMinUserUID 30
SQLConnectInfo {postgres_server.connect}
SQLUserInfo accounts username password NULL NULL home_directory NULL
SQLUserWhereClause "is_active=1"
"""

    async def story() -> None:
        async with Bench(mod_sql.module, mod_sql_postgres.module, conf=conf, users={}, login=None) as ftp:
            assert await entered(ftp, "eve") == "530 Login incorrect."
            await _day(ftp, "tom")
            assert ftp.session.account is not None and ftp.session.account.uid == 33

    play(story)


def test_all_is_in_stored_procedures(mariadb_server: Server) -> None:
    home = mariadb_server.home.name
    _tables(
        mariadb_server,
        "DROP TABLE IF EXISTS seen",
        "CREATE TABLE seen (who TEXT, what TEXT)",
        "DROP PROCEDURE IF EXISTS note",
        "CREATE PROCEDURE note(a TEXT, b TEXT) BEGIN INSERT INTO seen VALUES (a, b); END",
        "DROP PROCEDURE IF EXISTS account",
        "CREATE PROCEDURE account(a VARCHAR(99)) BEGIN"
        f" SELECT userid, passwd, uid, gid, '{home}', '/bin/false' FROM users WHERE userid = a; END",
    )
    mariadb_server.do("UPDATE users SET passwd = %s", crypt.hash("secret", "$2b$"))
    conf = f"""
DelayEngine off
<Global>
  RequireValidShell off
  DefaultRoot ~
  SQLBackend mysql
  SQLAuthTypes bcrypt
  SQLPasswordEngine on
  AuthOrder mod_sql.c
  SQLConnectInfo {mariadb_server.connect}
  SQLAuthenticate users
  SQLUserInfo custom:/get-user
  SQLLog PASS,DELE,RETR,STOR note
  SQLNamedQuery note FREEFORM "CALL note('%U', '%r')"
  SQLNamedQuery get-user FREEFORM "CALL account('%U')"
</Global>
"""

    async def story() -> None:
        modules = (mod_sql.module, mod_sql_mysql.module, mod_sql_passwd.module)
        async with Bench(*modules, conf=conf, users={}, login=None) as ftp:
            await _day(ftp, "tom")

    play(story)
    assert mariadb_server.do("SELECT what FROM seen") == [
        ("PASS (hidden)",), ("STOR page.html",), ("RETR page.html",), ("DELE page.html",),
    ]  # fmt: skip


def test_counters_and_transfers_that_failed(mariadb_server: Server) -> None:
    """%b and %T stand in columns of numbers, also for what moved nothing; a salt is the name."""
    key = hashlib.pbkdf2_hmac("sha1", b"secret", b"tom", 5000, 20).hex()
    _tables(
        mariadb_server,
        "DROP TABLE IF EXISTS xfers",
        "CREATE TABLE xfers (who TEXT, size BIGINT, seconds DECIMAL(9, 3), ok CHAR(1))",
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (userid VARCHAR(30), passwd VARCHAR(200), uid INT, gid INT, homedir TEXT, shell TEXT,"
        " disabled INT DEFAULT 0, logins INT DEFAULT 0, moved BIGINT DEFAULT 0, left_at DATETIME)",
    )
    mariadb_server.do(
        "INSERT INTO people (userid, passwd, uid, gid, homedir) VALUES ('tom', %s, 2001, 2001, %s)",
        key, mariadb_server.home.name,
    )  # fmt: skip
    conf = f"""
DelayEngine off
DefaultRoot ~
RequireValidShell off
AuthOrder mod_sql.c
SQLBackend mysql
SQLPasswordEngine on
SQLAuthTypes pbkdf2
SQLPasswordPBKDF2 sha1 5000 20
SQLPasswordUserSalt name Prepend
SQLConnectInfo {mariadb_server.connect}
SQLUserInfo people userid passwd uid gid homedir shell
SQLUserWhereClause "disabled != 1 and (NOW() <= left_at or left_at is null)"
SQLLog PASS logins
SQLNamedQuery logins UPDATE "logins=logins+1 WHERE userid='%u'" people
SQLLog RETR,STOR,DELE,NOOP moved
SQLNamedQuery moved UPDATE "moved=moved+%b WHERE userid='%u' LIMIT 1" people
SQLLog RETR,STOR good
SQLNamedQuery good INSERT "'%u', '%b', '%T', 'c'" xfers
SQLLOG ERR_RETR,ERR_STOR bad
SQLNamedQuery bad INSERT "'%u', '%b', '%T', 'i'" xfers
SQLNamedQuery count SELECT "logins from people where userid='%u'"
SQLShowInfo PASS "230" "You've logged on %{{count}} times"
"""

    async def story() -> None:
        modules = (mod_sql.module, mod_sql_mysql.module, mod_sql_passwd.module)
        async with Bench(*modules, conf=conf, users={}, login=None) as ftp:
            await _day(ftp, "tom")

    play(story)
    assert mariadb_server.do("SELECT logins, moved FROM people") == [(1, 15)]
    assert [(size, ok) for size, ok in mariadb_server.do("SELECT size, ok FROM xfers")] == [
        (5, "c"),
        (5, "c"),
        (0, "i"),
    ]
