"""The control socket: who is heard, in which dialect, and that nobody there can hold anybody else up."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.core import ctrlwire
from ftpd.core.ctrlwire import Answer, MalformedError, Request
from ftpd.daemon import ctrlsock
from ftpd.daemon.ctrlsock import ControlSocket
from ftpd.daemon.errors import StartError
from ftpd.module.control import Asker

WORDS = st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"])), max_size=5)
OLD = Request(["insmod", "mod_a.c"]).encode()
NEW = Request(["insmod", "mod_a.c"], in_json=True).encode()


def parsed(data: bytes) -> Request:
    """What the daemon makes of these bytes; EOFError when it would wait for more."""
    parts = ctrlwire.read_request()
    wanted = next(parts)
    while True:
        if len(data) < wanted:
            raise EOFError(f"{wanted} more bytes are wanted")
        piece, data = data[:wanted], data[wanted:]
        try:
            wanted = parts.send(piece)
        except StopIteration as whole:
            request: Request = whole.value
            return request


# -- the two dialects --------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1), WORDS, st.booleans())
def test_a_request_arrives_as_it_was_sent(action: str, words: list[str], in_json: bool) -> None:
    request = Request([action, *words], in_json)
    assert parsed(request.encode()) == request


def test_the_dialects_are_those_of_proftpd() -> None:
    assert struct.pack("=iI", 0, 2) + b"\6\0\0\0insmod" + b"\7\0\0\0mod_a.c" == OLD
    assert NEW[4:] == b'{"action": "insmod", "args": ["mod_a.c"]}'
    assert Answer(-4, ["no"]).encode(in_json=False) == struct.pack("=iI", -4, 1) + b"\2\0\0\0no"
    assert json.loads(Answer(-4, ["no"]).encode(in_json=True)[4:]) == {"status": -4, "responses": ["no"]}


def sized(text: str) -> bytes:
    return struct.pack("=I", len(text)) + text.encode()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("=iI", 0, 0),
        struct.pack("=iII", 0, 1, 0),
        struct.pack("=iI", 0, 2**32 - 1),
        struct.pack("=iII", 0, 1, 2**30),
        struct.pack("=I", 2**30),
        struct.pack("=i", -1),
        Request(["a\nb"]).encode(),
        Request(["a", "\x1b[2J"]).encode(),
        Request(["a", "\udcff"]).encode(),
        sized("nonsense"),
        sized("[]"),
        sized("{}"),
        sized('{"action": 1}'),
        sized('{"action": "a", "args": [1]}'),
        sized('{"action": "a", "args": "b"}'),
        sized("[" * 10000),
    ],
)
def test_what_is_no_request_is_refused_before_it_is_read(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parsed(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    try:
        assert parsed(data).words
    except (MalformedError, EOFError):
        pass


# -- the socket --------------------------------------------------------------------------------------


class Ground:
    """A control socket that answers with the words it was sent."""

    def __init__(self, folder: Path, *, admits: bool = True) -> None:
        self.path = str(folder / "sock")
        self.asked: list[tuple[Asker, list[str]]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.made = ControlSocket(self.path, lambda asker: admits, self._answer)

    async def _answer(self, asker: Asker, words: list[str]) -> Answer:
        self.asked.append((asker, words))
        await self.hold.wait()
        return Answer(0, words)

    async def say(self, data: bytes, *, more: bool = False) -> bytes:
        """Send this, and nothing more unless it is said so; gives all that came back until the end."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            writer.write(data)
            if not more:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    before = os.umask(0)
    try:
        asyncio.run(story())  # type: ignore[arg-type]
    finally:
        os.umask(before)


def test_both_dialects_are_answered_in_kind(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open()
        assert await ground.say(OLD, more=True) == Answer(0, ["insmod", "mod_a.c"]).encode(in_json=False)
        assert await ground.say(NEW, more=True) == Answer(0, ["insmod", "mod_a.c"]).encode(in_json=True)
        asker, _ = ground.asked[0]
        assert (asker.uid, asker.gid) == (os.geteuid(), os.getegid())
        await ground.made.close()

    play(story)


def test_everybody_may_connect_and_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open((os.geteuid(), os.getegid()))
        assert stat.filemode(os.lstat(ground.path).st_mode) == "srwxrwxrwx"
        await ground.made.close()
        assert os.listdir(tmp_path) == []

    play(story)


def test_a_stranger_is_told_so_and_nothing_is_done(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path, admits=False)
        await ground.made.open()
        assert await ground.say(OLD) == Answer(-2, ["access denied"]).encode(in_json=False)
        assert ground.asked == []
        await ground.made.close()

    play(story)


@pytest.mark.parametrize("data", [b"", b"\0", OLD[:-1], struct.pack("=I", 2**30), b"GET / HTTP/1.0\r\n\r\n"])
def test_who_sends_no_request_is_let_go(tmp_path: Path, data: bytes) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open()
        assert await ground.say(data) == b""
        assert ground.asked == []
        assert await ground.say(OLD) != b""
        await ground.made.close()

    play(story)


def test_who_stalls_holds_up_nobody_and_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open()
        reader, writer = await asyncio.open_unix_connection(ground.path)
        writer.write(OLD[:3])
        assert await ground.say(OLD) != b"", "while the other one waits"
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await ground.made.close()

    monkeypatch.setattr(ctrlsock, "_PATIENCE", 0.2)
    play(story)


def test_who_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)

        async def much(asker: Asker, words: list[str]) -> Answer:
            return Answer(0, ["x" * 1000] * 4000)

        ground.made = ControlSocket(ground.path, lambda asker: True, much)
        await ground.made.open()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            deaf.connect(ground.path)
            deaf.send(OLD)
            while not ground.made._clients:
                await asyncio.sleep(0)
            while ground.made._clients:
                await asyncio.sleep(0.01)
        await ground.made.close()

    monkeypatch.setattr(ctrlsock, "_PATIENCE", 0.2)
    play(story)


def test_more_than_the_most_clients_are_not_heard(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        ground.made.most_clients = 2
        await ground.made.open()
        ground.hold.clear()
        served = [asyncio.create_task(ground.say(OLD, more=True)) for _ in range(2)]
        while len(ground.asked) < 2:
            await asyncio.sleep(0)
        assert await ground.say(OLD, more=True) == b""
        ground.hold.set()
        assert all(await asyncio.gather(*served))
        assert await ground.say(OLD, more=True) != b"", "there is room again"
        await ground.made.close()

    play(story)


def test_an_answer_that_is_awaited_does_not_outlive_the_socket(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open()
        ground.hold.clear()
        waits = asyncio.create_task(ground.say(OLD, more=True))
        while not ground.asked:
            await asyncio.sleep(0)
        await ground.made.close()
        assert await waits == b""

    play(story)


# -- what is in the way ------------------------------------------------------------------------------


def opened(folder: Path) -> None:
    async def story() -> None:
        ground = Ground(folder)
        await ground.made.open()
        await ground.made.close()

    play(story)


def test_what_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "sock"))
    opened(tmp_path)


def test_that_of_a_living_daemon_stays(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(tmp_path / "sock"))
        alive.listen()
        with pytest.raises(StartError, match="belongs to a daemon that is running"):
            opened(tmp_path)
    assert (tmp_path / "sock").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="is a symbolic link, and is left alone"):
        opened(tmp_path)
    assert os.listdir(tmp_path) == ["sock"]


def test_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "sock").write_text("precious")
    with pytest.raises(StartError, match="is no socket, and is left alone"):
        opened(tmp_path)
    assert (tmp_path / "sock").read_text() == "precious"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"unable to make the ControlsSocket .*nowhere/sock: No such file"):
        opened(tmp_path / "nowhere")


def test_what_somebody_else_put_there_meanwhile_stays(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.made.open()
        os.unlink(ground.path)
        Path(ground.path).write_text("another's")
        await ground.made.close()
        assert Path(ground.path).read_text() == "another's"

    play(story)
