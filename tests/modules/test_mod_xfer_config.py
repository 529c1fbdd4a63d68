"""The directives of mod_xfer: what is read, and what is refused with a word on what would be right."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.conf.faults import ConfigFaults
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
        "UseSendfile on",
        "UseSendfile 64 KB",
        "UseSendfile 50%",
        "TimeoutStalled 10min",
        "TimeoutNoTransfer 0",
        "TimeoutNoTransfer 86400",
        "TimeoutStalled +99999",
        "TransferRate RETR 0",
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
        ("TransferRate RETR fast", "rate must be greater than zero"),
        ("TransferRate RETR -1", "rate must be greater than zero"),
        ("TransferRate RETR 0x5", "rate must be greater than zero"),
        (f"TransferRate RETR {'9' * 65}", "rate must be greater than zero"),
        ("MaxTransfersPerHost RETR 0", "value must be"),
        ("UseSendfile 150%", "percentage must be between 1 and 100"),
        ("UseSendfile 0 KB", "length must be greater than zero"),
        ("UseSendfile perhaps", "expected Boolean parameter"),
        ("TransferOptions IgnoreEBCDIC", "unknown option 'IgnoreEBCDIC'"),
        ("StoreUniquePrefix a/b", "cannot begin a file name"),
        ("AllowOverwrite maybe", "expected Boolean parameter"),
        ("AllowOverwrite", "missing parameters"),
    ],
)
def test_what_is_wrong_is_said(line: str, words: str) -> None:
    assert words in _read(line)
