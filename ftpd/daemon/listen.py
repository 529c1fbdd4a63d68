"""Which addresses the configuration asks to listen on, and which server a connection to one of them is for."""

from __future__ import annotations

import errno
import fnmatch
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from functools import cached_property

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults, Fault, Report, of_check
from ftpd.conf.tree import Config, Scope
from ftpd.core.devices import addresses_of_device
from ftpd.core.record import dataclass
from ftpd.daemon import doorstep
from ftpd.daemon.errors import StartError
from ftpd.daemon.values import DaemonSettings, value_of
from ftpd.dispatch.registry import Generation
from ftpd.engine.channel import prepare

EVERY = ""
_FTP_PORT = 21
_FIRST_FREE_PORT = 1024
_FREEBIND = {
    # IP_FREEBIND of ip(7) and its like for IPv6, which the socket module does not name
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
Endpoint = tuple[str, int]


@dataclass(frozen=True)
class Named:
    """A name that a client may ask for with HOST, and what it has to have connected to."""

    name: str
    address: str | None
    """None where the server is its port's DefaultServer: any address is its own."""
    port: int
    scope: Scope
    pattern: re.Pattern[str] | None = None
    """For a name with ``*``, ``?`` or ``[``."""


@dataclass(frozen=True)
class Bindings:
    """The endpoints to listen on, and the servers behind addresses, ports and names; implements Routes."""

    endpoints: tuple[Endpoint, ...]
    servers: tuple[tuple[str, int, Scope], ...]
    default: tuple[tuple[int, Scope], ...]
    warnings: tuple[Fault, ...] = ()
    names: tuple[Named, ...] = ()
    use_ipv6: bool = True
    elsewhere: Scope | None = None
    """The DefaultServer, which has what is nobody's on other ports as well."""
    local: Scope | None = None
    """The main server, where it has a port: it takes what comes to a loopback address that is nobody's."""
    homes: Mapping[Scope, str] = field(default_factory=dict)
    """Where who has met a server is to find names: at the first address that it has, or EVERY for a DefaultServer."""

    def server_of(self, local: Endpoint) -> Scope | None:
        """The server for a connection to ``local``, sought as ProFTPD seeks it.

        The one with exactly this address; one for all addresses (``<VirtualHost 0.0.0.0>``); the port's DefaultServer,
        or its only one if that has a single address; another port's DefaultServer; and for a loopback address the main
        server.
        """
        host, port = _plain(local[0]), local[1]
        exact = self._exact
        found = exact.get((host, port))
        if found is None:
            found = next((exact[every, port] for every in _every(host) if (every, port) in exact), None)
        return found or self._of_port.get(port) or self.elsewhere or (self.local if _is_loopback(host) else None)

    @cached_property
    def _exact(self) -> dict[Endpoint, Scope]:
        return {(address, port): scope for address, port, scope in reversed(self.servers)}

    @cached_property
    def _of_port(self) -> dict[int, Scope]:
        """Who takes what comes to a port's other addresses: a single address of a port may be a translated one."""
        servers: dict[int, list[Scope]] = {}
        for port, scope in (*self.default, *((port, scope) for _, port, scope in self.servers)):
            servers.setdefault(port, []).append(scope)
        default = dict(reversed(self.default))
        single = {port: scopes[0] for port, scopes in servers.items() if len(scopes) == 1}
        return single | default

    def server_named(self, local: Endpoint, name: str, met: Scope | None) -> Scope | None:
        """The server of that name for a client of ``met``: names that are written out come before those with ``*``.

        As in ProFTPD, a name belongs to an address: that of the server which the client has met. That which it has
        connected to counts as well, so that a server's second address can have names of its own.
        """
        wanted = name.lower().removesuffix(".")
        host, port = _plain(local[0]), local[1]
        home = host if met is None else self.homes.get(met)
        if home is None:
            # a server that takes what is nobody's has no address, and a router's may be meant for any of its port
            here = [one for one in self.names if one.port == port]
        else:
            places: tuple[str | None, ...] = (host, home)
            if home == EVERY or (home, port) not in self._exact:
                places = (host, None, *_every(host))
            here = [one for one in self.names if one.port == port and one.address in places]
        for one in here:
            if one.pattern is None and one.name == wanted:
                return one.scope
        for one in here:
            if one.pattern is not None and one.pattern.fullmatch(wanted):
                return one.scope
        return None

    def example(self) -> tuple[Endpoint, Scope] | None:
        """An address and port that a client on this machine can try, and whose they are."""
        for address, port, scope in self.servers:
            return ("127.0.0.1" if address in ("0.0.0.0", "::") else address, port), scope
        for port, scope in self.default:
            return ("127.0.0.1", port), scope
        return None


def _plain(host: str) -> str:
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]


def _every(host: str) -> tuple[str, ...]:
    """What stands for every address, that of the family first: who listens on :: hears IPv4 as well."""
    return ("::", "0.0.0.0") if ":" in host else ("0.0.0.0", "::")


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def bindings(
    generation: Generation,
    settings: DaemonSettings,
    *,
    main_address: str | None = None,
    check_collisions: bool = True,
) -> Bindings:
    """Resolve the servers' addresses; ConfigFaults for names that have none. ``main_address`` is that of -S."""
    config = generation.config
    servers: list[tuple[str, int, Scope]] = []
    names: list[Named] = []
    homes: dict[Scope, str] = {}
    default: list[tuple[int, Scope]] = []
    endpoints: list[Endpoint] = []
    elsewhere: Scope | None = None
    report = Report()
    wildcard = "::" if settings.use_ipv6 and socket.has_dualstack_ipv6() else "0.0.0.0"
    # as in ProFTPD: a main server that takes all that is nobody's has no address of its own, and who says no name where
    # there are servers by name means the first of them
    gives_way = not settings.bind_tight and value_of(generation, config.main, "DefaultServer", False)
    for scope in config.servers:
        port = int(value_of(generation, scope, "Port", _FTP_PORT))
        if port == 0:
            continue
        if scope is config.main and main_address is not None:
            addresses = _of_the_command_line(main_address, settings)
        else:
            addresses = _addresses(config, scope, settings.use_ipv6, report)
        called = _names(generation, scope)
        for address in addresses:
            other = next((s for a, p, s in servers if (a, p) == (address, port)), None)
            if other is None:
                servers.append((address, port, scope))
            elif called and other is config.main and gives_way:
                servers[servers.index((address, port, other))] = (address, port, scope)
            elif check_collisions and not called:
                report.warnings.append(_collision(generation, scope, other, f"{address}:{port}"))
            names += [_named(name, address, port, scope) for name in called]
        is_default = value_of(generation, scope, "DefaultServer", False)
        if is_default and elsewhere is not None:
            report.faults.append(_second_default(scope, elsewhere))
        elsewhere = elsewhere or (scope if is_default else None)
        if is_default and not settings.bind_tight:
            homes[scope] = EVERY
        elif addresses:
            homes[scope] = addresses[0]
        if is_default or (scope is config.main and not addresses):
            default.append((port, scope))
            names += [_named(name, None, port, scope) for name in called]
        wanted = addresses if settings.bind_tight and addresses else [wildcard]
        endpoints += [(address, port) for address in wanted if (address, port) not in endpoints]
    if report.faults:
        raise ConfigFaults(report.faults, config.warnings, config)
    if not endpoints and not settings.inetd:
        raise StartError("no valid servers configured: every server has Port 0, so there is nothing to listen on")
    return Bindings(
        _apart(endpoints),
        tuple(servers),
        tuple(default),
        tuple(report.warnings),
        names=tuple(names),
        use_ipv6=settings.use_ipv6,
        elsewhere=elsewhere,
        homes=homes,
        local=config.main if int(value_of(generation, config.main, "Port", _FTP_PORT)) else None,
    )


def _apart(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Without the addresses that a wildcard of the same port stands for as well: both cannot be listened on."""
    kept = []
    for host, port in endpoints:
        # :: is listened on for IPv4 as well
        wider = {"::"} if host == "0.0.0.0" or ":" in host else {"::", "0.0.0.0"}
        if not any((every, port) in endpoints for every in wider - {host}):
            kept.append((host, port))
    return tuple(kept)


def _names(generation: Generation, scope: Scope) -> list[str]:
    """What a client may call the server: its ServerAlias lines, and the names in <VirtualHost>."""
    aliases = [name for line in value_of(generation, scope, "ServerAlias", ()) for name in line]
    return [*aliases, *(name for name in scope.args if not (_is_address(name) or addresses_of_device(name)))]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _named(name: str, address: str | None, port: int, scope: Scope) -> Named:
    name = name.lower().removesuffix(".")
    pattern = re.compile(fnmatch.translate(name)) if re.search(r"[*?[]", name) else None
    return Named(name, address, port, scope, pattern)


def _of_the_command_line(name: str, settings: DaemonSettings) -> list[str]:
    try:
        return resolved(name, use_ipv6=settings.use_ipv6)
    except ValueError as wrong:
        raise StartError(f"unable to use '{name}' as server address: {wrong}") from None


def _addresses(config: Config, scope: Scope, use_ipv6: bool, report: Report) -> list[str]:
    main = scope is config.main
    key = next((key for key in scope.values if key.name == "DefaultAddress"), None) if main else None
    names = scope.args if not main else () if key is None else scope.values[key]
    found: list[str] = []
    for index, name in enumerate(names):
        try:
            found += resolved(name, use_ipv6=use_ipv6)
        except ValueError as wrong:
            error = ConfigError(
                f"unable to resolve '{name}': {wrong}",
                right="an address, a name or a network device of this machine",
                word=index,
                directive="DefaultAddress" if key is not None else scope.title,
                at=(scope.file, scope.line) if key is None else scope.where[key][-1],
            )
            report.faults.append(of_check(error, scope.file))
    return found


def unresolved(config: Config, *, ipv6: bool | None) -> list[Fault]:
    """What is wrong with the addresses in a configuration that other faults keep from being used."""
    asked = next((value for key, value in config.main.values.items() if key.name == "UseIPv6"), True)
    report = Report()
    for scope in config.servers:
        _addresses(config, scope, asked if ipv6 is None else ipv6, report)
    return report.faults


def _second_default(scope: Scope, first: Scope) -> Fault:
    places = [
        next(scope.where[key][0] for key in scope.values if key.name == "DefaultServer") for scope in (scope, first)
    ]
    (file, line), (other_file, other_line) = places
    error = ConfigError(
        f"DefaultServer has already been set ({other_file}:{other_line})",
        right="DefaultServer on in one server alone",
        word=0,
        directive="DefaultServer",
        at=(file, line),
    )
    return of_check(error, file)


def _collision(generation: Generation, scope: Scope, other: Scope, where: str) -> Fault:
    first, second = (value_of(generation, server, "ServerName", server.title) for server in (other, scope))
    return Fault(
        scope.file,
        scope.line,
        scope.title,
        f'"{second}" address/port ({where}) already in use by "{first}", which gets all connections there',
        "another Port or address, a ServerAlias for name-based servers, or -N for silence",
    )


def resolved(name: str, *, use_ipv6: bool) -> list[str]:
    """The numeric addresses of an address, a network device or a name; ValueError says why there are none."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        if address.version == 6 and not use_ipv6:
            raise ValueError("it is an IPv6 address, but IPv6 is off (UseIPv6 off, or -4)")
        return [str(address)]
    if device := addresses_of_device(name):
        usable = [address for address in device if use_ipv6 or ":" not in address]
        if not usable:
            raise ValueError("the device has IPv6 addresses only, but IPv6 is off (UseIPv6 off, or -4)")
        return usable
    try:
        found = socket.getaddrinfo(name, None, 0 if use_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{error.args[-1]}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def bind(endpoint: Endpoint, backlog: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket; StartError says who cannot have what."""
    host, port = endpoint
    if (early := doorstep.taken(endpoint)) is not None:
        sock = socket.socket(fileno=early)
        sock.listen(backlog)
        return sock
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        # who connects as soon as it listens inherits them
        prepare(sock)
        _take(sock, endpoint)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise StartError(f"Failed binding to {host}, port {port}: {error.strerror}{_hint(error, port)}") from None
    return sock


def _take(sock: socket.socket, endpoint: Endpoint) -> None:
    """Bind it, be it to an address that no interface has yet: one may come up later, as while the machine starts."""
    try:
        sock.bind(endpoint)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        with suppress(OSError):
            sock.setsockopt(*_FREEBIND[sock.family], 1)
        sock.bind(endpoint)


def waits_for_its_address(sock: socket.socket) -> bool:
    """Whether no interface had the address that it listens on."""
    try:
        return bool(sock.getsockopt(*_FREEBIND[sock.family]))
    except OSError:
        return False


def _hint(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return "; another daemon, or inetd, is already listening there"
    if error.errno == errno.EADDRNOTAVAIL:
        return "; no interface of this machine has this address"
    if isinstance(error, PermissionError) and port < _FIRST_FREE_PORT and os.geteuid() != 0:
        return f"; ports below {_FIRST_FREE_PORT} need root or CAP_NET_BIND_SERVICE"
    return ""
