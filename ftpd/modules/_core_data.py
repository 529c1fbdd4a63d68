"""Where the next data connection goes: PASV and EPSV, PORT and EPRT, and what a client may not ask for with them."""

from __future__ import annotations

import errno
import ipaddress
import os

from ftpd.api import (
    Class,
    Command,
    ConfigError,
    Level,
    Outcome,
    Refuse,
    Session,
    ShortAnswer,
    Steady,
    types,
)
from ftpd.modules._auth_directives import Revoke
from ftpd.modules._core import SERVERS, SESSIONS, module, number, state
from ftpd.modules._core_server import is_address, masquerade, passive

_IPV4, _IPV6 = 1, 2
"""The numbers of the address families in RFC 2428."""

_PASSIVE, _EXTENDED = "Entering Passive Mode", "Entering Extended Passive Mode"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# RFC 1918; ipaddress.is_private means much more
_PRIVATE = tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@types.takes(1, 1)
def _foreign(words: list[str]) -> bool | str:
    """``on``, ``off``, or the name of a class."""
    try:
        return types.boolean(words)
    except ConfigError:
        return words[0]


allow_foreign = module.directive(
    "AllowForeignAddress", _foreign, contexts=SESSIONS,
    usage="on|off|class",
    doc="Whether the data connection's other end may be another host than the client, or one of a class.",
)  # fmt: skip
module.directive(
    "TimeoutLinger", types.seconds, contexts=SERVERS,
    usage="seconds", doc="How long a download waits for the client to close the data connection before 226.",
)  # fmt: skip


def foreign_allowed(session: Session, host: Address) -> bool:
    """Whether AllowForeignAddress lets this client have its data sent there, to another server (FXP)."""
    value = session.settings[allow_foreign]
    return session.modules.in_class(value, str(host)) if isinstance(value, str) else value is True


# -- passive -----------------------------------------------------------------------------------------


def _listens(cmd: Command, folder: str) -> ShortAnswer | None:
    session = cmd.session
    host = (_told(session) or session.local.host).replace(".", ",")
    if ":" in host:
        return None
    return session.wire.listens(f"227 {_PASSIVE} ({host},", ").\r\n", ports=session.settings[passive], split=True)


@module.cmd(
    "PASV", classes=Class.MISC, usage="(returns address/port)",
    limit=(501, "PASV: Operation not permitted"), shortcut=_listens,
    alike=lambda session: not session[state].epsv_all,
)  # fmt: skip
def listen(cmd: Command) -> Outcome:
    session = cmd.session
    _not_after_epsv_all(cmd, words=0)
    told = _told(session)
    if told is None and ":" in session.local.host:
        # the reply of RFC 959 has room for four bytes; ProFTPD sends one that no client can read
        raise Refuse(425, "PASV cannot name an IPv6 address, use EPSV")
    host, port = _listen(session, told)
    numbers = ",".join([*host.split("."), str(port >> 8), str(port & 0xFF)])
    return cmd.ok(227, f"{_PASSIVE} ({numbers}).")


def _told(session: Session) -> str | None:
    """What PASV names instead of the session's own address."""
    told = session.settings[masquerade]
    return told if told is not None and is_address(told, version=4) else None


def _listens_extended(cmd: Command, folder: str) -> ShortAnswer | None:
    session = cmd.session
    return session.wire.listens(f"229 {_EXTENDED} (|||", "|)\r\n", ports=session.settings[passive])


@module.cmd(
    "EPSV", classes=Class.MISC, usage="(returns port |||port|)", arity=(0, 1),
    limit=(501, "EPSV: Operation not permitted"), shortcut=_listens_extended,
    # EPSV ALL has other commands refused from then on
    steady=lambda cmd: Steady.NOTHING if cmd.argument else Steady.LINE, alike=True,
)  # fmt: skip
def listen_extended(cmd: Command) -> Outcome:
    session = cmd.session
    wanted = cmd.words[0] if cmd.words else ""
    if wanted.upper() == "ALL":
        session[state].epsv_all = True
        return cmd.ok(200, "EPSV ALL command successful")
    family = 0
    if wanted:
        asked = number(wanted, 0xFFFF)
        if asked is None:
            raise Refuse(501, "EPSV: unknown network protocol")
        if asked not in _families(session):
            raise _unsupported(session)
        family = asked
    _, port = _listen(session, None, family)
    return cmd.ok(229, f"{_EXTENDED} (|||{port}|)")


def _listen(session: Session, told: str | None, family: int = 0) -> tuple[str, int]:
    ports = session.settings[passive]
    try:
        try:
            return session.wire.passive(ports=ports, address=told, extended=family)
        except OSError as error:
            if ports is None or error.errno != errno.EADDRINUSE:
                raise
            # where no firewall is in the way, or one that reads the replies, the client is served all the same
            session.log(
                Level.WARN,
                "unable to find open port in PassivePorts range %d-%d: defaulting to INPORT_ANY"
                " (consider defining a larger PassivePorts range)", ports[0], ports[-1],
            )  # fmt: skip
            return session.wire.passive(ports=None, address=told, extended=family)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            raise _unsupported(session) from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Refuse(425, f"Unable to build data connection: {reason}") from None


# -- active ------------------------------------------------------------------------------------------


@module.cmd(
    "PORT", classes=Class.MISC, usage="<sp> h1,h2,h3,h4,p1,p2",
    limit=(501, "PORT: Operation not permitted"),
)  # fmt: skip
def connect(cmd: Command) -> Outcome:
    _not_after_epsv_all(cmd, words=1)
    numbers = [number(part, 255) for part in cmd.words[0].split(",")]
    if len(numbers) != 6 or any(one is None for one in numbers) or not any(numbers[:4]) or not any(numbers[4:]):
        raise Refuse(501, "Illegal PORT command")
    host = ipaddress.IPv4Address(".".join(str(one) for one in numbers[:4]))
    return _connect(cmd, host, (numbers[4] or 0) << 8 | (numbers[5] or 0))


@module.cmd(
    "EPRT", classes=Class.MISC, usage="<sp> |proto|addr|port|",
    limit=(501, "EPRT: Operation not permitted"),
)  # fmt: skip
def connect_extended(cmd: Command) -> Outcome:
    _not_after_epsv_all(cmd, words=1)
    text = cmd.words[0]
    named, *rest = text[1:].split(text[0])
    family = number(named, 0xFFFF)
    if family not in _families(cmd.session):
        raise _unsupported(cmd.session)
    illegal = Refuse(501, "Illegal EPRT command")
    if len(rest) != 3 or rest[2]:
        raise illegal
    # no port at all is one that may not be used, not one that cannot be read
    port = number(rest[1], 0xFFFF) if rest[1] else 0
    try:
        host = ipaddress.ip_address(rest[0])
    except ValueError:
        raise illegal from None
    if port is None or host.version != (4 if family == _IPV4 else 6) or "%" in rest[0] or host.is_unspecified:
        raise illegal
    if host.version == 6 and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    return _connect(cmd, host, port)


def _connect(cmd: Command, host: Address, port: int) -> Outcome:
    """Prepare the connection, unless it would make us knock at somebody else's door (RFC 2577 3)."""
    session = cmd.session
    peer = ipaddress.ip_address(session.remote.host.partition("%")[0])
    local = ipaddress.ip_address(session.local.host.partition("%")[0])
    if host != peer and _is_private(host) and not _is_private(local):
        # a client behind NAT names its inner address, which cannot be reached from here: its outer one is meant
        host = peer
    if host.is_multicast or host.is_unspecified or host == ipaddress.IPv4Address("255.255.255.255"):
        raise _refused(cmd, "bounce attack")
    if host != peer and not foreign_allowed(session, host):
        raise _refused(cmd, "address mismatch")
    if port < 1024:
        raise _refused(cmd, f"port {port} below 1024, possible bounce attack")
    # without RootRevoke ProFTPD takes any port as well
    from_before = session.setting("RootRevoke", Revoke.ANY_PORT) is not Revoke.ANY_PORT
    session.wire.active(session.remote.host if host == peer else str(host), port, from_before=from_before)
    return cmd.ok(200, f"{cmd.name} command successful")


def _refused(cmd: Command, why: str) -> Refuse:
    # those who watch for abuse of data connections look for these words of ProFTPD's
    cmd.session.log(Level.WARN, "Refused %s %s (%s)", cmd.name, cmd.argument, why)
    return Refuse(500, f"Illegal {cmd.name} command")


def _is_private(host: Address) -> bool:
    return any(host in net for net in _PRIVATE)


# -- what both ways share ------------------------------------------------------------------------------


def _families(session: Session) -> tuple[int, ...]:
    """A data connection speaks what the control connection speaks; IPv4 may be dressed as IPv6 (::ffff:192.0.2.1)."""
    if ":" in session.local.host:
        return (_IPV6,)
    return (_IPV4, _IPV6) if session.wire.use_ipv6 else (_IPV4,)


def _unsupported(session: Session) -> Refuse:
    return Refuse(522, f"Network protocol not supported, use ({','.join(map(str, _families(session)))})")


def _not_after_epsv_all(cmd: Command, *, words: int) -> None:
    """The command, with so many words behind it, unless EPSV ALL is in effect: that is said whatever stands there."""
    if cmd.session[state].epsv_all:
        raise Refuse(500, f"Illegal {cmd.name} command, EPSV ALL in effect")
    if len(cmd.words) != words:
        raise Refuse(501, "Invalid number of parameters")
