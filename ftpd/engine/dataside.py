"""What modules ask of a session's wire besides replies: its data connection, the servers about it, its timers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ftpd.core import trace
from ftpd.core.clock import Timer
from ftpd.core.log import Level
from ftpd.core.meter import Meter
from ftpd.engine.channel import Channel
from ftpd.engine.dataport import ABORTED, DataPort
from ftpd.engine.tuning import tuning_of
from ftpd.module.wire import Data, Foreign, TransferError

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope


class DataSide(Channel):
    """The part of Wire that has nothing to do with lines and replies."""

    def _data_port(self) -> DataPort:
        if self._port is None:
            ground, options = self.worker.ground, tuning_of(self.generation, self.session.server).data
            if options is not ground.options or self._meter is not None:
                ground = ground.with_options(options).metered(self._meter)
            self._port = DataPort(
                ground,
                local=self.socket.getsockname(),
                peer=self.socket.getpeername(),
                label=self.session.peer,
                allowance=self.session.allowance,
            )
        return self._port

    @property
    def use_ipv6(self) -> bool:
        return self.generation.routes is None or self.generation.routes.use_ipv6

    def server_named(self, name: str) -> Scope | None:
        routes = self.generation.routes
        return None if routes is None else routes.server_named(self.session.local, name, self.session.server)

    def passive(self, *, ports: range | None, address: str | None, extended: int = 0) -> tuple[str, int]:
        found = self._data_port().passive(ports=ports, address=address, extended=extended)
        if trace.active:
            trace.say("binding", 4, "listening on %s, port %d for data", *found, peer=self.session.peer)
        return found

    def active(self, address: str, port: int, *, from_before: bool = False) -> None:
        if trace.active:
            trace.say("data", 4, "the data connection will go to %s, port %d", address, port, peer=self.session.peer)
        self._data_port().active(address, port, from_before)

    def forget_data(self) -> None:
        if self._port is not None:
            self._port.forget()

    def close_data(self) -> None:
        """The same for good."""
        if self._port is not None:
            self._port.close()

    def data_at_once(self, *, allow_foreign: Foreign = False) -> Data | None:
        if self.abort_wanted:
            self.forget_data()
            raise TransferError(426, ABORTED, aborted=True)
        port = self._data_port()
        found, unsaid = port.open_now(allow_foreign)
        if unsaid:
            self._write_later(unsaid)
        return found

    def open_data(self, *, timeout: float, allow_foreign: Foreign = False) -> Coroutine[Any, Any, Data]:
        if self.abort_wanted:
            self.forget_data()
            raise TransferError(426, ABORTED, aborted=True)
        return self._data_port().open(timeout=timeout, allow_foreign=allow_foreign)

    @property
    def data(self) -> Data | None:
        if self._receives:
            # whoever asks wants to know how far it is, or to end it
            self._overtake()
        return None if self._port is None else self._port.data

    def abort_transfer(self, text: str = ABORTED) -> bool:
        if self.work is not None:
            self.work.aborted = True
            return True
        return self._port is not None and self._port.abort(text)

    @property
    def busy(self) -> bool:
        return self.work is not None or self._receives or self.data is not None

    @property
    def awaits_client(self) -> bool:
        return self._port is not None and self._port.awaits_client

    def budget(self, seconds: float, spent: Callable[[], None]) -> None:
        # not at once: it may be at the end of a step of the command that the session's end overtakes
        self._meter = Meter(seconds, lambda: self.worker.soon(self._ring, spent))

    def _ring(self, callback: Callable[[], None]) -> None:
        self.unsettle()
        try:
            callback()
        except BaseException as error:
            self.session.log(Level.ERROR, "a timer of this session failed: %r", error)
            self.session.log_exception(error)

    def timer(self, seconds: float, callback: Callable[[], None], *, idle: bool = False) -> Timer:
        if trace.active:
            who = callback.__qualname__.partition(".")[0]
            trace.say("timer", 7, "added a timer of %g seconds (%s)", seconds, who, peer=self.session.peer)
        timer = self.worker.sweep.start(seconds, partial(self._ring, callback))
        self._timers = [*(one for one in self._timers if one.active), timer] if self._timers else [timer]
        if idle:
            self._idlers = (*(one for one in self._idlers if one.active), timer)
        return timer
