"""What a service manager sees: readiness, reloads, the end, signs of life; and sockets that it hands over."""

from __future__ import annotations

import ftplib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.command import FTPD, Said, Site
from tests.wire.daemon import PATIENCE, free_port, until


class Manager:
    """Listens where NOTIFY_SOCKET says, as systemd does."""

    def __init__(self, address: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address.replace("@", "\0", 1))
        self._sock.settimeout(PATIENCE)

    def hears(self) -> dict[str, str]:
        """The next message."""
        return dict(line.split("=", 1) for line in self._sock.recv(4096).decode().splitlines())

    def close(self) -> None:
        self._sock.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the manager listens; abstract addresses are written with an @."""
    return f"{tmp_path}/notify" if request.param == "path" else f"@ftpd-test-{os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    manager = Manager(address)
    yield manager
    manager.close()


def test_it_tells_of_readiness_reload_and_end(site: Site, manager: Manager, address: str) -> None:
    process = site.start(environ={"NOTIFY_SOCKET": address})
    ready = manager.hears()
    assert ready["READY"] == "1"
    assert ready["MAINPID"] == str(process.pid)
    assert ready["STATUS"] == f"serving on 0.0.0.0 port {site.port}"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    process.send_signal(signal.SIGHUP)
    reloading = manager.hears()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.hears()["READY"] == "1"
    site.conf("Prto 21\n")
    process.send_signal(signal.SIGHUP)
    assert manager.hears()["RELOADING"] == "1"
    kept = manager.hears()
    assert kept["READY"] == "1"
    assert "the configuration before stays in force" in kept["STATUS"]
    process.terminate()
    assert manager.hears()["STOPPING"] == "1"
    assert process.wait(PATIENCE) == 0


def test_a_daemon_that_detaches_tells_who_it_is(site: Site, tmp_path: Path) -> None:
    manager = Manager(f"{tmp_path}/notify")
    site.command(environ={"NOTIFY_SOCKET": f"{tmp_path}/notify"})
    assert manager.hears()["MAINPID"] == str(site.pid)
    manager.close()


def test_a_manager_that_is_gone_is_no_obstacle(site: Site) -> None:
    site.start(environ={"NOTIFY_SOCKET": "/no/such/socket"})
    assert site.serves()


def test_it_gives_signs_of_life_when_asked_to(site: Site, tmp_path: Path) -> None:
    manager = Manager(f"{tmp_path}/notify")
    site.start(environ={"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "200000"})
    heard = [manager.hears() for _ in range(4)]
    assert [message.get("WATCHDOG") for message in heard] == [None, "1", "1", "1"]
    manager.close()


def test_it_gives_none_when_the_watchdog_is_for_another_process(site: Site, tmp_path: Path) -> None:
    manager = Manager(f"{tmp_path}/notify")
    watch = {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(os.getpid())}
    process = site.start(environ={"NOTIFY_SOCKET": f"{tmp_path}/notify", **watch})
    assert "READY" in manager.hears()
    process.terminate()
    assert "STOPPING" in manager.hears(), "with nothing between"
    manager.close()


# -- sockets that are handed over ----------------------------------------------------------------------

# systemd names the process that it starts, which is this one: it becomes the daemon by exec
HANDED_OVER = """\
import os, sys
given, count, *command = sys.argv[1:]
os.dup2(int(given), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count)
os.execv(command[0], command)
"""


def command(site: Site, sock: socket.socket, count: str = "1") -> list[str]:
    return [sys.executable, "-c", HANDED_OVER, str(sock.fileno()), count, *FTPD, "-n", "-c", str(site.path)]


@contextmanager
def activated(site: Site, sock: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    with (site.base / "said").open("wb") as said:
        process = subprocess.Popen(
            command(site, sock), pass_fds=[sock.fileno()], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    sock.close()
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, site.said()


def listening(port: int) -> socket.socket:
    sock = socket.create_server(("127.0.0.1", port))
    return sock


def test_a_client_that_came_before_the_daemon_is_served(site: Site) -> None:
    sock = listening(site.port)
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as client, activated(site, sock):
        assert client.recv(3) == b"220"
        assert f"listening on 127.0.0.1, port {site.port}" in site.said(), "and nowhere else"


def test_a_reload_keeps_the_socket_that_was_handed_over(site: Site) -> None:
    with activated(site, listening(site.port)) as process:
        until("it serves", site.serves)
        other = free_port()
        site.conf(port=other)
        process.send_signal(signal.SIGHUP)
        until("the new configuration is in force", lambda: "is in force" in site.said())
        assert not site.serves(other), "where to listen is the service manager's to say"
        with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as client:
            assert client.recv(3) == b"220", "on this machine itself the main server takes what is nobody's"


def test_a_port_that_differs_from_the_configuration_is_told_of(site: Site) -> None:
    other = free_port()
    with activated(site, listening(other)):
        until("it has started", lambda: "STARTUP" in site.said())
        assert f"port {other} was handed over, but no server of the configuration has this Port" in site.said()
        assert f"Port {site.port} of the configuration was not handed over" in site.said()


def test_variables_meant_for_another_process_are_left_alone(site: Site) -> None:
    site.start(environ={"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    assert site.serves(), "where its configuration says"


def handed(site: Site, sock: socket.socket, count: str) -> Said:
    with sock:
        ended = subprocess.run(
            command(site, sock, count),
            pass_fds=[sock.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    return Said(ended)


def test_what_is_no_listening_socket_is_refused(site: Site) -> None:
    deaf = socket.socket()
    assert "descriptor 3, which is no listening TCP socket" in refused(handed(site, deaf, "1"))
    local = socket.socket(socket.AF_UNIX)
    local.bind(f"{site.base}/local")
    local.listen()
    assert "descriptor 3, which is no listening TCP socket" in refused(handed(site, local, "1"))
    assert "LISTEN_FDS is 'many'" in refused(handed(site, socket.socket(), "many"))
    assert "descriptor 3, which is no listening TCP socket" in refused(handed(site, socket.socket(), "2"))


def refused(said: Said) -> str:
    assert said.status == 1, said
    return said.err.splitlines()[-1]


# -- one session ---------------------------------------------------------------------------------------


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection: the client's, and the one that inetd accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), 10)
        ours, _ = listener.accept()
    return client, ours


@contextmanager
def inetd(site: Site, ours: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """Started as inetd does: the connection is standard input, output and error."""
    process = subprocess.Popen([*FTPD, "-c", site.path], stdin=ours, stdout=ours, stderr=ours)
    ours.close()
    try:
        yield process
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_inetd_hands_over_one_client(site: Site) -> None:
    site.conf("ServerType inetd\n", port=0)
    client, ours = pair()
    with inetd(site, ours), client, client.makefile("rb") as replies:
        assert replies.readline().startswith(b"220 ")
        client.sendall(b"NOOP\r\nQUIT\r\n")
        assert [line[:3] for line in replies] == [b"200", b"221"], "then it closes"
    assert not site.pid_file.exists(), "there is no daemon"


def test_a_client_of_inetd_that_vanishes_ends_the_process(site: Site) -> None:
    site.conf("ServerType inetd\n")
    client, ours = pair()
    with inetd(site, ours):
        assert client.recv(3) == b"220"
        client.close()


def test_a_client_of_inetd_is_told_when_the_process_has_to_end(site: Site) -> None:
    site.conf("ServerType inetd\n")
    client, ours = pair()
    with inetd(site, ours) as process, client, client.makefile("rb") as replies:
        assert replies.readline().startswith(b"220 ")
        process.terminate()
        assert replies.readline().startswith(b"421 ")


def test_what_is_wrong_is_not_told_to_the_client_of_inetd(site: Site) -> None:
    site.conf("ServerType inetd\nPrto 21\n")
    client, ours = pair()
    process = subprocess.Popen([*FTPD, "-c", site.path], stdin=ours, stdout=ours, stderr=ours)
    ours.close()
    with client:
        assert client.recv(1000) == b"", "nothing, and the end of the connection"
    assert process.wait(PATIENCE) == 1


def test_inetd_has_to_hand_over_a_client(site: Site) -> None:
    site.conf("ServerType inetd\n")
    said = site.command()
    assert said.status == 1
    assert "ServerType inetd needs a TCP connection on standard input" in said.err
    assert "ServerType standalone" in said.err
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "a socket of another kind" in site.command(stdin=ours).err


def test_one_session_is_served_with_x_and_that_is_all(site: Site) -> None:
    process = site.start("-X")
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", site.port, timeout=PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.port), PATIENCE)
        ftp.quit()
    assert process.wait(PATIENCE) == 0
    assert not site.pid_file.exists()


def test_waiting_for_its_one_session_it_can_be_ended(site: Site) -> None:
    process = site.start("-X")
    process.terminate()
    assert process.wait(PATIENCE) == 0
