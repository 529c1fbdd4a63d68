"""mod_ratio: who wants to fetch has to give, and hears how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from xfer_ground import closed, run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.module.table import Module
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

LOAD = "LoadModule mod_ratio.c\n"
ON = LOAD + "Ratios on\n"
KB = 1024
MB = KB * KB
TREE = {"big": bytes(5000 * KB), "small": b"hi\n", "sub/": b"", "free/x": b"12345"}
NO_FILES = "Too few files uploaded to earn file -- please upload more."
NO_BYTES = "Too few bytes uploaded to earn more data -- please upload."


def told(conf: str, *lines: str, modules: Sequence[Module] = (), **bench: Any) -> list[str]:
    """The reply to each line, those to transfers too: ``STOR name size``."""

    async def main() -> list[str]:
        async with Bench(*modules, conf=f"DefaultRoot ~\n{conf}", files=TREE, **bench) as ftp:
            return [await said(ftp, line) for line in lines]

    return asyncio.run(main())


async def said(ftp: Bench, line: str) -> str:
    verb, *words = line.split()
    if ftp.session is not None and ftp.session.logged_in:
        await ftp("TYPE I")
    if verb in ("STOR", "APPE", "STOU"):
        await ftp.upload(" ".join((verb, *words[:-1])), bytes(int(words[-1])))
    elif verb in ("RETR", "LIST", "NLST"):
        await ftp.download(line)
    else:
        return await ftp(line)
    return ftp.replies.split("\n", 1)[1] if ftp.replies.startswith("150") else ftp.replies


# -- what is earned, and what is told of it -------------------------------------------------------------------


def test_files_are_earned_by_files_and_bytes_by_bytes() -> None:
    """The replies are those of ProFTPD 1.3.8 to the same lines."""
    replies = told(
        ON + "UserRatio * 2 1 3 6000\n",
        "SITE RATIO", "RETR big", "SITE RATIO", "RETR small", "STOR up 3000000", "RETR big", "RETR big", "RETR up",
        "SITE RATIO",
    )  # fmt: skip
    assert replies == [
        "214-Current Ratio: ( -0/0 +0/0 (2 1 3 6000) = 1/5 )\n Files: 1:2F  Down: 0  Up: 0  CR: 1 file\n"
        "214 Bytes: 1:3B  Down: 0mb  Up: 0mb  CR: 5 Mbytes",
        "226-Transfer complete\n226 Down: 1 Files (4mb)  Up: 0 Files (0mb)   1:2F CR: 0   1:3B CR: 0",
        "214-Current Ratio: ( -1/4 +0/0 (2 1 3 6000) = 0/0 [NO F] [LO B] )\n"
        " Files: 1:2F  Down: 1  Up: 0  CR: 0 files\n214 Bytes: 1:3B  Down: 4mb  Up: 0mb  CR: 0 Mbytes",
        f"550-{NO_FILES}\n550 small: FILE RATIO: 1:2F  Down: 1  Up: only 0!",
        "226-Transfer complete\n226 Down: 1 Files (4mb)  Up: 1 Files (2mb)   1:2F CR: 2   1:3B CR: 9",
        "226-Transfer complete\n226 Down: 2 Files (9mb)  Up: 1 Files (2mb)   1:2F CR: 1   1:3B CR: 4",
        f"550-{NO_BYTES}\n550 big: BYTE RATIO: 1:3B  Down: 9mb  Up: only 2mb!",
        "226-Transfer complete\n226 Down: 3 Files (12mb)  Up: 1 Files (2mb)   1:2F CR: 0   1:3B CR: 1",
        "214-Current Ratio: ( -3/12 +1/2 (2 1 3 6000) = 0/1 [NO F] [LO B] )\n"
        " Files: 1:2F  Down: 3  Up: 1  CR: 0 files\n214 Bytes: 1:3B  Down: 12mb  Up: 2mb  CR: 1 Mbytes",
    ]  # fmt: skip


def test_without_ratios_everybody_is_a_leech_and_is_told_so() -> None:
    leech = "Down: {} Files (0mb)  Up: 0 Files (0mb)  10,000,000:1  CR: LEECH"
    assert told(ON, "CWD .", "LIST", "NLST", "RETR small", "SITE RATIO") == [
        "250 CWD command successful",
        f"226-Transfer complete\n226 {leech.format(0)}",
        f"226-Transfer complete\n226 {leech.format(0)}",
        f"226-Transfer complete\n226 {leech.format(1)}",
        "214 Current Ratio: ( -1/0 +0/0 (0 0 0 0) = 0/0 )",
    ]


def test_off_nothing_is_refused_or_told() -> None:
    conf = LOAD + "UserRatio * 1 0 1 0\n"
    assert told(conf, "LIST", "RETR small", "SITE RATIO") == [
        "226 Transfer complete",
        "226 Transfer complete",
        "214 Current Ratio: ( -0/0 +0/0 (0 0 0 0) = 0/0 )",
    ]


def test_a_login_tells_first_how_it_stands() -> None:
    replies = told(ON + "UserRatio * 0 0 -3 2048\n", "USER tom", "PASS secret", login=None)
    assert replies[1] == "230-Down: 0 Files (0mb)  Up: 0 Files (0mb)   3:1B CR: 2\n230 User tom logged in"
    replies = told(ON, "USER tom", "PASS wrong", "RETR small", "SITE RATIO", login=None)
    assert [reply[:3] for reply in replies[1:]] == ["530", "530", "530"]


def test_a_rate_below_zero_is_what_one_costs() -> None:
    conf = ON + "UserRatio * -2 0 -4 0\n"
    assert told(conf, "STOR a 8000", "RETR small", "STOR b 4", "RETR small", "SITE RATIO") == [
        "226-Transfer complete\n226 Down: 0 Files (0mb)  Up: 1 Files (0mb)   2:1F CR: 0   4:1B CR: 0",
        f"550-{NO_FILES}\n550 small: FILE RATIO: 2:1F  Down: 0  Up: only 1!",
        "226-Transfer complete\n226 Down: 0 Files (0mb)  Up: 2 Files (0mb)   2:1F CR: 1   4:1B CR: 0",
        "226-Transfer complete\n226 Down: 1 Files (0mb)  Up: 2 Files (0mb)   2:1F CR: 0   4:1B CR: 0",
        "214-Current Ratio: ( -1/0 +2/0 (-2 0 -4 0) = 0/0 [NO F] [LO B] )\n"
        " Files: 2:1F  Down: 1  Up: 2  CR: 0 files\n214 Bytes: 4:1B  Down: 0mb  Up: 0mb  CR: 0 Mbytes",
    ]


def test_bytes_are_counted_to_the_last() -> None:
    conf = ON + "UserRatio * 0 0 1 0\n"
    ends = [reply.split("\n")[-1][:3] for reply in told(conf, "RETR small", "STOR a 2", "RETR small", "STOR b 1")]
    assert ends == ["550", "226", "550", "226"]
    assert told(conf, "STOR a 3", "RETR small", "RETR small")[1:] == [
        "226-Transfer complete\n226 Down: 1 Files (0mb)  Up: 1 Files (0mb)   1:1B CR: 0",
        f"550-{NO_BYTES}\n550 small: BYTE RATIO: 1:1B  Down: 0mb  Up: only 0mb!",
    ]


def test_every_way_to_upload_earns() -> None:
    conf = ON + "UserRatio * 1 0 0 0\nAllowStoreRestart on\n"
    assert told(conf, "STOR a 5", "APPE a 5", "STOU 5", "SITE RATIO")[-1].startswith(
        "214-Current Ratio: ( -0/0 +3/0 (1 0 0 0) = 3/0 )"
    )


def test_who_owes_is_reminded() -> None:
    conf = ON + 'UserRatio * 1 -2 1 -3000\nFileRatioErrMsg "%i files"\nByteRatioErrMsg "too big"\n'
    assert told(conf, "LIST", "RETR small") == [
        "226-Transfer complete\n Down: 0 Files (0mb)  Up: 0 Files (0mb)   1:1F CR: -2   1:1B CR: -2\n"
        " %i files\n226 too big",
        "550-%i files\n550 small: FILE RATIO: 1:1F  Down: 0  Up: only 0!",
    ]


def test_a_part_that_was_fetched_counts_and_a_rest_is_all_that_is_paid_for() -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("TYPE I")
        await ftp("REST 5119990")
        first = await said(ftp, "RETR big")
        return [first, await said(ftp, "RETR small")]

    rest, small = run(tale, files=TREE, conf=ON + "UserRatio * 0 0 1 0\nByteRatioErrMsg no\n")
    assert rest == "550-no\n550 big: BYTE RATIO: 1:1B  Down: 0mb  Up: only 0mb!"
    rest, small = run(tale, files=TREE, conf=ON + "HostRatio 127. 0 0 1 1\n")
    assert rest.startswith("226-") and small.startswith("226-")


def test_a_download_that_breaks_off_is_paid_for_as_far_as_it_came() -> None:
    """Else all of a file but its last byte would be free."""

    async def tale(ftp: Bench) -> list[str]:
        class Leaving(MemoryData):
            async def send_file(self, descriptor: int, **how: Any) -> int:
                self.moved = 3 * MB
                raise closed()

        async def open_data(*, timeout: float, allow_foreign: bool = False) -> MemoryData:
            return Leaving(b"")

        ftp.wire.open_data = open_data  # type: ignore[method-assign]
        broken = await ftp("RETR big")
        del ftp.wire.open_data
        return [broken, await ftp("SITE RATIO"), await said(ftp, "RETR big")]

    broken, ratio, again = run(tale, files=TREE, conf=ON + "UserRatio tom 0 0 1 6000\n")
    assert broken.endswith("426 Transfer aborted. Data connection closed")
    assert ratio.startswith("214-Current Ratio: ( -0/3 +0/0 (0 0 1 6000) = 0/2 [LO B] )")
    assert again.endswith("550 big: BYTE RATIO: 1:1B  Down: 3mb  Up: only 0mb!")


def test_what_fails_otherwise_counts_for_nothing() -> None:
    conf = ON + "UserRatio * 1 1 0 0\n<Limit STOR>\nDenyAll\n</Limit>\n"
    replies = told(conf, "RETR none", "STOR a 1", "SITE RATIO")
    assert replies[0] == "550 none: No such file or directory"
    assert replies[-1].startswith("214-Current Ratio: ( -0/0 +0/0 (1 1 0 0) = 1/0 )")


def test_what_limit_denies_is_refused_as_ever() -> None:
    conf = ON + "<Limit RETR>\nDenyAll\n</Limit>\n"
    assert told(conf, "RETR small") == talk("RETR small", files=TREE, conf="<Limit RETR>\nDenyAll\n</Limit>\n")


def test_site_help_knows_it() -> None:
    everything, it = told(ON, "SITE HELP", "SITE HELP RATIO")
    assert " RATIO -- show all ratios in effect\n" in everything
    assert "SITE RATIO -- show all ratios in effect" in it


# -- whom a line is for ---------------------------------------------------------------------------------------

VISITOR = """<Anonymous {root}>
User tom
UserAlias anonymous tom
%s
</Anonymous>
"""
PRECEDENCE = ["HostRatio 127.0.0.1 1 1 0 0", "UserRatio tom 2 2 0 0", "GroupRatio tom 3 3 0 0"]


@pytest.mark.parametrize("first", range(3))
def test_the_host_comes_before_the_user_and_the_user_before_the_group(first: int) -> None:
    conf = ON + "\n".join(reversed(PRECEDENCE[first:])) + "\nAnonRatio * 9 9 9 9\n"
    assert f"({first + 1} {first + 1} 0 0)" in told(conf, "SITE RATIO")[0]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("HostRatio 192.0.2.7 1 1 1 1", True),
        ("HostRatio 192.0.2. 1 1 1 1", True),
        ("HostRatio 192.0.?.* 1 1 1 1", True),
        ("HostRatio .2.7 1 1 1 1", True),
        ("HostRatio * 1 1 1 1", True),
        ("HostRatio 192.0.2 1 1 1 1", False),
        ("HostRatio 192.0.2.70 1 1 1 1", False),
        ("UserRatio tom 1 1 1 1", True),
        ("UserRatio * 1 1 1 1", True),
        ("UserRatio to* 1 1 1 1", False),
        ("UserRatio TOM 1 1 1 1", False),
        ("GroupRatio tom 1 1 1 1", True),
        ("GroupRatio * 1 1 1 1", True),
        ("GroupRatio wheel 1 1 1 1", False),
        ("AnonRatio * 1 1 1 1", False),
        ("AnonRatio tom 1 1 1 1", False),
    ],
)
def test_a_name_means_whom_it_says(line: str, meant: bool) -> None:
    reply = told(f"{ON}{line}\nGroupRatio tom 5 5 5 5\n", "SITE RATIO", remote="192.0.2.7")[0]
    assert ("(1 1 1 1)" in reply) is meant


def test_the_first_line_that_means_somebody_counts() -> None:
    conf = ON + "UserRatio tom 1 1 1 1\nUserRatio * 2 2 2 2\nUserRatio tom 3 3 3 3\n"
    assert "(1 1 1 1)" in told(conf, "SITE RATIO")[0]


@pytest.mark.parametrize(
    ("address", "rates"), [("bill@x.org", "(1 1 1 1)"), ("eve@x.org", "(2 2 2 2)"), ("tom", "(2 2 2 2)")]
)
def test_a_visitor_is_known_by_the_address(address: str, rates: str) -> None:
    inside = "AnonRatio bill@x.org 1 1 1 1\nAnonRatio * 2 2 2 2"
    conf = f"{ON}UserRatio tom 4 4 4 4\n{VISITOR % inside}"
    assert rates in told(conf, "USER anonymous", f"PASS {address}", "SITE RATIO", login=None)[-1]
    # who says to be somebody is not
    conf = f"{ON}UserRatio boss 0 0 0 0\nUserRatio tom 4 4 4 4\n{VISITOR % ''}"
    assert "(4 4 4 4)" in told(conf, "USER anonymous", "PASS boss", "SITE RATIO", login=None)[-1]


def test_a_visitor_with_a_password_is_known_by_the_name_that_he_sent() -> None:
    inside = "AnonRequirePassword on\nAnonRatio anonymous 1 1 1 1\nAnonRatio * 2 2 2 2"
    conf = f"{ON}{VISITOR % inside}"
    assert "(1 1 1 1)" in told(conf, "USER anonymous", "PASS secret", "SITE RATIO", login=None)[-1]
    assert "(2 2 2 2)" in told(conf, "USER tom", "PASS secret", "SITE RATIO", login=None)[-1]


def test_a_folder_has_ratios_of_its_own() -> None:
    conf = ON + "UserRatio * 1 0 0 0\n<Directory {root}/free>\nRatios off\n</Directory>\n"
    small, free, ratio = told(conf, "RETR small", "RETR free/x", "SITE RATIO")
    assert (small[:3], free) == ("550", "226 Transfer complete")
    assert "-0/0 +0/0" in ratio
    conf = LOAD + "<Directory {root}/free>\nRatios on\nUserRatio tom 1 0 0 0\n</Directory>\n"
    small, free = told(conf, "RETR small", "RETR free/x")
    assert small == "226 Transfer complete"
    assert free.endswith("FILE RATIO: 1:1F  Down: 0  Up: only 0!")


def test_who_comes_into_a_folder_is_told_what_the_administrator_wants() -> None:
    conf = (
        LOAD + 'CwdRatioMsg "Please upload!"\nCwdRatioMsg "%u"\n<Directory {root}/sub>\nCwdRatioMsg ""\n</Directory>\n'
    )
    assert told(conf, "CWD free", "CDUP", "CWD sub", "CWD none") == [
        "250-Please upload!\n %u\n250 CWD command successful",
        "250-Please upload!\n %u\n250 CDUP command successful",
        "250 CWD command successful",
        "550 none: No such file or directory",
    ]


# -- the log, and lines that make no sense --------------------------------------------------------------------


def test_the_log_tells_of_logins_and_transfers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    told(ON + "UserRatio * 0 0 3 6000\n", "CWD sub", "RETR /small")
    assert "Ratio: tom/tom 127.0.0.1[127.0.0.1]: -0/0 +0/0 (0 0 3 6000) = 0/5." in caplog.text
    assert "mod_ratio/1.0: tom in /: CWD sub :-0/0 +0/0 = 0/5" in caplog.text
    assert "mod_ratio/1.0: tom in /sub: RETR /small :-0/0 +0/0 = 0/5" in caplog.text


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Ratios maybe", "expected Boolean"),
        ("SaveRatios", "missing parameters"),
        ("UserRatio tom 1 2 3", "missing parameters"),
        ("GroupRatio tom 1 two 3 4", "'two' is not a number"),
        ('HostRatio "" 1 2 3 4', "an empty name is nobody's"),
        ("RatioFile ratios", "absolute pathname required"),
        ("<Limit ALL>\nRatios on\n</Limit>", "Limit"),
    ],
)
def test_faults(line: str, fault: str) -> None:
    with pytest.raises(ConfigFaults, match=fault):
        talk("NOOP", conf=f"{LOAD}{line}\n")
