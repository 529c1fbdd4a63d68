"""busybox ftpget and ftpput, as cameras and routers have them: a login, one transfer, and hardly a word more."""

from __future__ import annotations

from pathlib import Path

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("busybox")


def command(server: Daemon, applet: str, *names: str, password: str = "secret") -> list[str]:
    login = ["-u", "alice", "-p", password, "-P", str(server.port)]
    return ["busybox", applet, *login, server.host, *names]


def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes) -> None:
    (here / "up").write_bytes(content)
    run(*command(server, "ftpput", "put.bin", "up"))
    assert (server.home / "put.bin").read_bytes() == content
    run(*command(server, "ftpget", "down", "put.bin"))
    assert (here / "down").read_bytes() == content


def test_names_survive_the_way_there_and_back(server: Daemon, here: Path) -> None:
    for name in AWKWARD_NAMES:
        (here / "up").write_bytes(name.encode())
        run(*command(server, "ftpput", name, "up"))
        assert (server.home / name).read_bytes() == name.encode()
        run(*command(server, "ftpget", "down", name))
        assert (here / "down").read_bytes() == name.encode()


def test_resumes_a_download(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    run(*command(server, "ftpget", "-c", "resumed.bin"))
    assert (here / "resumed.bin").read_bytes() == content


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    assert "530 Login incorrect." in run(*command(server, "ftpget", "down", "any", password="wrong"), fails=True)


def test_a_missing_file_is_an_error(server: Daemon) -> None:
    assert "550 nowhere.txt: " in run(*command(server, "ftpget", "down", "nowhere.txt"), fails=True)


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    run("busybox", "ftpget", "-P", str(server.port), server.host, "public.txt")
    assert (here / "public.txt").read_bytes() == b"for all"
    assert "550 " in run("busybox", "ftpput", "-P", str(server.port), server.host, "public.txt", fails=True)


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading(*command(server, "ftpget", "-", "huge.bin"))
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    kill_while_uploading(server.home / "endless.bin", *command(server, "ftpput", "endless.bin", "-"))
    server.assert_well()
