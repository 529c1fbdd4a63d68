"""TYPE, STRU, MODE, REST, RANG, ALLO, ABOR: what a client says before and around its transfers."""

from __future__ import annotations

import asyncio

import pytest
from xfer_ground import run, talk

from ftpd.core.log import Level
from ftpd.module.wire import TransferError
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryWire


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("TYPE I", "200 Type set to I"),
        ("TYPE i", "200 Type set to i"),
        ("TYPE A N", "200 Type set to A"),
        ("TYPE L 8", "200 Type set to L"),
        ("TYPE L8", "200 Type set to L8"),
        ("TYPE A X", "504 TYPE not implemented for 'X' parameter"),
        ("TYPE I Z", "504 TYPE not implemented for 'Z' parameter"),
        ("TYPE L", "504 TYPE not implemented for 'L' parameter"),
        ("TYPE L 36", "504 TYPE not implemented for 'L' parameter"),
        ("TYPE E", "504 TYPE not implemented for 'E' parameter"),
        ("TYPE", "500 'TYPE' not understood"),
        ("TYPE A N x", "500 'TYPE A N x' not understood"),
        ("STRU F", "200 Structure set to F"),
        ("STRU r", "504 'STRU r' unsupported structure type"),
        ("STRU X", "501 'STRU X' unrecognized structure type"),
        ("STRU", "501 'STRU' not understood"),
        ("MODE S", "200 Mode set to S"),
        ("MODE B", "504 'MODE B' unsupported transfer mode"),
        ("MODE Z", "501 'MODE Z' unrecognized transfer mode"),
        ("MODE S x", "501 'MODE S x' not understood"),
        ("ALLO 5", "200 ALLO command successful"),
        ("ALLO 5 R 3", "200 ALLO command successful"),
        ("ALLO x y z", "504 x y z: Invalid ALLO argument"),
        ("ALLO 5 R", "504 'ALLO 5 R' not understood"),
        ("ALLO abc", "504 abc: Invalid ALLO argument"),
        ("ALLO 9223372036854775807", "552 9223372036854775807: No space left on device"),
        ("ABOR", "226 Abort successful"),
        ("ABOR x", "500 'ABOR x' not understood"),
        ("SMNT /", "502 SMNT command not implemented"),
        ("REST", "500 'REST' not understood"),
        ("REST 5 6", "500 'REST 5 6' not understood"),
        ("REST 0", "350 Restarting at 0. Send STORE or RETRIEVE to initiate transfer"),
        ("REST 5", "501 REST: Resuming transfers not allowed in ASCII mode"),
        ("RANG 0 5", "551 RANG: Transfer ranges not allowed in ASCII mode"),
        ("RANG 5 0", "501 RANG start must be less than end"),
        ("RANG 1 0", "350 Reset byte transfer range"),
        ("RANG 1", "500 'RANG 1' not understood"),
    ],
)
def test_parameters_are_answered_as_proftpd_does(line: str, reply: str) -> None:
    assert talk(line) == [reply]


def test_who_sees_the_whole_machine_is_told_that_there_is_room() -> None:
    async def tale() -> str:
        async with Bench() as ftp:
            return await ftp("ALLO 5")

    assert asyncio.run(tale()) == "200 ALLO command successful"


def test_opts_rest_tells_whether_transfers_can_be_resumed() -> None:
    lines = ("OPTS REST RETR", "OPTS REST STOR", "OPTS REST", "OPTS REST LIST")
    assert (
        talk(*lines) == ["200 REST RETR allowed", "451 REST STOR not allowed"] + ["501 'OPTS REST' not understood"] * 2
    )
    conf = "AllowStoreRestart on\nAllowRetrieveRestart off\n"
    assert talk(*lines[:2], conf=conf) == ["451 REST RETR not allowed", "200 REST STOR allowed"]
    assert talk(lines[0], login=None) == ["501 Please login with USER and PASS"]


@pytest.mark.parametrize(
    "number", ["-1", "+5", "abc", "5abc", "0x10", "²", "١٢", "1_0", str(2**63), str(2**64 - 1), "9" * 5000]
)
def test_only_plain_numbers_that_a_file_can_have_are_taken(number: str) -> None:
    replies = talk("TYPE I", f"REST {number}", f"RANG {number} 5", f"RANG 0 {number}", f"ALLO {number}")
    assert replies[1] == "501 REST requires a value greater than or equal to 0"
    assert replies[2:4] == ["501 RANG requires a value greater than or equal to 0"] * 2
    assert replies[4].startswith("504 ")


def test_ranges_count_both_ends_and_must_not_be_reversed() -> None:
    assert talk("TYPE I", "RANG 0 5", "RANG 2 2", "RANG 5 2", "RANG 1 0", "REST 9223372036854775807")[1:] == [
        "350 Transferring byte range of 6 bytes starting from 0",
        "350 Transferring byte range of 1 byte starting from 2",
        "501 RANG start must be less than end",
        "350 Reset byte transfer range",
        "350 Restarting at 9223372036854775807. Send STORE or RETRIEVE to initiate transfer",
    ]


def test_type_is_taken_before_login_and_the_rest_is_not() -> None:
    assert talk("TYPE I", "REST 5", "ALLO 5", "RETR x", "ABOR", login=None) == [
        "200 Type set to I",
        *["530 Please login with USER and PASS"] * 4,
    ]


def test_the_first_type_is_ascii_unless_configured() -> None:
    assert " TYPE: ASCII, STRUcture: File, Mode: Stream" in talk("STAT")[0]
    assert " TYPE: BINARY, STRUcture: File, Mode: Stream" in talk("STAT", conf="DefaultTransferMode binary\n")[0]


def test_abor_takes_back_a_prepared_data_connection() -> None:
    replies = talk("PASV", "ABOR", "RETR a", files={"a": b"x"})
    assert replies[1:] == ["226 Abort successful", "425 Unable to build data connection: Connection refused"]


def test_abor_during_a_transfer_asks_the_connection_to_end() -> None:
    async def tale(ftp: Bench) -> tuple[str, int]:
        asked = 0

        def abort_transfer() -> bool:
            nonlocal asked
            asked += 1
            return True

        ftp.wire.abort_transfer = abort_transfer  # type: ignore[method-assign]
        return await ftp("ABOR"), asked

    assert run(tale) == ("226 Abort successful", 1)


def test_who_moves_nothing_for_long_is_sent_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> tuple[str, str | None]:
        ftp.wire.written.clear()
        ftp.wire.pass_time(4)
        before = ftp.wire.closed_for
        assert before is None
        ftp.wire.pass_time(5)
        return ftp.wire.written[0].encode().decode(), ftp.wire.closed_for

    reply, reason = run(tale, conf="TimeoutNoTransfer 5\nTimeoutIdle 600\n")
    assert reply == "421 No transfer timeout (5 seconds): closing control connection\r\n"
    assert reason == "Timeout exceeded: TimeoutNoTransfer"
    assert "FTP no transfer timeout, disconnected" in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("before", "told"), [("PASV", True), ("PORT 127,0,0,1,200,0", False), ("NOOP", False)])
def test_the_log_says_what_may_be_the_matter_where_a_client_does_not_come_to_its_port(
    before: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(Level.NOTICE)

    async def tale(ftp: Bench) -> None:
        await ftp(before)
        ftp.wire.pass_time(5)

    run(tale, conf="TimeoutNoTransfer 5\nTimeoutIdle 600\n")
    said = [record.getMessage() for record in caplog.records]
    why = [
        "Passive data transfer failed, possibly due to network issues",
        "Check your PassivePorts and MasqueradeAddress settings,",
        "and any router, NAT, and firewall rules in the network path.",
    ]
    assert said[-4:] == [*why, "FTP no transfer timeout, disconnected"] if told else why[0] not in said


@pytest.mark.parametrize(
    ("line", "moves"),
    [("STOR new", True), ("NLST", True), ("RETR nope", False), ("STOR no/where", False), ("MLSD nope", False)],
)
def test_only_what_has_had_a_data_connection_is_a_transfer(line: str, moves: bool) -> None:
    async def tale(ftp: Bench) -> bool:
        timer = next(one for one in ftp.wire._timers if one.seconds == 5)
        timer._deadline = 0
        await ftp.upload(line, b"x")
        return timer._deadline > 0

    assert run(tale, conf="TimeoutNoTransfer 5\nTimeoutIdle 600\n") is moves


def test_a_command_that_no_data_connection_comes_for_is_no_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_comes(*_: object, **__: object) -> None:
        raise TransferError(425, "Unable to build data connection: Connection refused")

    monkeypatch.setattr(MemoryWire, "data_at_once", none_comes)

    async def tale(ftp: Bench) -> tuple[str, float]:
        timer = next(one for one in ftp.wire._timers if one.seconds == 5)
        timer._deadline = 0
        return await ftp("LIST"), timer._deadline

    reply, deadline = run(tale, conf="TimeoutNoTransfer 5\nTimeoutIdle 600\n")
    assert (reply[:3], deadline) == ("425", 0)


def test_timeoutnotransfer_0_lets_a_client_stay() -> None:
    async def tale(ftp: Bench) -> str | None:
        ftp.wire.pass_time(500)
        return ftp.wire.closed_for

    assert run(tale, conf="TimeoutNoTransfer 0\nTimeoutIdle 600\n") is None


def test_the_timer_waits_for_a_transfer_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryWire, "data", property(lambda wire: wire.last))

    async def tale(ftp: Bench) -> list[str | None]:
        await ftp.upload("STOR x", b"x")
        ftp.wire.pass_time(5)
        during = ftp.wire.closed_for
        ftp.wire.last = None
        ftp.wire.pass_time(5)
        return [during, ftp.wire.closed_for]

    assert run(tale, conf="TimeoutNoTransfer 5\nTimeoutIdle 600\n") == [None, "Timeout exceeded: TimeoutNoTransfer"]
