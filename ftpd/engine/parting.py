"""How a session ends: by its own command, by a timer, or because the client is gone; told to the modules once."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

from ftpd.core.log import Level, log
from ftpd.core.reply import Refuse, Reply
from ftpd.engine.channel import LINGER
from ftpd.engine.gone import Gone
from ftpd.engine.outlet import Outlet
from ftpd.module.events import SESSION_CLOSE
from ftpd.transfer.errors import CLOSED


class Parting(Outlet):
    """Ends in order where there is time for it: the last reply is read, files and timers are given back."""

    def end(self, reason: str) -> None:
        """End the session: nothing more is read, what is queued to be written is written.

        A command that ends its own session is answered first. One that is overtaken (by a timer, mostly) has its
        transfer ended and is not answered any more: the client has been told 421.
        """
        self.unsettle()
        if self._ending is None:
            self._ending = reason
            self._queue = None
        if not self._running and (self._aside is None or asyncio.current_task() is not self._aside):
            self._hang_up()

    def _turn_away(self, refusal: Refuse, reason: str = "Session initialized failed") -> None:
        if refusal.lines:
            self.send(Reply(refusal.code, tuple(refusal.lines)))
        self.end(refusal.reason or reason)

    def _hang_up(self) -> None:
        if self._task is None:
            self._finish_when_written()
        elif self._task is not asyncio.current_task():
            self._mute = True
            # the client is not told any more: the logs of the command hear of it in ProFTPD's words
            self.session.notes.setdefault("core.disconnect-details", self._ending or "")
            self.abort_transfer(CLOSED)
            self.worker.cancel_later(self._task, LINGER)

    def _finish_when_written(self) -> None:
        if self._closed or self._ended:
            return
        if self._out:
            self._start_linger()
            return
        self._finish()
        if self._closed:
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        if self._peer_done or not self._opened:
            # who was refused at the door has said nothing yet, and does not keep a descriptor for it
            self.close()
            return
        # the session is over; only its socket waits for the client's own end
        self._close(self._hand_socket_over)

    def _start_linger(self) -> None:
        """A client that neither reads what is left nor closes gets some seconds, once."""
        if self._linger is None:
            self._linger = self.worker.sweep.start(LINGER, self.close)

    def vanish(self, reason: str) -> None:
        """The client is gone: stop its transfer, let its command come to its end, and close."""
        self.unsettle()
        if self._ending is None:
            self._ending = reason
            self._queue = None
        self.abort_transfer(CLOSED)
        self._out = b""
        self.close()

    def _finish(self) -> None:
        """Tell the modules, once; the session's files, timers and data connection go."""
        if self._ended:
            return
        self._ended = True
        if self._timers:
            for timer in self._timers:
                timer.cancel()
            self._timers = None
        if self._port is not None:
            self.close_data()
        session = self.session
        session.notes.setdefault("core.disconnect-details", self._ending or "")
        self.generation.emit(SESSION_CLOSE, session)
        if self._opened:
            session.log(Level.INFO, "FTP session closed.")
        self.worker.session_over(self)

    def close(self) -> None:
        """Close the socket; a command that still waits is left to see its transfer fail."""
        self._close(self._let_socket_go)

    def _close(self, leave: Callable[[], None]) -> None:
        if self._closed:
            return
        self.unsettle()
        # what was made for this session holds on to it
        self._mine = self._kin = self._meter = None
        if self._linger is not None:
            # left running, it would keep this session in memory for seconds after its end
            self._linger.cancel()
        if self._held is not None:
            self._held.cancel()
        if self._impatient is not None:
            self._impatient.cancel()
        if self._task is not None and not self._task.done():
            self.abort_transfer(CLOSED)
            self._task.add_done_callback(lambda task: self._finish_closed())
            slow = self.session.files is not None and self.session.files.slow
            self.worker.cancel_later(self._task, LINGER if slow else 30.0)
            leave()
            return
        leave()
        self._finish_closed()

    def _finish_closed(self) -> None:
        if not self._ended:
            self._finish()
        # its functions know the session
        self._mine = None
        session = self.session
        if session.files is not None:
            session.files.close()
            session.files = None
        session.wire = Gone(self.worker.sweep)

    def handle_close(self) -> None:
        self.vanish("Read EOF from client")

    def handle_error(self) -> None:
        """A fault of our own in a callback: this session ends, no other notices."""
        error = sys.exc_info()[1]
        log(Level.ERROR, "the control channel failed: %r", error, peer=self.session.peer, exc_info=error)
        self.vanish("Application error")
