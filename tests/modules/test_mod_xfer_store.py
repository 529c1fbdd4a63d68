"""STOR, APPE, STOU: what is there stays until better may come, and what comes is there whole, within its limits."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from xfer_ground import OVERWRITE, RESTART, Breaking, closed, names, run, talk, upload_over

from ftpd.api import Command, Module, TransferError
from ftpd.core.log import Level
from ftpd.testing import Bench

DONE = "150 Opening ASCII mode data connection for {}\n226 Transfer complete"


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
    monkeypatch.setattr("ftpd.modules._xfer_spot.secrets.choice", lambda alphabet: next(letters))

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        os.symlink("/etc/passwd", f"{ftp.root}/up-aaaaaa")
        return (await ftp.upload("STOU", b"x")).splitlines()[0], names(ftp)

    assert run(tale, conf="StoreUniquePrefix up-\n") == ("150 FILE: up-bbbbbb", ["up-aaaaaa", "up-bbbbbb"])


def test_stou_gives_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftpd.modules._xfer_spot.secrets.choice", lambda alphabet: "a")
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
