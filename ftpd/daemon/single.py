"""Serving one session, then ending: the client that inetd hands over, or with -X the first that connects."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable
from typing import Any

from ftpd.conf.tree import Scope
from ftpd.core import tally
from ftpd.core.scoreboard import Board, CommonBoard
from ftpd.daemon.commontally import CommonTally
from ftpd.daemon.errors import StartError
from ftpd.daemon.inetd import is_socket
from ftpd.daemon.listen import Endpoint
from ftpd.daemon.plan import Plan
from ftpd.dispatch.registry import Generation
from ftpd.engine.channel import prepare
from ftpd.engine.worker import ServerOf, Worker
from ftpd.transfer.ports import plain_host


def client_of_inetd() -> socket.socket:
    """The client's connection, which inetd puts on standard input; StartError when somebody started us by hand."""
    what = "a TCP connection on standard input, as inetd hands it over"
    instead = "use ServerType standalone to start the daemon by itself"
    if not is_socket(0):
        raise StartError(f"ServerType inetd needs {what}, and there is none; {instead}")
    sock = socket.socket(fileno=os.dup(0))
    try:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            raise StartError(f"ServerType inetd needs {what}, and there is a socket of another kind; {instead}")
        sock.getpeername()
    except OSError as error:
        sock.close()
        raise StartError(f"ServerType inetd needs {what}, but its client is gone: {error.strerror}") from None
    except StartError:
        sock.close()
        raise
    sock.set_inheritable(False)
    # nothing but the session may hold the connection open, or it would not end with it
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return sock


def server_for_inetd(plan: Plan) -> ServerOf:
    """The server of an address as ever; inetd decided on the port, so the main server takes what no other does."""

    def server_of(generation: Generation, local: Endpoint) -> Scope:
        return plan.bindings.server_of(local) or generation.config.main

    return server_of


def count_by(board: Board | None, client: socket.socket) -> None:
    """Have MaxClients and its kin hold for all whom inetd lets in; without a scoreboard, nobody knows of the others."""
    if isinstance(board, CommonBoard):
        host, port = client.getsockname()[:2]
        tally.count_by(CommonTally(board, plain_host(host), port))


async def serve(worker: Worker, client: socket.socket, stop: asyncio.Event) -> None:
    """This session to its end, or until we are told to stop."""
    prepare(client)
    worker.adopt(client)
    await _first_of(worker.idle(), stop.wait())


async def serve_first(worker: Worker, listening: list[socket.socket], stop: asyncio.Event) -> None:
    """The session of whoever connects first; nobody else is let in."""
    for sock in listening:
        sock.setblocking(False)
    accepted = await _first_of(*(worker.loop.sock_accept(sock) for sock in listening), stop.wait())
    for sock in listening:
        sock.close()
    clients = [answer[0] for answer in accepted if isinstance(answer, tuple)]
    for sock in clients[1:]:
        sock.close()
    if clients:
        await serve(worker, clients[0], stop)


async def _first_of(*works: Awaitable[Any]) -> list[Any]:
    """Wait until one of them is done; gives what those that are done gave, and the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    done = [task.result() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done
