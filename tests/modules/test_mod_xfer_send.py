"""RETR: whole files, parts of them, and what is no file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from xfer_ground import fetch, run, talk

from ftpd.api import TransferError
from ftpd.core.log import Level
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData, MemoryWire

TREE = {"a.txt": b"hello\nworld\n", "one": b"x", "zero": b"", "sub/": b"", "with blank.txt": b"b"}


async def _get(ftp: Bench, *lines: str) -> tuple[str, bytes]:
    for line in lines[:-1]:
        assert (await ftp(line))[0] in "23"
    content = await ftp.download(lines[-1])
    return ftp.replies, content


def test_a_file_is_announced_with_its_size_and_sent() -> None:
    async def tale(ftp: Bench) -> list[tuple[str, bytes]]:
        return [await _get(ftp, "TYPE I", f"RETR {name}") for name in ("a.txt", "one", "zero", "with blank.txt")]

    opening = "150 Opening BINARY mode data connection for"
    assert run(tale, files=TREE) == [
        (f"{opening} a.txt (12 bytes)\n226 Transfer complete", b"hello\nworld\n"),
        (f"{opening} one (1 byte)\n226 Transfer complete", b"x"),
        (f"{opening} zero\n226 Transfer complete", b""),
        (f"{opening} with blank.txt (1 byte)\n226 Transfer complete", b"b"),
    ]


def test_ascii_gives_network_line_ends() -> None:
    assert fetch("TYPE A", "RETR a.txt", files=TREE) == b"hello\r\nworld\r\n"


def test_ignoreascii_answers_type_a_and_sends_the_bytes() -> None:
    assert fetch("TYPE A", "RETR a.txt", files=TREE, conf="TransferOptions IgnoreASCII\n") == b"hello\nworld\n"


def test_usesendfile_off_sends_the_same_bytes() -> None:
    big = os.urandom(700_001)
    lines = ("TYPE I", "REST 3", "RETR big")
    assert fetch(*lines, files={"big": big}, conf="UseSendfile off\n") == big[3:]
    assert fetch(*lines, files={"big": big}, conf="UseSendfile on\n") == big[3:]


@pytest.mark.parametrize(
    ("conf", "slice"),
    [("on", 0), ("64 KB", 65536), ("25%", 250), ("1%", 10)],
    ids=["on", "length", "quarter", "percent"],
)
def test_usesendfile_says_how_much_goes_out_at_once(conf: str, slice: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    send = MemoryData.send_file

    async def noted(self: MemoryData, descriptor: int, **how: Any) -> int:
        asked.append(how["slice"])
        return await send(self, descriptor, **how)

    monkeypatch.setattr(MemoryData, "send_file", noted)
    assert fetch("TYPE I", "RETR f", files={"f": b"x" * 1000}, conf=f"UseSendfile {conf}\n") == b"x" * 1000
    assert asked == [slice]


def test_what_is_no_file_is_refused_at_once() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(f"{ftp.root}/fifo")
        os.symlink("nowhere", f"{ftp.root}/broken")
        os.symlink("/etc/passwd", f"{ftp.root}/out")
        lines = ("RETR nope", "RETR sub", "RETR fifo", "RETR broken", "RETR out", "RETR a.txt/x", "RETR *.txt", "RETR")
        return [await ftp(line) for line in lines]

    assert run(tale, files=TREE) == [
        "550 nope: No such file or directory",
        "550 sub: Not a regular file",
        "550 fifo: Not a regular file",
        "550 broken: No such file or directory",
        "550 out: No such file or directory",
        "550 a.txt/x: Not a directory",
        "550 *.txt: No such file or directory",
        "500 'RETR' not understood",
    ]


def test_without_a_data_connection_there_is_425() -> None:
    assert talk("RETR a.txt", files=TREE) == ["425 Unable to build data connection: Connection refused"]


@pytest.mark.parametrize(
    ("conf", "seconds"),
    [
        ("", 60),
        ("TimeoutStalled 20\n", 20),
        ("TimeoutStalled 0\n", 60),
        # its session is ended before that, with one reply
        ("TimeoutNoTransfer 30\nTimeoutStalled 40\n", 31),
        ("TimeoutNoTransfer 0\nTimeoutStalled 7200\n", 60),
    ],
)
def test_a_client_that_does_not_come_is_waited_for_no_longer_than_one_that_stalls(
    monkeypatch: pytest.MonkeyPatch, conf: str, seconds: int
) -> None:
    asked: list[float] = []

    async def open_data(self: MemoryWire, *, timeout: float, **more: Any) -> MemoryData:
        asked.append(timeout)
        raise TransferError(425, "Unable to build data connection: Connection timed out")

    monkeypatch.setattr(MemoryWire, "open_data", open_data)
    assert talk("PASV", "RETR a.txt", files=TREE, conf=conf)[-1].startswith("425")
    assert asked == [seconds]


# -- REST and RANG ---------------------------------------------------------------------------------------


def test_rest_holds_for_the_next_transfer_only() -> None:
    async def tale(ftp: Bench) -> list[tuple[str, bytes]]:
        await ftp("TYPE I")
        return [await _get(ftp, "REST 6", "NOOP", "RETR a.txt"), await _get(ftp, "RETR a.txt")]

    opening = "150 Opening BINARY mode data connection for a.txt"
    assert run(tale, files=TREE) == [
        (f"{opening} (6 bytes)\n226 Transfer complete", b"world\n"),
        (f"{opening} (12 bytes)\n226 Transfer complete", b"hello\nworld\n"),
    ]


@pytest.mark.parametrize(
    ("before", "failing"),
    [
        ("REST 6", "RETR nope"),
        ("REST 13", "RETR a.txt"),
        ("RANG 2 5", "RETR sub"),
        ("REST 6", "STOR a.txt"),
        ("REST 6", "RETR closed/x"),
    ],
)
def test_an_offset_never_reaches_a_later_transfer(before: str, failing: str) -> None:
    conf = "<Directory {root}/closed>\n<Limit RETR>\nDenyAll\n</Limit>\n</Directory>\n"
    content = fetch("TYPE I", before, failing, "RETR a.txt", files={**TREE, "closed/x": b"secret"}, conf=conf)
    assert content == b"hello\nworld\n"


def test_the_end_of_a_file_is_a_place_to_start_and_beyond_it_is_not() -> None:
    async def tale(ftp: Bench) -> list[tuple[str, bytes]]:
        await ftp("TYPE I")
        return [await _get(ftp, "REST 12", "RETR a.txt"), await _get(ftp, "REST 13", "RETR a.txt")]

    end, beyond = run(tale, files=TREE)
    assert end == ("150 Opening BINARY mode data connection for a.txt\n226 Transfer complete", b"")
    assert beyond[0] == "554 REST: invalid a.txt argument"


def test_a_range_is_sent_and_must_lie_in_the_file() -> None:
    async def tale(ftp: Bench) -> list[tuple[str, bytes]]:
        await ftp("TYPE I")
        asked = ("RANG 2 5", "RANG 2 11", "RANG 0 99", "RANG 2 12", "RANG 12 13", "RANG 50 60")
        return [await _get(ftp, line, "RETR a.txt") for line in asked]

    inside, to_the_end, whole, *outside = run(tale, files=TREE)
    assert whole[1] == TREE["a.txt"]
    assert to_the_end[1] == b"llo\nworld\n"
    assert inside == (
        "150 Opening BINARY mode data connection for a.txt (4 bytes)\n226 Transfer complete",
        b"llo\n",
    )
    # fewer bytes than were asked for would be taken for all of them
    assert [replies.splitlines()[0] for replies, _ in outside] == [
        "554 a.txt: invalid RANG argument",
        "554 a.txt: invalid RANG argument",
        "554 RANG: invalid a.txt argument",
    ]


def test_the_last_of_rest_and_rang_counts() -> None:
    assert fetch("TYPE I", "RANG 2 5", "REST 1", "RETR a.txt", files=TREE) == b"ello\nworld\n"
    assert fetch("TYPE I", "REST 1", "RANG 2 5", "RETR a.txt", files=TREE) == b"llo\n"
    assert fetch("TYPE I", "RANG 2 5", "RANG 1 0", "RETR a.txt", files=TREE) == b"hello\nworld\n"


def test_allowretrieverestart_off_refuses_parts_and_not_wholes() -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("TYPE I")
        parts = [(await _get(ftp, line, "RETR a.txt"))[0] for line in ("REST 3", "RANG 1 2", "REST 0")]
        return parts

    refused, also, whole = run(tale, files=TREE, conf="AllowRetrieveRestart off\n")
    assert refused == also == "451 a.txt: Restart not permitted, try again"
    assert whole.endswith("226 Transfer complete")


# -- limits ------------------------------------------------------------------------------------------------


def test_maxretrievefilesize_refuses_the_larger_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> list[str]:
        return [(await _get(ftp, f"RETR {name}"))[0].splitlines()[-1] for name in ("a.txt", "one")]

    over, done = "426 Transfer aborted. Operation not permitted", "226 Transfer complete"
    assert run(tale, files=TREE, conf="MaxRetrieveFileSize 5 B\n") == [over, done]
    # the path on the machine, as in ProFTPD: what the client called it says little to who reads the log
    assert re.search(r"MaxRetrieveFileSize \(5 bytes\) reached: aborting transfer of '/.*/a.txt'", caplog.text)
    # a line for the user wins over the one for everybody, whatever their order
    assert run(tale, files=TREE, conf="MaxRetrieveFileSize *\nMaxRetrieveFileSize 5 B user tom\n") == [over, done]
    assert run(tale, files=TREE, conf="MaxRetrieveFileSize 5 B user ann\nMaxRetrieveFileSize *\n") == [done, done]
    # one of several groups is enough for a size, unless they are joined by AND
    for groups, held in {"staff,tom": over, "AND staff,tom": done, "staff,crew": done}.items():
        assert run(tale, files=TREE, conf=f"MaxRetrieveFileSize 5 B group {groups}\n")[0] == held


def test_transferrate_slows_the_commands_it_names() -> None:
    async def tale(ftp: Bench) -> list[float | None]:
        rates = []
        for line in ("RETR a.txt", "STOR new"):
            await ftp.download(line)
            assert ftp.wire.last is not None
            rates.append(ftp.wire.last.rate)
        return rates

    assert run(tale, files=TREE, conf="TransferRate RETR,APPE 1.5:10\n") == [1536.0, None]
    assert run(tale, files=TREE, conf="TransferRate STOR 2 user !tom\n") == [None, None]
    # 0 is no limit, and as a line of its own comes before those behind it
    assert run(tale, files=TREE, conf="TransferRate RETR 0\nTransferRate RETR,STOR 2\n") == [None, 2048.0]


def test_displayfiletransfer_stands_before_the_last_line(tmp_path: Path) -> None:
    text = tmp_path / "thanks"
    text.write_text("Thank you, come again.\n")

    async def tale(ftp: Bench) -> str:
        return (await _get(ftp, "RETR one"))[0]

    assert run(tale, files=TREE, conf=f"DisplayFileTransfer {text}\n").splitlines()[1:] == [
        "226-Thank you, come again.",
        "226 Transfer complete",
    ]


def test_displayfiletransfer_tells_the_bytes_of_this_transfer_too(tmp_path: Path) -> None:
    text = tmp_path / "told"
    text.write_text("%k, %o sent, %{total_bytes_out}\n")

    async def tale(ftp: Bench) -> list[str]:
        return [(await _get(ftp, f"RETR {name}"))[0].splitlines()[1] for name in ("one", "a.txt", "one")]

    files = {**TREE, "a.txt": b"hello world!"}
    assert run(tale, files=files, conf=f"DisplayFileTransfer {text}\n") == [
        "226-1B, 0 sent, 1",
        "226-13B, 1 sent, 13",
        "226-14B, 2 sent, 14",
    ]


def test_displayfiletransfer_may_be_a_file_that_the_client_sees() -> None:
    async def tale(ftp: Bench) -> str:
        return (await _get(ftp, "RETR one"))[0].splitlines()[1]

    for name in ("one.msg", "/sub/one.msg"):
        files = {**TREE, name.lstrip("/"): b"inside\n"}
        assert run(tale, files=files, conf=f"DisplayFileTransfer {name}\n") == "226-inside"


def test_limit_on_read_keeps_files_from_being_fetched() -> None:
    conf = "<Limit READ>\nDenyAll\n</Limit>\n"
    assert talk("RETR a.txt", files=TREE, conf=conf) == ["550 a.txt: Operation not permitted"]
