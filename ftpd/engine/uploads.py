"""Small uploads that are received without their command's road being walked, for as long as nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ftpd.core.log import Level, log
from ftpd.transfer.ioloop import AsyncioLoop

if TYPE_CHECKING:
    from ftpd.engine.taking import Taking
    from ftpd.module.command import Command

_LONG = 1.0
"""Seconds after which an upload is no small one, whatever has come: then its command begins, with its timers."""


class Begun(NamedTuple):
    """What an upload was begun by."""

    verb: str
    above: str
    """What stood before the name, if it was in another folder."""
    told: str
    """The text of the 226."""
    came: Callable[[Command, bool], None]
    """Is told when it is whole, and whether the file was made."""


class Upload:
    """One that is under way, as the loop of the control connections knows it."""

    __slots__ = ("_channel", "argument", "began", "begun", "descriptor")

    def __init__(self, channel: Taking, descriptor: int, begun: Begun, argument: str) -> None:
        self._channel = channel
        self.descriptor = descriptor
        self.begun = begun
        self.argument = argument
        self.began = perf_counter()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._channel.receive_more()

    def handle_error(self) -> None:
        self.overtake()

    def overtake(self) -> None:
        """Have the command begin that goes on with it."""
        self._channel.unsettle()

    def close(self) -> None:
        """The loop is closed."""
        self._channel.vanish("Server shutting down")


class Uploads:
    """Those of a worker, so that none lasts long without its command."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ioloop: AsyncioLoop) -> None:
        self._loop = loop
        self._ioloop = ioloop
        self._there: set[Upload] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def front(self) -> Any:
        """What receives them where that is compiled; None where this is done here."""
        return self._ioloop.lends_to(self._wake)

    def add(self, upload: Upload) -> None:
        self._there.add(upload)
        self._ioloop.register(upload.descriptor, upload, self._ioloop.READ)
        self._wake()

    def ended(self, upload: Upload) -> None:
        """It is whole, and its connection is closed next, which takes it out of the kernel's list as well."""
        self._there.discard(upload)
        self._ioloop.socket_map.pop(upload.descriptor, None)

    def given_up(self, upload: Upload) -> None:
        """Somebody else goes on with the connection."""
        self._there.discard(upload)
        self._ioloop.unregister(upload.descriptor)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_LONG, self._look)
            self._ioloop.awake(True)

    def _look(self) -> None:
        self._timer = None
        self._ioloop.awake(False)
        before = perf_counter() - _LONG / 2
        for upload in [one for one in self._there if one.began <= before]:
            _safely(upload.overtake)
        for channel in self._ioloop.lent_before(monotonic() - _LONG / 2):
            _safely(channel.unsettle)
        if self._there or self._ioloop.lent_before(inf):
            self._wake()


def _safely(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        log(Level.ERROR, "an upload could not be gone on with: %r", error, exc_info=error)
