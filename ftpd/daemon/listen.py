"""Which addresses the configuration asks to listen on, and which server a connection to one of them is for."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Any

from ftpd.conf.tree import Scope
from ftpd.daemon.logs import StartError
from ftpd.daemon.values import DaemonSettings
from ftpd.dispatch.registry import Generation

_FTP_PORT = 21
Endpoint = tuple[str, int]


@dataclass(frozen=True)
class Bindings:
    """The endpoints to listen on, and the servers behind addresses and ports."""

    endpoints: tuple[Endpoint, ...]
    servers: tuple[tuple[str, int, Scope], ...]
    default: tuple[tuple[int, Scope], ...]

    def server_of(self, local: Endpoint) -> Scope | None:
        """The server for a connection to ``local``: its exact address, else the port's DefaultServer."""
        host = _plain(local[0])
        for address, port, scope in self.servers:
            if port == local[1] and address == host:
                return scope
        for port, scope in self.default:
            if port == local[1]:
                return scope
        return None


def _plain(host: str) -> str:
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]


def bindings(generation: Generation, settings: DaemonSettings, *, main_address: str | None = None) -> Bindings:
    """Resolve the servers' addresses; StartError for a name that has none. ``main_address`` is that of -S."""
    config = generation.config

    def value(scope: Scope, name: str, default: Any) -> Any:
        key = generation.directive(name)
        found = None if key is None else scope.settings[key]
        return default if found is None else found

    servers: list[tuple[str, int, Scope]] = []
    default: list[tuple[int, Scope]] = []
    endpoints: list[Endpoint] = []
    for scope in config.servers:
        port = int(value(scope, "Port", _FTP_PORT))
        if port == 0:
            continue
        if scope is config.main:
            names = [main_address] if main_address else list(value(scope, "DefaultAddress", ()))
        else:
            names = list(scope.args)
        addresses = [address for name in names for address in resolved(name, use_ipv6=settings.use_ipv6)]
        servers += [(address, port, scope) for address in addresses]
        if value(scope, "DefaultServer", False) or (scope is config.main and not names):
            default.append((port, scope))
        wildcard = "::" if settings.use_ipv6 and socket.has_dualstack_ipv6() else "0.0.0.0"
        wanted = addresses if settings.bind_tight and addresses else [wildcard]
        endpoints += [(address, port) for address in wanted if (address, port) not in endpoints]
    return Bindings(tuple(endpoints), tuple(servers), tuple(default))


def resolved(name: str, *, use_ipv6: bool) -> list[str]:
    """The numeric addresses of a name or address."""
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(name, None, 0 if use_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"unable to resolve the server address {name}: {error.args[-1]}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def bind(endpoint: Endpoint, backlog: int) -> socket.socket:
    """A listening socket; StartError says who cannot have what."""
    host, port = endpoint
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind((host, port))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        hint = ""
        if isinstance(error, PermissionError) and port < 1024 and os.geteuid() != 0:
            hint = "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        raise StartError(f"Failed binding to {host}, port {port}: {error.strerror}{hint}") from None
    return sock
