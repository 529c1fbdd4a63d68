"""Sockets and lines of a server: what the configuration says of them, and what the kernel then has."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ftpd.engine.lines import BUFFER
from ftpd.engine.tuning import Tuning, tuning_of
from ftpd.testing import Bench
from ftpd.transfer.sockets import DEFAULT, SocketOptions

OTHER = (
    "<VirtualHost 127.0.0.2>\n  MaxCommandRate 5\n  SocketOptions sndbuf 8000 maxseg 900\n"
    "  SocketOptions sndbuf 9000\n</VirtualHost>\n"
)


def tunings(conf: str) -> list[Tuning]:
    async def story() -> list[Tuning]:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            servers = ftp.generation.config.servers
            found = [tuning_of(ftp.generation, server) for server in servers]
            assert all(tuning_of(ftp.generation, server) is one for server, one in zip(servers, found, strict=True))
            return found

    return asyncio.run(story())


def test_without_a_line_all_is_as_ever() -> None:
    (main,) = tunings("")
    assert main == Tuning(BUFFER)
    assert main.control is DEFAULT and main.data is DEFAULT


def test_each_server_has_its_own() -> None:
    main, other = tunings("CommandBufferSize 512\nTCPNoDelay ctrl off\n" + OTHER)
    assert main == Tuning(512, None, SocketOptions(no_delay=False))
    assert other == Tuning(BUFFER, (5, 1), *[SocketOptions(send_buffer=9000, max_segment=900)] * 2)


def test_the_kernel_hears_of_them() -> None:
    with socket.socket() as sock:
        SocketOptions(keepalive=(100, 4, 30), send_buffer=16384, receive_buffer=8192, max_segment=900).apply(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 100
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 30
        # it doubles them, for what it keeps beside the data
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 32768
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 16384


@pytest.mark.parametrize(("keepalive", "there"), [(False, 0), (True, 1), (None, 0)])
def test_keepalive_is_on_off_or_left_alone(keepalive: bool | None, there: int) -> None:
    with socket.socket() as sock:
        SocketOptions(keepalive=keepalive).apply(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == there


def test_what_the_kernel_refuses_is_no_fault() -> None:
    with socket.socket() as sock:
        SocketOptions(max_segment=1_000_000).apply(sock)
