"""pyftpdlib's handlers on asyncio's and uvloop's loops, as they are on its own."""

from __future__ import annotations

import asyncio
import ftplib
import io
import logging
import socket
import struct
import time
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import Acceptor, AsyncChat
from pyftpdlib.servers import FTPServer
from transfer_ground import drain, loops, run, until

from ftpd.core import watchdog
from ftpd.transfer.channel import Ground
from ftpd.transfer.ioloop import AsyncioLoop


class Echo(AsyncChat):
    """Sends back what it gets; some words go wrong."""

    def handle_read(self) -> None:
        data = self.recv(100)
        if data == b"fail":
            raise ZeroDivisionError
        if data == b"fail twice":
            self.failing = True
            raise ZeroDivisionError
        if data == b"sleep":
            time.sleep(watchdog.LIMIT * 1.2)
        if data != b"no answer, please":
            self.push(data)

    def handle_close(self) -> None:
        self.close()

    def handle_error(self) -> None:
        if hasattr(self, "failing"):
            raise RuntimeError("the handler of errors has one")
        self.push(b"sorry")
        self.close_when_done()


class Server(Acceptor):
    def __init__(self, ioloop: object) -> None:
        super().__init__(ioloop=ioloop)
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.bind(("127.0.0.1", 0))
        self.listen(5)
        self.port = self.socket.getsockname()[1]

    def handle_accepted(self, sock: socket.socket, addr: object) -> None:
        Echo(sock, ioloop=self.ioloop)


async def client_of(server: Server) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
    return client


@loops
@pytest.mark.parametrize("which", ["control", "data"])
def test_handlers_are_served_and_one_that_fails_hurts_no_other(
    loop: str, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(ground: Ground) -> None:
        aio = asyncio.get_running_loop()
        host = ground.ioloop.host
        server = Server(host if which == "control" else host.data)
        good = await client_of(server)
        for words, answer in [(b"fail", b"sorry"), (b"fail twice", b"")]:
            bad = await client_of(server)
            await aio.sock_sendall(bad, words)
            assert await drain(bad) == answer
        assert "failed while it dealt with a failure" in caplog.text
        await aio.sock_sendall(good, b"hello")
        assert await aio.sock_recv(good, 100) == b"hello"
        good.close()
        await until(lambda: len(server.ioloop.socket_map) == 1)
        server.close()

    run(loop, story)


@loops
@pytest.mark.parametrize("which", ["control", "data"])
def test_a_reset_that_comes_with_the_last_words_is_noticed(loop: str, which: str) -> None:
    async def story(ground: Ground) -> None:
        host = ground.ioloop.host
        server = Server(host if which == "control" else host.data)
        client = await client_of(server)
        await until(lambda: len(server.ioloop.socket_map) == 2)
        # nothing is awaited in between, so that the loop finds both at once
        client.send(b"no answer, please")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await until(lambda: len(server.ioloop.socket_map) == 1)
        server.close()

    run(loop, story)


@loops
@pytest.mark.parametrize("which", ["control", "data"])
def test_who_holds_the_loop_is_named(loop: str, which: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story(ground: Ground) -> None:
        aio = asyncio.get_running_loop()
        host = ground.ioloop.host
        server = Server(host if which == "control" else host.data)
        before = watchdog.slow_steps()
        client = await client_of(server)
        await aio.sock_sendall(client, b"hello")
        assert await aio.sock_recv(client, 100) == b"hello"
        assert watchdog.slow_steps() == before
        await aio.sock_sendall(client, b"sleep")
        assert await aio.sock_recv(client, 100) == b"sleep"
        await until(lambda: watchdog.slow_steps() == before + 1)
        assert "Echo.handle_read_event held the loop for" in caplog.text
        client.close()
        await until(lambda: len(server.ioloop.socket_map) == 1)
        server.close()

    run(loop, story)


@loops
def test_timers_run_again_later_or_never(loop: str) -> None:
    async def story(ground: Ground) -> None:
        rang: list[str] = []
        for ioloop in (ground.ioloop, ground.ioloop.host):
            rang.clear()
            ioloop.call_later(0, rang.append, "once")
            never = ioloop.call_later(0, rang.append, "never")
            never.cancel()
            never.cancel()
            put_off = ioloop.call_later(60, rang.append, "put off")
            put_off.reset()
            every = ioloop.call_every(0.001, rang.append, "again")
            await until(lambda: rang.count("again") > 3)
            every.cancel()
            assert every.cancelled
            put_off.cancel()
            assert rang.count("once") == 1
            assert set(rang) == {"once", "again"}

    run(loop, story)


@loops
def test_a_timer_that_fails_tells_its_errback_or_the_log(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def story(ground: Ground) -> None:
        told: list[str] = []
        every = ground.ioloop.call_every(0, fail, _errback=lambda: told.append("errback"))
        await until(lambda: every.cancelled)
        assert told == ["errback"]
        assert not caplog.records
        ground.ioloop.call_later(0, fail)
        await until(lambda: "a timer of the network floor failed" in caplog.text)

    run(loop, story)


@loops
def test_closing_the_loop_closes_all_that_hangs_on_it(loop: str) -> None:
    async def story(ground: Ground) -> None:
        host = AsyncioLoop()
        servers = [Server(host), Server(host.data)]
        clients = [await client_of(server) for server in servers]
        host.call_later(60, print)
        await until(lambda: len(host.socket_map) == 2 and len(host.data.socket_map) == 2)
        host.close()
        host.close()
        assert [await drain(client) for client in clients] == [b"", b""]

    run(loop, story)


def test_pyftpdlibs_own_way_of_running_is_closed() -> None:
    async def story(ground: Ground) -> None:
        with pytest.raises(RuntimeError, match="the asyncio loop is the one that runs"):
            ground.ioloop.host.loop()

    run("asyncio", story)


@loops
def test_pyftpdlibs_own_server_runs_on_it(loop: str, tmp_path: Path) -> None:
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    (tmp_path / "small").write_bytes(b"content")

    def talk(port: int) -> None:
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", port, timeout=5)
            ftp.login("alice", "secret")
            ftp.storbinary("STOR big", io.BytesIO(bytes(3 << 20)))
            got = bytearray()
            ftp.retrbinary("RETR big", got.extend)
            assert len(got) == 3 << 20
            ftp.set_pasv(False)
            assert sorted(ftp.nlst()) == ["big", "small"]
            ftp.quit()

    async def story(ground: Ground) -> None:
        class Handler(FTPHandler):
            authorizer = DummyAuthorizer()

        Handler.authorizer.add_user("alice", "secret", str(tmp_path), perm="elradfmwMT")
        server = FTPServer(("127.0.0.1", 0), Handler, ioloop=ground.ioloop.host)
        await asyncio.to_thread(talk, server.address[1])
        await until(lambda: len(ground.ioloop.host.socket_map) == 1)
        server.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(loop, story)
