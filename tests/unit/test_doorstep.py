"""The port that listens before the daemon does: where a glance may tell it, and what becomes of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.cli.ftpd import main
from ftpd.daemon import doorstep
from ftpd.daemon.listen import bind
from tests.wire.daemon import free_port


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    doorstep.keep(())


@pytest.fixture
def port() -> int:
    # one that the kernel hands out would be somebody else's by the time it is wanted
    return free_port()


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def written(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "proftpd.conf"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["Port {port}"],
        ["ServerType standalone", "UseIPv6 off", "Port {port}"],
        ["# Port 1", "  port\t{port}  ", "ServerName x"],
        ["<VirtualHost 127.0.0.1>", "Port 3", "</VirtualHost>", "Port {port}", "DefaultAddress 127.0.0.1"],
        ["<Global>", "Umask 022", "</Global>", "<IfModule mod_x.c>", "Engine on", "</IfModule>", "Port {port}"],
    ],
)
@pytest.mark.parametrize("words", [["-c"], ["-q", "-n", "--config"]])
def test_a_plain_port_listens_at_once(tmp_path: Path, port: int, lines: list[str], words: list[str]) -> None:
    path = written(tmp_path, *(line.format(port=port) for line in lines))
    doorstep.open_early([*words, path])
    assert listens(port)
    doorstep.keep([("0.0.0.0" if "UseIPv6 off" in lines else "::", port)])
    assert listens(port)
    doorstep.keep([("127.0.0.1", port)])
    assert not listens(port)


@pytest.mark.parametrize(
    "lines",
    [
        ["Port {port}", "Include /etc/other.conf"],
        ["Port {port}", "Port {port}"],
        ["Port {port} # for now"],
        ["Port {port} \\", "# goes on"],
        ["<IfModule mod_x.c>", "Port {port}", "</IfModule>"],
        ["<IfDefine X>", "ServerName x", "</IfDefine>", "Port {port}"],
        ["Port {port}", "ServerType inetd"],
        ["Port {port}", "SocketBindTight on"],
        ["Port {port}", "UseIPv6 perhaps"],
        ["Port {port}", "UseIPv6 on", "UseIPv6 off"],
        ["Port {port}", "<IfModule mod_x.c>", "UseIPv6 off", "</IfModule>"],
        ["Port {port}", "Workers 4"],
        ["Port {port}", "SocketOptions reuseport on"],
        ["Port %{{env:PORT}}"],
        ["Port 0{port}9999"],
        ["Port"],
        ["#Port {port}"],
        [],
    ],
)
def test_where_more_than_a_glance_is_needed_nothing_listens(tmp_path: Path, port: int, lines: list[str]) -> None:
    doorstep.open_early(["-c", written(tmp_path, *(line.format(port=port) for line in lines))])
    assert not doorstep._open
    assert not listens(port)


@pytest.mark.parametrize("more", ["-t", "-4", "-l", "-vv", "-DX", "-X", "-S127.0.0.1"])
def test_other_options_than_those_of_a_plain_start_open_nothing(tmp_path: Path, port: int, more: str) -> None:
    doorstep.open_early([more, "-c", written(tmp_path, f"Port {port}")])
    assert not listens(port)


def test_sockets_that_are_handed_over_are_enough(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    doorstep.open_early(["-c", written(tmp_path, f"Port {port}")])
    assert not listens(port)


def test_what_can_be_read_once_only_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    doorstep.open_early(["-c", path])
    doorstep.open_early(["-c", str(tmp_path / "missing")])
    doorstep.open_early(["-c"])
    assert not doorstep._open


def test_a_port_that_is_taken_is_for_the_start_to_tell_of(tmp_path: Path) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as sock:
        doorstep.open_early(["-c", written(tmp_path, f"Port {sock.getsockname()[1]}")])
        assert not doorstep._open


@pytest.mark.parametrize("every", ["::", "0.0.0.0"])
def test_the_daemon_takes_it_with_the_options_of_its_own(tmp_path: Path, port: int, every: str) -> None:
    options = [
        (socket.SOL_SOCKET, socket.SO_REUSEADDR), (socket.SOL_SOCKET, socket.SO_OOBINLINE),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.SOL_SOCKET, socket.SO_REUSEPORT),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    ]  # fmt: skip
    if every == "::":
        options.append((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    with bind((every, port), 5) as own:
        usual = [own.getsockopt(*option) for option in options]
    doorstep.open_early(["-c", written(tmp_path, f"Port {port}", f"UseIPv6 {'on' if every == '::' else 'off'}")])
    with socket.create_connection(("127.0.0.1", port)) as early, bind((every, port), 5) as sock:
        assert [sock.getsockopt(*option) for option in options] == usual
        assert not sock.get_inheritable()
        with sock.accept()[0] as accepted:
            assert accepted.getpeername()[1] == early.getsockname()[1]
    assert not listens(port)


def test_a_faulty_configuration_is_told_of_and_leaves_nothing_open(
    tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, f"Port {port}", "MaxInstance 30")
    os.chmod(path, 0o600)
    assert main(["-n", "-c", path]) == 1
    assert "MaxInstance: unknown configuration directive" in capsys.readouterr().err
    assert not listens(port)
