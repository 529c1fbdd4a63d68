"""What a client finds that has connected to one address of ours: worked out for the first that comes there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftpd.core.mould import mould_of
from ftpd.core.record import dataclass
from ftpd.dispatch.admission import welcomes_all
from ftpd.engine.control import ControlChannel
from ftpd.engine.gone import Gone
from ftpd.engine.lines import LineReader
from ftpd.engine.tuning import Tuning, tuning_of
from ftpd.module.session import Address, Session
from ftpd.transfer.ports import plain_host

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.dispatch.registry import Generation
    from ftpd.engine.worker import Worker

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
    channel: Callable[[], ControlChannel]
    """Makes one for who comes, which is to :meth:`~ftpd.engine.channel.Channel.begin`; so do the other two."""
    session: Callable[[], Session]
    reader: Callable[[], LineReader]


class Doorways:
    """Those of one generation, for the channels of one worker."""

    def __init__(self, generation: Generation, worker: Worker) -> None:
        self.generation = generation
        self._worker = worker
        self._known: dict[tuple[str, int], Doorway] = {}

    def known(self, local: tuple[str, int]) -> Doorway | None:
        return self._known.get(local)

    def at(self, local: tuple[str, int], server: Scope) -> Doorway:
        """The one at that address, with that server behind it; to be remembered where it is of this generation."""
        generation, worker = self.generation, self._worker
        address, tuning = Address(plain_host(local[0]), local[1]), tuning_of(generation, server)
        session = Session(
            wire=Gone(worker.sweep), modules=generation, server=server, settings=server.settings, local=address,
            enter=worker.enter,
        )  # fmt: skip
        doorway = Doorway(
            server=server,
            local=address,
            tuning=tuning,
            welcomes_all=welcomes_all(server, generation.config),
            channel=mould_of(ControlChannel(worker, generation)),
            session=mould_of(session),
            reader=mould_of(LineReader(tuning.line_buffer)),
        )
        if server in generation.config.servers:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[local] = doorway
        return doorway
