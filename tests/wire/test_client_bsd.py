"""tnftp and GNU inetutils ftp, heirs of the BSD client: one by EPSV, one by PORT, both with ABOR as urgent data."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill, kill_while_downloading, kill_while_uploading, run, start
from tests.wire.daemon import Daemon, until


@pytest.fixture(params=["tnftp", "inetutils-ftp"])
def client(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"the client {request.param} is not installed")
    return str(request.param)


def opening(server: Daemon, login: str = "alice secret") -> str:
    return f"open {server.host} {server.port}\nuser {login}\nbinary\n"


def ftp(client: str, server: Daemon, script: str, login: str = "alice secret") -> str:
    # both end with success whatever happened; -v shows the replies
    return run(client, "-n", "-v", "-i", script=f"{opening(server, login)}{script}\nquit\n")


def test_gets_and_puts_byte_by_byte(client: str, server: Daemon, here: Path, content: bytes) -> None:
    (here / "up").write_bytes(content)
    ftp(client, server, "put up put.bin\nget put.bin down")
    assert (server.home / "put.bin").read_bytes() == content
    assert (here / "down").read_bytes() == content


@pytest.mark.parametrize("switch", ["passive", "epsv4"])
def test_the_other_ways_to_open_a_data_connection(
    client: str, server: Daemon, here: Path, content: bytes, switch: str
) -> None:
    server.give("ways.bin", content)
    ftp(client, server, f"{switch}\nget ways.bin")
    assert (here / "ways.bin").read_bytes() == content


def test_a_text_travels_with_line_ends_of_its_own(client: str, server: Daemon, here: Path) -> None:
    (here / "up.txt").write_bytes(b"one\ntwo\n")
    ftp(client, server, "ascii\nput up.txt text.txt\nget text.txt down.txt")
    assert (server.home / "text.txt").read_bytes() == b"one\ntwo\n"
    assert (here / "down.txt").read_bytes() == b"one\ntwo\n"


def test_names_survive_the_way_there_and_back(client: str, server: Daemon, here: Path) -> None:
    for name in AWKWARD_NAMES:
        (here / name).write_bytes(name.encode())
        ftp(client, server, f'put "{name}"\nget "{name}" down')
        assert (server.home / name).read_bytes() == name.encode()
        assert (here / "down").read_bytes() == name.encode()


def test_resumes_a_download(client: str, server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    ftp(client, server, "reget resumed.bin")
    assert (here / "resumed.bin").read_bytes() == content


def test_resumes_an_upload(client: str, server: Daemon, here: Path, content: bytes) -> None:
    server.give("half.bin", content[:1_000_000])
    (here / "half.bin").write_bytes(content)
    ftp(client, server, "restart 1000000\nput half.bin")
    assert (server.home / "half.bin").read_bytes() == content


def test_appends(client: str, server: Daemon, here: Path) -> None:
    server.give("log.txt", b"first ")
    (here / "more.txt").write_bytes(b"second")
    ftp(client, server, "append more.txt log.txt")
    assert (server.home / "log.txt").read_bytes() == b"first second"


def test_fetches_and_sends_by_wildcard(client: str, server: Daemon, here: Path) -> None:
    folder = server.give_folder(f"many-{client}")
    folder.chmod(0o777)
    for name in ("one.txt", "two.txt", "three.bin"):
        (folder / name).write_bytes(name.encode())
    (here / "four.up").write_bytes(b"four")
    ftp(client, server, f"cd {folder.name}\nmget *.txt\nmput *.up")
    assert {path.name for path in here.glob("*.*")} == {"one.txt", "two.txt", "four.up"}
    assert (folder / "four.up").read_bytes() == b"four"


def test_makes_renames_and_removes(client: str, server: Daemon) -> None:
    server.give("old name.txt", b"")
    ftp(client, server, 'mkdir "new folder"\nrename "old name.txt" "new folder/new name.txt"')
    assert (server.home / "new folder/new name.txt").exists()
    ftp(client, server, 'delete "new folder/new name.txt"\nrmdir "new folder"')
    assert not (server.home / "new folder").exists()


def test_lists_and_asks_for_facts(client: str, server: Daemon) -> None:
    folder = server.give_folder(f"listed-{client}")
    (folder / "file.txt").write_bytes(b"12345")
    printed = ftp(client, server, f"ls {folder.name}\ncd {folder.name}\npwd\nsize file.txt\nmodtime file.txt\nsystem")
    assert any(line.startswith("-rw") and line.endswith(" file.txt") for line in printed.splitlines())
    assert f"/{folder.name}" in printed
    assert "UNIX Type: L8" in printed


def test_is_refused_with_a_wrong_password(client: str, server: Daemon) -> None:
    printed = ftp(client, server, "ls", login="alice wrong")
    assert "530 Login incorrect." in printed
    assert "226" not in printed


def test_a_visitor_reads_and_cannot_write(client: str, server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    (here / "up").write_bytes(b"")
    printed = ftp(client, server, "get public.txt\nput up", login="anonymous me@")
    assert (here / "public.txt").read_bytes() == b"for all"
    assert "550 up: " in printed


def test_after_an_interrupt_the_session_goes_on(client: str, server: Daemon, here: Path) -> None:
    """Ctrl-C sends IAC IP, then IAC DM as urgent data with ABOR, and waits for 426 and 226."""
    server.give_huge("huge.bin")
    server.give("next.txt", b"next")
    ftp_process = start(client, "-n", "-i")
    try:
        assert ftp_process.stdin is not None and ftp_process.stdout is not None
        ftp_process.stdin.write(f"{opening(server)}get huge.bin /dev/stdout\n".encode())
        ftp_process.stdin.flush()
        assert len(ftp_process.stdout.read(256 * 1024)) == 256 * 1024
        os.kill(ftp_process.pid, signal.SIGINT)
        ftp_process.stdin.write(b"get next.txt\nquit\n")
        ftp_process.stdin.close()
        while ftp_process.stdout.read(1024 * 1024):
            pass
        until("the client ends", lambda: ftp_process.poll() is not None)
    finally:
        kill(ftp_process)
    assert (here / "next.txt").read_bytes() == b"next"
    server.assert_well()


def test_killed_in_a_download(client: str, server: Daemon) -> None:
    server.give_huge("huge.bin")
    script = f"{opening(server)}get huge.bin /dev/stdout\n"
    kill_while_downloading(client, "-n", "-i", script=script)
    server.assert_well()


def test_killed_in_an_upload(client: str, server: Daemon, here: Path) -> None:
    os.mkfifo(here / "pipe")
    arrived = server.home / f"endless-{client}.bin"
    script = f'{opening(server)}put "|cat pipe" {arrived.name}\n'
    kill_while_uploading(arrived, client, "-n", "-i", script=script, pipe=here / "pipe")
    server.assert_well()
