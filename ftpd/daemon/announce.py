"""What a daemon that begins to serve says of itself: where it listens, what it loaded, a line to try, what is amiss."""

from __future__ import annotations

from collections.abc import Sequence

from ftpd.conf.directive import ANON
from ftpd.conf.tree import Scope
from ftpd.core.log import Level, log
from ftpd.daemon import rights
from ftpd.daemon.listen import Endpoint
from ftpd.daemon.plan import Plan


def announce(plan: Plan, endpoints: Sequence[Endpoint], version: str, *, handed_over: bool) -> None:
    """Log it all; the last line is the one that scripts wait for, and the one at notice, which a log has by default."""
    if not plan.to_terminal:
        # on a terminal they were printed in full already
        for warning in plan.warnings:
            log(Level.WARN, "%s", warning.summary())
    for host, port in endpoints:
        log(Level.INFO, "listening on %s, port %d", host, port)
    if handed_over:
        _compare(plan, endpoints)
    log(Level.INFO, "modules: %s", " ".join(plan.generation.loaded))
    example = plan.bindings.example()
    if example is not None:
        (host, port), server = example
        log(Level.INFO, "try: %s", _try(host, port, server))
    rights.tell_what_is_lost(plan.settings)
    log(Level.NOTICE, "ProFTPD %s standalone mode STARTUP", version)


def _compare(plan: Plan, endpoints: Sequence[Endpoint]) -> None:
    """With socket activation the .socket unit says where to listen, which may differ from the configuration."""
    for _, port in endpoints:
        if port not in _ports(plan):
            log(Level.WARN, "port %d was handed over, but no server of the configuration has this Port", port)
    for port in sorted(_ports(plan) - {port for _, port in endpoints}):
        log(Level.WARN, "Port %d of the configuration was not handed over, so nothing listens there", port)


def _ports(plan: Plan) -> set[int]:
    return {port for _, port in plan.bindings.endpoints}


def _try(host: str, port: int, server: Scope) -> str:
    address = f"[{host}]" if ":" in host else host
    anonymous = any(child.kind is ANON and child.condition is None for child in server.children)
    return f"curl {'' if anonymous else '-u USER '}ftp://{address}:{port}/"


def status(endpoints: Sequence[Endpoint]) -> str:
    """The line that ``systemctl status`` shows."""
    return "serving on " + ", ".join(f"{host} port {port}" for host, port in endpoints)
