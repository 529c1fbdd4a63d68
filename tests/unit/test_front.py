"""The front hears whom it has much to do for behind all others, and not all of those in one go."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from ftpd import native

pytestmark = pytest.mark.skipif(native.front is None, reason="not compiled here")


class Clients:
    """So many connections whose lines are answered by one function each."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._poller = stack.enter_context(select.epoll())
        self.front: Any = native.front.Front()

    def connect(self, answer: bytes | Callable[[bytes], bytes]) -> socket.socket:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            self._stack.enter_context(end)
        self._poller.register(ours, select.EPOLLIN)
        self.front.recall(ours.fileno(), {b"LIST\r\n": answer}, monotonic() + 60)
        return theirs

    def serve(self) -> None:
        left, *_ = self.front.serve(self._poller.fileno(), 0.0, 0.0, 64)
        assert left == []


@contextmanager
def clients() -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(stack)


def test_who_wants_little_is_answered_before_those_who_want_much() -> None:
    order: list[str] = []

    def much(argument: bytes) -> bytes:
        sleep(0.002)
        order.append("much")
        return b"226\r\n"

    def little(argument: bytes) -> bytes:
        order.append("little")
        return b"200\r\n"

    with clients() as here:
        slow = [here.connect(much) for _ in range(3)]
        quick = here.connect(little)
        for one in (*slow, quick):
            one.send(b"LIST\r\n")
        here.serve()
        assert order == ["much"] * 3 + ["little"], "of whom nothing is known is heard as he comes"
        order.clear()
        for one in (*slow, quick):
            assert one.recv(100)
            one.send(b"LIST\r\n")
        here.serve()
        assert order[0] == "little" and order.count("much") < 3, "not all of them in one go"
        for _ in range(3):
            here.serve()
        assert order == ["little", "much", "much", "much"]
        assert [one.recv(100) for one in (*slow, quick)] == [b"226\r\n"] * 3 + [b"200\r\n"]


def test_who_has_one_alone_is_not_kept_waiting() -> None:
    asked = 0

    def much(argument: bytes) -> bytes:
        nonlocal asked
        asked += 1
        sleep(0.002)
        return b"226\r\n"

    with clients() as here:
        only = here.connect(much)
        for number in range(1, 4):
            only.send(b"LIST\r\n")
            here.serve()
            assert asked == number
            assert only.recv(100) == b"226\r\n"
