"""What becomes of the daemon itself while a disk stalls: it ends, reloads, meets a new disk, counts who has left."""

from __future__ import annotations

import ftplib
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.wire.daemon import BINARY, PATIENCE, Daemon, until
from tests.wire.slow_disk import SlowDisk, needs_fuse
from tests.wire.slow_ground import answer, assert_never_held, ground_of_its_own, is_silent, log_count


def test_the_daemon_ends_in_time_though_a_disk_does_not_answer(tmp_path: Path) -> None:
    with ground_of_its_own(tmp_path) as ground:
        ground.disk.mount()
        ground.daemon.start()
        commands = [ground.begin("NOOP") for _ in range(3)]
        for sock in commands:
            assert answer(sock).startswith("200")
        ground.disk.stall()
        for sock, line in zip(commands, ("MDTM far", "LIST", "DELE far"), strict=True):
            sock.sendall(f"{line}\r\n".encode())
        time.sleep(0.3)
        began = time.monotonic()
        ground.daemon.stop()
        assert time.monotonic() - began < 6


def test_with_a_file_open_there_the_daemon_makes_room_for_its_successor(tmp_path: Path) -> None:
    """The kernel keeps a process until FUSE has answered the closing of its files; nothing else of it is left."""
    with ground_of_its_own(tmp_path) as ground:
        ground.disk.mount()
        ground.daemon.start()
        bob = ground.login("bob")
        with bob.transfercmd("STOR new") as data:
            data.sendall(b"some")
            until("the file is begun", lambda: (ground.disk.behind / "new").exists())
            ground.disk.stall()
            data.sendall(b"more")
            time.sleep(0.3)
            ground.daemon._process.send_signal(signal.SIGTERM)
            until("it says that it has ended", lambda: "SHUTDOWN" in ground.daemon.log(), 6)
            until("its PidFile is gone", lambda: not (tmp_path / "run" / "pid").exists())
            with socket.socket() as successor:
                successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                successor.bind((ground.daemon.host, ground.daemon.port))
                successor.listen()
            ground.disk.recover()
            assert ground.daemon._process.wait(PATIENCE) == 0
        ground.daemon.assert_no_fault()


def test_a_disk_that_comes_while_one_is_there_is_reckoned_with(tmp_path: Path) -> None:
    with ground_of_its_own(tmp_path) as ground:
        ground.disk.point = ground.daemon.home / "disk"
        ground.disk.point.mkdir()
        ground.daemon.give_folder("own")
        ground.daemon.start()
        alice = ground.login("alice")
        assert alice.nlst("disk") == []
        ground.disk.mount()
        assert [name.rpartition("/")[2] for name in alice.nlst("disk")] == ["far", "folder"]
        ground.disk.stall()
        assert alice.sock is not None
        alice.sock.sendall(b"CWD disk\r\n")
        assert is_silent(alice.sock)
        ground.others_are_served("own")
        ground.disk.recover()
        assert alice.getresp().startswith("250")
        alice.quit()
        ground.daemon.stop()
        assert_never_held(ground)


def test_a_reload_while_the_disk_of_the_systemlog_hangs_holds_nobody(tmp_path: Path) -> None:
    needs_fuse()
    disk = SlowDisk(tmp_path)
    disk.behind.chmod(0o755)
    disk.mount()
    daemon = Daemon(tmp_path, f"SystemLog {disk.point}/system\n")
    daemon._log.touch()
    # -q keeps the log away from the terminal also in the foreground
    daemon._process = subprocess.Popen([BINARY, "-n", "-q", "-c", str(daemon._conf)], stdin=subprocess.DEVNULL)
    try:
        until("the daemon greets with 220", daemon._greets)
        disk.stall()
        daemon._conf.write_text('ServerIdent on "anew"\n' + daemon._conf.read_text())
        daemon._process.send_signal(signal.SIGHUP)

        def welcome() -> str:
            with ftplib.FTP() as ftp:
                return ftp.connect(daemon.host, daemon.port, timeout=5)

        until("clients have the new configuration", lambda: welcome() == "220 anew")
        disk.recover()
        system = disk.behind / "system"
        until("the log goes on where it was", lambda: "is in force" in system.read_text())
        assert "received SIGHUP" in system.read_text()
    finally:
        disk.recover()
        try:
            daemon.stop()
        finally:
            disk.unmount()


def greeting(daemon: Daemon) -> str:
    """What alice is greeted with, who then logs in and leaves."""
    with ftplib.FTP() as ftp:
        said = ftp.connect(daemon.host, daemon.port, timeout=5)
        ftp.login("alice", "secret")
        return said


def slowest_noop(ftp: ftplib.FTP, seconds: float) -> float:
    """What the longest of them took, in seconds."""
    slowest, began = 0.0, time.monotonic()
    while time.monotonic() - began < seconds:
        asked = time.monotonic()
        assert ftp.voidcmd("NOOP").startswith("200")
        slowest = max(slowest, time.monotonic() - asked)
    return slowest


@pytest.mark.parametrize(
    "line", ["SystemLog {}/new\n", "ServerLog {}/new\n", "ExtendedLog {}/new ALL\n", "TransferLog {}/new\n"]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_that_names_a_new_log_on_a_disk_that_hangs_holds_nobody(
    tmp_path: Path, line: str, workers: int
) -> None:
    needs_fuse()
    disk = SlowDisk(tmp_path)
    disk.behind.chmod(0o755)
    disk.mount()
    daemon = Daemon(tmp_path, f"Workers {workers}\nSyslogLevel info\n")
    system = tmp_path / "system"
    daemon._log.touch()
    conf = daemon._conf.read_text()
    daemon._conf.write_text(f"SystemLog {system}\n{conf}")
    # -q keeps the log away from the terminal also in the foreground
    daemon._process = subprocess.Popen([BINARY, "-n", "-q", "-c", str(daemon._conf)], stdin=subprocess.DEVNULL)
    before = ftplib.FTP()
    try:
        until("the daemon greets with 220", daemon._greets)
        before.connect(daemon.host, daemon.port, timeout=5)
        before.login("alice", "secret")
        disk.stall()
        named = line.format(disk.point)
        kept = "" if named.startswith("SystemLog") else f"SystemLog {system}\n"
        daemon._conf.write_text(f'ServerIdent on "anew"\n{named}{kept}{conf}')
        daemon._process.send_signal(signal.SIGHUP)
        assert slowest_noop(before, 2) < 0.5
        until("clients have the new configuration", lambda: greeting(daemon) == "220 anew")
        disk.recover()
        until("the new log is there", lambda: (disk.behind / "new").exists())
        if named.startswith("SystemLog"):
            assert "is not opened yet: the log before goes on until then" in system.read_text()
            until(
                "the log goes on in the new place",
                lambda: bool(greeting(daemon)) and "alice" in (disk.behind / "new").read_text(),
            )
    finally:
        before.close()
        disk.recover()
        try:
            daemon.stop()
        finally:
            disk.unmount()


@pytest.mark.parametrize(("directive", "name"), [("PidFile", "pid"), ("ScoreboardFile", "scoreboard")])
@pytest.mark.parametrize("goes", ["until it answers", "to the end"])
def test_a_reload_that_moves_the_daemons_files_to_a_disk_that_hangs_holds_nobody(
    tmp_path: Path, directive: str, name: str, goes: str
) -> None:
    with ground_of_its_own(tmp_path) as ground:
        ground.disk.behind.chmod(0o755)
        ground.disk.mount()
        ground.daemon.start()
        before = ground.login("alice")
        ground.disk.stall()
        conf, old = ground.daemon._conf, tmp_path / "run" / name
        moved = conf.read_text().replace(f"{directive} {old}", f"{directive} {ground.disk.point}/new")
        conf.write_text(f'ServerIdent on "anew"\n{moved}')
        ground.daemon._process.send_signal(signal.SIGHUP)
        assert slowest_noop(before, 1) < 0.5
        assert "220" in greeting(ground.daemon)
        if goes == "until it answers":
            ground.disk.recover()
            until("clients have the new configuration", lambda: greeting(ground.daemon) == "220 anew")
            until("the one before is gone", lambda: not old.exists())
            assert (ground.disk.behind / "new").exists()
        before.close()
        began = time.monotonic()
        ground.daemon.stop()
        assert time.monotonic() - began < 6
        assert not old.exists()


def test_who_left_a_stalled_disk_keeps_no_place_of_maxclients(tmp_path: Path) -> None:
    with ground_of_its_own(tmp_path, "MaxClients 2\n") as ground:
        ground.disk.mount()
        ground.daemon.start()
        socks = [ground.begin("NOOP") for _ in range(2)]
        for sock in socks:
            assert answer(sock).startswith("200")
        before = log_count(ground, "FTP session closed")
        ground.disk.stall()
        for sock in socks:
            sock.sendall(b"MDTM far\r\n")
            assert is_silent(sock, 0.2)
        with pytest.raises(ftplib.Error, match=r"^5|^4"):
            ground.login("alice")
        while ground.clients:
            ground.clients.pop().close()
        until("all sessions are over", lambda: log_count(ground, "FTP session closed") == before + 3)
        for _ in range(2):
            assert ground.login("alice").voidcmd("NOOP").startswith("200")
        ground.disk.recover()
        ground.daemon.stop()
