"""What is MySQL's and MariaDB's alone: the socket of a server on this machine, TLS where it wants it, its passwords."""

from __future__ import annotations

import pytest
from mysql8 import MySQL8
from server_ground import CIPHER, LOG, bench
from sql_ground import entered, play
from sql_servers import MariaDB, Server

from ftpd.sql import mysqlways
from ftpd.testing import Bench


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
