"""mod_facl: the line of a configuration that comes along is understood, and an ACL counts whatever it says."""

from __future__ import annotations

import pytest
from xfer_ground import run

from ftpd.testing import Bench

LOAD = "LoadModule mod_facl.c\n"


@pytest.mark.parametrize(("line", "warned"), [("FACLEngine on", False), ("FACLEngine off", True)])
def test_off_is_told_to_have_no_effect(line: str, warned: bool) -> None:
    async def tale(ftp: Bench) -> bool:
        assert ftp.generation is not None
        return any("the kernel judges by the ACLs" in str(fault) for fault in ftp.generation.config.warnings)

    assert run(tale, conf=f"{LOAD}{line}\n") is warned
