"""mod_sql with real servers: MariaDB and PostgreSQL, there, away, slow and back again."""

from __future__ import annotations

import asyncio
import ftplib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

import pytest
from mysql8 import MySQL8
from sql_ground import entered, play
from sql_servers import MariaDB, Server

from ftpd.api import Module
from ftpd.conf.faults import ConfigFaults
from ftpd.sql import mysqlways
from ftpd.testing import Bench
from ftpd.testing.plugin import StartServer
from libexec import mod_ratio, mod_sql, mod_sql_mysql, mod_sql_passwd, mod_sql_postgres

LIBEXEC = Path(__file__).parents[2] / "libexec"
MODULES = (mod_sql.module, mod_sql_mysql.module, mod_sql_postgres.module, mod_sql_passwd.module)
LOG = """
SQLLog PASS,ERR_PASS,STOR,ERR_RETR,MKD,ERR_MKD,NOOP record
SQLNamedQuery record INSERT "'%U', '%m %J', %b" log
"""
RAW = ["it's", "'x'", "a\\", "\\'; DROP TABLE log; --", "%s %u %%", "?", "$1", "ünï\u4e2d😀", '"q"', "a\tb", "{0}", "`"]
CIPHER = 'SQLNamedQuery cipher SELECT "%s"\nSQLShowInfo NOOP 200 "cipher %%{cipher}"'


def bench(server: Server, conf: str = "", modules: Sequence[Module] = ()) -> Bench:
    lines = f"""
SQLBackend {server.backend}
SQLConnectInfo {server.connect}
SQLAuthTypes Plaintext
SQLMinID 0
DelayEngine off
AuthOrder mod_sql.c
RequireValidShell off
{conf}"""
    return Bench(*MODULES, *modules, conf=lines, users={}, login=None)


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


@pytest.mark.parametrize("gently", [True, False])
def test_a_server_that_was_restarted_is_not_noticed(server: Server, gently: bool) -> None:
    async def story() -> None:
        async with bench(server) as ftp:
            assert await entered(ftp, "tom", "x") == "530 Login incorrect."
            server.stop(gently=gently)
            server.start()
            assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_a_server_that_is_away_lets_nobody_in_and_holds_nobody_up(server: Server) -> None:
    async def story() -> None:
        async with bench(server, "SQLRetry 0\nSQLTimeout 3") as ftp:
            server.stop()
            began = monotonic()
            assert await entered(ftp) == "530 Login incorrect."
            assert monotonic() - began < 3
            assert "down: " in await ftp.control("sql")
            server.start()
            assert await entered(ftp) == "230 User tom logged in"

    play(story)


def test_a_login_waits_for_a_server_that_is_coming_back(server: Server) -> None:
    async def story() -> None:
        async with bench(server, "SQLRetry 20 1\nSQLTimeout 20") as ftp:
            server.stop()
            login = asyncio.create_task(entered(ftp))
            await asyncio.sleep(0.1)
            assert not login.done()
            await asyncio.get_running_loop().run_in_executor(None, server.start)
            assert await login == "230 User tom logged in"

    play(story)


def test_a_slow_query_holds_only_who_waits_for_it(server: Server) -> None:
    slow = f'SQLNamedQuery slow FREEFORM "{server.slow % 30}"\nSQLShowInfo NOOP 200 "%{{slow}}"\n'
    slow += "SQLTimeout 2\nSQLPoolSize 2"

    async def story() -> None:
        async with bench(server, slow) as ftp:
            waiting = asyncio.create_task(ftp("NOOP"))
            await asyncio.sleep(0.2)
            session, accounts = ftp.session, ftp.session.modules.accounts
            began = monotonic()
            for _ in range(20):
                assert (await accounts.getpwnam(session, "tom")) is not None
            assert monotonic() - began < 1
            assert "1 busy" in await ftp.control("sql")
            assert (await waiting).endswith("200 {null}")
            assert await entered(ftp) == "230 User tom logged in"

    play(story)


@pytest.mark.parametrize("keeps", [True, False])
def test_rows_wait_for_a_server_that_is_away(server: Server, tmp_path: Path, keeps: bool) -> None:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    conf = LOG + "SQLRetry 0 0\nSQLTimeout 3\nSQLEngine on\n" + (f"SQLSpool {spool}\n" if keeps else "")

    async def story() -> None:
        async with bench(server, conf) as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            server.stop()
            for name in RAW[:5]:
                assert (await ftp(f"NOOP {name}")).startswith("200 ")
            assert ftp.wire.closed_for is None
            assert "5 rows wait" in await ftp.control("sql")
            if not keeps:
                await asyncio.get_running_loop().run_in_executor(None, server.start)
                await mod_sql.service.tend()
                assert "0 rows wait" in await ftp.control("sql")
        if keeps:
            # another daemon finds them where this one left them
            assert len(next(iter(spool.iterdir())).read_bytes().splitlines()) == 5
            server.start()
            async with bench(server, conf) as ftp:
                assert "5 rows wait" in await ftp.control("sql")
                await mod_sql.service.tend()
                assert "0 rows wait" in await ftp.control("sql")
            assert next(iter(spool.iterdir())).read_bytes() == b""

    play(story)
    rows = server.do("SELECT what FROM log")
    assert [row[0] for row in rows] == ["PASS (hidden)", *(f"NOOP {name}" for name in RAW[:5])]


def test_when_no_more_rows_can_wait_the_policy_holds(server: Server) -> None:
    async def story() -> None:
        async with bench(server, LOG + "SQLRetry 0 0\nSQLSpool none 1") as ftp:
            server.stop()
            await ftp("NOOP")
            assert ftp.wire.closed_for is None
            await ftp("NOOP")
            assert ftp.wire.closed_for == "SQL error"
            assert "1 rows wait, 1 found no place" in await ftp.control("sql")

    play(story)


def test_who_needs_the_database_at_the_door_is_told_to_come_back(server: Server) -> None:
    async def story() -> None:
        conf = f"SQLConnectInfo {server.connect} " + ('"" ' if server.backend == "postgres" else "") + "PERCONNECTION"
        ftp = bench(server, "SQLRetry 0")
        ftp._conf = ftp._conf.replace(f"SQLConnectInfo {server.connect}", conf)
        server.stop()
        try:
            assert (await ftp.open()).startswith("421 ")
        finally:
            await ftp.close()

    play(story)


@pytest.mark.parametrize("backend", ["mysql", "postgres"])
def test_a_server_that_says_nothing_costs_no_more_than_the_timeout(backend: str) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            conf = f"""SQLBackend {backend}
SQLConnectInfo ftp@127.0.0.1:{silent.getsockname()[1]} a b
SQLAuthTypes Plaintext
SQLTimeout 1
SQLRetry 5 0
DelayEngine off
AuthOrder mod_sql.c
"""
            async with Bench(*MODULES, conf=conf, users={}, login=None) as ftp:
                began = monotonic()
                assert await entered(ftp) == "530 Login incorrect."
                assert monotonic() - began < 2
                assert "down: no connection was made" in await ftp.control("sql")

    play(story)


def test_a_server_that_falls_silent_costs_no_more_than_the_timeout(server: Server) -> None:
    async def story() -> None:
        async with bench(server, "SQLTimeout 1\nSQLRetry 5 0") as ftp:
            assert await entered(ftp, "tom", "wrong") == "530 Login incorrect."
            server.freeze()
            try:
                began = monotonic()
                assert await entered(ftp) == "530 Login incorrect."
                assert monotonic() - began < 2
            finally:
                server.thaw()
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


def test_localhost_is_the_socket_whatever_the_port_says_of_its_default(
    mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    mariadb_server.fresh()
    monkeypatch.setattr(mysqlways, "_SOCKETS", (f"{mariadb_server.folder}/socket",))
    network = f"127.0.0.1:{mariadb_server.port}"

    async def story() -> None:
        for place, there in (("localhost", True), ("localhost:3306", True), ("localhost:1", False)):
            ftp = bench(mariadb_server, "SQLRetry 0")
            ftp._conf = ftp._conf.replace(network, place)
            async with ftp:
                assert (await entered(ftp) == "230 User tom logged in") is there

    play(story)


@pytest.mark.parametrize("password", ["wörd", "\u20ac 中", "a\\b"])
def test_the_daemon_s_own_password_may_hold_any_letter(
    mariadb_server: Server, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    mariadb_server.fresh()
    mariadb_server.do("CREATE USER 'odd'@'%%' IDENTIFIED BY %s", password)
    mariadb_server.do("GRANT ALL ON ftp.* TO 'odd'@'%%'")
    written = password.replace("\\", "\\\\")
    monkeypatch.setattr(MariaDB, "connect", f'ftp@127.0.0.1:{mariadb_server.port} odd "{written}"')

    async def story() -> None:
        async with bench(mariadb_server) as ftp:
            assert await entered(ftp) == "230 User tom logged in"

    try:
        play(story)
    finally:
        mariadb_server.do("DROP USER 'odd'@'%%'")


def test_an_account_that_requires_tls_has_it_without_being_asked(
    mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    mariadb_server.do("ALTER USER 'ftpd'@'%%' REQUIRE SSL")
    try:

        async def story(starts: str) -> None:
            async with bench(mariadb_server, CIPHER % mariadb_server.cipher) as ftp:
                assert f"cipher {starts}" in await ftp("NOOP")

        play(lambda: story("TLS_"))
        mariadb_server.do("ALTER USER 'ftpd'@'%%' REQUIRE NONE")
        monkeypatch.setattr(mysqlways, "_is_here", lambda host: False)
        play(lambda: story("TLS_"))
    finally:
        mariadb_server.do("ALTER USER 'ftpd'@'%%' REQUIRE NONE")


def test_a_mysql_without_tls_is_one_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(MariaDB):
        def command(self) -> list[str]:
            return [*(word for word in super().command() if not word.startswith("--ssl")), "--skip-ssl"]

    server = Plain()
    try:
        server.fresh()

        async def story() -> None:
            for here in (True, False):
                monkeypatch.setattr(mysqlways, "_is_here", lambda host, here=here: here)
                async with bench(server) as ftp:
                    assert await entered(ftp) == "230 User tom logged in"
            # but not where it was asked for
            ftp = bench(server, "SQLRetry 0")
            ftp._conf = ftp._conf.replace(server.connect, f"{server.connect} ssl-ca:{server.folder}/ca.pem")
            async with ftp:
                assert await entered(ftp) == "530 Login incorrect."

        play(story)
    finally:
        server.remove()


def test_a_mysql_8_lets_in_by_its_own_kind_of_password(
    mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    mariadb_server.fresh()
    assert isinstance(mariadb_server, MariaDB)

    async def story() -> None:
        for here in (True, False):
            door = MySQL8(mariadb_server, "db secret")
            try:
                monkeypatch.setattr(mysqlways, "_is_here", lambda host, here=here: here)
                lines = f'SQLConnectInfo ftp@127.0.0.1:{door.port} ftpd "db secret"'

                def through(line: str, conf: str = LOG) -> Bench:
                    ftp = bench(mariadb_server, conf)
                    ftp._conf = ftp._conf.replace(f"SQLConnectInfo {mariadb_server.connect}", line)
                    return ftp

                async with through(lines) as ftp:
                    # it has not seen the password since it was started, so it wants to have it, by TLS
                    assert await entered(ftp) == "230 User tom logged in"
                    assert await ftp("NOOP") == "200 NOOP command successful"
                door.remembers = True
                async with through(lines) as ftp:
                    assert await entered(ftp) == "230 User tom logged in"
                ways = ["full without TLS", "full over TLS"] if here else ["full over TLS"]
                assert door.ways[: len(ways)] == ways and set(door.ways[len(ways) :]) <= {"fast"}
                # whoever does not know the password is not helped by any of that
                for door.remembers in (True, False):
                    async with through(lines.replace("db secret", "secret"), "SQLRetry 0") as ftp:
                        assert await entered(ftp) == "530 Login incorrect."
                assert "password by key" not in door.ways
            finally:
                door.close()

    play(story)


def test_a_certificate_that_is_not_there_ends_the_start(server: Server) -> None:
    async def story() -> None:
        ftp = bench(server)
        ftp._conf = ftp._conf.replace(server.connect, f"{server.connect} ssl-ca:/not/there.pem")
        with pytest.raises(ConfigFaults, match=r"/not/there\.pem is not there"):
            async with ftp:
                pass

    play(story)


def test_a_statement_that_was_given_up_does_not_go_on_in_the_server(server: Server) -> None:
    async def story() -> None:
        conf = f'SQLNamedQuery slow FREEFORM "{server.slow % 30}"\nSQLShowInfo NOOP 200 "%{{slow}}"\nSQLTimeout 1'
        async with bench(server, conf) as ftp:
            assert (await ftp("NOOP")).endswith("200 {null}")
            end = monotonic() + 5
            while server.do(server.running)[0][0]:
                assert monotonic() < end
                await asyncio.sleep(0.05)

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
    modules = [LIBEXEC / f"mod_sql{name}.py" for name in ("", "_mysql", "_postgres")]
    daemon = ftpd_server(conf, modules)
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


def test_mysqls_own_hashes_are_for_the_word_backend(mariadb_server: Server) -> None:
    mariadb_server.fresh()
    mariadb_server.do("INSERT INTO users SELECT 'ann', PASSWORD('pw'), 2001, 2002, homedir, shell FROM users LIMIT 1")

    async def story() -> None:
        ftp = bench(mariadb_server)
        ftp._conf = ftp._conf.replace("Plaintext", "Backend")
        async with ftp:
            assert await entered(ftp, "ann", "px") == "530 Login incorrect."
            assert await entered(ftp, "ann", "pw") == "230 User ann logged in"

    play(story)


def test_a_daemon_outlives_its_database(server: Server, ftpd_server: StartServer) -> None:
    server.user("ann", "pw", os.geteuid() or 65534, os.getegid() or 65534)

    lines = f"""AuthOrder mod_sql.c
SQLBackend {server.backend}
SQLConnectInfo {server.connect}
SQLAuthTypes Plaintext
SQLMinID 0
SQLRetry 0
SQLNamedQuery record INSERT "'%u', '%m', 1" log
SQLLog PASS,NOOP record
"""
    daemon = ftpd_server(lines, [LIBEXEC / f"mod_sql{name}.py" for name in ("", "_mysql", "_postgres")])

    def login() -> ftplib.FTP:
        ftp = ftplib.FTP()
        ftp.connect("127.0.0.1", daemon.port, timeout=15)
        try:
            ftp.login("ann", "pw")
        except ftplib.error_perm:
            ftp.close()
            raise
        return ftp

    with login() as ftp:
        server.stop()
        # who is in stays in; nobody else comes in
        assert ftp.sendcmd("NOOP").startswith("200 ")
        with pytest.raises(ftplib.error_perm, match="530"):
            login()
        server.start()
        end = monotonic() + 15
        while len(server.do("SELECT 1 FROM log")) < 2:
            assert monotonic() < end, daemon.log.read_text()
            sleep(0.05)
        with login():
            assert ftp.sendcmd("NOOP").startswith("200 ")
    text = daemon.log.read_text()
    assert "cannot be reached" in text and "can be reached again" in text and "1 spooled rows were written" in text
    assert "Traceback" not in text
    assert [row[0] for row in server.do("SELECT what FROM log")] == ["PASS", "NOOP", "PASS", "NOOP"]


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
