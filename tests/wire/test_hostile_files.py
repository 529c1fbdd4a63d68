"""Links that lead out, folders that change under one's feet, things that are no files, modes that no upload needs."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw, answers_others, as_root

pytestmark = pytest.mark.usefixtures("ends_alive")

CANARY = b"nobody from outside reads this\n"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@pytest.fixture
def outside(tmp_path: Path, server: Daemon) -> Iterator[Path]:
    """A folder beside the home that everybody may change: only the confinement keeps the client out."""
    folder = server.home.parent / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    canary = folder / "canary"
    canary.write_bytes(CANARY)
    canary.chmod(0o666)
    os.utime(canary, (1_000_000_000, 1_000_000_000))
    yield folder
    assert sorted(entry.name for entry in folder.iterdir()) == ["canary"], "something was made or removed outside"
    assert canary.read_bytes() == CANARY
    assert stat.S_IMODE(canary.stat().st_mode) == 0o666
    assert canary.stat().st_mtime == 1_000_000_000
    canary.unlink()
    folder.rmdir()


# -- links that lead out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_a_link_that_leads_out_is_followed_by_no_command_and_can_be_removed(
    server: Daemon, outside: Path, relative: bool
) -> None:
    there = Path("../outside") if relative else outside
    file, folder = server.home / "file-link", server.home / "folder-link"
    file.symlink_to(there / "canary")
    folder.symlink_to(there)
    server.give("mine.txt", b"mine")
    with Raw(server) as client:
        client.login()
        for command in (
            "RETR file-link",
            "RETR folder-link/canary",
            "SIZE file-link",
            "MDTM file-link",
            "MFMT 20200101000000 file-link",
            "MFF modify=20200101000000; file-link",
            "SITE CHMOD 600 file-link",
            "SITE CHMOD 600 folder-link/canary",
            "CWD folder-link",
            "MLSD folder-link",
            "MKD folder-link/new",
            "RMD folder-link/.",
            "DELE folder-link/canary",
            "RNFR folder-link/canary",
        ):
            assert client.ask(command).startswith("5"), command
        assert client.transfer("STOR folder-link/new", b"x")[0].startswith("55")
        assert client.transfer("APPE file-link", b"x")[0].startswith("55")
        assert client.transfer("STOR file-link", b"x")[0].startswith("55")
        assert client.ask("RNFR mine.txt").startswith("350")
        assert client.ask("RNTO folder-link/new").startswith("55")
        assert CANARY not in client.transfer("LIST folder-link/")[1]
        assert client.codes("DELE file-link", "DELE folder-link") == [250, 250]
        assert client.transfer("RETR mine.txt") == ("226 Transfer complete", b"mine")
    assert not file.is_symlink() and not folder.is_symlink()


@contextmanager
def flipping(one: Path, other: Path) -> Iterator[list[int]]:
    """Two names that change places all the time, each change atomic; gives the count of changes."""
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    names, over, count = (os.fsencode(one), os.fsencode(other)), Event(), [0]

    def flip() -> None:
        while not over.is_set():
            if exchange(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
                count[0] += 1

    thread = Thread(target=flip)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def test_a_folder_that_turns_into_a_link_while_it_is_used_leads_nowhere(server: Daemon, outside: Path) -> None:
    turning, link = server.give_folder("turning"), server.home / "link"
    server.give("turning/canary", b"inside")
    server.give("mine.txt", b"mine")
    link.symlink_to(outside)
    ours, came, ends = 0, set(), monotonic() + 2.5
    with Raw(server) as client, flipping(turning, link) as count:
        client.login()
        while monotonic() < ends:
            answer, content = client.transfer("RETR turning/canary")
            came.add(content)
            ours += answer.startswith("226")
            client.transfer("STOR turning/new", b"x")
            client.codes(
                "DELE turning/new", "MKD turning/made", "RMD turning/made", "MFMT 20200101000000 turning/canary"
            )
            client.codes("SITE CHMOD 600 turning/canary", "SIZE turning/canary", "DELE turning/none")
            if client.ask("RNFR mine.txt").startswith("350") and client.ask("RNTO turning/moved").startswith("250"):
                server.give("mine.txt", b"mine")
            client.ask("DELE turning/moved")
    assert came <= {b"", b"inside"}
    assert ours and count[0] > 100, f"too little happened to tell: {ours} files read, {count[0]} flips"


# -- what is no file ------------------------------------------------------------------------------------------------


def special_files(server: Daemon) -> list[str]:
    names = ["fifo", "socket"]
    os.mkfifo(server.home / "fifo", 0o666)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(server.home / "socket"))
    if os.geteuid() == 0:
        for name, kind, device in (("zero", stat.S_IFCHR, (1, 5)), ("loop", stat.S_IFBLK, (7, 200))):
            os.mknod(server.home / name, kind | 0o666, os.makedev(*device))
            names.append(name)
    for name in names:
        os.chmod(server.home / name, 0o666)
    return names


def test_fifos_sockets_and_devices_are_refused_at_once_and_freeze_nobody(server: Daemon) -> None:
    names = special_files(server)
    with Raw(server) as client:
        client.login()
        for name in names:
            for command in (f"RETR {name}", f"STOR {name}", f"APPE {name}", f"SIZE {name}"):
                began = monotonic()
                if command.startswith("SIZE"):
                    answer = client.ask(command)
                else:
                    answer, _ = client.transfer(command, None if command.startswith("RETR") else b"x")
                assert answer.startswith("550"), (command, answer)
                assert monotonic() - began < 5, f"{command} took {monotonic() - began:.1f} s"
            answers_others(server)
            assert client.ask(f"DELE {name}").startswith("250")


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["4755", "2755", "1777", "7777", "u+s", "g+s", "+t"])
def test_the_special_bits_are_not_for_clients_to_set(server: Daemon, mode: str) -> None:
    path = server.give("program", b"")
    path.chmod(0o644)
    with Raw(server) as client:
        client.login()
        client.ask(f"SITE CHMOD {mode} program")
        assert not path.stat().st_mode & 0o7000
        client.ask(f"MFF UNIX.mode={mode}; program")
        assert not path.stat().st_mode & 0o7000
        assert client.ask("SITE CHMOD 640 program").startswith("200")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@as_root
def test_the_mode_of_another_users_file_stays_as_it_is(server: Daemon) -> None:
    path = server.home / "foreign"
    path.write_bytes(b"root's own")
    path.chmod(0o644)
    with Raw(server) as client:
        assert client.login().ask("SITE CHMOD 666 foreign").startswith("550")
        assert client.ask("MFMT 20200101000000 foreign")[:1] == "5"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
