"""Replies on their way to the client, which may read slowly, and what the loop is asked to tell of it."""

from __future__ import annotations

from ftpd.core import trace
from ftpd.core.log import debug
from ftpd.core.paths import decode
from ftpd.core.reply import Reply
from ftpd.engine.channel import READ
from ftpd.engine.walking import Walking

BACKLOG = 64 * 1024
"""Bytes of replies that wait for a slow reader before the session's commands wait too."""
_QUEUE = 128
"""Pipelined lines that are held before the socket is left alone."""


class Outlet(Walking):
    """Writes what it can at once, and the rest when the socket takes it."""

    def send(self, reply: Reply) -> None:
        session = self.session
        plain = session.translation is None and session.recode is None
        self._write(reply.encode() if plain else session.told(reply))

    def _write(self, data: bytes, flags: int = 0) -> None:
        if self._ended or self._closed or self._mute:
            return
        self.session.bytes_out += len(data)
        if trace.active:
            for line in decode(data).split("\r\n")[:-1]:
                trace.say("response", 1, "%s", line, peer=self.session.peer)
        if self._out:
            self._out += data
            return
        try:
            sent = self.socket.send(data, flags) if flags else self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            debug(3, "writing to the client failed: %s", error, peer=self.session.peer)
            self.worker.soon(self.vanish, "Client has gone away")
            return
        if sent < len(data):
            self._write_later(data[sent:])

    def _write_later(self, data: bytes) -> None:
        self.unsettle()
        self._out = data
        self._watch()

    def handle_write(self) -> None:
        if not self._out:
            self._watch()
            return
        try:
            sent = self.socket.send(self._out)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            debug(3, "writing to the client failed: %s", error, peer=self.session.peer)
            self.vanish("Client has gone away")
            return
        self._out = self._out[sent:]
        if not self._out:
            self._go_on()
        self._watch()

    handle_write_event = handle_write

    def _watch(self) -> None:
        """Ask the loop for what matters now: no reading from a client that does not read, or is far ahead."""
        if not (self._out or self._queue or self._peer_done) and self._events == READ:
            return
        if self._closed:
            return
        full = len(self._out) > BACKLOG or (self._queue is not None and len(self._queue) >= _QUEUE)
        events = 0 if (self._peer_done or (full and self._ending is None)) else READ
        if self._out:
            events |= self.ioloop.WRITE
        if events != self._events:
            self._events = events
            self.ioloop.modify(self._fileno, events)
