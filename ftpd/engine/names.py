"""The names of clients (UseReverseDNS): asked off the loop, for a bounded time, and believed only both ways."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable
from time import monotonic

from ftpd.core import trace
from ftpd.core.log import debug
from ftpd.module.command import Pool

_PATIENCE = 5.0
"""Seconds that a client waits for its banner at most; then it goes by its address."""
_KEPT = 300.0
_MOST_KEPT = 4096
_MOST_AT_ONCE = 64
"""Questions under way; a name server that is gone must not gather a queue that outlives it."""
# what else a PTR record can hold (quotes, line ends) has no place in logs, rules and SQL
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)


def look_up(host: str) -> str:
    """The name of the address, if that name has the address, too; otherwise the address."""
    try:
        name = socket.getnameinfo((host, 0), socket.NI_NAMEREQD)[0].removesuffix(".")
        if not _NAME.fullmatch(name):
            return host
        wanted = ipaddress.ip_address(host)
        # as bytes: of text, Python would load the codec of foreign names now, from where User may not read
        found = {entry[4][0] for entry in socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError, ValueError):
        return host
    return name if any(ipaddress.ip_address(str(one).partition("%")[0]) == wanted for one in found) else host


class Names:
    """Asks once for all who come from an address, and remembers for some minutes."""

    def __init__(self, pool: Pool, look_up: Callable[[str], str] = look_up, patience: float = _PATIENCE) -> None:
        self._pool = pool
        self._look_up = look_up
        self._patience = patience
        self._kept: dict[str, tuple[float, str]] = {}
        self._asking: dict[str, asyncio.Task[str]] = {}

    def known(self, host: str) -> str | None:
        """The name, if it was asked for of late."""
        kept = self._kept.get(host)
        return kept[1] if kept is not None and monotonic() < kept[0] else None

    async def of(self, host: str) -> str:
        """The name, or the address where there is none in time."""
        task = self._asking.get(host)
        if task is None:
            if len(self._asking) >= _MOST_AT_ONCE:
                debug(2, "too many reverse lookups are under way: %s goes by its address", host)
                return host
            task = self._asking[host] = asyncio.create_task(self._ask(host))
        # shielded: who comes later from there, or waits for longer, needs the answer as well
        done, _ = await asyncio.wait([task], timeout=self._patience)
        if not done:
            debug(2, "the reverse lookup takes too long: %s goes by its address", host)
            return host
        return task.result()

    async def _ask(self, host: str) -> str:
        try:
            name = await self._pool(lambda: self._look_up(host), "dns")
        except Exception as error:
            debug(2, "the reverse lookup of %s failed: %r", host, error)
            name = host
        finally:
            del self._asking[host]
        if trace.active:
            trace.say("dns", 4, "the name of %s: %s", host, name if name != host else "none that has the address, too")
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[host] = (monotonic() + _KEPT, name)
        return name

    def close(self) -> None:
        """Nobody waits for answers any more."""
        for task in list(self._asking.values()):
            task.cancel()
