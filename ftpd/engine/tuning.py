"""What a server's configuration says of the sockets and lines of its sessions, worked out once for each server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftpd.engine.lines import BUFFER

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.dispatch.registry import Generation


@dataclass(frozen=True, slots=True)
class Tuning:
    """The technical side of one server."""

    line_buffer: int = BUFFER
    """CommandBufferSize."""


def tuning_of(generation: Generation, server: Scope) -> Tuning:
    """The server's tuning; a generation keeps those that were asked for."""
    try:
        found: Tuning = generation.kept[server]
    except KeyError:
        found = generation.kept[server] = _worked_out(generation, server)
    return found


def _worked_out(generation: Generation, server: Scope) -> Tuning:
    size = generation.directive("CommandBufferSize")
    return Tuning(line_buffer=BUFFER if size is None else server.settings[size])
