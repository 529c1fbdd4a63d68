"""What ftpd -t and a start say of a configuration: all its faults at once, and where it listens."""

from __future__ import annotations

import os
import socket

import pytest

from tests.wire.command import Site, fatal
from tests.wire.daemon import PATIENCE, free_port

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose who to serve as")


def test_a_configuration_without_a_fault_passes(site: Site) -> None:
    said = site.command("-t")
    assert said.status == 0
    assert said.out == "Checking syntax of configuration file\nSyntax check complete.\n"
    assert said.err == ""
    assert not site.pid_file.exists(), "nothing was started"


def test_a_second_defaultserver_is_a_fault_that_names_the_place_of_the_first(site: Site) -> None:
    hosts = "DefaultServer on\n<VirtualHost 127.0.0.2>\n  Port 2199\n  DefaultServer {}\n</VirtualHost>\n"
    site.conf(hosts.format("off"))
    assert site.command("-t").status == 0
    site.conf(hosts.format("on"))
    said = site.command("-t")
    assert said.status == 1
    assert f"{site.path}:4: DefaultServer: DefaultServer has already been set ({site.path}:1)" in said.err


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


def test_of_two_defaultaddress_lines_the_one_that_counts_is_named(site: Site) -> None:
    site.conf("DefaultAddress 127.0.0.1\nDefaultAddress no.such.invalid\n", without=["DefaultAddress"])
    told = site.command("-t").err
    assert f"{site.path}:2: DefaultAddress: unable to resolve 'no.such.invalid'" in told
    assert "    DefaultAddress no.such.invalid\n" in told


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
def test_faults_stand_in_the_order_of_their_lines_whichever_check_finds_them(site: Site) -> None:
    more = site.base / "more.conf"
    more.write_text("Umask 9x\nLoadModule mod_nowhere.c\n")
    site.conf(f"User nosuchuser\nDefaultAddress no.such.invalid\nInclude {more}\nUmask 8\n", without=["DefaultAddress"])
    said = site.command("-t")
    assert said.status == 1
    places = [line.split(": ")[0] for line in said.err.splitlines() if line.startswith(f"{site.base}/")]
    # of several files, the one whose fault was met first
    assert places == [f"{more}:1", f"{more}:2", f"{site.path}:1", f"{site.path}:2", f"{site.path}:4"]


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


def test_an_address_that_no_interface_has_yet_is_listened_on_and_told_of(site: Site) -> None:
    site.conf("SocketBindTight on\nDefaultAddress 127.0.0.1 203.0.113.1\n", without=["DefaultAddress"])
    site.start()
    assert f"listening on 203.0.113.1, port {site.port}" in site.said()
    assert f"has 203.0.113.1: clients come to port {site.port} there when one has" in site.said()
    assert "no interface of this machine has 127.0.0.1" not in site.said()
    assert site.serves()


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
