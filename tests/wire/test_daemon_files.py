"""Files of the daemon's own that cannot be, or are not safe, are told with their lines before it serves."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.wire.command import NOBODY, Site, fatal
from tests.wire.daemon import PATIENCE

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose who to serve as")


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        ("folder", "Is a directory"),
        ("fifo", "it is no regular file"),
        ("link", "it is a symbolic link"),
        ("no folder", "No such file or directory"),
    ],
)
def test_a_pidfile_that_cannot_be_written_is_named_by_a_check_and_by_a_start(
    site: Site, plant: str, reason: str
) -> None:
    folder = site.base / "run"
    place, victim = folder / "pid", site.base / "victim"
    victim.write_text("precious\n")
    if plant != "no folder":
        folder.mkdir()
    match plant:
        case "folder":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "link":
            place.symlink_to(victim)
    site.conf(f"PidFile {place}\n", without=["PidFile"])
    for options in (["-t"], [], ["-n"]):
        said = site.command(*options)
        assert said.status == 1, said
        told = said.err.splitlines()
        assert told[0] == f"{site.path}:1: PidFile: unable to write PidFile {place}: {reason}"
        assert told[3].startswith("    right: ")
    assert victim.read_text() == "precious\n"


def test_a_check_asks_for_no_pidfile_that_a_start_does_not_need(site: Site) -> None:
    # a daemon that runs keeps nobody from checking, and inetd's has none
    site.command()
    assert site.command("-t").status == 0
    site.stop_daemon()
    site.conf(f"ServerType inetd\nPidFile {site.base}/none/pid\n", without=["PidFile"])
    assert site.command("-t").status == 0


@root_only
def test_a_device_for_a_pidfile_stays_a_device(site: Site) -> None:
    place = site.base / "null"
    os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    site.conf(f"PidFile {place}\n", without=["PidFile"])
    assert site.command("-t").status == 0
    process = site.start()
    assert stat.S_ISCHR(place.stat().st_mode)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert stat.S_ISCHR(place.stat().st_mode)


def test_a_check_tells_of_a_port_that_somebody_has_and_a_start_fails_by_it(site: Site) -> None:
    taken = f"somebody listens at 127.0.0.1, port {site.port} now: a start would end with 'Address already in use'"
    with socket.create_server(("127.0.0.1", site.port)):
        said = site.command("-t")
        assert said.status == 0, "who listens there may be about to give way"
        # with SocketBindTight off the daemon listens for every address
        assert taken.replace("127.0.0.1", "0.0.0.0") in said.err or taken in said.err
        assert "Address already in use" in fatal(site)
    assert site.command("-t").err == ""
    # the daemon of this very configuration is no stranger
    site.command()
    assert site.command("-t").err == ""


def plant_fifo(log: Path) -> None:
    os.mkfifo(log)


def plant_link(log: Path) -> None:
    (log.parent / "victim").write_text("")
    log.symlink_to(log.parent / "victim")


def plant_hard_link(log: Path) -> None:
    (log.parent / "victim").write_text("")
    log.hardlink_to(log.parent / "victim")


def plant_folder(log: Path) -> None:
    log.mkdir()


def open_folder(log: Path) -> None:
    log.parent.chmod(0o777)


def no_folder(log: Path) -> None:
    log.parent.rmdir()


@pytest.mark.parametrize(
    ("plant", "reason", "right"),
    [
        (plant_fifo, "FIFO reader process must be running first", ""),
        (plant_link, "log is a symbolic link", "the file that the link leads to, or AllowLogSymlinks on"),
        (plant_hard_link, "it has 2 names", "a file of its own, in a folder that only the daemon's user may write to"),
        (plant_folder, "Is a directory", ""),
        (open_folder, "logs is a world-writable directory", "a file of its own, in a folder that only the daemon's"),
        (no_folder, "No such file or directory", "mkdir {logs}"),
    ],
)
@pytest.mark.parametrize("directive", ["SystemLog", "TraceLog"])
def test_a_systemlog_or_tracelog_that_is_not_safe_is_refused(
    site: Site, directive: str, plant: object, reason: str, right: str
) -> None:
    logs = site.base / "logs"
    logs.mkdir()
    site.conf(f"{directive} {logs}/log\n", without=[directive])
    assert callable(plant)
    plant(logs / "log")
    started = site.command()
    where, _, told = started.err.splitlines()[0].partition(": ")
    assert where.startswith(f"{site.path}:")
    assert told.startswith(f"{directive}: unable to open '{logs}/log': ")
    assert reason in told
    assert started.err.splitlines()[2].strip() == "^" + "~" * (len(f"{logs}/log") - 1)
    if right:
        assert started.err.splitlines()[3].startswith(f"    right: {right.format(logs=logs)}")
    checked = site.command("-t")
    assert (started.status, checked.status) == (1, 1)
    assert checked.err.splitlines()[:-1] == started.err.splitlines()[:-1], "a check foresees it"
    assert not site.pid_file.exists(), "nothing is left of the start"


def test_a_systemlog_that_cannot_be_is_told_with_all_the_other_faults(site: Site) -> None:
    site.conf("SystemLog /no/such/folder/log\nPortt 21\n", without=["SystemLog"])
    told = site.command("-t").err
    assert ": SystemLog: unable to open '/no/such/folder/log': No such file or directory" in told
    assert ": Portt: unknown configuration directive" in told
    assert "2 faults in the configuration" in told


def test_a_tracelog_that_cannot_be_is_a_fault_at_a_terminal_as_well(site: Site) -> None:
    site.conf("TraceLog /no/such/folder/log\nPortt 21\n")
    assert ": TraceLog: unable to open '/no/such/folder/log': No such file" in site.command("-n").err


def test_a_systemlog_that_the_terminal_stands_for_is_no_fault(site: Site) -> None:
    site.conf("SystemLog /no/such/folder/log\nPortt 21\n", without=["SystemLog"])
    assert "SystemLog" not in site.command("-n").err


def test_a_scoreboard_without_a_folder_is_told_in_words(site: Site) -> None:
    site.conf("ScoreboardFile /no/such/scoreboard\n", without=["ScoreboardFile"])
    assert site.command().status == 0
    assert "ScoreboardFile /no/such/scoreboard is not kept" in site.logged()
    assert "will not see who is on: No such file or directory: /no/such" in site.logged()


def test_a_check_does_not_make_the_systemlog(site: Site) -> None:
    assert site.command("-t").status == 0
    assert not site.log.exists()


@root_only
def test_who_may_not_write_the_systemlog_may_check_the_configuration(site: Site) -> None:
    site.log.write_text("")
    site.log.chmod(0o600)
    assert site.command("-t", uid=NOBODY).status == 0


def test_a_systemlog_of_ones_own_is_written(site: Site) -> None:
    assert site.command().status == 0
    assert site.log.stat().st_mode & 0o777 == 0o640
    assert site.logged().endswith(" standalone mode STARTUP\n")


@pytest.mark.parametrize(("line", "what"), [("User nosuchuser", "user"), ("Group nosuchgroup", "group")])
def test_a_user_or_group_that_is_not_there_is_told_with_its_line(site: Site, line: str, what: str) -> None:
    site.conf(line, without=["User", "Group"])
    said = site.command()
    assert said.status == 1
    assert f"{line.split()[0]}: Unknown {what} '{line.split()[1]}'" in said.err
    assert str(site.path) in said.err


def test_a_modulepath_that_is_not_there_is_told_with_its_line(site: Site) -> None:
    site.conf("ModulePath /no/such/folder\n")
    said = site.command()
    assert said.status == 1
    assert f"{site.path}:1: ModulePath: error checking '/no/such/folder': No such file or directory" in said.err


def test_a_module_that_others_could_write_is_told_with_its_line(site: Site) -> None:
    libexec = site.base / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_x.py").write_text("from ftpd.api import Module\nmodule = Module('mod_x', version='1')\n")
    (libexec / "mod_x.py").chmod(0o666)
    site.conf(f"ModulePath {libexec}\nLoadModule mod_x.c\n")
    said = site.command("-t")
    assert said.status == 1
    assert f"{site.path}:2: LoadModule: " in said.err
    assert f"right: chmod go-w {libexec}/mod_x.py" in said.err
    (libexec / "mod_x.py").chmod(0o644)
    assert site.command("-t").status == 0


def test_a_world_writable_configuration_is_warned_of_as_proftpd_does(site: Site) -> None:
    site.path.chmod(0o666)
    said = site.command("-t")
    assert said.status == 0
    assert f"warning: {site.path}: is world-writable" in said.err


@root_only
def test_files_of_users_and_groups_that_cannot_be_read_are_named(site: Site) -> None:
    users, groups = site.base / "users", site.base / "groups"
    for file in (users, groups):
        file.write_text("")
        file.chmod(0o600)
    site.conf(f"AuthUserFile {users}\nAuthGroupFile {groups}\n")
    told = site.command("-t", uid=NOBODY)
    assert told.status == 0, "who checks need not be who starts the daemon"
    cannot = f"cannot be read by uid {NOBODY}: where the daemon is started by that one"
    assert f"{site.path}:1: AuthUserFile: {cannot}, nobody in it can log in" in told.err
    assert f"{site.path}:2: AuthGroupFile: {cannot}, nobody can log in without it" in told.err
    assert "cannot be read" not in site.command("-t").err
