"""mod_sql with real servers, MariaDB and PostgreSQL: users, records, TLS, connections and ratios."""

from __future__ import annotations

import asyncio
import ftplib
import os
import socket
from pathlib import Path
from time import monotonic

import pytest
from server_ground import CIPHER, FILES, LOG, RAW, bench
from sql_ground import entered, play
from sql_servers import Server

from ftpd.conf.faults import ConfigFaults
from ftpd.testing.plugin import StartServer
from libexec import mod_ratio


def test_users_and_groups_come_and_go(server: Server) -> None:
    server.do("INSERT INTO groups VALUES ('staff', 2002, ''), ('ftp', 3001, 'ann,tom'), ('no', 3002, 'tommy')")

    async def story() -> None:
        async with bench(server) as ftp:
            assert await entered(ftp, "eve", "pw") == "530 Login incorrect."
            server.user("eve", "pw")
            assert await entered(ftp, "eve", "pw") == "230 User eve logged in"
        async with bench(server) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))
            server.do("DELETE FROM users WHERE userid = 'eve'")
        async with bench(server) as ftp:
            assert await entered(ftp, "eve", "pw") == "530 Login incorrect."

    play(story)


@pytest.mark.parametrize("quoted", ["'%U'", "%U", "'%{0}'"])
def test_no_name_is_anything_but_a_name(server: Server, quoted: str) -> None:
    async def story() -> None:
        conf = 'SQLUserInfo custom:/get\nSQLNamedQuery get SELECT "userid, passwd, uid, gid, homedir, shell FROM users '
        async with bench(server, f'{conf}WHERE userid = {quoted}"') as ftp:
            for name in [*RAW, "0", "' OR '1'='1", "\udcbf'", "\udcbf' OR 1=1 -- ", "%"]:
                assert await entered(ftp, name) == "530 Login incorrect."
            assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_what_is_recorded_is_what_was_sent(server: Server) -> None:
    async def story() -> None:
        async with bench(server, LOG) as ftp:
            for name in RAW:
                await entered(ftp, name)
            await entered(ftp, "\udcbf'x")
            await entered(ftp)
            await ftp("NOOP \udcff")

    play(story)
    rows = server.do("SELECT who, what, size FROM log")
    assert [row[0] for row in rows] == [*RAW, "\\xbf'x", "tom", "tom"]
    assert rows[-1] == ("tom", "NOOP \\xff", 0)
    assert {row[1] for row in rows[:-1]} == {"PASS (hidden)"}


def test_a_query_that_the_database_refuses_ends_the_session_unless_it_may_fail(server: Server) -> None:
    bad = 'SQLNamedQuery bad FREEFORM "INSERT INTO nowhere VALUES (1)"\nSQLLog NOOP bad'

    async def story() -> None:
        async with bench(server, bad) as ftp:
            await ftp("NOOP")
            assert ftp.wire.closed_for == "SQL error"
        for forgiving in (f"{bad} IGNORE_ERRORS", f"{bad}\nSQLOptions NoDisconnectOnError"):
            async with bench(server, forgiving) as ftp:
                await ftp("NOOP")
                assert ftp.wire.closed_for is None
                assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_tls_is_required_and_the_certificate_checked(server: Server) -> None:
    async def story() -> None:
        for ca, good in ((f"{server.folder}/ca.pem", True), ("/etc/ssl/certs/ca-certificates.crt", False)):
            shown = f'SQLNamedQuery cipher SELECT "{server.cipher}"\nSQLRetry 0\n'
            shown += "SQLShowInfo NOOP 200 \"cipher '%{cipher}'\""
            ftp = bench(server, shown)
            ftp._conf = ftp._conf.replace(server.connect, f"{server.connect} ssl-ca:{ca}")
            async with ftp:
                assert (await entered(ftp) == "230 User tom logged in") is good
                if good:
                    assert "cipher 'TLS_" in await ftp("NOOP")
                else:
                    assert "certificate verify failed" in await ftp.control("sql")

    play(story)


def test_what_lies_in_the_home_of_whoever_started_the_daemon_does_not_matter(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "postgresql.crt").write_text("no certificate")
    monkeypatch.setenv("HOME", str(tmp_path))

    async def story() -> None:
        async with bench(postgres_server, CIPHER % postgres_server.cipher) as ftp:
            assert "cipher TLS_" in await ftp("NOOP")

    play(story)


def test_a_certificate_that_is_not_there_ends_the_start(server: Server) -> None:
    async def story() -> None:
        ftp = bench(server)
        ftp._conf = ftp._conf.replace(server.connect, f"{server.connect} ssl-ca:/not/there.pem")
        with pytest.raises(ConfigFaults, match=r"/not/there\.pem is not there"):
            async with ftp:
                pass

    play(story)


def test_who_went_away_keeps_no_connection_from_others(server: Server, ftpd_server: StartServer) -> None:
    slow = f"('%U' <> 'slow' OR {(server.slow % 20).removeprefix('SELECT ')} IS NULL)"
    conf = f"""SQLBackend {server.backend}
SQLConnectInfo {server.connect.replace("127.0.0.1", "localhost")}
SQLAuthTypes Plaintext
SQLMinID 0
SQLPoolSize 2
SQLTimeout 20
AuthOrder mod_sql.c
SQLNamedQuery get SELECT "userid, passwd, uid, gid, homedir, shell FROM users WHERE userid = '%U' AND {slow}"
SQLUserInfo custom:/get
"""
    server.user("slow", "pw", 2005)
    daemon = ftpd_server(conf, FILES)
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", daemon.port)) as impatient, impatient.makefile("rb") as heard:
            heard.readline()
            impatient.sendall(b"USER slow\r\nPASS pw\r\n")
            heard.readline()
    began = monotonic()
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", daemon.port, timeout=15)
        assert ftp.login("tom", "secret").startswith("230")
    assert monotonic() - began < 10


def test_connections_are_no_more_than_allowed(server: Server) -> None:
    async def story() -> None:
        async with bench(server, "SQLPoolSize 3") as ftp:
            session, accounts = ftp.session, ftp.session.modules.accounts
            await asyncio.gather(*(accounts.getpwnam(session, "tom") for _ in range(100)))
            assert "0 busy, 3 idle, 0 waiting, of 3" in await ftp.control("sql")

    play(story)


def test_ratios_of_the_users_row_decide_what_is_fetched(server: Server) -> None:
    for column in ("fstor", "fretr", "bstor", "bretr", "frate", "fcred", "brate", "bcred"):
        server.do(f"ALTER TABLE users ADD COLUMN {column} BIGINT DEFAULT 0")

    async def story() -> None:
        server.do("UPDATE users SET brate = 2, bcred = 1")
        conf = "SQLRatioStats on\nSQLRatios on\nRatios on\nAllowOverwrite on"
        async with bench(server, conf, [mod_ratio.module]) as ftp:
            await entered(ftp)
            await ftp("TYPE I")
            assert "226-Transfer complete" in await ftp.upload("STOR a", bytes(3000))
            # 2 * 3000 bytes and one KB
            for _ in range(2):
                assert len(await ftp.download("RETR a")) == 3000
            assert (await ftp("RETR a")).endswith("550 a: BYTE RATIO: 1:2B  Down: 0mb  Up: only 0mb!")
            assert [tuple(map(int, row)) for row in server.do("SELECT fstor, fretr, bstor, bretr FROM users")] == [
                (1, 2, 3000, 6000)
            ]
            server.do("UPDATE users SET bcred = 3")
            assert len(await ftp.download("RETR a")) == 3000

    os.chmod(server.home.name, 0o777)
    try:
        play(story)
    finally:
        for column in ("fstor", "fretr", "bstor", "bretr", "frate", "fcred", "brate", "bcred"):
            server.do(f"ALTER TABLE users DROP COLUMN {column}")
