"""The directives of mod_xfer: what is read, and what is refused with a word on what would be right."""

from __future__ import annotations

import asyncio
import shlex

import pytest

from ftpd.conf.faults import ConfigFaults
from ftpd.modules._xfer_config import Audience, Sendfile, sendfile, size_limit, transfer_rate
from ftpd.testing import Bench


def _read(line: str) -> str:
    """The first fault of a configuration with this line; empty when there is none."""

    async def main() -> str:
        ftp = Bench(conf=f"{line}\n", login=None)
        try:
            await ftp.open()
        except ConfigFaults as faults:
            return str(faults)
        finally:
            await ftp.close()
        return ""

    return asyncio.run(main())


@pytest.mark.parametrize(
    "line",
    [
        "HiddenStores on",
        "HiddenStores off",
        "HiddenStores filepart-",
        'HiddenStores "" ".filepart"',
        "MaxStoreFileSize *",
        "MaxStoreFileSize 3 Mb",
        "MaxStoreFileSize 50 Kb user fred,!ann",
        "MaxRetrieveFileSize 5MB group staff",
        "MaxRetrieveFileSize * class local",
        "TransferRate RETR 1.5",
        "TransferRate appe,stor 8.0:1024 user fred",
        "MaxTransfersPerHost RETR 2",
        'MaxTransfersPerUser STOR,STOU 1 "only %m"',
        'TransferRate "RETR, STOR" 50',
        'TransferRate "RETR STOR," 50',
        "UseSendfile on",
        "UseSendfile 64 KB",
        "UseSendfile 50%",
        "TimeoutStalled 10min",
        "TimeoutNoTransfer 0",
        "TimeoutNoTransfer 86400",
        "TimeoutStalled +99999",
        "TransferRate RETR 0",
        "TransferRate RETR -0",
        "TransferRate RETR 5:+5",
        'TransferRate RETR "5: 5"',
        "TransferRate RETR 5e2:",
        "TransferRate STOR .5",
        "TransferOptions IgnoreASCII AllowSymlinkUpload",
        "StoreUniquePrefix up_",
        "<Directory /srv>\nAllowOverwrite on\nDeleteAbortedStores off\n</Directory>",
    ],
)
def test_proftpds_own_examples_are_read(line: str) -> None:
    assert _read(line) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("HiddenStores ../up-", "holds a slash"),
        ('HiddenStores "" ""', "cannot both be empty"),
        ("MaxStoreFileSize many", "unable to parse"),
        ("MaxStoreFileSize 0 B", "greater than zero"),
        ("MaxStoreFileSize 5 Mb users fred", "unknown classifier 'users'"),
        ("MaxStoreFileSize 5 Mb user", "no expression"),
        ("TransferRate LIST 5", "invalid FTP transfer command 'LIST'"),
        ("TransferRate RETR,,STOR 5", "invalid FTP transfer command ''"),
        ("TransferRate RETR fast", "rate must be greater than zero"),
        ("TransferRate RETR -1", "rate must be greater than zero"),
        ("TransferRate RETR 0x5", "rate must be greater than zero"),
        (f"TransferRate RETR {'9' * 65}", "rate must be greater than zero"),
        ("MaxTransfersPerHost RETR 0", "value must be"),
        ("UseSendfile %", "expected Boolean parameter"),
        ("UseSendfile 5MB", "expected Boolean parameter"),
        ("UseSendfile 64 KB on", "wrong number of parameters"),
        ("UseSendfile perhaps", "expected Boolean parameter"),
        ("TransferOptions IgnoreEBCDIC", "unknown option 'IgnoreEBCDIC'"),
        ("StoreUniquePrefix a/b", "cannot begin a file name"),
        ("AllowOverwrite maybe", "expected Boolean parameter"),
        ("AllowOverwrite", "missing parameters"),
    ],
)
def test_what_is_wrong_is_said(line: str, words: str) -> None:
    assert words in _read(line)


@pytest.mark.parametrize("line", ["0 MB", '"" MB', "0%", "-5%", "200%", "nan%"])
def test_no_length_of_sendfile_is_on(line: str) -> None:
    assert sendfile(shlex.split(line)) == Sendfile()


def test_a_percentage_of_sendfile_may_have_a_fraction() -> None:
    assert sendfile(["12.5%"]).slice(1000) == 125
    assert sendfile(["1e1%"]) == sendfile(["+10%"]) == Sendfile(percent=10)


def test_a_size_for_nobody_is_one_for_everybody_and_a_rate_for_nobody_is_none() -> None:
    assert size_limit(["5", "MB", "user", ","]).audience == Audience()
    for words in ("5 MB user !", "5 MB group OR"):
        assert size_limit(words.split()).audience.rank
    assert transfer_rate(["RETR", "5", "user", ","]).audience.rank
