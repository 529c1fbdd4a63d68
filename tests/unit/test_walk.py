"""Files that are sent as the one before was: whichever way it goes, the client and the modules see the same."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from engine_ground import Client
from recall_ground import Place, serving
from walk_ground import COMPLETE, OPENING, fetch, port_of, tell, walked

from ftpd.core.reply import Refuse
from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.table import Module
from ftpd.transfer import ports
from tests.listening import listens

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


async def entered(place: Place, client: Client) -> None:
    """From here on files go by the walk, where there is one."""
    await client.ask("TYPE I")
    place.bench.write("first", b"1")
    assert await fetch(client, "first") == (b"1", f"{OPENING} first (1 byte)", COMPLETE)


@pytest.mark.parametrize("verb", ["EPSV", "PASV"])
def test_each_file_is_the_one_that_is_there_now(verb: str, way: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            ports = set()
            for size in (1, 2, 1024, 0, 32768, 32769, 300_000, 5):
                for name in ("file", "two words", "ä", "-"):
                    content = os.urandom(size)
                    place.bench.write(name, content)
                    count = "" if not size else f" ({size} byte{'' if size == 1 else 's'})"
                    assert await fetch(client, name, verb) == (content, f"{OPENING} {name}{count}", COMPLETE)
                ports.add(await port_of(client, verb))
            assert len(ports) > 5
            assert walked(place) == ([] if way == "whole road" else sorted({"EPSV", verb, "RETR"}))
            told = place.channel.session.bytes_out
            await fetch(client, "file", verb)
            assert place.channel.session.bytes_out > told + 5

    tell(story)


def test_folders_are_those_that_the_client_means() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            for folder in ("a", "a/b", "a/a", "c"):
                place.bench.write(f"{folder}/file", folder.encode())
            os.symlink("c", os.path.join(place.bench.root, "link"))
            ways = {
                "/a/file": b"a", "file": b"a", "b/file": b"a/b", "./file": b"a", "../c/file": b"c", "a/../file": b"a",
                "a/file": b"a/a", "/file": b"", "b//file": b"a/b", "b/../../link/file": b"c", "../link/file": b"c",
            }  # fmt: skip
            await client.ask("CWD a")
            for _ in range(2):
                for name, content in ways.items():
                    assert (await fetch(client, name))[0] == content, name
                    again, before, _ = await fetch(client, name)
                    assert again == content, name
                    assert f" {name} (" in before or before == "550 /file: No such file or directory"

    tell(story)


@pytest.mark.parametrize("name", ["a/..", "a/.", "a/", ".", "..", "/", "a//", "a/x/.."])
def test_a_size_of_what_is_no_file_tells_nothing_of_files(name: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            place.bench.write("a/x/file", b"1234")
            for _ in range(2):
                assert await client.ask("SIZE a/x/file") == await client.ask("SIZE a/x/file") == "213 4"
                assert await client.ask(f"SIZE {name}") == f"550 {name}: not a regular file"

    tell(story)


def test_what_is_no_small_file_of_the_folder_goes_by_the_whole_road() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            root = place.bench.root
            place.bench.write("sub/inner", b"inner")
            os.symlink("first", os.path.join(root, "link"))
            os.symlink("/etc/passwd", os.path.join(root, "out"))
            os.mkfifo(os.path.join(root, "fifo"))
            for _ in range(2):
                for name, answer in (
                    ("none", "550 none: No such file or directory"),
                    ("sub", "550 sub: Not a regular file"),
                    ("fifo", "550 fifo: Not a regular file"),
                    ("out", "550 out: No such file or directory"),
                    ("..", "550 ..: Not a regular file"),
                    ("x" * 256, f"550 {'x' * 256}: File name too long"),
                ):
                    assert await fetch(client, name) == (b"", answer, "")
                assert (await fetch(client, "sub/inner"))[0] == b"inner"
                assert (await fetch(client, "link"))[0] == b"1"
                assert (await fetch(client, "first"))[0] == b"1"

    tell(story)


def test_who_is_not_there_yet_is_waited_for() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            for _ in range(3):
                port = await port_of(client)
                await client.send(b"RETR first\r\n")
                await asyncio.sleep(0.02)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await client.line() == f"{OPENING} first (1 byte)"
                assert await reader.read() == b"1"
                writer.close()
                assert await client.line() == COMPLETE

    tell(story)


def test_a_stranger_gets_nothing_and_the_client_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []
    monkeypatch.setattr(ports, "log", lambda level, text, *arguments, **_: logged.append(text % arguments))

    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            port = await port_of(client)
            with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as stranger:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await client.ask("RETR first") == f"{OPENING} first (1 byte)"
                assert await reader.read() == b"1"
                assert await client.line() == COMPLETE
                assert stranger.recv(9) == b""
                writer.close()

    tell(story)
    assert len(logged) == 1
    assert logged[0].startswith("SECURITY: a data connection from 127.0.0.2 to port ")
    assert logged[0].endswith(" was refused, only 127.0.0.1 may use it")


@pytest.mark.parametrize(
    "line", ["REST 2", "RANG 2 3", "TYPE A", "CWD sub", "MODE S", "EPSV ALL", "ABOR", "PORT 127,0,0,1,200,1"]
)
def test_what_is_said_in_between_counts(line: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            place.bench.write("file", b"a\nb\nc")
            place.bench.write("sub/file", b"of sub")
            for _ in range(2):
                assert (await fetch(client, "file"))[0] == b"a\nb\nc"
            assert (await client.ask(line))[0] in "23"
            content, before, _ = await fetch(client, "file")
            expected = {"REST": b"b\nc", "RANG": b"b\n", "TYPE": b"a\r\nb\r\nc", "CWD ": b"of sub"}
            assert content == expected.get(line[:4], b"a\nb\nc")
            assert ("ASCII" in before) == (line == "TYPE A")
            if line == "EPSV ALL":
                assert await client.ask("PASV") == "500 Illegal PASV command, EPSV ALL in effect"

    tell(story)


@pytest.mark.parametrize("line", ["EPSV", "PASV", "ABOR", "PORT 127,0,0,1,200,1", "QUIT", ""])
def test_a_port_that_is_not_wanted_any_more_is_closed(line: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            await fetch(client, "first", "PASV")
            port = await port_of(client)
            if line:
                await client.ask(line)
            else:
                client.close()
            for _ in range(100):
                if not listens(port):
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("it is still open")

    tell(story)


@pytest.mark.parametrize(
    ("conf", "answer"),
    [
        ("<Limit RETR>\nDenyAll\n</Limit>", "550 first: Operation not permitted"),
        ("MaxRetrieveFileSize 1 B", "426 Transfer aborted. Operation not permitted"),
        ("<Limit EPSV>\nDenyAll\n</Limit>", ""),
        ("DisplayFileTransfer told", f"{COMPLETE}"),
        ("TransferRate RETR 1000", f"{COMPLETE}"),
        ("MaxTransfersPerUser RETR 3 Enough", f"{COMPLETE}"),
        ("AllowForeignAddress on", f"{COMPLETE}"),
        ("TimeoutLinger 3", f"{COMPLETE}"),
        ("UseSendfile 100 B", f"{COMPLETE}"),
    ],
)
def test_what_the_configuration_wants_of_each_file_it_gets(conf: str, answer: str) -> None:
    async def story() -> None:
        async with serving(conf=conf) as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("first", b"12")
            place.bench.write("told", b"so it is")
            for _ in range(3):
                if "EPSV" in conf:
                    assert await client.ask("EPSV") == "501 EPSV: Operation not permitted"
                    continue
                _, before, after = await fetch(client, "first")
                if after == "226-so it is":
                    after = await client.line()
                elif before[0] == "1" and "MaxRetr" in conf:
                    assert after == answer
                assert answer in (before, after)
            assert "RETR" not in walked(place)

    tell(story)


def test_an_access_file_that_comes_counts_for_the_next_file() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("waits", b"<Limit RETR>\nDenyAll\n</Limit>\n")
            async with place.client() as other, place.client() as client:
                await client.ask("TYPE I")
                place.bench.write("first", b"1")
                for _ in range(3):
                    assert (await fetch(client, "first"))[0] == b"1"
                await other.ask("RNFR waits")
                assert (await other.ask("RNTO .ftpaccess")).startswith("250")
                assert (await fetch(client, "first"))[1] == "550 first: Operation not permitted"

    tell(story)


def test_who_records_is_told_of_each_file_and_who_looks_before_is_asked(way: str) -> None:
    async def story() -> None:
        module, heard = Module("hears", version="1"), []

        @module.log("RETR")
        def record(cmd: Command) -> None:
            done = cmd.transfer
            assert done is not None and done.seconds > 0 and done.port and cmd.reply is not None
            assert cmd.group is not None and cmd.session.bytes_out > done.moved
            heard.append((cmd.shown, done.path, done.moved, done.file_size, done.status, done.direction, cmd.status))

        @module.log("RETR")
        def fail(cmd: Command) -> None:
            raise Refuse(451, "no room is left for what is recorded")

        async with serving(module) as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/a b", b"123")
            await client.ask("CWD sub")
            for n in range(4):
                assert (await fetch(client, "a b"))[0] == b"123"
                assert len(heard) == n + 1
            assert walked(place) == ([] if way == "whole road" else ["EPSV", "RETR"])
        assert set(heard) == {("RETR a b", "/sub/a b", 3, 3, "success", "o", (226, "Transfer complete"))}

    tell(story)


@pytest.mark.parametrize("phase", ["pre", "post", "cmd", "log that waits"])
def test_a_module_that_has_a_say_is_asked_each_time(phase: str) -> None:
    async def story() -> None:
        module, heard = Module("says", version="1"), []
        if phase == "cmd":

            @module.cmd("RETR", "EPSV")
            def decline(cmd: Command) -> Outcome | None:
                heard.append(cmd.name)
                return None

        elif phase == "log that waits":

            @module.log("RETR", "EPSV")
            async def wait(cmd: Command) -> None:
                await asyncio.sleep(0)
                heard.append(cmd.name)

        else:

            @getattr(module, phase)("RETR", "EPSV")
            def look(cmd: Command) -> None:
                heard.append(cmd.name)

        async with serving(module) as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("first", b"1")
            for _ in range(3):
                assert (await fetch(client, "first"))[0] == b"1"
        assert heard == ["EPSV", "RETR"] * 3

    tell(story)


def test_the_transfer_log_has_a_line_for_each(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(conf=f"TransferLog {tmp_path}/xferlog") as place, place.client() as client:
            await client.ask("TYPE I")
            for size in (5, 6, 7):
                place.bench.write("a file", b"x" * size)
                await fetch(client, "a file")
            root = place.bench.root
        await asyncio.sleep(0.1)
        lines = (tmp_path / "xferlog").read_text().splitlines()
        assert [line.split()[7] for line in lines] == ["5", "6", "7"]
        assert all(line.endswith(f"{root}/a_file b _ o r tom ftp 0 * c") for line in lines), lines

    tell(story)


def test_stat_and_the_messages_know_of_all_files() -> None:
    async def story() -> None:
        async with serving(conf="DisplayQuit bye") as place, place.client() as client:
            place.bench.write("bye", b"%{total_files_xfer} files, %{total_bytes_out} bytes, %T")
            await entered(place, client)
            place.bench.write("file", b"x" * 100)
            for _ in range(4):
                await fetch(client, "file")
            assert place.channel.session.bytes_out > 401
            assert "5 files, 401 bytes" in await client.ask("QUIT")

    tell(story)


# -- what the client does not take at once ---------------------------------------------------------------


def test_a_client_that_reads_no_replies_gets_them_in_their_order_once_it_does() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            port = await port_of(client)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            filled = 0
            with suppress(BlockingIOError):
                while True:
                    filled += place.channel.socket.send(b"200 %06d\r\n" % 0 * 1000)
            await client.send(b"RETR first\r\n")
            await asyncio.sleep(0.05)
            client.reader._transport.resume_reading()  # type: ignore[attr-defined]
            await client.reader.readexactly(filled)
            assert await client.line() == f"{OPENING} first (1 byte)"
            assert await reader.read() == b"1"
            assert await client.line() == COMPLETE
            writer.close()

    tell(story)


@pytest.mark.parametrize("end", ["reads", "leaves"])
def test_a_connection_that_takes_little_gets_the_rest_in_time(end: str) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await entered(place, client)
            content = os.urandom(32_000)
            place.bench.write("file", content)
            port = await port_of(client)
            shrink_listener(port)
            data = socket.socket()
            data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
            data.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(data, ("127.0.0.1", port))
            assert await client.ask("RETR file") == f"{OPENING} file (32000 bytes)"
            await asyncio.sleep(0.02)
            assert place.channel.busy
            if end == "leaves":
                data.close()
                assert await client.line() == "426 Transfer aborted. Data connection closed"
            else:
                got = b""
                while chunk := await loop.sock_recv(data, 4096):
                    got += chunk
                assert got == content
                assert await client.line() == COMPLETE
                data.close()
            assert (await fetch(client, "file"))[0] == content

    tell(story)


def shrink_listener(port: int) -> None:
    """Let what is accepted at that port, which this process listens at, have as small a buffer as there is."""
    for fd in os.listdir("/proc/self/fd"):
        if "socket:" not in os.path.realpath(f"/proc/self/fd/{fd}"):
            continue
        with socket.socket(fileno=os.dup(int(fd))) as held:
            if held.family == socket.AF_INET and held.getsockname()[1] == port:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
