"""Virtual hosts: told apart by address, by port and by name, over IPv4 and IPv6, before and after a reload."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import HASH, PATIENCE, Daemon, free_port, until
from tests.wire.hostile import Raw, pid

pytestmark = pytest.mark.usefixtures("ends_alive")

HOSTS = """\
<Global>
  AuthOrder mod_auth_file.c
  AuthUserFile {run}/passwd
  RequireValidShell off
  TransferLog none
  DefaultRoot ~
</Global>
<VirtualHost 127.0.0.2>
  ServerName "by address"
  Port {port}
</VirtualHost>
<VirtualHost 127.0.0.1>
  ServerName "by port"
  Port {other_port}
  PassivePorts 42000 42010
  MasqueradeAddress 192.0.2.1
</VirtualHost>
<VirtualHost ::1>
  ServerName "by family"
  Port {port}
</VirtualHost>
<VirtualHost 127.0.0.1>
  ServerName "first name"
  ServerAlias first.example.org
  Port {port}
</VirtualHost>
<VirtualHost 127.0.0.1>
  ServerName "second name"
  ServerAlias second.example.org *.second.example.org
  AuthUserFile {run}/second
  Port {port}
</VirtualHost>
<VirtualHost 127.0.0.1>
  ServerName "any name"
  ServerAlias *.example.org
  Port {port}
</VirtualHost>
<VirtualHost 127.0.0.9>
  ServerName "without a port"
  Port 0
</VirtualHost>
"""


class ManyHosts(Daemon):
    """The daemon of the tests, with neighbours."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.other_port = free_port()
        run = self._conf.parent
        self.main = "UseIPv6 on\nServerAlias main.example.net\n" + self._conf.read_text().replace("UseIPv6 off\n", "")
        self.hosts = HOSTS.format(port=self.port, other_port=self.other_port, run=run)
        self._conf.write_text(self.main + self.hosts)
        # bob is known to the second host only
        second = run / "second"
        second.write_text(f"bob:{HASH}:{self._owner.pw_uid}:{self._owner.pw_gid}::{self.home}:/bin/sh\n")
        second.chmod(0o600)

    def greeting(self, host: str, port: int | None = None) -> str:
        with socket.create_connection((host, port or self.port), PATIENCE) as client, client.makefile("rb") as replies:
            return replies.readline().decode().rstrip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    with ManyHosts(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


def test_an_address_a_port_and_a_family_lead_to_their_server(server: ManyHosts) -> None:
    assert server.greeting("127.0.0.2") == "220 ProFTPD Server (by address) [127.0.0.2]"
    assert server.greeting("127.0.0.1", server.other_port) == "220 ProFTPD Server (by port) [192.0.2.1]"
    assert server.greeting("::1") == "220 ProFTPD Server (by family) [::1]"


def test_an_address_of_nobody_leads_to_the_ports_only_server_or_on_this_machine_to_the_main_one(
    server: ManyHosts,
) -> None:
    assert server.greeting("127.0.0.2", server.other_port) == "220 ProFTPD Server (by port) [192.0.2.1]"
    assert server.greeting("127.0.0.3") == "220 ProFTPD Server (Wire tests) [127.0.0.3]"


def test_who_says_no_name_meets_the_main_server_where_the_address_is_its_own(server: ManyHosts) -> None:
    assert server.greeting("127.0.0.1") == "220 ProFTPD Server (Wire tests) [127.0.0.1]"


@pytest.mark.parametrize(
    ("name", "met"),
    [
        ("first.example.org", "first name"),
        ("SECOND.example.org", "second name"),
        ("second.example.org.", "second name"),
        ("a.second.example.org", "second name"),
        ("third.example.org", "any name"),
        ("main.example.net", "Wire tests"),
    ],
)
def test_a_name_leads_to_its_server_and_one_written_out_comes_first(server: ManyHosts, name: str, met: str) -> None:
    with Raw(server) as client:
        assert client.ask(f"HOST {name}") == f"220 ProFTPD Server ({met}) [127.0.0.1]"


def test_a_name_of_another_address_or_port_is_unknown(server: ManyHosts) -> None:
    with socket.create_connection(("127.0.0.2", server.port), PATIENCE) as client, client.makefile("rwb") as talk:
        talk.readline()
        talk.write(b"HOST first.example.org\r\n")
        talk.flush()
        assert talk.readline() == b"504 first.example.org: Unknown hostname provided\r\n"
    with Raw(server) as first:
        assert first.ask("HOST 127.0.0.2").startswith("504")
        assert first.ask("HOST example.com").startswith("504")
        assert first.ask("HOST second.example.org").startswith("220 ProFTPD Server (second name)")
        assert first.ask("HOST 127.0.0.1") == "220 HOST command successful", "the address that it has connected to"


def test_each_server_knows_its_own_users_only(server: ManyHosts) -> None:
    with Raw(server) as client:
        client.ask("HOST second.example.org")
        client.ask("USER alice")
        assert client.ask("PASS secret") == "530 Login incorrect."
        client.ask("USER bob")
        assert client.ask("PASS secret") == "230 User bob logged in"
        assert client.ask("HOST first.example.org") == "503 Bad sequence of commands"
        assert client.ask("STAT").startswith("211-Status of 'second name'")
    with Raw(server) as client:
        client.ask("USER bob")
        assert client.ask("PASS secret") == "530 Login incorrect."


def test_a_name_of_ten_kilobytes_is_no_name(server: ManyHosts) -> None:
    with Raw(server) as client:
        assert client.ask("HOST " + "x" * 4000).startswith("504")
        assert client.ask("HOST " + "x" * 10_000) == "500 Command line too long"


def test_passive_ports_and_masquerade_address_are_each_servers_own(server: ManyHosts) -> None:
    class There:
        host, port, user, password = "127.0.0.1", server.other_port, server.user, server.password

    with Raw(There) as client:  # type: ignore[arg-type]  # all of a daemon that it asks for
        client.login()
        numbers = client.ask("PASV").partition("(")[2].rstrip(").").split(",")
        assert numbers[:4] == ["192", "0", "2", "1"]
        assert 42000 <= int(numbers[4]) * 256 + int(numbers[5]) <= 42010
    with Raw(server) as client:
        assert "(127,0,0,1," in client.login().ask("PASV")


def reloaded(server: ManyHosts, conf: str) -> None:
    before = server.log().count("the new configuration is in force")
    server._conf.write_text(conf)
    os.kill(pid(server), signal.SIGHUP)
    until("it is in force", lambda: server.log().count("the new configuration is in force") > before)


def test_an_address_of_nobody_at_a_port_of_several_gets_no_server(server: ManyHosts) -> None:
    whole = server.main + server.hosts
    try:
        reloaded(server, whole.replace(f"Port {server.port}\n", "Port 0\n", 1))
        assert server.greeting("127.0.0.3") == "500 Sorry, no server available to handle request on 127.0.0.3"
        assert server.greeting("127.0.0.2") == "220 ProFTPD Server (by address) [127.0.0.2]"
    finally:
        reloaded(server, whole)


def test_a_server_of_all_addresses_has_those_that_are_nobodys(server: ManyHosts) -> None:
    whole = server.main + server.hosts
    everywhere = (
        f'<VirtualHost 0.0.0.0>\nServerName "everywhere"\nServerAlias all.example.org\nPort {server.other_port}\n'
        "</VirtualHost>\n"
    )
    try:
        reloaded(server, whole + everywhere)
        assert server.greeting("127.0.0.5", server.other_port) == "220 ProFTPD Server (everywhere) [127.0.0.5]"
        assert server.greeting("::1", server.other_port) == "220 ProFTPD Server (everywhere) [::1]"
        with socket.create_connection(("127.0.0.1", server.other_port), 5) as client, client.makefile("rwb") as talk:
            assert talk.readline() == b"220 ProFTPD Server (by port) [192.0.2.1]\r\n"
            talk.write(b"HOST all.example.org\r\n")
            talk.flush()
            assert talk.readline() == b"504 all.example.org: Unknown hostname provided\r\n", "it is another's address"
        with socket.create_connection(("127.0.0.5", server.other_port), 5) as client, client.makefile("rwb") as talk:
            talk.readline()
            talk.write(b"HOST all.example.org\r\n")
            talk.flush()
            assert talk.readline() == b"220 ProFTPD Server (everywhere) [127.0.0.5]\r\n"
    finally:
        reloaded(server, whole)


def test_a_defaultserver_takes_all_that_is_nobodys(server: ManyHosts) -> None:
    whole = server.main + server.hosts
    try:
        reloaded(server, whole.replace('ServerName "by address"', 'ServerName "by address"\n  DefaultServer on'))
        assert server.greeting("127.0.0.3") == "220 ProFTPD Server (by address) [127.0.0.3]"
        assert server.greeting("127.0.0.1").startswith("220 ProFTPD Server (Wire tests)")
    finally:
        reloaded(server, whole)


def test_a_main_server_that_takes_all_leaves_its_address_to_the_first_server_with_a_name(server: ManyHosts) -> None:
    whole = server.main + server.hosts
    try:
        reloaded(server, f"DefaultServer on\n{whole}")
        assert server.greeting("127.0.0.1") == "220 ProFTPD Server (first name) [127.0.0.1]"
        assert server.greeting("127.0.0.3") == "220 ProFTPD Server (Wire tests) [127.0.0.3]"
    finally:
        reloaded(server, whole)


def test_bound_tightly_it_listens_on_the_servers_own_addresses_only(server: ManyHosts) -> None:
    fresh = free_port()
    conf = (server.main + server.hosts).replace(f"Port {server.port}", f"Port {fresh}")
    try:
        reloaded(server, f"SocketBindTight on\n{conf}")
        assert server.greeting("127.0.0.2", fresh) == "220 ProFTPD Server (by address) [127.0.0.2]"
        assert server.greeting("::1", fresh) == "220 ProFTPD Server (by family) [::1]"
        with pytest.raises(ConnectionRefusedError):
            server.greeting("127.0.0.3", fresh)
        with pytest.raises(ConnectionRefusedError):
            server.greeting("127.0.0.1")
    finally:
        reloaded(server, server.main + server.hosts)


def test_without_ipv6_nobody_is_met_there(server: ManyHosts) -> None:
    fresh = free_port()
    conf = (server.main + server.hosts).replace(f"Port {server.port}", f"Port {fresh}")
    conf = conf.replace("UseIPv6 on", "UseIPv6 off").replace("<VirtualHost ::1>", "<VirtualHost 127.0.0.7>")
    try:
        reloaded(server, conf)
        assert server.greeting("127.0.0.7", fresh) == "220 ProFTPD Server (by family) [127.0.0.7]"
        with pytest.raises(ConnectionRefusedError):
            server.greeting("::1", fresh)
        with socket.create_connection(("127.0.0.1", fresh), PATIENCE) as client, client.makefile("rwb") as talk:
            talk.readline()
            talk.write(b"HOST [::1]\r\n")
            talk.flush()
            assert talk.readline() == b"501 [::1]: Invalid hostname provided\r\n"
    finally:
        reloaded(server, server.main + server.hosts)


def test_names_are_looked_up_at_a_reload_as_at_the_start(server: ManyHosts) -> None:
    named = server.main.replace("DefaultAddress 127.0.0.1", "DefaultAddress localhost\nMasqueradeAddress localhost")
    try:
        reloaded(server, named + server.hosts)
        with Raw(server) as client:
            assert client.ask("HOST main.example.net").startswith("220 ProFTPD Server (Wire tests)")
            assert "(127,0,0,1," in client.login().ask("PASV")
    finally:
        reloaded(server, server.main + server.hosts)


def test_after_a_reload_an_old_session_finds_the_servers_of_its_own_configuration(server: ManyHosts) -> None:
    with Raw(server) as old:
        reloaded(server, server.main + server.hosts.replace("second.example.org", "other.example.org"))
        try:
            with Raw(server) as new:
                assert new.ask("HOST other.example.org").startswith("220 ProFTPD Server (second name)")
                assert new.ask("HOST second.example.org").startswith("220 ProFTPD Server (any name)")
            assert old.ask("HOST second.example.org").startswith("220 ProFTPD Server (second name)")
            assert old.ask("USER bob").startswith("331")
            assert old.ask("PASS secret").startswith("230")
        finally:
            reloaded(server, server.main + server.hosts)
