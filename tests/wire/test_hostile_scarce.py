"""When something runs out: descriptors, the disk, the size that a file may have."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import (
    PATIENCE,
    Raw,
    as_root,
    connect,
    cpu_seconds,
    descriptors,
    limit_descriptors,
    pid,
    until_descriptors,
)

pytestmark = pytest.mark.usefixtures("ends_alive")

DESCRIPTORS = 100
CONNECTIONS = 300
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose queue holds all who come: what the kernel drops would come again seconds later."""
    with Daemon(tmp_path_factory.mktemp("daemon"), "TCPBackLog 512\n") as daemon:
        yield daemon


# -- descriptors --------------------------------------------------------------------------------------------------


@contextmanager
def crowd(server: Daemon, count: int) -> Iterator[list[socket.socket]]:
    """So many clients that connect at once and stay."""
    many = [socket.socket() for _ in range(count)]
    try:
        for sock in many:
            sock.setblocking(False)
            sock.connect_ex((server.host, server.port))
        for sock in many:
            sock.settimeout(PATIENCE)
        yield many
    finally:
        for sock in many:
            sock.close()


def greeting(sock: socket.socket) -> bytes:
    with suppress(ConnectionResetError):
        return sock.recv(1024)[:3]
    return b""


def test_more_connections_than_descriptors_are_shed_and_cost_nothing(server: Daemon) -> None:
    _, hard = resource.prlimit(pid(server), resource.RLIMIT_NOFILE)
    limit_descriptors(server, DESCRIPTORS)
    try:
        with Raw(server) as client:
            client.login()
            spent, began = cpu_seconds(server), monotonic()
            with crowd(server, CONNECTIONS) as many:
                answers = [greeting(sock) for sock in many]
                served = answers.count(b"220")
                assert DESCRIPTORS // 2 < served < DESCRIPTORS
                assert answers.count(b"421") > CONNECTIONS // 2
                assert answers.count(b"421") + answers.count(b"") + served == CONNECTIONS
                assert client.ask("NOOP") == "200 NOOP command successful"
                assert client.ask("PASV")[:3] in ("227", "425")
                assert client.ask("NLST")[:3] in ("425", "450")
                served_one = many[answers.index(b"220")]
                # nobody new comes now, and those who are there keep quiet: then there is nothing to do
                with pytest.raises(TimeoutError):
                    served_one.settimeout(1)
                    served_one.recv(1)
                share = (cpu_seconds(server) - spent) / (monotonic() - began)
                assert share < 0.05, f"{share:.0%} of a processor went into refusing clients"
        assert server.log().count("new connections are refused until others end") == 1
    finally:
        limit_descriptors(server, hard)


def test_what_cannot_be_looked_at_for_want_of_descriptors_is_not_told_to_be_absent(server: Daemon) -> None:
    _, hard = resource.prlimit(pid(server), resource.RLIMIT_NOFILE)
    server.give_folder("elsewhere")
    try:
        with Raw(server) as client:
            client.login()
            limit_descriptors(server, DESCRIPTORS)
            with crowd(server, CONNECTIONS) as many:
                assert {greeting(sock) for sock in many} >= {b"220", b"421"}
                assert client.ask("CWD elsewhere") == "450 elsewhere: Too many open files"
                assert client.ask("SIZE elsewhere/file") == "450 elsewhere/file: Too many open files"
            limit_descriptors(server, hard)
            assert client.ask("CWD elsewhere") == "250 CWD command successful"
            assert client.ask("SIZE file") == "550 file: No such file or directory"
    finally:
        limit_descriptors(server, hard)


def test_it_serves_again_within_a_second_of_their_going(server: Daemon) -> None:
    _, hard = resource.prlimit(pid(server), resource.RLIMIT_NOFILE)
    limit_descriptors(server, DESCRIPTORS)
    try:
        with crowd(server, DESCRIPTORS) as many:
            assert {greeting(sock) for sock in many} >= {b"220", b"421"}
        began, waited = monotonic(), server.waited()
        while True:
            with connect(server.host, server.port) as sock:
                if greeting(sock) == b"220":
                    break
            took = monotonic() - began - (server.waited() - waited) / 1000
            assert took < 1, "it still refuses clients although there is room again"
    finally:
        limit_descriptors(server, hard)


def test_however_many_are_refused_each_is_told_at_once(server: Daemon) -> None:
    _, hard = resource.prlimit(pid(server), resource.RLIMIT_NOFILE)
    before = descriptors(server)
    limit_descriptors(server, DESCRIPTORS)
    try:
        with crowd(server, DESCRIPTORS) as many:
            assert greeting(many[-1]) in (b"220", b"421")
            waits = []
            for _ in range(CONNECTIONS):
                began = monotonic()
                with connect(server.host, server.port) as sock:
                    assert greeting(sock) == b"421"
                waits.append(monotonic() - began)
            # a busy machine may keep one or the other waiting, but there is no pause after so and so many
            assert sum(wait > 0.15 for wait in waits) < CONNECTIONS // 100
        until_descriptors(server, before)
    finally:
        limit_descriptors(server, hard)


# -- the disk (ENOSPC, EFBIG) ---------------------------------------------------------------------------------------


@contextmanager
def small_disk(server: Daemon) -> Iterator[Path]:
    """A file system of one megabyte in the user's home."""
    place = server.give_folder("small")
    owner = place.stat()
    options = f"size=1m,mode=755,uid={owner.st_uid},gid={owner.st_gid}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", str(place)], check=False)
    if done.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@as_root
@pytest.mark.parametrize("verb", ["STOR", "APPE", "STOR over another"])
def test_a_full_disk_is_told_and_leaves_no_torn_file(server: Daemon, verb: str) -> None:
    with small_disk(server) as place, Raw(server) as client:
        client.login()
        if verb == "STOR over another":
            assert client.transfer("STOR small/big.bin", b"before")[0].startswith("226")
        began = monotonic()
        answer, _ = client.transfer(f"{verb[:4]} small/big.bin", b"x" * (3 * MEGABYTE))
        assert answer == "452 Transfer aborted. No space left on device"
        assert monotonic() - began < 5
        assert not (place / "big.bin").exists()
        assert client.transfer("STOR small/fits.bin", b"fits")[0] == "226 Transfer complete"
        assert (place / "fits.bin").read_bytes() == b"fits"


def test_a_file_that_may_not_grow_is_told_and_leaves_nothing(server: Daemon) -> None:
    limits = resource.prlimit(pid(server), resource.RLIMIT_FSIZE)
    resource.prlimit(pid(server), resource.RLIMIT_FSIZE, (MEGABYTE, limits[1]))
    try:
        with Raw(server) as client:
            client.login()
            answer, _ = client.transfer("STOR big.bin", b"x" * (3 * MEGABYTE))
            assert answer == "552 Transfer aborted. File too large"
            assert not (server.home / "big.bin").exists()
            assert client.transfer("STOR fits.bin", b"x" * MEGABYTE)[0] == "226 Transfer complete"
    finally:
        resource.prlimit(pid(server), resource.RLIMIT_FSIZE, limits)
    assert os.path.getsize(server.home / "fits.bin") == MEGABYTE
