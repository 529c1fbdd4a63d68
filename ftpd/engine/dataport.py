"""What PASV or PORT prepared for the next transfer, and the data connection while it runs."""

from __future__ import annotations

import errno
from typing import Any

from ftpd.engine.impatience import has_said_all
from ftpd.module.wire import Data, Foreign
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.errors import cannot_connect
from ftpd.transfer.ports import ActiveConnector, PassiveListener

ABORTED = "Transfer aborted. Data connection closed."
"""ProFTPD's answer to ABOR; where the connection is lost by itself, its text has no full stop."""


class DataPort:
    """The data side of one control connection; made at the first PASV or PORT.

    ``local`` and ``peer`` are the control connection's ends as the socket gives them.
    """

    __slots__ = ("_channel", "_ground", "_label", "_local", "_opening", "_peer", "_prepared")

    def __init__(self, ground: Ground, *, local: tuple[Any, ...], peer: tuple[Any, ...], label: str) -> None:
        self._ground = ground
        self._local = local
        self._peer = peer
        self._label = label
        self._prepared: PassiveListener | ActiveConnector | None = None
        self._opening: PassiveListener | ActiveConnector | None = None
        self._channel: DataChannel | None = None

    def passive(self, *, ports: range | None, address: str | None, extended: int) -> tuple[str, int]:
        self._drop_prepared()
        listener = PassiveListener(
            self._ground, local=self._local, peer=self._peer[0], ports=ports, extended=extended, label=self._label
        )
        self._prepared = listener
        return address or listener.address[0], listener.port

    def active(self, address: str, port: int, from_before: bool) -> None:
        self._drop_prepared()
        self._prepared = ActiveConnector(
            self._ground, local=self._local, address=address, port=port, from_before=from_before
        )

    def open_now(self, allow_foreign: Foreign) -> Data | None:
        """The client's connection if it is there already."""
        opening = self._prepared
        if not isinstance(opening, PassiveListener):
            return None
        try:
            self._channel = opening.open_now(allow_foreign=allow_foreign)
        finally:
            if opening._closed:
                self._prepared = None
        return self._channel

    async def open(self, *, timeout: float, allow_foreign: Foreign) -> Data:
        opening, self._prepared = self._prepared, None
        if opening is None:
            raise cannot_connect(errno.ECONNREFUSED)
        self._opening = opening
        try:
            self._channel = await opening.open(timeout=timeout, allow_foreign=allow_foreign)
        finally:
            self._opening = None
        return self._channel

    @property
    def data(self) -> DataChannel | None:
        """The connection of the transfer under way."""
        if self._channel is not None and self._channel._closed:
            self._channel = None
        return self._channel

    @property
    def busy(self) -> bool:
        """True from the moment a transfer waits for its connection until that is closed."""
        return self._opening is not None or self.data is not None

    @property
    def moving(self) -> bool:
        """True while the client has to go on reading, or is still sending: for what it says now the transfer runs."""
        channel = self.data
        return channel is not None and channel.moving and not (channel.receiving and has_said_all(channel.socket))

    def abort(self) -> bool:
        """End what is under way with 426; False when nothing is."""
        running = self._opening or self.data
        if running is None:
            return False
        running.abort(426, ABORTED)
        return True

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    def forget(self) -> None:
        """Close the listener, and what is open without a transfer."""
        self._drop_prepared()
        if self.data is not None:
            self.abort()
