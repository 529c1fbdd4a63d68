"""A file system that stalls holds the sessions that use it, and nobody else: seen from outside, on a real one."""

from __future__ import annotations

import ftplib
import io
import os
import select
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import PATIENCE, until
from tests.wire.slow_disk import needs_fuse
from tests.wire.slow_ground import QUICK, Ground, answer, assert_never_held, is_silent, load, log_count


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
