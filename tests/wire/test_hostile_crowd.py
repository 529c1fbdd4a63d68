"""Crowds that connect and never log in: they cost their own address its share, and nobody else a second (S95)."""

from __future__ import annotations

import resource
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from time import monotonic

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import PATIENCE, Raw, alive, answers_others, cpu_seconds, descriptors, memory, until_descriptors

CROWD = 5000
PATIENT = 30
"""Seconds of TimeoutLogin: longer than it takes to bring the crowd together on a busy machine."""
ALLOWED = 20
KILOBYTE = 1024

pytestmark = pytest.mark.skipif(
    min(resource.getrlimit(resource.RLIMIT_NOFILE)) < CROWD + 500,
    reason=f"{CROWD} connections need as many descriptors",
)


@contextmanager
def daemon(folder: object, conf: str) -> Iterator[Daemon]:
    server = Daemon(folder, f"TCPBackLog 1024\nTimeoutLogin {PATIENT}\n{conf}")  # type: ignore[arg-type]
    server.start()
    try:
        yield server
        alive(server)
    finally:
        server.stop()


@contextmanager
def crowd(server: Daemon, source: str) -> Iterator[list[socket.socket]]:
    """So many connections from one address, of which each second one says one byte of a USER that never ends."""
    many: list[socket.socket] = []
    try:
        while len(many) < CROWD:
            sock = socket.socket()
            many.append(sock)
            sock.settimeout(PATIENCE)
            sock.bind((source, 0))
            sock.connect((server.host, server.port))
            if len(many) % 200 == 0:
                # no faster than the server takes them: what the kernel drops would come again a second later
                assert sock.recv(3) in (b"220", b"530")
            sock.setblocking(False)
        yield many
    finally:
        for sock in many:
            sock.close()


def say(many: list[socket.socket], byte: bytes) -> None:
    for sock in many[::2]:
        with suppress(OSError):
            sock.send(byte)


def until_closed(many: list[socket.socket], seconds: float, *, but: int = 0) -> int:
    """Wait until the server has closed all but so many of them, whose number it gives; what it said to them is read."""
    end, poll = monotonic() + seconds, select.epoll()
    with closing(poll):
        left = {sock.fileno(): sock for sock in many}
        for number in left:
            poll.register(number, select.EPOLLIN)
        while len(left) > but:
            assert monotonic() < end, f"{len(left)} are still there after {seconds:g} seconds, and not {but}"
            for number, _ in poll.poll(1):
                if _has_ended(left[number]):
                    poll.unregister(number)
                    del left[number]
        return len(left)


def _has_ended(sock: socket.socket) -> bool:
    try:
        return not sock.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_five_thousand_who_never_log_in_hold_nobody_up_and_are_sent_away(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with daemon(tmp_path_factory.mktemp("daemon"), "") as server:
        with Raw(server) as client:
            client.login()
        before, unused = memory(server), descriptors(server)
        began = monotonic()
        with crowd(server, "127.0.0.2") as many:
            assert monotonic() - began < PATIENT - 5, "the crowd took so long to come that nothing can be told"
            for letter in b"USER":
                say(many, bytes([letter]))
                answers_others(server)
            until("the whole crowd is there", lambda: descriptors(server) - unused >= CROWD - 5)
            each = (memory(server) - before) / CROWD
            print(f"who has not logged in costs {each / KILOBYTE:.1f} KiB", file=sys.stderr)
            assert each < 16 * KILOBYTE
            spent, at = cpu_seconds(server), monotonic()
            with pytest.raises(TimeoutError):
                many[1].settimeout(1)
                many[1].recv(4096)
                many[1].recv(4096)
            many[1].setblocking(False)
            assert (cpu_seconds(server) - spent) / (monotonic() - at) < 0.25, "a silent crowd keeps it busy"
            # by TimeoutLogin
            until_closed(many, PATIENT + PATIENCE)
            answers_others(server)
        until_descriptors(server, unused)


def test_one_address_has_its_share_and_no_more(tmp_path_factory: pytest.TempPathFactory) -> None:
    share = f'MaxConnectionsPerHost {ALLOWED} "No more than %m from one place"\n'
    with daemon(tmp_path_factory.mktemp("daemon"), share) as server:
        unused = descriptors(server)
        with crowd(server, "127.0.0.2") as many:
            answers_others(server)
            assert until_closed(many, PATIENCE, but=ALLOWED) == ALLOWED
            until("the server keeps nothing of them", lambda: descriptors(server) - unused <= ALLOWED)
            answers_others(server)
            with Raw(server, source="127.0.0.2", greeted=False) as late:
                assert late.rest() == f"530 No more than {ALLOWED} from one place\r\n"
        until_descriptors(server, unused)
        with Raw(server, source="127.0.0.2") as back:
            back.login()
