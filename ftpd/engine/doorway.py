"""What a client finds that has connected to one address of ours: worked out for the first that comes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftpd.dispatch.gate import welcomes_all
from ftpd.engine.tuning import Tuning, tuning_of
from ftpd.module.session import Address
from ftpd.transfer.ports import plain_host

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.dispatch.registry import Generation

_MOST = 256
"""Addresses that are remembered: a machine may have a whole network of them."""


@dataclass(frozen=True, slots=True)
class Doorway:
    """The server that is there, and all that is the same for whoever comes."""

    server: Scope
    local: Address
    tuning: Tuning
    welcomes_all: bool
    """Nobody has to be asked who comes."""


class Doorways:
    """Those of one generation."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self._known: dict[tuple[str, int], Doorway] = {}

    def known(self, local: tuple[str, int]) -> Doorway | None:
        return self._known.get(local)

    def at(self, local: tuple[str, int], server: Scope) -> Doorway:
        """The one at that address, with that server behind it; to be remembered where it is of this generation."""
        generation = self.generation
        address = Address(plain_host(local[0]), local[1])
        welcome = welcomes_all(server, generation.config)
        doorway = Doorway(server, address, tuning_of(generation, server), welcome)
        if server in generation.config.servers:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[local] = doorway
        return doorway
