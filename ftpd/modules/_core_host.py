"""HOST (RFC 7151): the client names the virtual host that it means, and the session goes on there."""

from __future__ import annotations

import ipaddress

from ftpd.api import Class, Command, Outcome, Refuse, Session
from ftpd.modules._core import module
from ftpd.modules._core_greeting import welcome

Literal = ipaddress.IPv4Address | ipaddress.IPv6Address


@module.cmd("HOST", auth=False, classes=Class.AUTH, usage="<cp> hostname")
def choose_host(cmd: Command) -> Outcome:
    """A name leads to the server of that name; an address may only be the one that the client has reached."""
    session = cmd.session
    if len(cmd.words) != 1:
        raise Refuse(500, "'HOST' not understood")
    if session.logged_in:
        session.debug(0, "HOST '%s' command received after login, refusing HOST command", cmd.argument)
        raise Refuse(503, "Bad sequence of commands")
    host = cmd.words[0]
    if not cmd.allowed():
        raise Refuse(504, f"{host}: Permission denied")
    unknown = Refuse(504, f"{host}: Unknown hostname provided")
    address = _literal(session, host)
    if address is not None:
        here = ipaddress.ip_address(session.local.host.partition("%")[0])
        if _plain(address) != _plain(here):
            session.debug(
                0, "HOST '%s' requested, but client connected to IPv%d address '%s', refusing HOST command",
                _bare(host), here.version, session.local.host,
            )  # fmt: skip
            raise unknown
        session.notes["mod_core.host"] = _plain(address)
        return cmd.ok(220, "HOST command successful")
    server = session.wire.server_named(host)
    if server is None:
        at = session.local
        session.debug(0, "Unknown host '%s' requested on %s#%d, refusing HOST command", host, at.host, at.port)
        raise unknown
    try:
        session.move_to(server)
    except Refuse as refusal:
        # the client hears no more of a server that is not for it than of one that is not there
        raise (refusal if refusal.lines else unknown) from None
    session.notes["mod_core.host"] = host
    return cmd.ok(220, *welcome(session))


def _literal(session: Session, host: str) -> Literal | None:
    """The address that ``host`` writes out (IPv6 in brackets); None for a name, 501 for neither."""
    if ":" in host or host.startswith("["):
        ipv6 = session.wire.use_ipv6
        bracketed = host.startswith("[")
        try:
            found = ipaddress.IPv6Address(host[1:-1] if bracketed else host)
        except ValueError:
            found = None
        if ipv6 and (bracketed or found is not None):
            if found is None or not (bracketed and host.endswith("]")):
                bare = "an IPv6 address, but did not have required [] notation"
                wrong = "not a valid IPv6 address" if found is None or bracketed else bare
                session.debug(0, "Client-sent hostname '%s' is %s, refusing HOST command", _bare(host), wrong)
                raise Refuse(501, f"{host}: Invalid IPv6 address provided")
            return found
        raise Refuse(501, f"{host}: Invalid hostname provided")
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None


def _bare(host: str) -> str:
    """As ProFTPD's log names an address: without its brackets."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _plain(address: Literal) -> str:
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)
