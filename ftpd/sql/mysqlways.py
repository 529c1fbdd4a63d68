"""The ways to a server of MySQL's: by its socket or the network, with TLS or without, and which one is tried first."""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, TypeVar

from ftpd.core.identity import acting_as_daemon
from ftpd.sql.backend import SqlError, Target

T = TypeVar("T")

_PORT = 3306
_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108
"""Where distributions, and MySQL itself, have it."""


def place(target: Target) -> dict[str, Any]:
    """Where the server is: ``unix_socket``, or ``host`` and ``port``."""
    if target.host.startswith("/"):
        return {"unix_socket": target.host}
    if target.host == "localhost" and target.port in (0, _PORT) and not target.ssl:
        # as its own clients do: localhost is the socket, 127.0.0.1 the network; but a port of one's own is meant
        found = next((path for path in _SOCKETS if os.path.exists(path)), None)
        if found is not None:
            return {"unix_socket": found}
    return {"host": target.host, "port": target.port or _PORT}


class Ways:
    """With which TLS servers are reached, and how those that ask for nothing were reached the last time."""

    def __init__(self) -> None:
        self._contexts: dict[Target, ssl.SSLContext] = {}
        self._worked: dict[Target, ssl.SSLContext | None] = {}

    async def first(
        self, target: Target, place: dict[str, Any], connect: Callable[[ssl.SSLContext | None], Awaitable[T]],
        wants_tls: Callable[[Exception], bool],
    ) -> T:  # fmt: skip
        """What ``connect`` makes by the first way that leads in; None is without TLS.

        ``wants_tls`` says whether the server has refused us because there was none.
        """
        ways = [None] if "unix_socket" in place else self._by_network(target)
        for way in ways:
            try:
                connection = await connect(way)
            except Exception as error:
                no_tls_there = isinstance(error.__cause__, ssl.SSLError | ConnectionResetError)
                if way is ways[-1] or not (wants_tls(error) if way is None else no_tls_there):
                    raise
            else:
                self._worked[target] = way
                return connection
        raise AssertionError("there is at least one way")

    def _by_network(self, target: Target) -> list[ssl.SSLContext | None]:
        """What to try, the likeliest first.

        Without a word on TLS it is used with whoever is there, where the server has it: as MySQL's own clients do,
        which an account may count on (REQUIRE SSL). On this machine only where the server insists: it costs time.
        """
        if target.ssl:
            return [self._tls(target)]
        ways = [None, self._any_certificate]
        first = self._worked.get(target, None if _is_here(target.host) else self._any_certificate)
        return ways if first is None else ways[::-1]

    @cached_property
    def _any_certificate(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def _tls(self, target: Target) -> ssl.SSLContext:
        """As the line says, read once: files that have changed are read at the next SIGHUP."""
        context = self._contexts.get(target)
        if context is None:
            context = self._contexts[target] = _context(target)
        return context


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _context(target: Target) -> ssl.SSLContext:
    """The server's certificate is always looked at: by the CA that is given, else by those of the system."""
    wanted = dict(target.ssl)
    try:
        with acting_as_daemon():
            ca = wanted.get("ca")
            folder = ca if ca is not None and os.path.isdir(ca) else None
            context = ssl.create_default_context(cafile=None if folder else ca, capath=folder)
            if "cert" in wanted:
                context.load_cert_chain(wanted["cert"], wanted["key"])
        if "ciphers" in wanted:
            context.set_ciphers(wanted["ciphers"])
    except (OSError, ssl.SSLError) as error:
        raise SqlError(f"the TLS parameters cannot be used: {error}") from None
    return context
