"""A hosting provider's configuration, as many have it from tutorials for ProFTPD: copied, it works."""

from __future__ import annotations

from pathlib import Path

from sql_ground import entered, play
from sql_servers import Server

from ftpd.testing import Bench
from libexec import mod_sql, mod_sql_mysql, mod_sql_passwd

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
