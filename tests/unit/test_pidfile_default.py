"""The PidFile that is meant where no line names one: a check tells whether a start could write it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ftpd.daemon.pidfile import unwritable_default


def told(path: Path, *, wanted: bool = False, inetd: bool = False) -> list[str]:
    settings: Any = SimpleNamespace(pid_file=str(path), pid_file_wanted=wanted, inetd=inetd)
    return [fault.message for fault in unwritable_default(settings, "proftpd.conf")]


def test_a_missing_folder_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "none" / "pid"
    why = "No such file or directory; a start without -n would end with that"
    assert told(path) == [f"no PidFile line, and {path} cannot be written: {why}"]


@pytest.mark.parametrize("more", [{"wanted": True}, {"inetd": True}])
def test_one_that_a_line_names_or_nobody_writes_is_left_to_others(tmp_path: Path, more: dict[str, bool]) -> None:
    assert told(tmp_path / "none" / "pid", **more) == []


def test_where_it_can_be_nothing_is_said(tmp_path: Path) -> None:
    assert told(tmp_path / "pid") == []
    (tmp_path / "pid").write_text("1\n")
    assert told(tmp_path / "pid") == []
