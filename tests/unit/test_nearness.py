"""Which file systems answer at once, and which may keep a caller waiting."""

from __future__ import annotations

import os
from pathlib import Path

from ftpd.core.nearness import near


def test_a_file_on_this_machines_own_disk_or_in_its_memory_is_near(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        assert near(file.fileno())


def test_what_a_program_or_the_kernel_makes_up_is_not() -> None:
    with open("/proc/version", "rb") as file:
        assert not near(file.fileno())


def test_what_is_not_open_is_not_near() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    assert not near(reading)
