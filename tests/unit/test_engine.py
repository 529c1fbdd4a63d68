"""The control channel: one true reply a command, in order, whatever the client does."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import weakref
from pathlib import Path

import pytest
from engine_ground import generation_of, serving

from ftpd.core import scribe
from ftpd.core.clock import Timer
from ftpd.core.reply import Refuse, Reply
from ftpd.core.scoreboard import Board, read
from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.events import SESSION_CLOSE, SESSION_OPEN
from ftpd.module.session import Session
from ftpd.module.table import Module


def talking() -> Module:
    module = Module("talk", version="1")

    @module.on(SESSION_OPEN)
    def greet(session: Session) -> None:
        session.send(Reply(220, ("ready",)))

    @module.cmd("NOOP", auth=False)
    def noop(cmd: Command) -> Outcome:
        return cmd.ok(200, f"ok {cmd.argument}".rstrip())

    @module.cmd("WAIT", auth=False)
    async def wait(cmd: Command) -> Outcome:
        await asyncio.sleep(0.01)
        return cmd.ok(200, f"waited {cmd.argument}")

    @module.cmd("LONG", auth=False)
    def long(cmd: Command) -> Outcome:
        return cmd.ok(200, "x" * 1000)

    @module.cmd("QUIT", auth=False)
    def quit(cmd: Command) -> Outcome:
        cmd.session.end("Quit")
        return cmd.ok(221, "Goodbye.")

    return module


def test_replies_keep_the_order_of_pipelined_commands(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place, place.client() as client:
            assert await client.line() == "220 ready"
            await client.send(b"".join(b"WAIT %d\r\nNOOP %d\r\n" % (n, n) for n in range(20)))
            assert [await client.line() for _ in range(40)] == [
                text for n in range(20) for text in (f"200 waited {n}", f"200 ok {n}")
            ]

    asyncio.run(story())


def test_ten_thousand_commands_in_one_write_and_nothing_after_quit(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place, place.client() as client:
            await client.line()
            client.writer.write(b"NOOP\r\n" * 10_000 + b"QUIT\r\n" + b"NOOP late\r\n" * 100)
            lines = (await client.rest()).splitlines()
            assert lines == ["200 ok"] * 10_000 + ["221 Goodbye."]

    asyncio.run(story())


def test_a_client_that_never_reads_is_not_read_either(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place:
            deaf = socket.create_connection(("127.0.0.1", place.port))
            deaf.setblocking(False)
            sent, loop = 0, asyncio.get_running_loop()
            try:
                for _ in range(2000):
                    sent += await asyncio.wait_for(loop.sock_sendall(deaf, b"LONG\r\n" * 1000), 0.5) or 6000
            except TimeoutError:
                pass
            else:
                pytest.fail("the server reads on although nobody reads its replies")
            (channel,) = place.worker.sessions
            assert len(channel._out) < 200_000
            async with place.client() as other:
                assert await other.line() == "220 ready"
                assert await other.ask("NOOP") == "200 ok"
            deaf.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"NOOP a\0b\r\n", "501 NOOP: a NUL byte is not allowed"),
        (b"\xc5\xbfITE X\r\n", "500 \u017fITE not understood"),
        (b"\r\n", "500 Invalid command: try being more creative"),
        (b" NOOP\r\n", "500 Invalid command: try being more creative"),
        (b"\x01\x02\r\n", "500 Invalid command: try being more creative"),
        (b"x" * 100_000 + b"\r\n", "500 Command line too long"),
        (b"noop\r\n", "200 ok"),
        (b"\xff\xf4\xff\xf2NOOP\n", "200 ok"),
        (b"NOOP\rOP\r\n", "200 ok OP"),
    ],
)
def test_odd_lines_get_one_reply_and_the_session_lives(tmp_path: Path, sent: bytes, answer: str) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place, place.client() as client:
            await client.line()
            await client.send(sent)
            assert await client.line() == answer
            assert await client.ask("NOOP still") == "200 ok still"

    asyncio.run(story())


@pytest.mark.parametrize("sent", [b"\r\n", b" NOOP\r\n", b"x" * 100_000 + b"\r\n"])
def test_a_line_that_is_no_command_is_no_idleness_either(tmp_path: Path, sent: bytes) -> None:
    timers: list[tuple[Timer, Timer]] = []
    module = talking()

    @module.on(SESSION_OPEN)
    def watch(session: Session) -> None:
        wire = session.wire
        timers.append((wire.timer(3600, lambda: None, idle=True), wire.timer(3600, lambda: None)))

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            await client.line()
            [(idle, other)] = timers
            before = idle.since, other.since
            await client.send(sent)
            assert (await client.line()).startswith("500 ")
            assert idle.since > before[0]
            assert other.since == before[1]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("hello", "told"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "client sent HTTP command 'GET', disconnecting"),
        (b"EHLO x\r\n", "client sent SMTP command 'EHLO', disconnecting"),
        (b"SSH-2.0-OpenSSH_9\r\n", "client sent SSH2 command 'SSH-2.0-OpenSSH_9', disconnecting"),
    ],
)
def test_another_protocol_is_cut_off_without_an_answer(
    tmp_path: Path, hello: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            await client.line()
            await client.send(hello)
            assert await client.rest() == ""

    module = talking()
    ends: list[str] = []
    module.on(SESSION_CLOSE)(lambda session: ends.append(session.notes["core.disconnect-details"]))
    asyncio.run(story())
    assert told in caplog.text
    # ProFTPD has no word for such an end
    assert ends == [""]


@pytest.mark.parametrize("line", ["get file", "Head x", "ehlo x", "ssh-2.0-x", "GETX", "SSH-1.5-x", "TRACE /"])
def test_what_is_only_like_another_protocol_is_no_command_and_the_session_lives(tmp_path: Path, line: str) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place, place.client() as client:
            await client.line()
            assert await client.ask(line) == f"500 {line.partition(' ')[0].upper()} not understood"
            assert await client.ask("NOOP") == "200 ok"

    asyncio.run(story())


def test_a_module_may_refuse_the_connection(tmp_path: Path) -> None:
    module = Module("wall", version="1")

    @module.on(SESSION_OPEN)
    def refuse(session: Session) -> None:
        raise Refuse(421, "not you")

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            assert await client.rest() == "421 not you\r\n"

    asyncio.run(story())


def test_a_module_that_fails_at_connect_keeps_the_client_out(tmp_path: Path) -> None:
    module = Module("broken", version="1")

    @module.on(SESSION_OPEN)
    def fall(session: Session) -> None:
        raise ZeroDivisionError

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            assert await client.rest() == "421 Service not available, closing control connection\r\n"

    asyncio.run(story())


@pytest.mark.parametrize("how", ["fin", "reset", "while waiting"])
def test_a_client_that_goes_is_told_to_the_modules_once(tmp_path: Path, how: str) -> None:
    module, heard = talking(), []

    @module.on(SESSION_CLOSE)
    def hear(session: Session) -> None:
        heard.append(session.id)

    async def story() -> None:
        async with serving(tmp_path, module) as place:
            sock = socket.create_connection(("127.0.0.1", place.port))
            await asyncio.sleep(0.02)
            if how == "while waiting":
                sock.sendall(b"WAIT\r\n")
                await asyncio.sleep(0.005)
            if how != "fin":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            await asyncio.wait_for(place.worker.idle(), 5)
            assert len(heard) == 1

    asyncio.run(story())


def test_a_half_closed_client_still_gets_its_replies(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place, place.client() as client:
            client.writer.write(b"WAIT 1\r\nNOOP 2\r\n")
            client.writer.write_eof()
            assert (await client.rest()).splitlines() == ["220 ready", "200 waited 1", "200 ok 2"]

    asyncio.run(story())


def test_a_command_may_end_the_session_while_the_client_still_reads(tmp_path: Path) -> None:
    module, over = talking(), asyncio.Event()

    @module.cmd("LAST", auth=False)
    async def last(cmd: Command) -> Outcome:
        # more than the connection holds: some of it is still to be written when the end is told
        cmd.send(Reply(150, ("x" * 1000,) * 5000))
        cmd.session.end("Enough")
        await over.wait()
        return cmd.ok(200, "the last")

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            assert await client.ask("LAST") == "220 ready"
            for _ in range(5000):
                assert (await client.line()).endswith("xxx")
            over.set()
            assert await client.rest() == "200 the last\r\n"

    asyncio.run(story())


def test_a_command_that_cancels_its_own_task_is_answered_and_ends_the_session_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module = talking()

    @module.cmd("FALL", auth=False)
    async def fall(cmd: Command) -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return cmd.ok(200, "nobody comes here")

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as other, place.client() as client:
            await client.line()
            await client.send(b"FALL\r\n")
            assert await client.rest() == "421 Service not available, closing control connection\r\n"
            assert await other.line() == "220 ready"
            assert await other.ask("NOOP") == "200 ok"
            assert "FALL ended in a fault" in caplog.text

    asyncio.run(story())


def test_abor_with_its_command_in_one_packet_is_for_that_command(tmp_path: Path) -> None:
    module = talking()

    @module.cmd("RETR", auth=False)
    async def retrieve(cmd: Command) -> Outcome:
        await asyncio.sleep(0)  # a module that asks somebody before it opens the data connection
        await cmd.session.wire.open_data(timeout=60)
        return cmd.ok(226, "sent")

    @module.cmd("ABOR", auth=False)
    def abort(cmd: Command) -> Outcome:
        return cmd.ok(226, "aborted")

    async def story() -> None:
        async with serving(tmp_path, module) as place, place.client() as client:
            await client.line()
            (channel,) = place.worker.sessions
            channel.passive(ports=None, address=None)
            await client.send(b"RETR a\r\nABOR\r\nNOOP\r\n")
            assert [await client.line() for _ in range(3)] == [
                "426 Transfer aborted. Data connection closed.",
                "226 aborted",
                "200 ok",
            ]

    asyncio.run(story())


def test_a_client_that_comes_and_goes_at_once_is_not_written_on_the_scoreboard(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place:
            board = Board(str(tmp_path / "scores"), pid=1, started=1)
            place.worker.show_on(board)
            async with place.client() as client:
                assert await client.line() == "220 ready"
                await client.send(b"QUIT\r\n")
                assert await client.line() == "221 Goodbye."
            async with place.client() as client:
                assert await client.line() == "220 ready"
                assert not read(board.path).entries
                async with asyncio.timeout(20):
                    while not (entries := read(board.path).entries):
                        await asyncio.sleep(0.01)
                # the one from before has left no line behind it
                assert [entry.address for entry in entries] == ["127.0.0.1"]

    asyncio.run(story())


def test_a_client_meets_the_server_of_the_generation_that_it_came_to(tmp_path: Path) -> None:
    """What is known of an address is known of one generation: the next has a server of its own there."""

    async def story() -> None:
        async with serving(tmp_path, talking()) as place:
            worker = place.worker
            before = worker.generation
            async with place.client() as first, place.client() as second:
                assert await first.line() == await second.line() == "220 ready"
                assert {channel.session.server for channel in worker.sessions} == {before.config.main}
                after = generation_of(tmp_path, worker.pools, talking())
                await worker.replace(after)
                async with place.client() as third:
                    assert await third.line() == "220 ready"
                    servers = {channel.session.server for channel in worker.sessions}
                    assert servers == {before.config.main, after.config.main}

    asyncio.run(story())


def test_a_session_that_is_over_is_not_kept_in_memory_for_its_lingering(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, talking()) as place:
            async with place.client() as client:
                await client.send(b"QUIT\r\n")
                (channel,) = place.worker.sessions
                gone = weakref.ref(channel)
                del channel
                await client.rest()
            await asyncio.wait_for(place.worker.idle(), 5)
            async with asyncio.timeout(2):
                # the client's end has still to be read; the lingering would be longer
                while gone() is not None:
                    await asyncio.sleep(0.01)
                    gc.collect()

    asyncio.run(story())


def test_logs_are_written_at_once_when_the_last_session_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed: list[int] = []

    async def story() -> None:
        async with serving(tmp_path, talking()) as place:
            monkeypatch.setattr(scribe, "press", lambda: pressed.append(len(place.worker.sessions)))
            async with place.client() as one, place.client() as other:
                for client in (one, other):
                    assert await client.line() == "220 ready"
                for client in (one, other):
                    assert await client.ask("QUIT") == "221 Goodbye."
                    assert await client.rest() == ""

    asyncio.run(story())
    assert pressed == [0]
