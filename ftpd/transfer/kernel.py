"""The kernel calls in the life of a data connection, by descriptor; what cannot be done is told as ``-errno``.

``ftpd/native/data.c`` does each in one step; here they are in Python, for machines where that is not compiled.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ftpd import native

T = TypeVar("T")

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_IPV4_BYTES = 4
_MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv6 address begins that holds one of IPv4."""
_DRAINS = 4
ROOM = memoryview(bytearray(1 << 20))
"""For bytes on their way; one for the whole process: it is only used inside a step, and a step never waits."""

Prepare = Callable[[socket.SocketType], None]


def with_socket(descriptor: int, work: Callable[[socket.SocketType], T]) -> T:
    """Do it with a socket object around the descriptor, which stays open."""
    sock = socket.SocketType(fileno=descriptor)
    try:
        return work(sock)
    finally:
        sock.detach()


def listen_prepared(address: bytes, scope: int, port: int, backlog: int, prepare: Prepare | None = None) -> int:
    """A descriptor that listens at the packed address; ``prepare`` sets options that must be there before.

    An IPv6 address that holds one of IPv4 takes clients of IPv4.
    """
    family = socket.AF_INET if len(address) == _IPV4_BYTES else socket.AF_INET6
    try:
        sock = socket.SocketType(family, _STREAM)
    except OSError as error:
        return -(error.errno or errno.EIO)
    try:
        if prepare is not None:
            prepare(sock)
        if address.startswith(_MAPPED):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # the last transfer on this port may be in TIME_WAIT
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host = socket.inet_ntop(family, address)
        sock.bind((host, port) if family == socket.AF_INET else (host, port, 0, scope))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        return -(error.errno or errno.EIO)
    return sock.detach()


def listen_by_python(address: bytes, scope: int, port: int, backlog: int) -> int:
    """:func:`listen_prepared` where nothing is to be prepared."""
    return listen_prepared(address, scope, port, backlog)


def tune(sock: socket.SocketType, *, no_delay: bool, service: int) -> None:
    """What ProFTPD asks of the network for a data connection."""
    try:
        if no_delay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, service)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, service)
    except OSError:
        pass  # a client that is gone already, or a container that forbids it: the transfer will tell


def accept_by_python(listener: int, no_delay: bool, service: int) -> tuple[int, str] | int:
    """The next connection and its client's address; it is tuned, and never blocks."""
    try:
        # what accept() of Python's class is made of: accept4(2), close-on-exec
        descriptor, address = with_socket(listener, lambda sock: sock._accept())  # type: ignore[attr-defined]
    except OSError as error:
        return -(error.errno or errno.EIO)
    os.set_blocking(descriptor, False)
    with_socket(descriptor, lambda sock: tune(sock, no_delay=no_delay, service=service))
    return descriptor, address[0]


def deliver_by_python(connection: int, file: int, offset: int, count: int, flags: int) -> int:
    """Send so much of a file (up to 32 KiB) as can be had and sent now; ``flags`` are for os.preadv.

    What fills no segment leaves together with what follows it.
    """
    most = ROOM[: min(count, 32 << 10)]
    try:
        there = os.preadv(file, [most], offset, flags)
        return with_socket(connection, lambda sock: sock.send(most[:there], socket.MSG_MORE)) if there else 0
    except OSError as error:
        return -(error.errno or errno.EIO)


def give_by_python(connection: int, data: bytes) -> int:
    """Send so much of it as the connection takes now; what fills no segment leaves together with what follows it."""
    try:
        return with_socket(connection, lambda sock: sock.send(data, socket.MSG_MORE))
    except OSError as error:
        return -(error.errno or errno.EIO)


ENDED, WAITS, TURN, LOST, FAILED = range(5)
"""How an upload stands: the client has ended in order; nothing is there now; others want a turn; either side failed."""
_TRIES = 100


def receive_by_python(connection: int, file: int, offset: int, turn: int) -> tuple[int, int, int]:
    """Take what comes and write it at ``offset``, or at the file's end where that is negative.

    Up to ``turn`` bytes; gives how many were written, how it stands and, where that is a failure, why (``errno``).
    """
    return with_socket(connection, lambda sock: _received(sock, file, offset, turn))


def _received(sock: socket.SocketType, file: int, offset: int, turn: int) -> tuple[int, int, int]:
    stored = 0
    while turn > 0:
        try:
            came = sock.recv_into(ROOM[: min(turn, len(ROOM))])
        except BlockingIOError:
            return stored, WAITS, errno.EAGAIN
        except OSError as error:
            return stored, LOST, error.errno or errno.EIO
        if not came:
            return stored, ENDED, 0
        turn -= came
        written, code = written_all(file, ROOM[:came], -1 if offset < 0 else offset + stored)
        stored += written
        if code:
            return stored, FAILED, code
    return stored, TURN, 0


def written_all(file: int, data: memoryview, at: int) -> tuple[int, int]:
    """Write all of it: the kernel may take less at once, and says why only when asked again.

    At the end of the file where ``at`` is negative; gives how much was written and, where that is not all, why.
    """
    done, tries = 0, _TRIES
    while done < len(data):
        try:
            count = os.write(file, data[done:]) if at < 0 else os.pwrite(file, data[done:], at + done)
        except BlockingIOError as error:  # FUSE; regular files of the kernel's own never say it
            tries -= 1
            if not tries:
                return done, error.errno or errno.EAGAIN
            continue
        except OSError as error:
            return done, error.errno or errno.EIO
        if not count:
            return done, errno.EIO
        done += count
    return done, 0


def end_by_python(connection: int) -> None:
    """Close the connection in order: bytes left unread would turn our end into a reset, which eats what is on its way.

    OSError as from os.close.
    """
    sock = socket.SocketType(fileno=connection)
    with suppress(OSError):
        for _ in range(_DRAINS):
            if not sock.recv_into(ROOM):
                break
    sock.close()


_compiled = native.data
listen: Callable[[bytes, int, int, int], int] = listen_by_python if _compiled is None else _compiled.listen
accept: Callable[[int, bool, int], tuple[int, str] | int] = accept_by_python if _compiled is None else _compiled.accept
give: Callable[[int, bytes], int] = give_by_python if _compiled is None else _compiled.give
deliver: Callable[[int, int, int, int, int], int] = deliver_by_python if _compiled is None else _compiled.deliver
receive: Callable[[int, int, int, int], tuple[int, int, int]] = (
    receive_by_python if _compiled is None else _compiled.receive
)
end: Callable[[int], None] = end_by_python if _compiled is None else _compiled.end
pump: Callable[[int, int, int, int, int, int, bool], Any] | None = None if _compiled is None else _compiled.Pump
"""Sends the middle of a long file, by :func:`serve_pumps`; without it a step of its transfer sends each piece."""
serve_pumps: Any = None if _compiled is None else _compiled.serve_pumps
