"""Clients that have had their last reply: nothing of it is lost, and nobody keeps a descriptor for long."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from ftpd.core.clock import Sweep
from ftpd.engine import farewells
from ftpd.engine.farewells import Farewells


def _pair() -> tuple[socket.socket, socket.socket]:
    """Ours, which has said its last, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    ours.send(b"221 Goodbye.\r\n")
    ours.shutdown(socket.SHUT_WR)
    return ours, client


async def _until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def test_who_has_closed_is_gone_before_the_next_is_served_and_who_has_not_stays() -> None:
    async def story() -> None:
        waiting = Farewells(Sweep())
        (ours, client), (others, other) = _pair(), _pair()
        waiting.add(ours)
        waiting.add(others)
        waiting.look()
        assert (len(waiting), ours.fileno() >= 0) == (2, True)
        client.close()
        waiting.look()
        assert (len(waiting), ours.fileno(), others.fileno() >= 0) == (1, -1, True)
        waiting.close()
        assert (len(waiting), others.fileno()) == (0, -1)
        other.close()

    asyncio.run(story())


def test_with_nobody_next_they_are_looked_at_all_the_same_whoever_is_first() -> None:
    async def story() -> None:
        waiting = Farewells(Sweep())
        pairs = [_pair() for _ in range(3)]
        for ours, _ in pairs:
            waiting.add(ours)
        pairs[1][1].close()
        await _until(lambda: len(waiting) == 2)
        assert [ours.fileno() >= 0 for ours, _ in pairs] == [True, False, True]
        for _, client in pairs:
            client.close()
        await _until(lambda: not len(waiting))

    asyncio.run(story())


def test_what_comes_after_the_last_reply_does_not_reset_it() -> None:
    async def story() -> None:
        waiting = Farewells(Sweep())
        ours, client = _pair()
        client.sendall(b"NOOP\r\n" * 1000)
        waiting.add(ours)
        for _ in range(3):
            waiting.look_at_all()
        assert len(waiting) == 1
        client.sendall(b"NOOP\r\n")
        client.shutdown(socket.SHUT_WR)
        await _until(lambda: not len(waiting))
        assert client.recv(100) == b"221 Goodbye.\r\n"
        assert client.recv(100) == b""
        client.close()

    asyncio.run(story())


def test_who_never_closes_has_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        waiting = Farewells(Sweep())
        ours, client = _pair()
        waiting.add(ours)
        waiting.look()
        assert len(waiting) == 1
        monkeypatch.setattr(farewells, "_PATIENCE", 0.0)
        await _until(lambda: not len(waiting))
        assert ours.fileno() == -1
        client.close()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(story())
    assert len(os.listdir("/proc/self/fd")) == before


def test_however_many_there_are_a_look_at_all_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        waiting = Farewells(Sweep())
        pairs = [_pair() for _ in range(20)]
        for ours, client in pairs:
            waiting.add(ours)
            client.close()
        monkeypatch.setattr(farewells, "_TURN", 0.0)
        waiting.look_at_all()
        assert len(waiting) == 20, "nobody's turn is that short, but nobody is lost"
        monkeypatch.setattr(farewells, "_TURN", 5.0)
        await _until(lambda: not len(waiting))
        assert all(ours.fileno() == -1 for ours, _ in pairs)

    asyncio.run(story())
