"""Workers and their master when things go wrong: some die, stand still or cannot be born, and clients are served."""

from __future__ import annotations

import ftplib
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.command import Site, alive
from tests.wire.daemon import PATIENCE, free_port, until
from tests.wire.test_workers import Several


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Several]:
    daemon = Several(tmp_path)
    daemon.start()
    yield daemon
    daemon.stop()


def workers(site: Site) -> list[int]:
    children = Path(f"/proc/{site.pid}/task/{site.pid}/children").read_text().split()
    return [pid for pid in map(int, children) if alive(pid)]


def test_the_workers_of_a_daemon_that_has_left_its_terminal_are_replaced(site: Site) -> None:
    site.conf("Workers 2")
    assert site.command().status == 0
    for _ in range(2):
        gone, left = workers(site)
        os.kill(gone, signal.SIGKILL)
        until("another has come", lambda gone=gone: len(set(workers(site)) - {gone}) == 2)
        until("it serves", lambda: "takes the place" in site.logged() and site.serves())
        assert left in workers(site)
    before = workers(site)
    os.kill(site.pid, signal.SIGHUP)
    until("new ones have come", lambda: len(workers(site)) == 2 and not set(before) & set(workers(site)))
    assert site.serves()
    assert "ended with status" not in site.logged()
    site.stop_daemon()


def test_when_the_master_is_killed_the_next_daemon_begins_beside_sessions_that_are_left(tmp_path: Path) -> None:
    daemon = Several(tmp_path)
    daemon.start()
    before = daemon.workers()
    with daemon.login() as on:
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()
        until("all but one have ended", lambda: sum(map(alive, before)) == 1)
        daemon.start()
        for _ in range(20):
            # none of them may come to a socket where nobody accepts any more
            with daemon.login() as ftp:
                assert ftp.pwd() == "/"
        assert on.voidcmd("NOOP").startswith("200")
    daemon.stop()
    until("the last of before has ended", lambda: not any(map(alive, before)))


def test_a_port_that_is_given_up_is_closed_though_sessions_go_on(daemon: Several) -> None:
    former, daemon.port = daemon.port, free_port()
    with ftplib.FTP() as on:
        on.connect(daemon.host, former, timeout=PATIENCE)
        on.login(daemon.user, daemon.password)
        daemon.hang_up(daemon.conf.replace(f"Port {former}", f"Port {daemon.port}"))
        for _ in range(12):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((daemon.host, former), PATIENCE)
            with daemon.login() as ftp:
                assert ftp.pwd() == "/"
        assert on.voidcmd("NOOP").startswith("200")


def test_a_reload_may_change_the_address_of_a_port_and_its_sockets_stay_the_daemons_own(daemon: Several) -> None:
    daemon.hang_up("SocketBindTight on\n" + daemon.conf)
    with daemon.login() as ftp:
        assert ftp.pwd() == "/"
    # line by line of /proc/net/tcp: the local address, the state (0A: listening), the user whom the socket belongs to
    local = f"0100007F:{daemon.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    assert [line[7] for line in lines if line[1] == local and line[3] == "0A"] == [str(os.geteuid())] * 3


def test_two_daemons_with_workers_do_not_share_a_port(site: Site, tmp_path: Path) -> None:
    site.conf("Workers 2")
    assert site.command().status == 0
    (tmp_path / "second").mkdir(mode=0o711)
    second = Site(tmp_path / "second")
    second.conf("Workers 2", port=site.port)
    said = second.command()
    assert said.status == 1
    assert f"port {site.port}: Address already in use; another daemon" in said.err
    site.stop_daemon()


def test_new_workers_write_the_logs_of_the_new_configuration(site: Site) -> None:
    site.conf("Workers 2")
    site.start("-q")
    second = site.base / "second.log"
    site.conf(f"Workers 2\nSystemLog {second}\nDebugLevel 5", without=["SystemLog"])
    os.kill(site.pid, signal.SIGHUP)
    until("it is in force", lambda: "the new configuration is in force" in site.logged() + second.read_text())

    def told_by_each() -> bool:
        assert site.serves()
        return all(f"[{pid}]" in second.read_text() for pid in workers(site))

    until("each worker tells of sessions there", told_by_each)
    # until it has the new one open, which a slow disk may keep it from, a worker goes on with the one before
    before = site.logged().count("session opened")
    for _ in range(8):
        assert site.serves()
    assert site.logged().count("session opened") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody")
def test_new_workers_are_the_user_of_the_new_configuration(site: Site) -> None:
    site.conf("Workers 2")
    site.start("-q")
    site.conf("Workers 2\nUser daemon\nGroup daemon", without=["User", "Group"])
    before = workers(site)
    os.kill(site.pid, signal.SIGHUP)
    until("new ones have come", lambda: len(workers(site)) == 2 and not set(before) & set(workers(site)))
    for pid in workers(site):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert [status[which].split()[3] for which in ("Uid", "Gid")] == ["1", "1"]


def test_a_worker_that_stands_still_is_ended_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    daemon = Several(tmp_path)
    daemon.start()
    still = daemon.workers()[0]
    os.kill(still, signal.SIGSTOP)
    until("another has come", lambda: still not in daemon.workers() and len(daemon.workers()) == 3)
    assert f"(process {still}) does not answer any more, and is ended" in daemon.log()
    for _ in range(12):
        with daemon.login() as ftp:
            assert ftp.pwd() == "/"
    daemon.stop()


def test_a_worker_that_stands_still_does_not_keep_a_new_configuration_from_clients(daemon: Several) -> None:
    before = daemon.workers()
    still = before[0]
    os.kill(still, signal.SIGSTOP)
    try:
        daemon.conf = 'ServerIdent on "second"\n' + daemon.conf
        os.kill(daemon.pid, signal.SIGHUP)
        until("the others have gone", lambda: set(before) & set(daemon.workers()) == {still})
        for _ in range(12):
            with ftplib.FTP() as ftp:
                assert ftp.connect(daemon.host, daemon.port, timeout=PATIENCE) == "220 second"
    finally:
        os.kill(still, signal.SIGCONT)
    until("it has heard that it is over", lambda: still not in daemon.workers())
    until("all have", lambda: "the new configuration is in force" in daemon.log())


def test_a_master_without_a_descriptor_left_serves_on_and_replaces_the_worker_later(tmp_path: Path) -> None:
    daemon = Several(tmp_path)
    daemon.start()
    before = daemon.workers()
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    open_now = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (open_now - 1, limits[1]))
    try:
        for pid in before[:2]:
            os.kill(pid, signal.SIGKILL)
        until("it says so", lambda: "cannot be replaced, and is tried again" in daemon.log())
        daemon.hang_up(then="the configuration before stays in force")
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
    until("three serve again", lambda: len(daemon.workers()) == 3)
    assert before[2] in daemon.workers()
    for _ in range(12):
        with daemon.login() as ftp:
            assert ftp.pwd() == "/"
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait() == 0


BABBLE = """\
import gc
from ftpd.api import Module
module = Module("mod_babble", version="1")

@module.control("babble", help="say to the master what no worker says")
def babble(asked):
    crew = next(one for one in gc.get_objects() if type(one).__name__ == "_Crew")
    crew._writer.write(bytes.fromhex(asked.words[0]))
    yield "said"
"""


@pytest.mark.parametrize(
    "speech", [b"no message\n", b"[1, 2]\n", b'{"change": 1, "id": 2}\n', b'{"did": {}}\n', b"\xff\n"]
)
def test_a_worker_that_talks_nonsense_is_ended_and_its_master_lives(tmp_path: Path, speech: bytes) -> None:
    daemon = Several(tmp_path, "LoadModule mod_babble.c\n")
    (daemon.libexec / "mod_babble.py").write_text(BABBLE)
    (daemon.libexec / "mod_babble.py").chmod(0o644)
    daemon.start()
    before = daemon.workers()
    daemon.ctl("babble", speech.hex())
    until("one has been ended", lambda: "talks nonsense, and is ended" in daemon.log())
    until("another has come", lambda: len(daemon.workers()) == 3 and len(set(before) & set(daemon.workers())) == 2)
    with daemon.login() as ftp:
        assert ftp.pwd() == "/"
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait() == 0


def test_an_action_that_was_disabled_stays_so_whoever_answers_and_until_a_reload(tmp_path: Path) -> None:
    daemon = Several(tmp_path, "LoadModule mod_hello.c\n")
    daemon.start()
    until("ftpdctl is answered", lambda: daemon.ctl("lsmod")[0] == 0)
    assert daemon.ctl("rmctrl", "where")[0] == 0
    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)
    until("three serve again", lambda: len(daemon.workers()) == 3)
    until("ftpdctl is answered", lambda: daemon.ctl("lsmod")[0] == 0)
    assert daemon.ctl("where") == (7, "unsupported action requested")
    daemon.hang_up()
    until("a reload brings it back", lambda: daemon.ctl("where")[0] == 0)
    daemon.stop()
