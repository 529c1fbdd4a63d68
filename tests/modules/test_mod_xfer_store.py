"""STOR, APPE, STOU: what is there stays until better has come, and what broke off is not called whole."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from xfer_ground import Breaking, closed, names, run, talk, upload_over

from ftpd.api import Command, Module, TransferError
from ftpd.core.log import Level
from ftpd.fs.local import LocalFiles
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

DONE = "150 Opening ASCII mode data connection for {}\n226 Transfer complete"
OVERWRITE = "AllowOverwrite on\n"
RESTART = "AllowOverwrite on\nAllowStoreRestart on\n"


def test_a_new_file_is_stored() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes, str]:
        reply = await ftp.upload("STOR two words.txt", b"l1\r\nl2\n")
        return reply, ftp.read("two words.txt"), await ftp("STOR")

    reply, content, empty = run(tale)
    assert reply == DONE.format("two words.txt")
    assert content == b"l1\nl2\n"
    assert empty == "500 'STOR' not understood"


def test_an_existing_file_needs_allowoverwrite() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes]:
        os.symlink("nowhere", f"{ftp.root}/broken")
        assert await ftp("STOR sub") == "550 sub: Overwrite permission denied"
        assert await ftp("STOR broken") == "550 broken: Overwrite permission denied"
        return await ftp.upload("STOR a", b"new"), ftp.read("a")

    files = {"a": b"old contents", "sub/": b""}
    assert run(tale, files=files) == ("550 a: Overwrite permission denied", b"old contents")


def test_allowoverwrite_replaces_the_contents() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes, str]:
        reply = await ftp.upload("STOR a", b"new")
        return reply, ftp.read("a"), await ftp("STOR sub")

    reply, content, folder = run(tale, files={"a": b"old contents", "sub/": b""}, conf=OVERWRITE)
    assert (reply, content) == (DONE.format("a"), b"new")
    assert folder == "550 sub: Not a regular file"


def test_where_no_file_can_be_is_told_before_the_data_connection() -> None:
    lines = ("STOR no/such", "STOR a/x", f"STOR {'n' * 300}", "APPE no/such")
    assert talk(*lines, files={"a": b""}) == [
        "550 no/such: No such file or directory",
        "550 a/x: Not a directory",
        f"550 {'n' * 300}: File name too long",
        "550 no/such: No such file or directory",
    ]


def test_special_files_are_not_written() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(f"{ftp.root}/fifo")
        return [await ftp("STOR fifo"), await ftp("APPE fifo")]

    assert run(tale, conf=RESTART) == ["550 fifo: Not a regular file"] * 2


@pytest.mark.parametrize("line", ["STOR a", "APPE a", "STOR new", "STOU"])
def test_without_a_data_connection_nothing_changes(line: str) -> None:
    async def tale(ftp: Bench) -> tuple[str, list[str], bytes]:
        return await ftp(line), names(ftp), ftp.read("a")

    reply, left, content = run(tale, files={"a": b"old"}, conf=RESTART)
    assert reply == "425 Unable to build data connection: Connection refused"
    assert left == ["a"]
    assert content == b"old"


def test_uploads_follow_a_link_to_a_file_and_no_other() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("a", f"{ftp.root}/link")
        # the root is where the session's root is: there is no /etc in it
        os.symlink("/etc/ftpd-must-not-be", f"{ftp.root}/out")
        os.symlink("nowhere", f"{ftp.root}/dangling")
        os.symlink("sub", f"{ftp.root}/folder")
        linked = ("STOR link", "STOR out", "APPE out", "STOR dangling", "STOR folder")
        return [(await ftp.upload(line, b"new")).splitlines()[-1] for line in linked] + [ftp.read("a").decode()]

    files = {"a": b"old", "sub/": b""}
    for conf, out, dangling in (
        (RESTART, "550 out: Not a regular file", "550 dangling: Not a regular file"),
        # where links may be written through, it is the folder that is missing
        (
            RESTART + "TransferOptions AllowSymlinkUpload\n",
            "550 out: No such file or directory",
            "226 Transfer complete",
        ),
    ):
        assert run(tale, files=files, conf=conf) == [
            "226 Transfer complete",
            out,
            out,
            dangling,
            "550 folder: Not a regular file",
            "new",
        ]
        assert not os.path.exists("/etc/ftpd-must-not-be")
    refused = run(tale, files=files, conf="AllowStoreRestart on\n")
    assert (refused[0], refused[-1]) == ("550 link: Overwrite permission denied", "old")


def test_a_hidden_upload_follows_a_link_to_a_file() -> None:
    async def tale(ftp: Bench) -> tuple[str, str, bool, bytes, list[str]]:
        os.symlink("sub/a", f"{ftp.root}/link")
        os.symlink("sub/b", f"{ftp.root}/dangling")
        replies = [(await ftp.upload(f"STOR {name}", b"new")).splitlines()[-1] for name in ("link", "dangling")]
        there = sorted(os.listdir(f"{ftp.root}/sub"))
        return replies[0], replies[1], os.path.islink(f"{ftp.root}/link"), ftp.read("sub/a"), there

    conf, files = OVERWRITE + "HiddenStores on\n", {"sub/a": b"old"}
    whole, no_file = "226 Transfer complete", "550 dangling: Not a regular file"
    assert run(tale, files=files, conf=conf) == (whole, no_file, True, b"new", ["a"])
    conf += "TransferOptions AllowSymlinkUpload\n"
    assert run(tale, files=files, conf=conf) == (whole, whole, True, b"new", ["a", "b"])
    assert run(tale, files=files, conf="HiddenStores on\n")[0] == "550 link: Overwrite permission denied"


def test_a_hidden_upload_that_cannot_have_its_name_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def refused(*paths: object, **how: object) -> None:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        with patch.object(LocalFiles, "rename", refused):
            reply = await ftp.upload("STOR sub/late", b"new")
        return reply.splitlines()[-1], os.listdir(f"{ftp.root}/sub")

    reply, left = run(tale, files={"sub/": b""}, conf=OVERWRITE + "HiddenStores on\n")
    assert reply == "550 /sub/late: Rename of hidden file /sub/.in.late. failed: Is a directory"
    assert left == []
    assert re.search(r"Rename of /\S+/sub/.in.late. to /\S+/sub/late failed: Is a directory\.", caplog.text)


def test_a_link_does_not_lead_an_upload_past_a_limit_or_allowoverwrite() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes]:
        os.symlink("kept/a", f"{ftp.root}/link")
        return await ftp.upload("STOR link", b"new"), ftp.read("kept/a")

    files = {"kept/a": b"old"}
    place = OVERWRITE + "<Directory {root}/kept>\n%s\n</Directory>\n"
    denied = run(tale, files=files, conf=place % "<Limit STOR>\nDenyAll\n</Limit>")
    assert denied == ("550 link: Operation not permitted", b"old")
    assert run(tale, files=files, conf=place % "AllowOverwrite off") == (
        "550 link: Overwrite permission denied",
        b"old",
    )


@contextmanager
def watched(folder: str) -> Iterator[Callable[[], int]]:
    """Gives how often files in the folder have been opened (inotify(7)) since it was asked last."""
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(descriptor, os.fsencode(folder), 0x20) >= 0
    with os.fdopen(descriptor, "rb", buffering=0) as tail:
        yield lambda: (tail.read(4096) or b"").count(b"precious")


@pytest.mark.parametrize(
    ("conf", "lines", "reply"),
    [
        ("", ["STOR precious"], "550 precious: Overwrite permission denied"),
        (OVERWRITE, ["REST 1", "STOR precious"], "451 precious: Append/Restart not permitted, try again"),
    ],
)
def test_who_watches_a_file_does_not_see_it_opened_for_an_upload_that_is_refused(
    conf: str, lines: list[str], reply: str
) -> None:
    async def tale(ftp: Bench) -> None:
        with watched(str(ftp.root)) as opened:
            await ftp("TYPE I")
            assert [await ftp(line) for line in lines][-1] == reply
            assert opened() == 0
            await ftp.download("RETR precious")
            assert opened() == 1

    run(tale, conf=conf, files={"precious": b"old"})


# -- going on where an upload ended ----------------------------------------------------------------------


def test_rest_writes_from_there_and_needs_allowstorerestart() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes]:
        await ftp("TYPE I")
        await ftp("REST 4")
        reply = await ftp.upload("STOR a", b"AB")
        return reply, ftp.read("a")

    files = {"a": b"0123456789"}
    assert run(tale, files=files, conf=RESTART)[1] == b"0123AB6789"
    assert run(tale, files=files, conf=OVERWRITE) == ("451 a: Append/Restart not permitted, try again", b"0123456789")


def test_rest_beyond_the_end_makes_no_hole_and_no_file() -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("TYPE I")
        await ftp("REST 11")
        old = await ftp.upload("STOR a", b"AB")
        await ftp("REST 1")
        new = await ftp.upload("STOR new", b"AB")
        return [old, new, *names(ftp)]

    assert run(tale, files={"a": b"0123456789"}, conf=RESTART) == [
        "554 REST: invalid a argument",
        "554 REST: invalid new argument",
        "a",
    ]


def test_a_range_takes_no_more_than_it_holds() -> None:
    async def tale(ftp: Bench) -> tuple[str, str, bytes]:
        await ftp("TYPE I")
        await ftp("RANG 2 3")
        fits = await ftp.upload("STOR a", b"AB")
        await ftp("RANG 5 6")
        more = await ftp.upload("STOR a", b"CDE")
        return fits, more, ftp.read("a")

    fits, more, content = run(tale, files={"a": b"0123456789"}, conf=RESTART)
    assert fits == "150 Opening BINARY mode data connection for a (2 bytes)\n226 Transfer complete"
    assert more.endswith("\n426 Transfer aborted. Operation not permitted")
    assert content == b"01AB4CD789"


def test_a_range_that_is_not_filled_is_no_success() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes]:
        await ftp("TYPE I")
        await ftp("RANG 2 5")
        return await ftp.upload("STOR a", b"AB"), ftp.read("a")

    reply, content = run(tale, files={"a": b"0123456789"}, conf=RESTART)
    assert reply.endswith("\n426 Transfer aborted. Operation not permitted")
    assert content == b"01AB456789"


def test_appe_adds_to_the_end_and_needs_allowstorerestart() -> None:
    async def tale(ftp: Bench) -> list[object]:
        replies = [await ftp.upload("APPE a", b"def"), await ftp.upload("APPE new", b"xyz")]
        return [*replies, ftp.read("a"), ftp.read("new")]

    done = [DONE.format("a"), DONE.format("new"), b"abcdef", b"xyz"]
    assert run(tale, files={"a": b"abc"}, conf="AllowStoreRestart on\n") == done
    refused = ["451 a: Append/Restart not permitted, try again", DONE.format("new"), b"abc", b"xyz"]
    assert run(tale, files={"a": b"abc"}) == refused
    assert talk("APPE", "TYPE I", "RANG 1 2", "APPE a")[::3] == [
        "500 'APPE' not understood",
        "550 APPE incompatible with RANG",
    ]


# -- uploads that break off --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "left"),
    [
        ("", ["new"]),
        ("DeleteAbortedStores on\n", []),
        ("HiddenStores on\n", []),
        ("HiddenStores on\nDeleteAbortedStores off\n", [".in.new."]),
    ],
)
def test_what_is_left_of_a_broken_upload(conf: str, left: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        return await upload_over(ftp, "STOR new", Breaking(b"half", error=closed())), names(ftp)

    reply, there = run(tale, conf=conf)
    assert reply.splitlines()[-1] == "426 Transfer aborted. Data connection closed"
    assert there == left
    # what the daemon removes of its own accord, the log tells of
    told = [record for record in caplog.records if record.getMessage().startswith("removing aborted ")]
    name = "HiddenStores file '.*/\\.in\\.new\\.'" if "Hidden" in conf else "file '.*/new'"
    assert [record.levelno for record in told] == ([] if left else [Level.NOTICE])
    assert all(re.fullmatch(f"removing aborted {name}", record.getMessage()) for record in told)


def test_a_full_disk_leaves_no_partial_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        full = TransferError(452, "Transfer aborted. No space left on device")
        return await upload_over(ftp, "STOR new", Breaking(b"half", error=full)), names(ftp)

    reply, there = run(tale)
    assert reply.endswith("\n452 Transfer aborted. No space left on device")
    assert there == []
    assert "notice: user tom: aborting transfer: No space left on device" in caplog.text


def test_appended_to_is_never_deleted() -> None:
    async def tale(ftp: Bench) -> bytes:
        await upload_over(ftp, "APPE a", Breaking(b"half", error=closed()))
        return ftp.read("a")

    assert run(tale, files={"a": b"abc"}, conf=RESTART + "DeleteAbortedStores on\n") == b"abchalf"


def test_of_an_upload_that_is_broken_off_the_log_has_proftpds_reason_and_no_size_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    form = "%s|%{transfer-status}|%{transfer-failure}|%{file-size}|%{file-modified}"
    conf = f'LogFormat f "{form}"\nExtendedLog {log} WRITE f\nAllowOverwrite on\n'

    async def tale(ftp: Bench) -> None:
        await upload_over(ftp, "STOR new", Breaking(b"half", error=closed()))
        await upload_over(ftp, "STOR a", Breaking(b"half", error=closed()))
        taken_back = TransferError(426, "Transfer aborted. Data connection closed.", aborted=True)
        await upload_over(ftp, "STOR back", Breaking(b"half", error=taken_back))
        await ftp.upload("STOR whole", b"whole")
        await ftp("STOR sub")

    run(tale, files={"a": b"abc", "sub/": b""}, conf=conf)
    told = [line for line in log.read_text().splitlines() if line.split("|")[1] != "-"]
    assert told == [
        "426|failed|Data connection closed|-|false", "426|failed|Data connection closed|-|true",
        "426|cancelled|aborted|-|false",
        "226|success|-|5|false", "550|failed|sub: Not a regular file|-|false",
    ]  # fmt: skip


def test_a_stalled_upload_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> tuple[str, str | None]:
        stalled = TransferError(421, "Data transfer stall timeout (9 seconds): closing data connection")
        reply = await upload_over(ftp, "STOR new", Breaking(b"half", error=stalled))
        return reply.splitlines()[-1], ftp.wire.closed_for

    reply, reason = run(tale, conf="TimeoutStalled 9\n")
    assert reply.startswith("421 Data transfer stall timeout")
    assert reason == "Timeout exceeded: TimeoutStalled during data transfer"
    assert "Data transfer stall timeout: 9 seconds" in [record.getMessage() for record in caplog.records]


# -- HiddenStores ------------------------------------------------------------------------------------------


def test_a_hidden_upload_gets_its_name_when_it_is_whole() -> None:
    async def tale(ftp: Bench) -> tuple[list[str], bytes, list[str], bytes]:
        during: list[str] = []
        old = b""

        def look() -> None:
            nonlocal old
            during.extend(names(ftp))
            old = ftp.read("a")

        await upload_over(ftp, "STOR a", Breaking(b"new", look))
        return during, old, names(ftp), ftp.read("a")

    during, old, after, content = run(tale, files={"a": b"old"}, conf=OVERWRITE + "HiddenStores on\n")
    assert (during, old) == ([".in.a.", "a"], b"old")
    assert (after, content) == (["a"], b"new")


def test_prefix_and_suffix_of_hidden_uploads_can_be_chosen() -> None:
    async def tale(ftp: Bench) -> list[str]:
        during: list[str] = []
        await upload_over(ftp, "STOR a", Breaking(b"new", lambda: during.extend(names(ftp))))
        return during

    assert run(tale, conf='HiddenStores "" .filepart\n') == ["a.filepart"]
    # a prefix alone is set between dots, as with ProFTPD
    assert run(tale, conf="HiddenStores up-\n") == [".up-.a."]
    assert run(tale, conf="HiddenStores .up-.\n") == [".up-.a."]
    assert run(tale, conf="HiddenStores up- .\n") == ["up-a."]
    (name,) = run(tale, conf="HiddenStores .in. .%P\n")
    assert re.fullmatch(rf"\.in\.a\.{os.getpid()}-\d+", name)


def test_a_hidden_file_in_the_way_is_told() -> None:
    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        return await ftp.upload("STOR a", b"x"), names(ftp)

    reply, left = run(tale, files={".in.a.": b""}, conf="HiddenStores on\n")
    assert reply == "550 a: Temporary hidden file /.in.a. already exists"
    assert left == [".in.a."]


def test_hidden_uploads_cannot_go_on_in_the_middle() -> None:
    conf = RESTART + "HiddenStores on\n"
    replies = talk(
        "TYPE I", "REST 3", "STOR a", "RANG 1 2", "STOR a", "REST 2", "APPE a", files={"a": b"0123"}, conf=conf
    )
    assert replies[2] == replies[6] == "501 REST not compatible with server configuration"
    assert replies[4] == "501 RANG not compatible with server configuration"


def test_a_file_that_came_meanwhile_is_not_overwritten() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes, list[str]]:
        link = Breaking(b"ours", lambda: ftp.write("a", b"theirs"))
        reply = await upload_over(ftp, "STOR a", link)
        return reply.splitlines()[-1], ftp.read("a"), names(ftp)

    assert run(tale, conf="HiddenStores on\n") == ("550 a: Overwrite permission denied", b"theirs", ["a"])


# -- STOU ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conf", ["", "HiddenStores on\n"])
def test_stou_makes_a_name_of_its_own_and_tells_it(conf: str) -> None:
    async def tale(ftp: Bench) -> list[tuple[str, bytes]]:
        made = []
        for line in ("STOU", "STOU wish"):
            first, again, last = (await ftp.upload(line, b"x")).splitlines()
            name = first.removeprefix("150 FILE: ")
            # what a program gets to see that is given the last reply only
            assert (again, last) == (f"226-FILE: {name}", "226 Transfer complete")
            made.append((name, ftp.read(name)))
        assert len(names(ftp)) == 2
        return made

    for name, content in run(tale, conf=conf):
        assert re.fullmatch(r"ftp[a-zA-Z0-9]{6}", name)
        assert content == b"x"


def test_stou_takes_no_name_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("aaaaaabbbbbb")
    monkeypatch.setattr("ftpd.modules._xfer_store.secrets.choice", lambda alphabet: next(letters))

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        os.symlink("/etc/passwd", f"{ftp.root}/up-aaaaaa")
        return (await ftp.upload("STOU", b"x")).splitlines()[0], names(ftp)

    assert run(tale, conf="StoreUniquePrefix up-\n") == ("150 FILE: up-bbbbbb", ["up-aaaaaa", "up-bbbbbb"])


def test_stou_gives_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftpd.modules._xfer_store.secrets.choice", lambda alphabet: "a")
    assert talk("STOU", files={"ftpaaaaaa": b""}) == ["450 STOU: unable to generate unique filename"]


def test_stou_takes_no_offset_and_no_second_word() -> None:
    assert talk("TYPE I", "REST 4", "STOU", "RANG 1 2", "STOU", "STOU a b")[2::2] == [
        "550 STOU incompatible with REST",
        "550 STOU incompatible with RANG",
    ]
    assert talk("STOU a b") == ["500 'STOU a b' not understood"]


# -- limits --------------------------------------------------------------------------------------------------


def test_maxstorefilesize_ends_the_upload_and_removes_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> tuple[str, str, list[str]]:
        too_much = await ftp.upload("STOR big", b"123456")
        fits = await ftp.upload("STOR fits", b"12345")
        return too_much, fits, names(ftp)

    too_much, fits, left = run(tale, conf="MaxStoreFileSize 5 B\n")
    assert too_much.splitlines()[-1].startswith("552 Transfer aborted.")
    assert fits == DONE.format("fits")
    assert left == ["fits"]
    told = [record.getMessage() for record in caplog.records if "MaxStoreFileSize" in record.getMessage()]
    assert len(told) == 1 and told[0].startswith("MaxStoreFileSize (5 bytes) reached: aborting transfer of '/")


def test_maxstorefilesize_counts_what_is_there_already() -> None:
    async def tale(ftp: Bench) -> tuple[str, str, bytes]:
        within = await ftp.upload("APPE a", b"de")
        beyond = await ftp.upload("APPE a", b"f")
        return within, beyond, ftp.read("a")

    within, beyond, content = run(tale, files={"a": b"abc"}, conf=RESTART + "MaxStoreFileSize 5 B\n")
    assert within == DONE.format("a")
    assert (beyond, content) == ("552 a: File too large", b"abcde")


def test_limit_on_write_keeps_uploads_out() -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [await ftp.upload(line, b"x") for line in ("STOR n", "APPE n")] + names(ftp)

    conf = "<Limit WRITE>\nDenyAll\n</Limit>\n"
    assert run(tale, conf=conf) == ["550 n: Operation not permitted"] * 2


def test_the_transfer_is_recorded_for_the_logs() -> None:
    seen: list[tuple[str, str, int, str, str]] = []
    watch = Module("watch", version="1.0")

    @watch.log("STOR")
    @watch.log_err("STOR")
    def note(cmd: Command) -> None:
        moved = cmd.transfer
        assert moved is not None
        seen.append((moved.path, moved.direction, moved.moved, moved.status, os.path.basename(moved.real_path)))

    async def main(ftp: Bench) -> None:
        await ftp.upload("STOR sub/a", b"abc")
        await upload_over(ftp, "STOR b", Breaking(b"half", error=closed()))
        await upload_over(ftp, "STOR c", Breaking(b"half", error=TransferError(426, "x", aborted=True)))

    async def tale() -> None:
        async with Bench(watch, conf="DefaultRoot ~\n", files={"sub/": b""}) as ftp:
            await main(ftp)

    asyncio.run(tale())
    assert seen == [
        ("/sub/a", "i", 3, "success", "a"),
        ("/b", "i", 4, "failed", "b"),
        ("/c", "i", 4, "cancelled", "c"),
    ]


def test_a_session_that_ends_in_the_middle_leaves_no_hidden_file() -> None:
    class Hanging(MemoryData):
        async def receive_file(self, descriptor: int, **how: object) -> int:
            os.write(descriptor, b"half")
            started.set()
            await asyncio.Event().wait()
            return 0

    async def tale(ftp: Bench) -> list[str]:
        task = asyncio.ensure_future(upload_over(ftp, "STOR a", Hanging(b"")))
        await started.wait()
        assert names(ftp) == [".in.a."]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return names(ftp)

    started = asyncio.Event()
    assert run(tale, conf="HiddenStores on\n") == []
