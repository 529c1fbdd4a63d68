"""Files that are received as the one before was: whatever happens, they are as the whole road leaves them."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import acl_ground
import pytest
from engine_ground import Client
from recall_ground import Place, serving
from walk_ground import COMPLETE, OPENING, fetch, port_of, store, tell, walked

from ftpd import native
from ftpd.api import LETS_BE, NOTED_NAMES, UPLOAD_GUARD, Steady
from ftpd.api import Path as VirtualPath
from ftpd.core import trace
from ftpd.core.identity import Identity
from ftpd.core.reply import Refuse
from ftpd.engine import uploads
from ftpd.module.command import Command
from ftpd.module.table import Module
from ftpd.modules import _xfer_store
from ftpd.modules._core import state as core
from ftpd.modules._transfer import tally as transfers
from ftpd.transfer.data import DataChannel

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


async def entered(place: Place, client: Client, name: str = "first") -> None:
    """From here on files come by the walk, where there is one."""
    await client.ask("TYPE I")
    for _ in range(2):
        assert await store(client, name, b"1") == (f"{OPENING} {name}", COMPLETE)


def path_of(place: Place, name: str) -> Path:
    return Path(place.bench.root) / name


def content_of(place: Place, name: str) -> bytes | None:
    path = path_of(place, name)
    return path.read_bytes() if path.exists() else None


async def size_reached(place: Place, name: str, size: int) -> None:
    for _ in range(400):
        if path_of(place, name).exists() and path_of(place, name).stat().st_size == size:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not come")


async def sending(place: Place, client: Client, name: str, begins: bytes = b"") -> socket.socket:
    """The connection of an upload that has been begun, and of which so much has been written."""
    sock = socket.create_connection(("127.0.0.1", await port_of(client)))
    assert await client.ask(f"STOR {name}") == f"{OPENING} {name}"
    if begins:
        sock.sendall(begins)
        await size_reached(place, name, len(begins))
    return sock


def test_each_file_is_what_was_sent(way: str) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nUmask 027") as place, place.client() as client:
            place.bench.write("sub/")
            await entered(place, client, "sub/first")
            await entered(place, client)
            for size in (0, 1, 1024, 200_000, 3_000_000, 7):
                content = os.urandom(size)
                for name in ("first", f"new {size}", f"sub/{size}", "./first"):
                    assert await store(client, name, content) == (f"{OPENING} {name}", COMPLETE)
                    assert content_of(place, name) == content
            known = path_of(place, "new 1").stat()
            assert stat.S_IMODE(known.st_mode) == 0o640
            assert walked(place) == ([] if way == "whole road" else ["EPSV", "STOR", "STOR ./", "STOR sub/"])
            assert place.channel.session.bytes_in > 4 * 3_200_000
            assert (await fetch(client, "first"))[0] == content
            await entered(place, client)
            assert (await fetch(client, "first"))[0] == b"1"

    tell(story)


def test_a_default_acl_of_the_folder_counts_from_when_it_is_there(way: str) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nUmask 077") as place, place.client() as client:
            await entered(place, client)

            async def modes(name: str) -> set[int]:
                for n in range(3):
                    assert await store(client, f"{name}{n}", b"x") == (f"{OPENING} {name}{n}", COMPLETE)
                return {stat.S_IMODE(path_of(place, f"{name}{n}").stat().st_mode) for n in range(3)}

            assert await modes("before") == {0o600}
            acl_ground.give(place.bench.root, "user::rwx,group::rwx,other::---", acl_ground.DEFAULT)
            assert await modes("after") == {0o660}
            os.removexattr(place.bench.root, acl_ground.DEFAULT)
            assert await modes("again") == {0o600}

    tell(story)


def test_what_is_there_stays_where_it_may_not_be_replaced() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite off") as place, place.client() as client:
            await client.ask("TYPE I")
            for n in range(3):
                assert (await store(client, f"new {n}", b"new"))[1] == COMPLETE
                assert await store(client, "new 0", b"other") == ("550 new 0: Overwrite permission denied", "")
                assert content_of(place, "new 0") == b"new"

    tell(story)


def test_what_is_no_file_is_refused_and_what_a_link_leads_to_is_as_ever() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            root = place.bench.root
            place.bench.write("sub/")
            os.symlink("first", os.path.join(root, "link"))
            os.symlink("/etc/passwd", os.path.join(root, "out"))
            os.mkfifo(os.path.join(root, "fifo"))
            for _ in range(2):
                for name in ("sub", "fifo"):
                    assert await store(client, name, b"x") == (f"550 {name}: Not a regular file", "")
                assert (await store(client, "out", b"x"))[0][:3] == "550"
                assert (await store(client, "none/x", b"x"))[0] == "550 none/x: No such file or directory"
                assert (await store(client, "link", b"by the link"))[0][:3] in ("150", "550")
                assert (await store(client, "first", b"2"))[1] == COMPLETE
                assert content_of(place, "first") == b"2"

    tell(story)


def test_who_is_not_there_yet_is_waited_for() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for _ in range(2):
                port = await port_of(client)
                await client.send(b"STOR new\r\n")
                await asyncio.sleep(0.02)
                assert content_of(place, "new") in (None, b"", b"came")
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    assert await client.line() == f"{OPENING} new"
                    sock.sendall(b"came")
                assert await client.line() == COMPLETE
                assert content_of(place, "new") == b"came"

    tell(story)


# -- what happens before the end ---------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", ["off", "on"])
@pytest.mark.parametrize("how", ["ABOR", "reset", "reset at once", "vanishes", "QUIT"])
def test_a_broken_upload_leaves_what_the_configuration_wants(how: str, keeps: str) -> None:
    async def story() -> None:
        conf = f"AllowOverwrite on\nDeleteAbortedStores {keeps}"
        async with serving(conf=conf) as place, place.client() as client:
            await entered(place, client)
            for name in ("first", "new"):
                begins = b"" if how == "reset at once" else b"part"
                sock = await sending(place, client, name, begins)
                if how == "ABOR":
                    answer = await client.ask("ABOR")
                    assert answer == "426 Transfer aborted. Data connection closed."
                    assert await client.line() == "226 Abort successful"
                elif how.startswith("reset"):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                    assert await client.line() == "426 Transfer aborted. Data connection closed"
                elif how == "QUIT":
                    await client.send(b"QUIT\r\n")
                    sock.sendall(b" and rest")
                    sock.close()
                    assert await client.line() == COMPLETE
                    assert content_of(place, name) == b"part and rest"
                    return
                else:
                    client.close()
                    for _ in range(400):
                        if not place.worker.sessions:
                            break
                        await asyncio.sleep(0.005)
                    # what was asked for last is still done, or broken off
                    sock.close()
                    return
                sock.close()
                if how == "reset at once":
                    assert content_of(place, name) == (b"" if name == "first" else None)
                else:
                    assert content_of(place, name) == (b"part" if keeps == "off" else None)
                assert (await store(client, "next", b"x"))[1] == COMPLETE

    tell(story)


def test_what_is_said_meanwhile_is_answered_in_its_turn() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            assert await client.ask("NOOP") == "200 NOOP command successful"
            for line in ("NOOP", "PWD", "SIZE first", "STAT"):
                sock = await sending(place, client, "first", b"12")
                await client.send(f"{line}\r\n".encode())
                await asyncio.sleep(0.02)
                if line == "STAT":
                    while not (await client.line()).startswith("211 "):
                        pass
                assert content_of(place, "first") == b"12"
                sock.sendall(b"345")
                sock.close()
                assert await client.line() == COMPLETE
                if line != "STAT":
                    answers = {"NOOP": "200 NOOP", "PWD": '257 "/"', "SIZE first": "213 5"}
                    assert (await client.line()).startswith(answers[line])
                assert content_of(place, "first") == b"12345"
                assert (await store(client, "first", b"x"))[1] == COMPLETE

    tell(story)


def test_what_came_together_with_the_end_is_heard_before_the_reply() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            # both are there before the daemon has its turn
            client.writer.get_extra_info("socket")
            client.writer.write(b"ABOR\r\n")
            sock.close()
            assert (await client.line())[:3] == "426"
            assert await client.line() == "226 Abort successful"

    tell(story)


def test_an_upload_that_takes_long_has_its_command_and_its_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_LONG", 0.05)

    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            while not place.channel.working:
                await asyncio.sleep(0.01)
            data = place.channel.data
            assert isinstance(data, DataChannel) and data._stall is not None and data._stall.active
            sock.sendall(b"345")
            sock.close()
            assert await client.line() == COMPLETE
            assert content_of(place, "first") == b"12345"
            await entered(place, client)

    tell(story)


def test_the_worker_ends_with_an_upload_under_way() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            place.worker._dismiss(place.channel)
            assert await client.line() == "421 Service not available, server is shutting down"
            sock.close()
            assert await client.rest() == ""
            assert content_of(place, "first") == b"12"

    tell(story)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_is_told_and_the_rest_of_the_file_goes() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for name in ("first", "new"):
                with no_file_larger_than(5_000):
                    _, after = await store(client, name, b"x" * 9_000)
                assert after == "552 Transfer aborted. File too large"
                assert content_of(place, name) is None
                assert (await store(client, name, b"x"))[1] == COMPLETE

    tell(story)


# -- who has a say -----------------------------------------------------------------------------------------


def test_all_behind_the_command_are_told_of_each_file(way: str) -> None:
    async def story() -> None:
        module, heard = Module("hears", version="1"), []

        @module.post("STOR")
        def after(cmd: Command) -> None:
            heard.append("post")

        @module.log("STOR")
        async def record(cmd: Command) -> None:
            done = cmd.transfer
            assert done is not None and done.port and cmd.session.bytes_in > done.moved
            await asyncio.sleep(0)
            heard.append(f"{cmd.shown} {done.path} {done.moved} {done.file_size} {done.status} {done.direction}")
            heard.append(cmd.notes.get("mod_xfer.file-modified", "false"))

        @module.log("STOR")
        def fail(cmd: Command) -> None:
            raise Refuse(451, "no room is left for what is recorded")

        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("sub/")
            for n in range(4):
                assert (await store(client, "sub/a b", b"123"))[1] == COMPLETE
                assert len(heard) == 3 * n + 3
            assert walked(place) == ([] if way == "whole road" else ["EPSV", "STOR sub/"])
            assert place.channel.session[transfers].moved == 12
        told = ["post", "STOR sub/a b /sub/a b 3 3 success i"]
        assert heard == [*told, "false", *[*told, "true"] * 3]

    tell(story)


def test_who_only_counts_has_the_sums() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for content in (b"123", b"", b"x" * 300_000):
                assert (await store(client, "new", content))[1] == COMPLETE
            assert await client.ask("NOOP") == "200 NOOP command successful"
            session = place.channel.session
            assert session[transfers].moved == 2 + 300_003
            assert (session[core].received, session[core].files_received) == (2 + 300_003, 5)
            assert session.bytes_in > 300_005

    tell(story)


def test_who_notes_some_names_is_told_of_those() -> None:
    async def story() -> None:
        module, heard = Module("notes", version="1"), []
        module.offer(NOTED_NAMES, ".note")

        @module.post("STOR", steady=lambda cmd: Steady.NOTHING if cmd.argument.endswith(".note") else Steady.VERB)
        def note(cmd: Command) -> None:
            if cmd.argument.endswith(".note"):
                heard.append(cmd.argument)

        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for _ in range(2):
                for name in ("a.note", "b", ".note"):
                    assert (await store(client, name, b"1"))[1] == COMPLETE
            assert heard == ["a.note", ".note"] * 2

    tell(story)


@pytest.mark.parametrize("lets_be", [True, False])
def test_a_guard_is_asked_where_it_has_something_to_say(lets_be: bool, way: str) -> None:
    async def story() -> None:
        module, asked = Module("guards", version="1"), []

        def only_fair_names(cmd: Command, path: VirtualPath) -> None:
            asked.append(path.virtual)
            if path.name.startswith("foul"):
                raise Refuse(550, "no such thing")

        module.offer(UPLOAD_GUARD, only_fair_names)
        module.offer(LETS_BE, (only_fair_names, lambda cmd, folder: lets_be and folder == "/sub"))
        async with serving(module, conf="AllowOverwrite on") as place, place.client() as client:
            place.bench.write("sub/")
            await entered(place, client)
            await entered(place, client, "sub/first")
            del asked[:]
            assert (await store(client, "fair", b"1"))[1] == COMPLETE
            assert (await store(client, "sub/fair", b"1"))[1] == COMPLETE
            assert (await store(client, "foul", b"1"))[0] == "550 no such thing"
            known = lets_be and way != "whole road"
            assert asked[:2] == (["/fair", "/foul"] if known else ["/fair", "/sub/fair"])
            assert content_of(place, "foul") is None

    tell(story)


def test_a_trace_that_begins_meanwhile_finds_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            sock = await sending(place, client, "first", b"12")
            monkeypatch.setattr(trace, "loud", True)
            sock.sendall(b"345")
            await size_reached(place, "first", 5)
            sock.close()
            assert await client.line() == COMPLETE
            assert content_of(place, "first") == b"12345"
            monkeypatch.setattr(trace, "loud", False)
            await entered(place, client)

    tell(story)


def test_a_fault_behind_an_upload_ends_its_session_and_no_other(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:  # fmt: skip
    if way != "front and walk":
        return

    async def story() -> None:
        module = Module("hears", version="1")
        module.log("STOR")(lambda cmd: None)

        def fail(cmd: Command, made: bool) -> None:
            raise RuntimeError("nobody foresaw that")

        monkeypatch.setattr(_xfer_store, "_came", fail)
        async with serving(module, conf="AllowOverwrite on") as place, place.client() as other:
            await other.ask("NOOP")
            async with place.client() as client:
                await client.ask("TYPE I")
                assert (await store(client, "first", b"1"))[1] == COMPLETE
                assert (await store(client, "first", b"2"))[1] == ""
                assert content_of(place, "first") == b"2"
            assert await other.ask("NOOP") == "200 NOOP command successful"

    tell(story)


@pytest.mark.parametrize(
    ("conf", "name", "answer"),
    [
        ("PathDenyFilter bad", "bad", "550 bad: Forbidden filename"),
        ("<Limit STOR>\nDenyAll\n</Limit>", "bad", "550 bad: Operation not permitted"),
        ("<Limit WRITE>\nDenyAll\n</Limit>", "bad", "550 bad: Operation not permitted"),
        ("<Directory ~/bad>\n<Limit STOR>\nDenyAll\n</Limit>\n</Directory>", "bad/x", "550 bad/x: Operation"),
        ("MaxStoreFileSize 2 B", "bad", "552 Transfer aborted. File too large"),
        ("HiddenStores on", "", ""),
        ("TransferRate STOR 1000", "", ""),
        ("MaxTransfersPerHost STOR 3 Enough", "", ""),
    ],
)
def test_what_the_configuration_says_of_uploads_counts_for_each(conf: str, name: str, answer: str) -> None:
    async def story() -> None:
        async with serving(conf=f"AllowOverwrite on\n{conf}") as place, place.client() as client:
            place.bench.write("bad/")
            await client.ask("TYPE I")
            for _ in range(3):
                if "DenyAll" not in conf or "Directory" in conf:
                    assert (await store(client, "good", b"12"))[1] == COMPLETE
                    assert content_of(place, "good") == b"12"
                if name:
                    before, after = await store(client, name if name != "bad" else "bad.", b"123")
                    assert (
                        answer in (before, after)
                        or (before or after).replace("bad.", "bad").startswith(answer)
                        or (after == answer)
                    )
            assert not [key for key in walked(place) if key.startswith("STOR")] or "Filter" not in conf

    tell(story)


def test_an_access_file_that_is_sent_counts_for_what_comes_next() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            assert (await store(client, ".ftpaccess", b"<Limit STOR>\nDenyAll\n</Limit>\n"))[1] == COMPLETE
            assert await store(client, "first", b"2") == ("550 first: Operation not permitted", "")
            assert content_of(place, "first") == b"1"

    tell(story)


def test_a_place_that_is_left_alone_is_left_alone() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nDefaultRoot ~") as place, place.client() as client:
            await entered(place, client)
            answers = {name: (await store(client, name, b"x"))[0] for name in ("etc", "lib")}
            await client.ask("CWD /")
            for name, answer in answers.items():
                assert (await store(client, name, b"x"))[0] == answer

    tell(story)


ANNA = Identity(4711, 4711, (4711,))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_are_made_by_the_user_and_others_stay(tmp_path: Path, way: str) -> None:
    if way == "whole road":
        return
    folder = tmp_path / "hers"
    folder.mkdir()
    os.chown(folder, ANNA.uid, ANNA.gid)
    for place in (tmp_path, folder):
        place.chmod(0o755)
    (folder / "roots").write_text("1234")
    (folder / "roots").chmod(0o644)
    here, there = socket.socketpair()
    here.setblocking(False)
    neutral = Identity(0, 0, (0,)).raw
    root = os.open(folder, os.O_PATH)
    with here, there:
        walk = native.data.Walk(print, here.fileno(), b"\x7f\0\0\1", 0, b"\x7f\0\0\1", True, 8, 5)
        begun: list[tuple[int, bytes]] = []
        try:
            for name, done in ((b"new", True), (b"roots", False)):
                native.calls.linger()
                reply = walk.listen(40000, 20000, b"(", b")", False, b"")
                with socket.create_connection(("127.0.0.1", int(reply[1:-1]))) as data:
                    told = walk.take(
                        ANNA.raw, neutral, root, None, frozenset(), b"/", b"150 ", b"226 \r\n", 0o644, True, (), None,
                        lambda *arguments: begun.append(arguments), None, None, name,
                    )  # fmt: skip
                    assert told == (b"" if done else None)
                    with open("/proc/thread-self/status") as status:
                        assert "Uid:\t0\t0\t0\t0" in status.read()
                    native.calls.settle()
                    if done:
                        assert walk.more() == 0
                        data.sendall(b"her own")
                        data.shutdown(socket.SHUT_WR)
                        while (how := walk.more()) == 0:
                            pass
                        assert how == 1
                        assert walk.taken()[0] == 7
            with pytest.raises(TypeError, match="front"):
                walk.take(
                    ANNA.raw,
                    neutral,
                    root,
                    None,
                    frozenset(),
                    b"/",
                    b"",
                    b"",
                    0o644,
                    True,
                    (),
                    None,
                    print,
                    1,
                    None,
                    b"x",
                )
            assert begun[0][1:] == (b"new",)
            assert (folder / "new").read_bytes() == b"her own"
            assert ((folder / "new").stat().st_uid, (folder / "new").stat().st_gid) == (ANNA.uid, ANNA.gid)
            assert (folder / "roots").read_text() == "1234"
        finally:
            native.calls.settle()
            walk.close()
            os.close(root)
