"""A start: all faults at once, a daemon when the command returns, and one line about what keeps it from serving."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.command import FTPD, NOBODY, Site, alive, unprivileged
from tests.wire.daemon import PATIENCE, free_port

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose who to serve as")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def fatal(site: Site, *options: str) -> str:
    """What the command says when it fails: one line behind its prefix, whether or not it stays in the foreground."""
    said = site.command(*options)
    assert said.status == 1, said
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert "Traceback" not in said.err
    return lines[0].partition("]: fatal: ")[2]


# -- -t ------------------------------------------------------------------------------------------------


def test_a_configuration_without_a_fault_passes(site: Site) -> None:
    said = site.command("-t")
    assert said.status == 0
    assert said.out == "Checking syntax of configuration file\nSyntax check complete.\n"
    assert said.err == ""
    assert not site.pid_file.exists(), "nothing was started"


def test_all_faults_are_told_at_once_with_line_caret_and_remedy(site: Site) -> None:
    site.conf("Prot 21\nMaxInstances many\nUmask 9x\n<Directory /srv>\n  Port 5\n</Directory>\n", without=["Port"])
    said = site.command("-t")
    assert said.status == 1
    for line, fault in [(1, "Prot"), (2, "MaxInstances"), (3, "Umask"), (5, "Port")]:
        assert f"{site.path}:{line}: {fault}: " in said.err
    lines = said.err.splitlines()
    at = lines.index("    MaxInstances many")
    assert lines[at + 1] == "                 ^~~~"
    assert lines[at + 2].startswith("    right: ")
    near = next(line for line in lines if "did you mean" in line)
    assert "Port" in near
    assert lines[-1].endswith(f"fatal: 4 faults in the configuration {site.path}")
    assert "Syntax check complete" not in said.out


def test_a_start_tells_the_same(site: Site) -> None:
    site.conf("Prot 21\nMaxInstances many\n")
    tested, started, daemonised = (site.command(*options).err for options in (["-t"], ["-n"], []))
    shown = [text[: text.rindex("\n", 0, -1)] for text in (tested, started, daemonised)]
    assert shown[0] == shown[1] == shown[2]
    assert "MaxInstances" in shown[0]


def test_a_warning_is_told_and_does_not_fail(site: Site) -> None:
    site.conf("Include /no/such/file\n")
    said = site.command("-t")
    assert said.status == 0
    assert f"warning: {site.path}:1: Include: unable to include '/no/such/file': No such file or directory" in said.err


def test_a_configuration_that_is_not_there_is_named(site: Site) -> None:
    site.path.unlink()
    said = site.command("-t")
    assert said.status == 1
    assert f"unable to read configuration file '{site.path}': No such file or directory" in said.err


def test_labels_of_the_command_line_choose_what_is_read(site: Site) -> None:
    site.conf("<IfDefine STRICT>\nUmask 9x\n</IfDefine>\n")
    assert site.command("-t").status == 0
    assert site.command("-t", "-D", "STRICT").status == 1


# -- addresses -----------------------------------------------------------------------------------------


TWINS = """\
<VirtualHost 127.0.0.1>
  ServerName "the second"
  Port {port}
  {more}
</VirtualHost>
"""


def test_two_servers_with_one_address_and_port_are_told_of(site: Site) -> None:
    site.conf('ServerName "the first"\n' + TWINS.format(port=site.port, more=""))
    said = site.command("-t")
    assert said.status == 0
    expected = f'"the second" address/port (127.0.0.1:{site.port}) already in use by "the first"'
    assert expected in said.err
    assert f"{site.path}:2: <VirtualHost 127.0.0.1>: " in said.err
    assert site.command("-t", "-N").err == "", "-N asks for silence"


def test_servers_told_apart_by_name_or_port_are_no_collision(site: Site) -> None:
    site.conf(TWINS.format(port=site.port, more="ServerAlias ftp.example.com"))
    assert site.command("-t").err == ""
    site.conf(TWINS.format(port=site.port + 1, more=""))
    assert site.command("-t").err == ""


def test_without_a_port_there_is_nothing_to_serve(site: Site) -> None:
    site.conf(port=0)
    assert fatal(site, "-n").startswith("no valid servers configured: every server has Port 0")
    site.conf(TWINS.format(port=site.port, more=""), port=0)
    assert site.command("-t").status == 0, "a virtual host is enough"


def test_a_name_without_an_address_is_told_with_its_line(site: Site) -> None:
    site.conf(
        "DefaultAddress no.such.invalid\n<VirtualHost none.invalid>\n</VirtualHost>\n", without=["DefaultAddress"]
    )
    said = site.command("-t")
    assert said.status == 1
    assert f"{site.path}:1: DefaultAddress: unable to resolve 'no.such.invalid'" in said.err
    assert f"{site.path}:2: <VirtualHost>: unable to resolve 'none.invalid'" in said.err
    assert "    <VirtualHost none.invalid>\n                 ^~~~~~~~~~~~\n" in said.err


def test_a_network_device_stands_for_its_addresses_as_in_proftpd(site: Site) -> None:
    other = free_port()
    site.conf(
        f"DefaultAddress lo\nSocketBindTight on\n<VirtualHost lo>\nServerName other\nPort {other}\n</VirtualHost>\n",
        without=["DefaultAddress"],
    )
    assert site.command().status == 0
    for port, name in ((site.port, "ProFTPD"), (other, "other")):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client, client.makefile("rb") as replies:
            assert replies.readline() == f"220 ProFTPD Server ({name}) [127.0.0.1]\r\n".encode()
    site.conf("DefaultAddress nodevice0\n", without=["DefaultAddress"])
    assert "DefaultAddress: unable to resolve 'nodevice0': " in site.command("-t").err


@root_only
def test_what_only_the_whole_shows_is_told_together_with_the_lines_that_are_wrong(site: Site) -> None:
    for name in ("users", "others"):
        (site.base / name).write_text("")
        (site.base / name).chmod(0o666)
    lines = [
        "Umask 9x",
        "User nosuchuser",
        "Group nosuchgroup",
        f"AuthUserFile {site.base}/users",
        "DefaultAddress no.such.invalid",
        "<VirtualHost 127.0.0.2>",
        f"  AuthUserFile {site.base}/others",
        "  User nosuchuser2",
        "</VirtualHost>",
        "<VirtualHost none.invalid>",
        "</VirtualHost>",
    ]
    site.conf("\n".join(lines) + "\n", without=["User", "Group", "DefaultAddress"])
    said = site.command("-t")
    assert said.status == 1
    told = said.err.splitlines()
    for number, word in [
        (1, "9x"),
        (2, "nosuchuser"),
        (3, "nosuchgroup"),
        (4, f"{site.base}/users"),
        (5, "no.such.invalid"),
        (7, f"{site.base}/others"),
        (8, "nosuchuser2"),
        (10, "none.invalid"),
    ]:
        line = lines[number - 1].strip()
        at = next(index for index, text in enumerate(told) if text.startswith(f"{site.path}:{number}: "))
        assert told[at + 1] == f"    {line}"
        assert told[at + 2] == f"    {' ' * line.index(word)}^{'~' * (len(word) - 1)}"
        assert told[at + 3].startswith("    right: ")
    assert told[-1].endswith(f"fatal: 8 faults in the configuration {site.path}")


@root_only
def test_what_stands_in_global_is_told_once(site: Site) -> None:
    (site.base / "users").write_text("")
    (site.base / "users").chmod(0o666)
    site.conf(
        f"<Global>\n  AuthUserFile {site.base}/users\n</Global>\n<VirtualHost 127.0.0.2>\n  Umask 022\n</VirtualHost>\n"
    )
    assert site.command("-t").err.count("world-writable AuthUserFile") == 1


def test_the_command_line_may_say_the_main_servers_address(site: Site) -> None:
    said = site.command("-t", "-S", "no.such.invalid")
    assert said.status == 1
    assert "fatal: unable to use 'no.such.invalid' as server address: " in said.err
    site.conf("SocketBindTight on\n", without=["DefaultAddress"])
    site.start("-S", "127.0.0.1")
    assert f"listening on 127.0.0.1, port {site.port}" in site.said()


def test_ipv6_is_the_command_lines_to_decide(site: Site) -> None:
    site.conf("DefaultAddress ::1\nUseIPv6 on\n", without=["DefaultAddress", "UseIPv6"])
    assert site.command("-t").status == 0
    refused = site.command("-t", "-4")
    assert refused.status == 1
    assert "unable to resolve '::1': it is an IPv6 address, but IPv6 is off" in refused.err
    assert site.command("-t", "-6").status == 0


def test_a_port_in_use_is_named(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", site.port))
        other.listen()
        expected = f"Failed binding to 0.0.0.0, port {site.port}: Address already in use"
        assert fatal(site, "-n").startswith(expected)
        assert fatal(site).startswith(expected)


def test_an_address_of_another_machine_is_named(site: Site) -> None:
    site.conf("SocketBindTight on\nDefaultAddress 192.0.2.1\n", without=["DefaultAddress"])
    assert f"Failed binding to 192.0.2.1, port {site.port}: Cannot assign requested address" in fatal(site, "-n")


# -- as a daemon ---------------------------------------------------------------------------------------


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
    site.conf(port=site.port + 1)
    assert fatal(site) == f"PidFile {site.pid_file} belongs to a daemon that is running, process {first}"
    assert site.pid == first
    assert site.serves()
    assert not site.serves(site.port + 1)


def test_what_a_daemon_that_died_left_behind_is_no_obstacle(site: Site) -> None:
    site.command()
    died = site.pid
    os.kill(died, 9)
    while alive(died):
        pass
    assert site.pid_file.exists()
    assert site.command().status == 0
    assert site.pid != died


# -- files ---------------------------------------------------------------------------------------------


def test_a_pidfile_that_cannot_be_written_is_named(site: Site) -> None:
    site.conf(f"PidFile {site.base}/none/pid\n", without=["PidFile"])
    for options in ([], ["-n"]):
        assert fatal_last(site, *options) == f"unable to write PidFile {site.base}/none/pid: No such file or directory"


def fatal_last(site: Site, *options: str) -> str:
    said = site.command(*options)
    assert said.status == 1, said
    assert "Traceback" not in said.err
    return said.err.splitlines()[-1].partition("]: fatal: ")[2]


def test_a_pidfile_is_not_written_through_a_link(site: Site) -> None:
    victim = site.base / "victim"
    victim.write_text("precious\n")
    site.pid_file.symlink_to(victim)
    assert fatal(site) == f"unable to write PidFile {site.pid_file}: it is a symbolic link"
    assert victim.read_text() == "precious\n"


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
    ("plant", "reason"),
    [
        (plant_fifo, "FIFO reader process must be running first"),
        (plant_link, "log is a symbolic link"),
        (plant_hard_link, "it has 2 names"),
        (plant_folder, "Is a directory"),
        (open_folder, "logs is a world-writable directory"),
        (no_folder, "No such file or directory"),
    ],
)
@pytest.mark.parametrize("directive", ["SystemLog", "TraceLog"])
def test_a_systemlog_or_tracelog_that_is_not_safe_is_refused(
    site: Site, directive: str, plant: object, reason: str
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
    assert f"listening on 0.0.0.0, port {site.port}" in site.logged()


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


# -- in the foreground ---------------------------------------------------------------------------------


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
    assert f"listening on 0.0.0.0, port {site.port}" in site.logged()
    assert site.said() == ""


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
    assert status["Groups"].split() == ["65534"]
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


def test_a_check_may_explain_what_a_user_may_do(site: Site) -> None:
    conf = f"AuthOrder mod_auth_file.c\nAuthUserFile {site.base}/users\n<Limit STOR>\nDenyUser eve\n</Limit>\n"
    users = site.base / "users"
    users.write_text(f"eve:x:{os.geteuid()}:{os.getegid()}::{site.base}:/bin/sh\n")
    users.chmod(0o600)
    site.conf(f"{conf}RootLogin on\n")
    said = site.command("-t", "--explain", "eve a.txt STOR")
    assert said.status == 0, said
    assert "eve may not STOR a.txt" in said.out and "DENIES: line 4: DenyUser eve" in said.out
    wrong = site.command("-t", "--explain", "eve")
    assert wrong.status == 1 and "three things are asked for" in wrong.err


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
    assert f"{site.path}:2: AuthGroupFile: {cannot}, its groups count for nobody" in told.err
    assert "cannot be read" not in site.command("-t").err
