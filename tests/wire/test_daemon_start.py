"""The daemon starts: in the background, in the foreground, as root and as another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.command import FTPD, Site, alive, fatal, unprivileged
from tests.wire.daemon import PATIENCE, free_port

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose who to serve as")


def test_when_the_command_returns_the_daemon_serves(site: Site) -> None:
    said = site.command()
    assert (said.status, said.out, said.err) == (0, "", "")
    assert site.serves()
    assert site.pid_file.stat().st_mode & 0o777 == 0o644
    where = Path(f"/proc/{site.pid}")
    assert os.readlink(where / "cwd") == "/"
    assert {os.readlink(where / "fd" / number) for number in "012"} == {"/dev/null"}
    status = (where / "stat").read_text().rpartition(")")[2].split()
    parent, session = int(status[1]), int(status[3])
    assert parent != os.getpid()
    assert session not in (os.getsid(0), site.pid), "in a session of its own, without being able to get a terminal"
    assert "standalone mode STARTUP" in site.logged()
    site.stop_daemon()
    assert not site.pid_file.exists()
    assert "standalone mode SHUTDOWN" in site.logged()


@pytest.mark.parametrize("closed", ["0<&-", ">&-", "2>&-", "0<&- >&- 2>&-"])
def test_without_standard_streams_it_serves_as_well(site: Site, closed: str) -> None:
    command = f'exec "$0" -m ftpd -c "$1" {closed}'
    ended = subprocess.run(["/bin/sh", "-c", command, sys.executable, str(site.path)], timeout=PATIENCE, check=False)
    assert ended.returncode == 0
    assert site.serves()
    streams = [os.readlink(f"/proc/{site.pid_file.read_text().strip()}/fd/{number}") for number in range(3)]
    assert streams == ["/dev/null"] * 3


@pytest.mark.parametrize("option", ["-V", "-v", "-h", "-t"])
def test_output_for_which_there_is_no_room_is_told(site: Site, option: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*FTPD, "-c", str(site.path), option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert done.stderr.endswith("the output could not be written: No space left on device\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "0<&- >&- 2>&-"])
def test_a_check_without_standard_streams_has_the_right_status(site: Site, closed: str) -> None:
    command = f'exec "$0" -m ftpd -t -c "$1" {closed}'

    def status() -> int:
        return subprocess.run(["/bin/sh", "-c", command, sys.executable, str(site.path)], check=False).returncode

    assert status() == 0
    site.conf("Umask 9x\n")
    assert status() == 1


def test_a_second_daemon_fails_and_leaves_the_first_alone(site: Site) -> None:
    site.command()
    first = site.pid
    assert "Address already in use" in fatal(site)
    # the same PidFile, with another port
    other = free_port()
    site.conf(port=other)
    assert fatal(site) == f"PidFile {site.pid_file} belongs to a daemon that is running, process {first}"
    assert site.pid == first
    assert site.serves()
    assert not site.serves(other)


def test_what_a_daemon_that_died_left_behind_is_no_obstacle(site: Site) -> None:
    site.command()
    died = site.pid
    os.kill(died, 9)
    while alive(died):
        pass
    assert site.pid_file.exists()
    assert site.command().status == 0
    assert site.pid != died


def test_the_foreground_says_where_what_and_how_to_try_it(site: Site) -> None:
    process = site.start()
    said = site.said()
    assert f"listening on 0.0.0.0, port {site.port}\n" in said
    assert "modules: mod_core/" in said
    assert f"try: curl -u USER ftp://127.0.0.1:{site.port}/\n" in said
    assert site.serves()
    assert site.pid == process.pid
    assert site.logged() == "", "the log is the terminal"


def test_where_anybody_may_log_in_the_line_to_try_needs_no_user(site: Site) -> None:
    site.conf(f"<Anonymous {site.base}>\nUser nobody\n</Anonymous>\n")
    site.start()
    assert f"try: curl ftp://127.0.0.1:{site.port}/\n" in site.said()


def test_quietly_in_the_foreground_the_log_is_where_the_configuration_says(site: Site) -> None:
    site.start("-q")
    assert site.logged().endswith(" standalone mode STARTUP\n")
    assert site.said() == ""


@pytest.mark.parametrize(("level", "told"), [("notice", False), ("info", True)])
def test_a_log_tells_where_and_what_to_those_who_ask_for_more_than_notices(site: Site, level: str, told: bool) -> None:
    site.conf(f"SyslogLevel {level}\n")
    site.start("-q")
    for line in (f"listening on 0.0.0.0, port {site.port}\n", ": modules: mod_core/", ": try: curl "):
        assert (line in site.logged()) == told


def test_the_debug_level_of_the_command_line_wins(site: Site) -> None:
    site.conf("SyslogLevel error\n")
    site.start("-q", "-d", "5")
    assert "STARTUP" in site.logged()


@root_only
def test_as_root_it_serves_as_user_and_group_with_few_rights(site: Site) -> None:
    process = site.start()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    # real, effective, saved, and what files are opened as
    assert status["Uid"].split() == ["0", "0", "0", "65534"]
    assert status["Gid"].split()[3] == "65534"
    # in no group but that one, which need not stand there again
    assert status["Groups"].split() == []
    sys_admin, sys_resource, sys_ptrace = 1 << 21, 1 << 24, 1 << 19
    assert not int(status["CapPrm"], 16) & (sys_admin | sys_resource | sys_ptrace)
    assert "not by root" not in site.said()


def test_started_by_another_it_says_what_is_lost(site: Site) -> None:
    uid = unprivileged()
    if uid is not None:
        os.chown(site.base, uid, uid)
    site.conf("User daemon\n")
    site.start(uid=uid)
    lost = [line for line in site.said().splitlines() if "not by root" in line]
    assert len(lost) == 1
    assert "all users share this identity" in lost[0]
    assert "User daemon" in lost[0]
    assert site.serves()


def test_a_port_that_only_root_may_have_says_so(site: Site) -> None:
    ports = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if int(ports.read_text()) < 1024:
        pytest.skip("this machine lets anybody have any port")
    site.conf(port=1023)
    said = site.command("-n", uid=unprivileged())
    assert said.status == 1
    assert "port 1023: Permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE" in said.err


def test_an_event_loop_that_does_not_exist_is_named(site: Site) -> None:
    said = site.command("-n", environ={"FTPD_LOOP": "twisted"})
    assert said.status == 1
    assert "FTPD_LOOP is 'twisted'; it can be uvloop or asyncio" in said.err


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_either_event_loop_serves(site: Site, loop: str) -> None:
    process = site.start(environ={"FTPD_LOOP": loop})
    assert site.serves()
    loaded = Path(f"/proc/{process.pid}/maps").read_text()
    assert ("uvloop" in loaded) == (loop == "uvloop")
    process.terminate()
    assert process.wait(PATIENCE) == 0
