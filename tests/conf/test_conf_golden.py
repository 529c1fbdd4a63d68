"""Every golden/NAME.conf is read and what the administrator would see is compared with NAME.expected.

To take over new output after reading it: ``FTPD_GOLDEN=write pytest tests/conf/test_conf_golden.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conf_host import Host

from ftpd.conf import build, pcre
from ftpd.conf.faults import ConfigFaults

GOLDEN = Path(__file__).parent / "golden"


def told(file: Path) -> str:
    """Faults and warnings in full; the folder is left out of the names."""
    try:
        warnings = build.read(str(file), Host(), environment={"FTP_HOME": "/srv/my ftp"}).warnings
        faults = ["accepted"]
    except ConfigFaults as wrong:
        faults, warnings = [fault.render() for fault in wrong.by_line()], wrong.warnings
    lines = [*faults, *(f"warning: {warning.render()}" for warning in warnings)]
    return "\n".join(lines).replace(f"{GOLDEN}/", "") + "\n"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.conf")), ids=lambda file: file.stem)
def test_the_administrator_reads(file: Path) -> None:
    expected = file.with_suffix(".expected")
    if file.stem in ("bad_acl", "bad_regex") and pcre.library() is None:
        pytest.skip("the words are those of libpcre2")
    if os.environ.get("FTPD_GOLDEN") == "write":
        expected.write_text(told(file))
    assert told(file) == expected.read_text()
