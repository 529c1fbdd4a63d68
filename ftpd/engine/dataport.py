"""What PASV or PORT prepared for the next transfer, and the data connection while it runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Any

from ftpd import native
from ftpd.core.allowance import Allowance
from ftpd.engine.impatience import has_said_all
from ftpd.module.wire import Data, Foreign
from ftpd.transfer.channel import SERVICE, Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.errors import cannot_connect, connection_lost, local_failure
from ftpd.transfer.ports import (
    BACKLOG,
    ActiveConnector,
    PassiveListener,
    packed_peer,
    place_of,
    plain_host,
    tell_of_stranger,
)

ABORTED = "Transfer aborted. Data connection closed."
"""ProFTPD's answer to ABOR; where the connection is lost by itself, its text has no full stop."""


class DataPort:
    """The data side of one control connection; made at the first PASV or PORT.

    ``local`` and ``peer`` are the control connection's ends as the socket gives them.
    """

    __slots__ = (
        "_allowance", "_channel", "_ground", "_label", "_local", "_met", "_opening", "_peer", "_prepared", "rest",
        "walk",
    )  # fmt: skip

    def __init__(
        self, ground: Ground, *, local: tuple[Any, ...], peer: tuple[Any, ...], label: str,
        allowance: Allowance | None = None,
    ) -> None:  # fmt: skip
        self._ground = ground
        self._local = local
        self._peer = peer
        self._label = label
        self._allowance = allowance
        if allowance is not None:
            allowance.sockets = self._holds
        self._prepared: PassiveListener | ActiveConnector | None = None
        self._opening: PassiveListener | ActiveConnector | None = None
        self._channel: DataChannel | None = None
        self.walk: Any = None
        """The compiled one (ftpd/native/walk.c), which has a port of its own; there once it has something to do."""
        self._met: DataChannel | None = None
        """The connection of a listing that was begun without its command, and not by the walk."""
        self.rest: Iterable[bytes] | None = None
        """What is left of a listing that was begun without its command."""

    def walks(self, control: int) -> Any:
        """The walk of this session, whose control connection has that descriptor; None where none is to be had."""
        if self.walk is None and native.data is not None and native.data.Walk is not None:
            _, packed, scope = place_of(self._local, 0)
            peer = packed_peer(self._peer[0])
            self.walk = native.data.Walk(self._refused, control, packed, scope, peer, True, SERVICE, BACKLOG)
            self.walk.held = self._prepared is not None
        return self.walk

    def _refused(self, host: str, port: int) -> None:
        tell_of_stranger(host, port, plain_host(self._peer[0]), self._label)

    def _prepare(self, opening: PassiveListener | ActiveConnector | None) -> None:
        self._prepared = opening
        if self.walk is not None:
            self.walk.held = opening is not None

    def lend(self) -> None:
        """Let the walk have the port at which the client is expected next."""
        prepared = self._prepared
        if self.walk is not None and isinstance(prepared, PassiveListener) and not prepared._closed:
            self.walk.adopt(prepared.hand_over(), prepared.port)
            self._prepare(None)

    @property
    def lent(self) -> bool:
        """An upload is under way that the front of the control connections receives."""
        return self.walk is not None and self.walk.lent

    def begun_file(self) -> tuple[int, bool] | None:
        """The file of an upload that the walk has begun, which is the caller's now, and whether it was made for it."""
        return None if self.walk is None else self.walk.file()

    def _take_over(self) -> bytes | None:
        """What the walk has begun is ours from now on; gives what is left of its 150, None where it began nothing."""
        if self.walk is None:
            return None
        if (prepared := self.walk.prepared()) is not None:
            here, peer = self._local, self._peer[0]
            self._prepare(PassiveListener(self._ground, local=here, peer=peer, label=self._label, there=prepared))
        if (overtaken := self.walk.overtaken()) is None:
            return None
        descriptor, port, moved, unsaid, trouble = overtaken
        channel = self._channel = DataChannel(descriptor, self._ground, port)
        channel.moved, channel.announced = moved, unsaid is not None
        channel.rest, self.rest = self.rest, None
        if trouble > 0:
            channel._fail(local_failure(OSError(trouble, os.strerror(trouble)), moved))
        elif trouble:
            channel._fail(connection_lost(moved))
        return unsaid or b""

    def passive(self, *, ports: range | None, address: str | None, extended: int) -> tuple[str, int]:
        self._drop_prepared()
        if self._allowance is not None:
            self._allowance.connects("port for data")
        listener = PassiveListener(
            self._ground, local=self._local, peer=self._peer[0], ports=ports, extended=extended, label=self._label
        )
        self._prepare(listener)
        return address or listener.address[0], listener.port

    def active(self, address: str, port: int, from_before: bool) -> None:
        self._drop_prepared()
        self._prepare(
            ActiveConnector(self._ground, local=self._local, address=address, port=port, from_before=from_before)
        )

    def meet(self) -> bool:
        """Whether the client is at its port; its connection waits for :meth:`give`, or for the whole road."""
        opening = self._prepared
        if self.busy or self._met is not None or not isinstance(opening, PassiveListener) or opening._closed:
            return False
        try:
            self._met = opening.open_now()
        finally:
            if opening._closed:
                self._prepare(None)
        return self._met is not None

    def give(self, pieces: tuple[bytes, ...], *, all: bool) -> int:
        """Give the client that was met what it takes now, and end in order if that was ``all``; the bytes that went."""
        met, went = self._met, 0
        assert met is not None
        met.announced = True
        for piece in pieces:
            given = met.give_at_once(piece)
            went += given
            if given < len(piece):
                return went
        if all:
            self._met, met._in_order = None, True
            met.close()
        return went

    def _part(self) -> None:
        """Nobody goes on with what was begun without its command."""
        met, self._met, self.rest = self._met, None, None
        if met is not None:
            met.close()

    def open_now(self, allow_foreign: Foreign) -> tuple[Data | None, bytes]:
        """The client's connection if it is there already, and what is to be said before anything else."""
        if (unsaid := self._take_over()) is not None:
            return self._channel, unsaid
        if self._met is not None:
            self._channel, self._met = self._met, None
            self._channel.rest, self.rest = self.rest, None
            return self._channel, b""
        opening = self._prepared
        if not isinstance(opening, PassiveListener):
            return None, b""
        self._may_connect()
        try:
            self._channel = opening.open_now(allow_foreign=allow_foreign)
        finally:
            if opening._closed:
                self._prepare(None)
        return self._channel, b""

    async def open(self, *, timeout: float, allow_foreign: Foreign) -> Data:
        self._may_connect()
        opening = self._prepared
        self._prepare(None)
        if opening is None:
            raise cannot_connect(errno.ECONNREFUSED)
        self._opening = opening
        try:
            self._channel = await opening.open(timeout=timeout, allow_foreign=allow_foreign)
        finally:
            self._opening = None
        return self._channel

    def _may_connect(self) -> None:
        """TransferError where the session has no descriptor left for the connection; the port closes then."""
        if self._allowance is None or self._prepared is None:
            return
        try:
            self._allowance.connects("connection for data")
        except OSError as error:
            self._drop_prepared()
            raise cannot_connect(error.errno or errno.EMFILE) from None

    def _holds(self) -> int:
        """The sockets that are open now."""
        listens = isinstance(self._prepared or self._opening, PassiveListener)
        return listens + (self.data is not None)

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
    def awaits_client(self) -> bool:
        """Whether it was told a port of ours and has not come there; to be asked where nothing moves."""
        self._take_over()
        return isinstance(self._prepared or self._opening, PassiveListener)

    @property
    def moving(self) -> bool:
        """True while the client has to go on reading, or is still sending: for what it says now the transfer runs."""
        channel = self.data
        return channel is not None and channel.moving and not (channel.receiving and has_said_all(channel.socket))

    def abort(self, text: str = ABORTED) -> bool:
        """End what is under way with 426; False when nothing is."""
        running = self._opening or self.data
        if running is None:
            return False
        running.abort(426, text)
        return True

    def linger_no_more(self) -> bool:
        """Whether all is sent, and only the client's end was waited for, which it no longer is."""
        channel = self.data
        return channel is not None and channel.linger_no_more()

    def _drop_prepared(self) -> None:
        self._part()
        if self.walk is not None:
            self.walk.drop()
        if self._prepared is not None:
            self._prepared.close()
            self._prepare(None)

    def abandon(self) -> None:
        """Where what the walk has begun was not gone on with, another command must not take its connection."""
        self._part()
        if self.walk is not None:
            self.walk.abandon()

    def close(self) -> None:
        """The session is over."""
        self.forget()
        if self.walk is not None:
            self.walk.close()

    def forget(self) -> None:
        """Close the listener, and what is open without a transfer."""
        self._drop_prepared()
        if self.data is not None:
            self.abort()
