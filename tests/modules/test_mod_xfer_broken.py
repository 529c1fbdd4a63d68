"""Uploads that break off: what is left of them, and what the client and the log are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xfer_ground import RESTART, Breaking, closed, names, run, upload_over

from ftpd.api import TransferError
from ftpd.core.log import Level
from ftpd.testing import Bench


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
