"""How a data connection comes about: a port to listen on (PASV, EPSV), or one to connect to (PORT, EPRT)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ftpd.core.clock import Timer
from ftpd.core.log import Level, log
from ftpd.module.wire import Foreign, TransferError
from ftpd.transfer import kernel
from ftpd.transfer.channel import SERVICE, Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.errors import CLOSED, cannot_connect
from ftpd.transfer.library import Acceptor, Connector
from ftpd.transfer.portrange import below, drawn, of_system
from ftpd.transfer.sockets import DEFAULT

Make = Callable[[int, Ground, int], DataChannel]

BACKLOG = 64
"""Strangers may come first, and must not keep the client's own connection out of the queue."""
FEW_TRIES = 16
"""Ports of the system's range that are tried before the kernel is asked for one."""
MOST_TRIES = 256
"""Ports tried before the range counts as full: of 1000 with 50 free, this many miss once in 500000 times."""
_ACCEPTS = 64
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK

_TAKEN = frozenset({errno.EADDRINUSE, errno.EACCES})
# connect(2) and bind(2): the port is another's, or only root's, or was used to the same place a moment ago
_NOT_FROM_THERE = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})
# accept(2): errors of the new connection that come out of accept; the listener is well
_PASSING = frozenset(
    {errno.ECONNABORTED, errno.EPROTO, errno.ENOPROTOOPT, errno.ENETDOWN, errno.ENETUNREACH}
    | {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENONET, errno.EOPNOTSUPP, errno.EPERM}
)
_NONE_YET = -errno.EAGAIN
_MAPPED = "::ffff:"


def plain_host(host: str) -> str:
    """The address without the clothes it wears on an IPv6 socket.

    >>> plain_host("::ffff:192.0.2.1"), plain_host("fe80::1%eth0")
    ('192.0.2.1', 'fe80::1')
    """
    host = host.partition("%")[0]
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host


def packed_host(host: str) -> bytes:
    """The bytes of a plain address: four of IPv4, sixteen of IPv6."""
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


@lru_cache(maxsize=1024)
def packed_peer(host: str) -> bytes:
    """The same of an address as a socket gives it."""
    return packed_host(plain_host(host))


def tell_of_stranger(host: str, port: int, peer: str, label: str) -> None:
    """The log's line on somebody else who came to a client's port."""
    text = "SECURITY: a data connection from %s to port %d was refused, only %s may use it"
    log(Level.NOTICE, text, host, port, peer, peer=label)


@lru_cache(maxsize=1024)
def place_of(local: tuple[Any, ...], extended: int) -> tuple[str, bytes, int]:
    """The address to announce, and the packed one to bind with its scope; ``extended`` is a family of RFC 2428."""
    host = plain_host(local[0])
    if ":" not in host:
        if extended == 2:  # ProFTPD listens so, too: the client reaches it over IPv4
            return host, socket.inet_pton(socket.AF_INET6, _MAPPED + host), 0
        return host, socket.inet_pton(socket.AF_INET, host), 0
    if extended == 1:
        raise OSError(errno.EAFNOSUPPORT, "an IPv4 data connection needs an IPv4 control connection")
    return host, socket.inet_pton(socket.AF_INET6, host), local[3] if len(local) > 3 else 0


class _Port:
    """What a listener and a connector have in common: one waiting task, one deadline, one end.

    Only the descriptor is kept, as a socket object costs as much again for each transfer; pyftpdlib's own
    constructors are left out, as for the data connection itself.
    """

    ground: Ground
    _waiting: asyncio.Future[None] | None = None
    _deadline: Timer | None = None
    _watched = False
    _failure: TransferError | None = None
    _closed = False
    _fileno = -1

    async def _wait(self, timeout: float, events: int) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        self._deadline = self.ground.sweep.start(timeout, self._late)
        self._watched = True
        self.ground.ioloop.register(self._fileno, self, events)
        try:
            await self._waiting
        finally:
            self._waiting = None
            self._deadline.cancel()
            self._unwatch()
        self._check()  # closed between the event and our turn

    def _check(self) -> None:
        if self._closed:
            raise self._cause()

    def _late(self) -> None:
        self._end(cannot_connect(errno.ETIMEDOUT))

    def _end(self, error: BaseException | None) -> None:
        """Wake the waiting task; until it runs, nothing is watched."""
        self._unwatch()
        if self._waiting is not None and not self._waiting.done():
            if error is None:
                self._waiting.set_result(None)
            else:
                self._waiting.set_exception(error)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self.ground.ioloop.unregister(self._fileno)

    def abort(self, code: int = 426, text: str = CLOSED, *, aborted: bool = True) -> None:
        """Close at once; who waits for the connection gets TransferError(code, text)."""
        if not self._closed:
            self._failure = TransferError(code, text, aborted=aborted)
            self.close()

    def _cause(self) -> TransferError:
        return cannot_connect(errno.ECONNABORTED) if self._failure is None else self._failure.again()

    def close(self) -> None:
        """Release the descriptor; who still waits is told 425."""
        if not self._closed:
            self._closed = True
            if self._watched:
                self._unwatch()
            self._let_go()
            if self._waiting is not None:
                self._end(self._cause())

    def _let_go(self) -> None:
        if self._fileno >= 0:
            os.close(self._fileno)
            self._fileno = -1

    # the part of pyftpdlib's handler that both share

    def add_channel(self, map: object = None, events: int | None = None) -> None:
        """Registered only while somebody waits: a client is often there before we look."""

    def del_channel(self, map: object = None) -> None:
        self._unwatch()

    def handle_error(self) -> None:
        self.ground.log_exception(self)
        self.abort(451, "Unable to build data connection: Internal error", aborted=False)


class PassiveListener(_Port, Acceptor):  # type: ignore[misc]  # pyftpdlib is untyped
    """A port where only the control connection's peer is welcome, once.

    ``local`` is the control connection's own address as getsockname() gave it, ``ports`` limits the choice,
    ``extended`` asks for a family by its RFC 2428 number, ``label`` is the session's name for the log.
    OSError where no port can be had: EADDRINUSE when the range is full, EAFNOSUPPORT for a foreign family.
    """

    allow_foreign: Foreign = False
    _accepted = -1

    def __init__(
        self,
        ground: Ground,
        *,
        local: tuple[Any, ...],
        peer: str,
        ports: range | None = None,
        extended: int = 0,
        make: Make = DataChannel,
        label: str = "",
        there: tuple[int, int] | None = None,
    ) -> None:
        """``there`` is a descriptor that listens already, and its port."""
        self.ground = ground
        self.peer = plain_host(peer)
        self.make = make
        self.label = label
        host, self._packed, self._scope = place_of(local, extended)
        if there is None:
            self.port = self._listen_anywhere() if ports is None else self._listen_within(ports, host)
        else:
            self._fileno, self.port = there
        self.address = (host, self.port)
        """What to announce, unless the configuration knows better."""

    def _listen_anywhere(self) -> int:
        ports, reserved = of_system()
        many = len(ports)
        for _ in range(FEW_TRIES if many else 0):
            port = ports[below(many)]
            if port not in reserved and self._is_had(port):
                return port
        if not self._is_had(0):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        drawn_by_kernel: int = kernel.with_socket(self._fileno, lambda sock: sock.getsockname()[1])
        return drawn_by_kernel

    def _listen_within(self, ports: range, host: str) -> int:
        for port in drawn(ports, MOST_TRIES):
            if self._is_had(port):
                return port
        raise OSError(
            errno.EADDRINUSE, f"no port from {ports[0]} to {ports[-1]} is free for a passive data connection on {host}"
        )

    def _is_had(self, port: int) -> bool:
        """Listen there, unless the port is another's."""
        ground = self.ground
        if ground.options is DEFAULT:
            descriptor = kernel.listen(self._packed, self._scope, port, BACKLOG)
        else:
            descriptor = kernel.listen_prepared(self._packed, self._scope, port, BACKLOG, ground.prepare)
        if descriptor < 0:
            if -descriptor not in _TAKEN:
                raise OSError(-descriptor, os.strerror(-descriptor))
            return False
        self._fileno = descriptor
        return True

    def hand_over(self) -> int:
        """The listening descriptor, which is the caller's from now on."""
        descriptor, self._fileno = self._fileno, -1
        self._closed = True
        return descriptor

    def open_now(self, *, allow_foreign: Foreign = False) -> DataChannel | None:
        """The client's connection if it is there already; the port closes then, and stays open where it is not."""
        self.allow_foreign = allow_foreign
        if self._closed:
            self._check()
        try:
            there = self._accept()
        except BaseException:
            self.close()
            raise
        return self._made() if there else None

    async def open(self, *, timeout: float, allow_foreign: Foreign = False) -> DataChannel:
        """The client's connection; TransferError 425 when it does not come in time. The port closes either way."""
        if (found := self.open_now(allow_foreign=allow_foreign)) is not None:
            return found
        try:
            await self._wait(timeout, self.ground.ioloop.READ)
            return self._made()
        finally:
            self.close()

    def _made(self) -> DataChannel:
        descriptor, self._accepted = self._accepted, -1
        # further connections in the queue are reset by this
        self._closed = True
        if self._watched:
            self._unwatch()
        self._let_go()
        return self.make(descriptor, self.ground, self.port)

    def _may_be_there(self, host: str) -> bool:
        allowed = self.allow_foreign
        return allowed(host) if callable(allowed) else allowed

    def _accept(self) -> bool:
        """Take the first connection of the right peer and turn the others away; False while there is none."""
        for _ in range(_ACCEPTS):
            found = kernel.accept(self._fileno, self.ground.options.no_delay, SERVICE)
            if isinstance(found, int):
                if found == _NONE_YET:
                    return False
                if -found in _PASSING:
                    continue
                raise cannot_connect(-found)
            descriptor, host = found
            if host == self.peer or plain_host(host) == self.peer or self._may_be_there(plain_host(host)):
                self._accepted = descriptor
                return True
            os.close(descriptor)
            tell_of_stranger(host, self.port, self.peer, self.label)
        return False

    def close(self) -> None:
        super().close()
        if self._accepted >= 0:  # came in, but nobody fetched it any more
            os.close(self._accepted)
            self._accepted = -1

    def readable(self) -> bool:
        return self._watched

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        try:
            if self._accept():
                self._end(None)
        except TransferError as error:
            self._end(error)


class ActiveConnector(_Port, Connector):  # type: ignore[misc]  # pyftpdlib is untyped
    """A connection to where the client listens, made when the transfer starts.

    It leaves from the control connection's local address, and if it is to from the port before that connection's own:
    firewalls and clients look at both.
    """

    socket: Any = None

    def __init__(
        self,
        ground: Ground,
        *,
        local: tuple[Any, ...],
        address: str,
        port: int,
        from_before: bool = False,
        make: Make = DataChannel,
    ) -> None:
        self.ground = ground
        self.make = make
        self._target = (plain_host(address), port)
        self._local = local
        self._source = max(local[1] - 1, 0) if from_before else 0

    async def open(self, *, timeout: float, allow_foreign: Foreign = False) -> DataChannel:
        """The connection; TransferError 425 with the cause when it cannot be made.

        Whether the address may be a foreign one was decided when PORT named it.
        """
        try:
            self._check()
            code = self._start()
            if code == errno.EINPROGRESS:
                await self._wait(timeout, self.ground.ioloop.WRITE)
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise cannot_connect(code)
            sock, self.socket, self._fileno = self.socket, None, -1
            kernel.tune(sock, no_delay=self.ground.options.no_delay, service=SERVICE)
            port = sock.getsockname()[1]
            return self.make(sock.detach(), self.ground, port)
        finally:
            self.close()

    def _let_go(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self._fileno = -1

    def _start(self) -> int:
        """Begin to connect; what is to leave from a port that is taken leaves from another."""
        code = self._connect(self._source)
        if code in _NOT_FROM_THERE:
            self.socket.close()
            code = self._connect(0)
        return code

    def _connect(self, source_port: int) -> int:
        host, port = self._target
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self.socket = socket.SocketType(family, _STREAM)
            self._fileno = self.socket.fileno()
            self.ground.prepare(self.socket)
            source = plain_host(self._local[0])
            if (":" in source) == (family == socket.AF_INET6):
                rest = tuple(self._local[2:4]) if family == socket.AF_INET6 else ()
                if source_port:
                    # others connect from there as well, each to a client of its own
                    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind((source, source_port, *rest))
            code: int = self.socket.connect_ex((host, port))
        except OSError as error:
            if source_port and error.errno in _NOT_FROM_THERE:
                return error.errno
            raise cannot_connect(error.errno or errno.EIO) from error
        return code

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return self._watched

    def handle_write_event(self) -> None:
        self._end(None)
