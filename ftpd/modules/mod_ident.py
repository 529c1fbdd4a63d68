"""mod_ident -- whom the client's own machine says it belongs to (RFC 1413), for the logs."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from ftpd.api import GLOBAL, SERVER, SESSION_CLOSE, SESSION_OPEN, VHOST, Config, Module, Session, debug, trace, types

module = Module("mod_ident", version="1.0")

NOTE = "mod_ident.rfc1413-ident"
"""The session note that ``%l`` and the TransferLog show."""
_PORT = 113
_PATIENCE = 10.0
"""Seconds for all of it, as in ProFTPD."""
_LONGEST = 1000
"""Bytes of an answer (RFC 1413, 5)."""
_ANSWER = re.compile(
    rb"\s*(\d+)\s*,\s*(\d+)\s*:\s*(?:USERID\s*:[^:]*:\s?([^\r\n]{1,512})|ERROR\s*:\s*([!-~]{1,64}))", re.IGNORECASE
)
"""A user, or the word for why none is told: ``HIDDEN-USER``, ``NO-USER``."""

lookups = module.directive(
    "IdentLookups", types.boolean, default=False, contexts=SERVER | GLOBAL | VHOST,
    usage="on|off", doc="Whether the client's machine is asked who it is.",
)  # fmt: skip


class Lookup:
    """The question under way."""

    __slots__ = ("task",)

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None


_lookup = module.session_state(Lookup)


def _looked_up(config: Config) -> bool:
    return any(server.settings[lookups] for server in config.servers)


@module.on(SESSION_OPEN, needed=_looked_up)
def begin(session: Session) -> None:
    """The client is greeted meanwhile: an identity that nobody vouches for is not worth its waiting."""
    if session.server.settings[lookups]:
        session.notes[NOTE] = "UNKNOWN"
        session[_lookup].task = asyncio.get_running_loop().create_task(_ask(session))


@module.on(SESSION_CLOSE, needed=_looked_up)
def end(session: Session) -> None:
    if _lookup in session and (task := session[_lookup].task) is not None:
        task.cancel()


async def _ask(session: Session) -> None:
    remote, local = session.remote, session.local
    try:
        async with asyncio.timeout(_PATIENCE):
            user = await _question(remote.host, local.host, remote.port, local.port)
    except (OSError, ValueError) as error:
        debug(6, "ident lookup at %s failed: %s", remote.host, error or "no answer in time", peer=session.peer)
    else:
        if user is not None:
            session.notes[NOTE] = user
    if trace.active:
        trace.say("ident", 5, "%s says '%s'", remote.host, session.notes[NOTE], peer=session.peer)


async def _question(there: str, here: str, their_port: int, our_port: int) -> str | None:
    reader, writer = await asyncio.open_connection(there, _PORT, local_addr=(here, 0), limit=_LONGEST)
    try:
        writer.write(f"{their_port}, {our_port}\r\n".encode())
        line = await reader.readline()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    found = _ANSWER.match(line)
    if found is None or (int(found[1]), int(found[2])) != (their_port, our_port):
        return None
    return (found[3] or found[4]).decode("utf-8", "replace").strip()
