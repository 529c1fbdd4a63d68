"""mod_cap: what a line of it cannot change is told, with what holds instead."""

from __future__ import annotations

import pytest
from xfer_ground import run

from ftpd.testing import Bench

VHOST = "<VirtualHost 192.0.2.1>\n{}\n</VirtualHost>"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CapabilitiesEngine off", []),
        (VHOST.format("CapabilitiesEngine off"), ["what the main server says counts for the whole daemon"]),
        ("CapabilitiesSet -CAP_CHOWN", []),
        (VHOST.format("CapabilitiesSet -CAP_CHOWN"), ["what the main server says counts for the whole daemon"]),
        ("CapabilitiesSet +CAP_DAC_OVERRIDE", ["no session gets more rights over files than its user has"]),
        ("CapabilitiesRootRevoke on", []),
        ("CapabilitiesRootRevoke off", ["is on in any case"]),
        ("<Global>\nCapabilitiesRootRevoke off\n</Global>", ["is on in any case"]),
    ],
)
def test_what_cannot_be_is_told(line: str, told: list[str]) -> None:
    async def tale(ftp: Bench) -> list[str]:
        assert ftp.generation is not None
        return [fault.message for fault in ftp.generation.config.warnings]

    said = run(tale, conf=f"{line}\n")
    assert len(said) == len(told)
    assert all(words in message for words, message in zip(told, said, strict=True))
