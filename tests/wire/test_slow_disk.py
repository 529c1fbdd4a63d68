"""A file system that stalls holds the sessions that use it, and nobody else: seen from outside, on a real one."""

from __future__ import annotations

import ftplib
import io
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import BINARY, HASH, PATIENCE, Daemon, until
from tests.wire.slow_disk import SlowDisk, needs_fuse

QUICK = 0.5
"""Seconds for what must not wait, on a machine that has other work, too."""


class Ground:
    """A daemon with two users: alice at home on the machine's own disk, bob on one that can be stalled."""

    def __init__(self, base: Path, more_conf: str = "") -> None:
        self.daemon = Daemon(base, more_conf)
        self.disk = SlowDisk(base)
        passwd = base / "run" / "passwd"
        owner = self.daemon._owner
        with passwd.open("a") as file:
            file.write(f"bob:{HASH}:{owner.pw_uid}:{owner.pw_gid}::{self.disk.point}:/bin/sh\n")
        self.daemon.give("near", b"from the own disk")
        (self.disk.behind / "folder").mkdir()
        (self.disk.behind / "folder").chmod(0o777)
        (self.disk.behind / "far").write_bytes(b"from the slow disk")
        self.clients: list[ftplib.FTP] = []

    def login(self, user: str, timeout: float = 15) -> ftplib.FTP:
        ftp = ftplib.FTP()
        ftp.connect(self.daemon.host, self.daemon.port, timeout=timeout)
        self.clients.append(ftp)
        ftp.login(user, "secret")
        return ftp

    def begin(self, *lines: str) -> socket.socket:
        """A client of bob's that has sent these lines, and waits for no answer."""
        sock = self.login("bob").sock
        assert sock is not None
        sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return sock

    def others_are_served(self, folder: str = ".") -> None:
        """alice logs in, lists, stores, loads and deletes, each at once."""
        began = time.monotonic()
        alice = self.login("alice", 5)
        assert alice.voidcmd("NOOP").startswith("200")
        assert load(alice, "near") == b"from the own disk"
        alice.nlst(folder)
        alice.storbinary("STOR mine", io.BytesIO(b"mine"))
        assert alice.size("mine") == 4
        alice.delete("mine")
        alice.quit()
        assert time.monotonic() - began < 8 * QUICK

    def rest(self) -> None:
        """After each story: the disk answers, no client is there any more, and the daemon has let go of all."""
        self.disk.recover()
        while self.clients:
            self.clients.pop().close()
        until("every session has ended", lambda: not self.daemon._connections())


def assert_never_held(ground: Ground) -> None:
    """No step of the daemon's waited for the disk, which stalled for longer."""
    assert not ground.daemon.held_longer_than(250)


def load(ftp: ftplib.FTP, name: str) -> bytes:
    content = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", content.write)
    return content.getvalue()


def answer(sock: socket.socket, seconds: float = PATIENCE) -> str:
    sock.settimeout(seconds)
    return sock.recv(4096).decode()


def is_silent(sock: socket.socket, seconds: float = 0.5) -> bool:
    sock.settimeout(seconds)
    try:
        sock.recv(4096)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE)
    return False


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    needs_fuse()
    ground = Ground(tmp_path_factory.mktemp("slow"))
    ground.disk.mount()
    try:
        ground.daemon.start()
        try:
            yield ground
        finally:
            ground.disk.recover()
            ground.daemon.stop()
        assert_never_held(ground)
    finally:
        ground.disk.unmount()


@pytest.fixture(autouse=True)
def rest(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in {"ground", "whole"}.intersection(request.fixturenames):
        request.getfixturevalue(name).rest()


def test_what_is_on_a_slow_disk_is_used_as_anything_else(ground: Ground, content: bytes) -> None:
    bob = ground.login("bob")
    assert bob.nlst() == ["far", "folder"]
    assert load(bob, "far") == b"from the slow disk"
    bob.storbinary("STOR big", io.BytesIO(content))
    assert (ground.disk.behind / "big").read_bytes() == content
    assert load(bob, "big") == content
    bob.storbinary("APPE big", io.BytesIO(b"more"))
    assert bob.size("big") == len(content) + 4
    bob.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
    assert (ground.disk.behind / "text").read_bytes() == b"one\ntwo\n"
    lines: list[str] = []
    bob.retrlines("RETR text", lines.append)
    assert lines == ["one", "two"]
    assert dict(bob.mlsd())["big"]["size"] == str(len(content) + 4)
    bob.mkd("new")
    bob.rename("text", "new/text")
    assert bob.cwd("new").startswith("250")
    assert bob.pwd() == "/new"
    assert [line.split()[-1] for line in listed(bob)] == ["text"]
    bob.delete("text")
    bob.cwd("/")
    bob.rmd("new")
    bob.delete("big")
    with pytest.raises(ftplib.error_perm, match="550 nothing: No such file"):
        bob.cwd("nothing")
    bob.quit()


def listed(ftp: ftplib.FTP) -> list[str]:
    lines: list[str] = []
    ftp.retrlines("LIST", lines.append)
    return lines


def test_a_large_folder_on_a_slow_disk_comes_whole_also_over_a_stall(ground: Ground) -> None:
    names = {f"{number:05}" for number in range(14_000)}
    large = ground.disk.behind / "large"
    large.mkdir()
    for name in names:
        (large / name).touch()
    bob = ground.login("bob", PATIENCE)
    assert {name for name, _ in bob.mlsd("large")} - {".", ".."} == names
    with bob.transfercmd("MLSD large") as data:
        first = data.recv(100)
        ground.disk.stall()
        ground.others_are_served()
        ground.disk.recover()
        content = first + b"".join(iter(lambda: data.recv(1 << 16), b""))
    assert bob.voidresp().startswith("226")
    assert content.count(b"\r\n") == len(names) + 2
    shutil.rmtree(large)


@pytest.mark.parametrize(
    "line",
    ["MDTM far", "CWD folder", "DELE gone", "MKD new", "RMD new", "RNFR far", "MLST far", "STAT far", "XCRC far"],
)
def test_a_command_waits_for_its_disk_and_nobody_else_does(ground: Ground, line: str) -> None:
    sock = ground.begin("NOOP")
    assert answer(sock).startswith("200")
    ground.disk.stall()
    sock.sendall(f"{line}\r\n".encode())
    if not line.startswith("X"):
        assert is_silent(sock)
    ground.others_are_served()
    ground.disk.recover()
    assert answer(sock)[:3] in ("213", "250", "257", "350", "500", "550")


@pytest.mark.parametrize("line", ["LIST", "NLST", "MLSD", "RETR far", "STOR new", "APPE far", "STOU"])
def test_a_transfer_waits_for_its_disk_and_nobody_else_does(ground: Ground, line: str) -> None:
    bob = ground.login("bob")
    data = socket.create_connection(bob.makepasv())
    assert bob.sock is not None
    ground.disk.stall()
    bob.sock.sendall(f"{line}\r\n".encode())
    with data:
        assert is_silent(bob.sock)
        ground.others_are_served()
        ground.disk.recover()
        assert bob.getresp().startswith("150")
        data.shutdown(socket.SHUT_WR)
        while data.recv(65536):
            pass
    assert bob.getresp().startswith("226")


def test_a_download_goes_on_where_its_disk_stopped(ground: Ground, content: bytes) -> None:
    (ground.disk.behind / "large").write_bytes(content * 8)
    bob = ground.login("bob")
    bob.voidcmd("TYPE I")
    with bob.transfercmd("RETR large") as data:
        got = data.recv(1000)
        ground.disk.stall()
        ground.others_are_served()
        ground.disk.recover()
        while some := data.recv(1 << 20):
            got += some
    assert bob.voidresp().startswith("226")
    assert got == content * 8


def test_an_upload_goes_on_where_its_disk_stopped(ground: Ground, content: bytes) -> None:
    bob = ground.login("bob")
    bob.voidcmd("TYPE I")
    with bob.transfercmd("STOR large") as data:
        data.sendall(content[:1000])
        until("the file is begun", lambda: (ground.disk.behind / "large").exists())
        ground.disk.stall()
        data.settimeout(0.5)
        with pytest.raises(TimeoutError):
            # what the daemon cannot put away it does not take, either
            for _ in range(64):
                data.sendall(content)
        ground.others_are_served()
        ground.disk.recover()
    assert bob.voidresp().startswith("226")
    assert (ground.disk.behind / "large").read_bytes().startswith(content[:1000])


@pytest.mark.parametrize("verb", ["RETR", "STOR"])
def test_a_stalled_transfer_can_be_aborted(ground: Ground, content: bytes, verb: str) -> None:
    (ground.disk.behind / "large").write_bytes(content * 8)
    bob = ground.login("bob")
    bob.voidcmd("TYPE I")
    with bob.transfercmd(f"{verb} large") as data:
        if verb == "STOR":
            data.sendall(content)
        else:
            data.recv(1000)
        ground.disk.stall()
        time.sleep(0.3)
        assert bob.sock is not None
        bob.sock.sendall(b"ABOR\r\n")
        assert bob.getmultiline().startswith("426")
        assert bob.getresp().startswith("226")
        ground.others_are_served()
        ground.disk.recover()
    assert bob.voidcmd("NOOP").startswith("200")


@pytest.mark.parametrize("line", ["RETR far", "STOR new", "LIST", "MLSD", "NLST"])
def test_a_transfer_can_be_aborted_before_its_disk_has_let_it_begin(ground: Ground, line: str) -> None:
    bob = ground.login("bob")
    data = socket.create_connection(bob.makepasv())
    assert bob.sock is not None
    ground.disk.stall()
    bob.sock.sendall(f"{line}\r\n".encode())
    with data:
        assert is_silent(bob.sock)
        bob.sock.sendall(b"ABOR\r\n")
        assert bob.getmultiline().startswith("426")
        assert bob.getmultiline().startswith("226")
        ground.others_are_served()
        ground.disk.recover()
    assert bob.nlst()
    assert bob.voidcmd("NOOP").startswith("200")


def test_who_leaves_a_stalled_command_leaves_nothing_behind(ground: Ground) -> None:
    before = descriptors(ground)
    socks = [ground.begin("NOOP") for _ in range(4)]
    for sock in socks:
        assert answer(sock).startswith("200")
    ground.disk.stall()
    for sock, line in zip(socks, ("MDTM far", "LIST", "CWD folder", "STAT folder"), strict=True):
        sock.sendall(f"{line}\r\n".encode())
        assert is_silent(sock, 0.2)
    over = log_count(ground, "FTP session closed") + 4
    while ground.clients:
        ground.clients.pop().close()
    until("the sessions are over while the disk stalls", lambda: log_count(ground, "FTP session closed") == over)
    ground.others_are_served()
    ground.disk.recover()
    ground.rest()
    until("all descriptors are given back", lambda: descriptors(ground) <= before)


def descriptors(ground: Ground) -> int:
    return len(os.listdir(f"/proc/{ground.daemon._process.pid}/fd"))


def log_count(ground: Ground, text: str) -> int:
    return ground.daemon.log().count(text)


def readable(socks: list[socket.socket]) -> list[socket.socket]:
    return select.select(socks, [], [], 0)[0]


def test_when_all_who_could_wait_are_waiting_more_are_refused(ground: Ground) -> None:
    socks = [ground.begin("NOOP") for _ in range(10)]
    for sock in socks:
        assert answer(sock).startswith("200")
    ground.disk.stall()
    for sock in socks:
        sock.sendall(b"MDTM far\r\n")
    until("all that could be told are told", lambda: len(readable(socks)) == 2)
    refused = readable(socks)
    assert [answer(sock) for sock in refused] == ["450 The file system does not answer, try again later\r\n"] * 2
    began = time.monotonic()
    refused[0].sendall(b"CWD folder\r\n")
    assert answer(refused[0]).startswith("450 ")
    assert time.monotonic() - began < QUICK
    ground.others_are_served()
    assert f"{ground.disk.point} (fuse) does not answer" in ground.daemon.log()
    ground.disk.recover()
    assert all(answer(sock).startswith("213") for sock in socks if sock not in refused)
    refused[0].sendall(b"CWD folder\r\n")
    assert answer(refused[0]).startswith("250")
    assert f"{ground.disk.point} (fuse) answers again" in ground.daemon.log()


def test_logins_to_homes_that_hang_hold_up_no_other_login(ground: Ground) -> None:
    ground.disk.stall()
    waiting = []
    for _ in range(6):
        ftp = ftplib.FTP()
        ftp.connect(ground.daemon.host, ground.daemon.port, timeout=15)
        ground.clients.append(ftp)
        ftp.sendcmd("USER bob")
        assert ftp.sock is not None
        ftp.sock.sendall(b"PASS secret\r\n")
        waiting.append(ftp)
    time.sleep(0.3)
    for _ in range(3):
        ground.others_are_served()
    ground.disk.recover()
    for ftp in waiting:
        assert ftp.getresp().startswith("230")


def test_the_daemon_ends_in_time_though_a_disk_does_not_answer(tmp_path: Path) -> None:
    needs_fuse()
    ground = Ground(tmp_path)
    ground.disk.mount()
    try:
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
    finally:
        ground.disk.unmount()
        for client in ground.clients:
            client.close()


def test_with_a_file_open_there_the_daemon_makes_room_for_its_successor(tmp_path: Path) -> None:
    """The kernel keeps a process until FUSE has answered the closing of its files; nothing else of it is left."""
    needs_fuse()
    ground = Ground(tmp_path)
    ground.disk.mount()
    try:
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
    finally:
        ground.disk.unmount()
        for client in ground.clients:
            client.close()


class Whole(Ground):
    """The same with the whole machine as everybody's root: the way to the disk is open to all."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        base.chmod(0o755)
        (self.disk.behind / "folder" / "far").write_bytes(b"deep on the slow disk")
        conf = self.daemon._conf
        conf.write_text(conf.read_text().replace("DefaultRoot ~\n", ""))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    needs_fuse()
    whole = Whole(tmp_path_factory.mktemp("whole"))
    whole.disk.mount()
    # not in the home itself: who lists that looks at where its links lead
    (whole.daemon.give_folder("links") / "link").symlink_to(whole.disk.point / "folder")
    try:
        whole.daemon.start()
        try:
            yield whole
        finally:
            whole.disk.recover()
            whole.daemon.stop()
        assert_never_held(whole)
    finally:
        whole.disk.unmount()


_LOOKS = ["CWD {}", "LIST {}", "MLSD {}", "MDTM {}/far", "MLST {}", "RETR {}/far", "NLST {}/f*"]


@pytest.mark.parametrize(
    ("line", "way"),
    [(line, way) for line in _LOOKS for way in ("{disk}", "links/link", "{disk}/folder/..")]
    # only who lists the folder that holds it looks at the disk
    + [("LIST {}", "{base}"), ("MLSD {}", "{base}")],
)
def test_whoever_crosses_to_the_disk_waits_alone(whole: Whole, line: str, way: str) -> None:
    way = way.format(disk=whole.disk.point, base=whole.disk.point.parent)
    alice = whole.login("alice")
    data = socket.create_connection(alice.makepasv())
    whole.disk.stall()
    assert alice.sock is not None
    with data:
        alice.sock.sendall(f"{line.format(way)}\r\n".encode())
        if not line.startswith(("LIST", "MLSD")):
            # these may say 150 before they look
            assert is_silent(alice.sock, 0.3)
        whole.others_are_served()
        whole.disk.recover()
        reply = alice.getmultiline()
        if reply.startswith("150"):
            while data.recv(65536):
                pass
            reply = alice.getmultiline()
    assert reply[:3] in ("213", "226", "250")


def test_a_disk_that_comes_while_one_is_there_is_reckoned_with(tmp_path: Path) -> None:
    needs_fuse()
    ground = Ground(tmp_path)
    ground.disk.point = ground.daemon.home / "disk"
    ground.disk.point.mkdir()
    ground.daemon.give_folder("own")
    ground.daemon.start()
    try:
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
    finally:
        ground.disk.unmount()
        for client in ground.clients:
            client.close()


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


def test_who_left_a_stalled_disk_keeps_no_place_of_maxclients(tmp_path: Path) -> None:
    needs_fuse()
    ground = Ground(tmp_path, "MaxClients 2\n")
    ground.disk.mount()
    try:
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
    finally:
        ground.disk.unmount()
        for client in ground.clients:
            client.close()
