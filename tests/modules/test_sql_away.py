"""A server of a database that is away, slow, silent or back again: who is let in, who waits, and what waits for it."""

from __future__ import annotations

import asyncio
import ftplib
import os
import socket
from pathlib import Path
from time import monotonic, sleep

import pytest
from server_ground import FILES, LOG, MODULES, RAW, bench
from sql_ground import entered, play
from sql_servers import Server

from ftpd.testing import Bench
from ftpd.testing.plugin import StartServer
from libexec import mod_sql


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
    daemon = ftpd_server(lines, FILES)

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
