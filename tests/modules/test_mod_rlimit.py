"""mod_rlimit: limits of the process are checked and told, and /etc and /lib inside a root are left alone."""

from __future__ import annotations

import os

import pytest
from xfer_ground import run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryWire

FILES = {"etc/passwd": b"root", "lib/": b"", "plain/file": b"x", "etcetera/": b""}
JAIL = "DefaultRoot ~\n"


def test_etc_and_lib_of_a_root_are_left_alone() -> None:
    assert talk(
        "RMD /etc", "RMD lib", "DELE etc/passwd", "MKD /lib/x", "SITE CHMOD 600 etc/passwd",
        "MFMT 20200101000000 etc/passwd", conf=JAIL, files=FILES,
    ) == [
        "550 /etc: Permission denied",
        "550 lib: Permission denied",
        "550 etc/passwd: Permission denied",
        "550 /lib/x: Permission denied",
        "550 CHMOD 600 etc/passwd: Permission denied",
        "550 etc/passwd: Permission denied",
    ]  # fmt: skip


def test_nothing_is_put_there_nor_renamed() -> None:
    async def tale(ftp: Bench) -> list[str]:
        refused = [await ftp.upload("STOR /etc/nsswitch.conf", b"x")]
        await ftp("CWD lib")
        refused += [await ftp.upload("STOU", b"x"), await ftp.upload("APPE ../etc/passwd", b"x")]
        await ftp("CDUP")
        for old, new in (("etc", "foo"), ("plain", "lib/plain")):
            assert (await ftp(f"RNFR {old}")).startswith("350")
            refused.append(await ftp(f"RNTO {new}"))
        assert ftp.read("etc/passwd") == b"root"
        return refused

    assert run(tale, conf=JAIL, files=FILES) == [
        "550 /etc/nsswitch.conf: Permission denied",
        "550 : Permission denied",
        "550 ../etc/passwd: Permission denied",
        "550 foo: Permission denied",
        "550 lib/plain: Permission denied",
    ]


@pytest.mark.parametrize("conf", ["", "AllowOverride off\n"])
def test_a_link_is_no_way_in(conf: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("../etc", os.path.join(ftp.root, "plain", "way"))
        os.symlink("../etc/passwd", os.path.join(ftp.root, "plain", "secret"))
        os.symlink("../plain", os.path.join(ftp.root, "plain", "free"))
        lines = ["STOR plain/way/x", "APPE plain/way/passwd", "STOR plain/free/../free/x", "STOR plain/secret"]
        told = [(await ftp.upload(line, b"x")).splitlines()[-1] for line in lines]
        assert ftp.read("etc/passwd") == b"root"
        return told

    assert run(tale, conf=JAIL + conf + "AllowOverwrite on\nAllowStoreRestart on\n", files=FILES) == [
        "550 plain/way/x: Permission denied",
        "550 plain/way/passwd: Permission denied",
        "226 Transfer complete",
        "550 plain/secret: Permission denied",
    ]


def test_what_only_begins_like_them_is_free() -> None:
    assert talk("MKD etcetera/x", "RMD etcetera/x", "DELE plain/file", conf=JAIL, files=FILES) == [
        '257 "/etcetera/x" - Directory successfully created',
        "250 RMD command successful",
        "250 DELE command successful",
    ]


def test_switched_off_they_are_folders_like_others() -> None:
    assert talk("MKD lib/x", conf=JAIL + "RLimitChroot off\n", files=FILES)[0].startswith("257")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("RLimitOpenFiles daemon", "missing parameters"),
        ("RLimitOpenFiles many", "many"),
        ("RLimitMemory session 5X", "5X"),
        ('RLimitCPU ""', "'' is not a number"),
        ("RLimitCPU daemon 0", "0 is less than the daemon itself needs"),
        ("RLimitMemory daemon 1M", "1048576 is less than the daemon itself needs"),
        ("<Global>\nRLimitCPU daemon max\n</Global>", "there is one daemon for all servers"),
        ("<VirtualHost 192.0.2.1>\nRLimitOpenFiles daemon 400\n</VirtualHost>", "there is one daemon for all servers"),
    ],
)
def test_faulty_limits_are_named(line: str, fault: str) -> None:
    with pytest.raises(ConfigFaults) as told:
        talk("NOOP", conf=f"{line}\n")
    assert fault in str(told.value)


@pytest.mark.parametrize(
    ("line", "limits", "warning"),
    [
        ("RLimitCPU -1", (None, -1, -1), "'-1' is no limit; 'max' says so"),
        ("RLimitMemory session 100M -1", ("session", 100 << 20, -1), "'-1' is no limit; 'max' says so"),
        ("RLimitOpenFiles 99999999999999999999", (None, -1, -1), "'99999999999999999999' is no limit; 'max' says so"),
        ("RLimitCPU 30 10 20", (None, 30, 30), "'10 20' is ignored: of three numbers the first is both limits"),
    ],
)
def test_numbers_that_proftpd_takes_and_were_hardly_meant(
    line: str, limits: tuple[str | None, int, int], warning: str
) -> None:
    async def tale(ftp: Bench) -> tuple[list[tuple[object, ...]], list[str]]:
        assert ftp.generation is not None
        config = ftp.generation.config
        name = line.split()[0]
        found = next(lines for key, lines in config.main.values.items() if key.name == name)
        return [tuple(one) for one in found], [fault.message for fault in config.warnings]

    found, warnings = run(tale, conf=f"{line}\n")
    assert found == [limits]
    assert warnings == [warning]


@pytest.mark.parametrize("line", ["RLimitOpenFiles daemon 5", "RLimitOpenFiles daemon 5 max"])
def test_fewer_descriptors_than_the_daemon_needs_are_warned_of(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        assert ftp.generation is not None
        return [fault.message for fault in ftp.generation.config.warnings]

    assert run(tale, conf=f"{line}\n") == ["5 is less than the daemon itself needs"]


@pytest.mark.parametrize(
    "line",
    [
        "RLimitCPU session 30",
        "RLimitCPU daemon 3000000",
        "RLimitCPU max",
        "RLimitMemory session unlimited max",
        "RLimitMemory session 64M",
        "RLimitMemory daemon 8GB",
        "RLimitOpenFiles session 12",
        "RLimitOpenFiles daemon 64",
        "RLimitOpenFiles daemon 4096 max",
        "RLimitOpenFiles none",
    ],
)
def test_what_is_counted_is_not_warned_of(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        assert ftp.generation is not None
        return [fault.message for fault in ftp.generation.config.warnings]

    assert run(tale, conf=f"{line}\n") == []


@pytest.mark.parametrize("line", ["RLimitCPU session 10 5", "RLimitCPU max 5", "RLimitOpenFiles daemon 200 100"])
def test_numbers_that_the_kernel_would_not_take_are_no_limit_and_told(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        assert ftp.generation is not None
        return [fault.message for fault in ftp.generation.config.warnings]

    assert run(tale, conf=f"{line}\n") == ["is no limit: the first number is above the second"]


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("", None),
        ("RLimitCPU daemon 3000000", None),
        ("RLimitCPU session 30", 30),
        ("RLimitCPU 30 60", 30),
        ("RLimitCPU 0", 1),
        ("RLimitCPU session max", None),
        ("RLimitCPU session 10 5", None),
        # as 1.3.8 does it, whose session cannot raise its hard limit
        ("RLimitCPU session 300\nRLimitCPU session 100", 100),
        ("RLimitCPU session 100\nRLimitCPU 300", 100),
        ("RLimitCPU session 100\nRLimitCPU max", 100),
        ("RLimitCPU session 50 400\nRLimitCPU 300", 300),
        ("RLimitCPU session 100\n<Global>\nRLimitCPU session 200\n</Global>", 100),
        ("<Global>\nRLimitCPU session 200\n</Global>", 200),
    ],
)
def test_the_seconds_of_a_session_are_those_that_proftpd_would_impose(
    lines: str, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(MemoryWire, "budget", lambda wire, seconds, spent: asked.append(seconds), raising=False)

    async def tale(ftp: Bench) -> None:
        pass

    run(tale, conf=f"{lines}\n")
    assert asked == ([] if seconds is None else [seconds])


@pytest.mark.parametrize(
    ("lines", "may"),
    [
        ("", None),
        ("RLimitOpenFiles daemon 400\nRLimitMemory daemon 8GB", None),
        ("RLimitOpenFiles session max\nRLimitMemory none", None),
        ("RLimitOpenFiles 20", (20, None)),
        ("RLimitOpenFiles session 12 400", (12, None)),
        ("RLimitMemory session 1M", (None, 1 << 20)),
        ("RLimitOpenFiles session 12\nRLimitMemory session 4K 8K", (12, 4096)),
        ("RLimitOpenFiles session 12 5", None),
    ],
)
def test_what_a_session_may_hold_is_decided_as_it_begins(lines: str, may: tuple[int | None, int | None] | None) -> None:
    async def tale(ftp: Bench) -> tuple[int | None, int | None] | None:
        assert ftp.session is not None
        allowance = ftp.session.allowance
        return None if allowance is None else (allowance.files, allowance.memory)

    assert run(tale, conf=f"{lines}\n") == may


def test_without_a_descriptor_for_the_file_of_users_nobody_is_let_in() -> None:
    def answers(files: int) -> list[str]:
        return talk("USER tom", "PASS secret", conf=f"RLimitOpenFiles session {files}\n", login=None)

    assert answers(5)[-1] == "530 Login incorrect."
    assert answers(6)[-1].startswith("230")
