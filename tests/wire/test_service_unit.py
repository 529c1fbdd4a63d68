"""etc/ftpd.service: systemd understands every line of it, and its sandbox does not take away what the daemon needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.wire.clients import need, run

need("systemd-analyze")

UNIT = (Path(__file__).parents[2] / "etc" / "ftpd.service").read_text()


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    path = tmp_path / "ftpd.service"
    path.write_text(UNIT)
    return path


def test_systemd_has_nothing_to_say_about_it(unit: Path) -> None:
    printed = run("systemd-analyze", "verify", unit)
    # it reads the machine's other units too, and their faults are not ours
    assert "ftpd.service" not in printed


def test_systemd_would_have_something_to_say(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("PrivateTmp=yes", "PrivateTemp=yes"))
    assert "ftpd.service" in run("systemd-analyze", "verify", unit)


def test_it_is_exposed_less_than_what_distributions_ship(unit: Path) -> None:
    printed = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for ftpd.service: ([0-9.]+)", printed)
    assert found, printed
    assert float(found[1]) <= 3.0, "the unit for system users had 2.9, ProFTPD's in Debian has 9.6"


def test_it_leaves_openat2_and_the_switch_of_identity() -> None:
    """Users are kept in their folder by openat2(2), which RestrictSUIDSGID would take away without a word."""
    allowed = run("systemd-analyze", "syscall-filter", "--no-pager", "@system-service").split()
    assert {"@file-system", "@setuid", "setfsuid", "setfsgid"} <= set(allowed)
    assert "openat2" in run("systemd-analyze", "syscall-filter", "--no-pager", "@file-system").split()
    refused = " ".join(re.findall(r"(?m)^SystemCallFilter=~(.*)$", UNIT)).split()
    assert not {"@file-system", "@setuid", "@privileged"} & set(refused)
    assert not re.search(r"(?m)^RestrictSUIDSGID", UNIT)


def test_it_leaves_the_loop_to_ask_for_short_turns() -> None:
    """The call is one of @resources; systemd goes by the lines in their order (systemd.exec(5))."""
    filters = re.findall(r"(?m)^SystemCallFilter=(.*)$", UNIT)
    assert "sched_setattr" in run("systemd-analyze", "syscall-filter", "--no-pager", "@resources").split()
    assert filters[-1] == "sched_setattr" and any("@resources" in line for line in filters[:-1])


def test_a_reload_is_a_hangup_and_the_start_is_told() -> None:
    settings = dict(re.findall(r"(?m)^(\w+)=(.*)$", UNIT))
    assert settings["Type"] == "notify"
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert " -n " in settings["ExecStart"], "systemd has to see the process that it started"
