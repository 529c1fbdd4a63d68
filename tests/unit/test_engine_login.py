"""Logging in on a running loop: at once where nothing has to be waited for, in a task and in threads where it has."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_ground import serving

from ftpd.core import crypt
from ftpd.dispatch.assemble import static_modules
from ftpd.engine.pool import Pools
from ftpd.module.auth import Account, AuthAnswer, AuthBackend
from ftpd.module.build import build_record
from ftpd.module.session import Session
from ftpd.module.table import Module

_CONF = """\
WtmpLog off
RootLogin on
DefaultRoot ~
AuthOrder {order}
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
"""


def _modules(*more: Module) -> tuple[Module, ...]:
    return (*static_modules(build_record()), *more)


async def _log_in(place: Any, password: str) -> list[str]:
    async with place.client() as client:
        await client.line()
        answers = [await client.ask("USER tom"), await client.ask(f"PASS {password}"), await client.ask("PWD")]
        return [answer[:3] for answer in answers]


class _Directory(AuthBackend):
    """A backend as an author may write it, who counts on being in a task."""

    def __init__(self, home: str) -> None:
        self._home = home

    async def getpwnam(self, session: Session, user: str) -> Account | None:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return Account(user, os.geteuid(), os.getegid(), self._home, "/bin/sh")

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        async with asyncio.timeout(5):
            return AuthAnswer.OK if password == "right" else AuthAnswer.BAD_PASSWORD


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", (True, True, True)),
        ("TCPNoDelay ctrl off", (False, True, True)),
        ("SocketOptions keepalive off", (True, False, True)),
    ],
)
def test_a_clients_connection_has_the_options_that_its_server_wants(
    tmp_path: Path, line: str, options: tuple[bool, bool, bool]
) -> None:
    wanted = (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.SOL_SOCKET, socket.SO_OOBINLINE),
    )

    async def story() -> None:
        async with serving(tmp_path, *_modules(), conf=f"{line}\n") as place, place.client() as client:
            await client.line()
            (channel,) = place.worker.sessions
            assert tuple(bool(channel.socket.getsockopt(*option)) for option in wanted) == options

    asyncio.run(story())


def test_a_client_that_connected_before_anybody_served_has_them_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, *_modules()) as place:
            listener = socket.create_server(("127.0.0.1", 0))
            early = [socket.create_connection(listener.getsockname()) for _ in range(3)]
            place.worker.listen(listener)
            late = socket.create_connection(listener.getsockname())
            while len(place.worker.sessions) < 4:
                await asyncio.sleep(0.01)
            for channel in place.worker.sessions:
                assert channel.socket.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE)
                assert channel.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for client in (*early, late):
                client.close()
            await place.worker.idle()

    asyncio.run(story())


def test_a_backend_that_waits_is_in_a_task_from_its_first_line(tmp_path: Path) -> None:
    directory = Module("mod_directory", version="1.0")
    directory.auth(_Directory(str(tmp_path)))

    async def story() -> None:
        async with serving(tmp_path, *_modules(directory), conf=_CONF.format(order="mod_directory.c")) as place:
            assert await _log_in(place, "right") == ["331", "230", "257"]
            assert await _log_in(place, "wrong") == ["331", "530", "530"]

    asyncio.run(story())


@pytest.mark.parametrize(("scheme", "threads"), [("$1$", set()), ("$5$", {"auth"})])
def test_a_thread_is_asked_for_a_slow_hash_and_for_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, threads: set[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    passwd = tmp_path / "passwd"
    passwd.write_text(f"tom:{crypt.hash('right', scheme)}:{os.geteuid()}:{os.getegid()}::{home}:/bin/sh\n")
    passwd.chmod(0o600)
    used: set[str] = set()
    given = Pools.__call__

    async def noted(self: Pools, work: Callable[[], Any], kind: str) -> Any:
        used.add(kind)
        return await given(self, work, kind)

    conf = _CONF.format(order="mod_auth_file.c") + f"AuthUserFile {passwd}\n"

    async def story() -> None:
        async with serving(tmp_path, *_modules(), conf=conf) as place:
            # the file is read for the first of all, by a thread
            await _log_in(place, "right")
            monkeypatch.setattr(Pools, "__call__", noted)
            # that it is right is known from before
            assert await _log_in(place, "right") == ["331", "230", "257"]
            assert used == set()
            assert await _log_in(place, "wrong") == ["331", "530", "530"]
            assert used == threads

    asyncio.run(story())
