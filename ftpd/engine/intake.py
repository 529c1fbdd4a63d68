"""What a client sends: packets to lines, lines to a queue that one drain empties; ABOR and STAT may overtake."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from functools import partial

from ftpd.core import trace
from ftpd.core.aside import Journey
from ftpd.core.log import Level, debug
from ftpd.engine.channel import LINGER, READ
from ftpd.engine.impatience import GRACE, refusal
from ftpd.engine.lines import CRLF, LineTooLong
from ftpd.engine.outlet import BACKLOG
from ftpd.engine.pace import Pace
from ftpd.engine.request import is_abort
from ftpd.engine.showing import Showing
from ftpd.engine.tuning import tuning_of
from ftpd.module.events import MAX_COMMAND_RATE
from ftpd.transfer.sockets import DEFAULT

_READ_SIZE = 8192
_BATCH = 64
"""Commands that one session may run in a row before the others get a turn."""
_TIDYING = 1.0
"""Seconds that an aborted transfer has to tidy up on a file system that may not answer."""
_TLS_HELLO = b"\x16\x03"
"""How a TLS client begins; where it may begin so, TLS has read that before us."""


class Intake(Showing):
    """Takes lines in their order, so that replies keep theirs however many a client sends ahead."""

    # -- packets -----------------------------------------------------------------------------------

    def handle_read(self) -> None:
        if self._receives:
            self._overtake()
        try:
            data = self.socket.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._reading_failed(error)
            return
        if not (self._answers and self.answer_known(data)):
            self.receive(data)

    handle_read_event = handle_read

    def handle_read_already(self, read: bytes | int, answer: bytes | None, sent: int) -> None:
        """The loop has read, for answers that are known: this is none, or one of which only a part was sent."""
        if isinstance(read, int):
            self._reading_failed(OSError(read, os.strerror(read)))
        elif answer is not None:
            self.answered_in_part(read, answer, sent)
        else:
            self.receive(read)

    def _reading_failed(self, error: OSError) -> None:
        debug(3, "reading from the client failed: %s", error, peer=self.session.peer)
        self.vanish("Read EOF from client")

    def receive(self, data: bytes) -> None:
        """Take a packet of which nothing is known; nothing in it is the end of what the client has to say."""
        if not data:
            self._hear_end()
            return
        if self._ending is not None:
            # what comes after QUIT is not for us; it is read so that closing sends no reset
            return
        if data in self.generation.table.partings and self._goes(data):
            return
        session, reader = self.session, self._reader
        only = reader.single(data)
        if only is not None and (
            self._task is not None or self._queue or self._running or self._pace is not None or self._meter is not None
        ):  # fmt: skip
            only = None
        if only is not None and session.user is not None and self.answer_commonly(data):
            return
        if not session.bytes_in and data.startswith(_TLS_HELLO):
            self._turn_off("TLS", "ClientHello")
            return
        session.bytes_in += len(data)
        if trace.active:
            trace.say("netio", 19, "read %d bytes from the client", len(data), peer=session.peer)
        if only is not None:
            self._take(only, data)
        else:
            self.unsettle()
            if self._meter is None:
                self._take_all(data)
            else:
                self._meter.step(partial(self._take_all, data))
        if self._out or self._queue or self._peer_done or self._events != READ:
            self._watch()

    def _take_all(self, data: bytes) -> None:
        session, reader = self.session, self._reader
        reader.telnet_is_text = session.recode is not None and session.recode.telnet_is_text
        if reader.end is None and reader.between and session.bytes_in > len(data):
            # the lines before were answered without it, and only such are as end in CR LF
            reader.end = CRLF
        lines = reader.feed(data)
        if reader.telnet:
            self._write(reader.telnet)
            reader.telnet = b""
        if lines:
            if self._queue is None:
                self._queue = deque()
            for line in lines:
                self._enqueue(line)
            self._drain()

    def _hear_end(self) -> None:
        """The client has closed its side: what it has asked for is still done."""
        self._peer_done = True
        if self._ended:
            self.close()
        if self._task is not None and self._journey is not None:
            self._look_after(self._task, LINGER, self._leave, self._journey)
        self._watch()
        if self._ending is None and self._task is None and not self._queue:
            self.end("Read EOF from client")

    def moved(self) -> None:
        tuning = tuning_of(self.generation, self.session.server)
        self._reader.limit = tuning.line_buffer - 2
        rate = tuning.command_rate
        if rate != (None if self._pace is None else (self._pace.most, self._pace.seconds)):
            self._pace = None if rate is None else Pace(*rate)
        if tuning.control is not DEFAULT:
            tuning.control.apply(self.socket)

    def hear(self) -> bool:
        # the Synch of Telnet splits what came into up to three pieces
        for _ in range(3):
            before = self.session.bytes_in
            if not self._closed:
                self.handle_read()
            if self.session.bytes_in == before:
                break
        if self._queue and self._task is None:
            self._schedule()
        return self._abort_heard

    @property
    def gone(self) -> bool:
        return self._closed or self._peer_done or self._ending is not None

    # -- the queue ---------------------------------------------------------------------------------

    def _enqueue(self, line: bytes | LineTooLong) -> None:
        assert self._queue is not None
        if (self._task is not None or self._running) and isinstance(line, bytes) and self._overtakes(line):
            return
        self._queue.append(line)
        if self._impatient is None and self._task is not None and self._port is not None and self._port.busy:
            self._impatient = self.worker.loop.call_later(GRACE, self._refuse_impatient)

    def _drain(self) -> None:
        """Run queued lines until one has to wait, the client must read first, or others want a turn."""
        self._scheduled = False
        for _ in range(_BATCH):
            if not self._queue or self._task is not None or self._running or self._ending is not None or self._ended:
                break
            if len(self._out) > BACKLOG or self._held is not None:
                break
            if self._pace is not None and (wait := self._pace.wait(self.worker.loop.time())):
                self._hold(wait)
                break
            line = self._queue.popleft()
            if self._meter is None:
                self._take(line)
            else:
                if self.session.allowance is not None:
                    self.session.allowance.begin(self._waiting)
                self._meter.step(partial(self._take, line))
        else:
            self._schedule()
        if not self._queue and self._queue is not None and self._task is None:
            self._queue = None
            if self._peer_done and self._ending is None:
                self.end("Read EOF from client")
        self._watch()

    def _waiting(self) -> int:
        """Bytes of lines that wait for their turn, and of replies that wait for the client."""
        lines = sum(len(line) for line in self._queue or () if isinstance(line, bytes))
        return lines + len(self._out)

    def _go_on(self) -> None:
        if self._ending is not None:
            if self._task is None:
                self._finish_when_written()
        elif self._queue:
            self._schedule()
        elif self._peer_done and self._task is None:
            self.end("Read EOF from client")

    def _schedule(self) -> None:
        if not self._scheduled and not self._ended:
            self._scheduled = True
            self.worker.soon(self._drain)

    # -- MaxCommandRate ----------------------------------------------------------------------------

    def _hold(self, seconds: float) -> None:
        """MaxCommandRate: the client's next command waits, and with it, before long, its sending."""
        self.session.log(Level.NOTICE, "MaxCommandRate (%d/%d secs) reached, slowing down", *self._pace_is())
        self._held = self.worker.loop.call_later(seconds, self._let_go)
        self.generation.emit(MAX_COMMAND_RATE, self.session)

    def _pace_is(self) -> tuple[int, int]:
        return (0, 0) if self._pace is None else (self._pace.most, self._pace.seconds)

    def _let_go(self) -> None:
        self._held = None
        self._drain()

    # -- while a command runs ----------------------------------------------------------------------

    def _refuse_impatient(self) -> None:
        """What would begin or prepare another transfer does not wait for the one that goes on, as far as it is next."""
        self._impatient = None
        while self._port is not None and self._port.busy and self._queue:
            reply = refusal(self._queue[0])
            if reply is None:
                break
            if not self._port.moving:
                self._impatient = self.worker.loop.call_later(GRACE, self._refuse_impatient)
                break
            self._queue.popleft()
            self.send(reply)
        self._watch()

    def _overtakes(self, line: bytes) -> bool:
        """ABOR ends the transfer at once and is answered after it; STAT is answered between (RFC 959 4.1.3)."""
        assert self._queue is not None
        if is_abort(line):
            self._abort_heard = True
            if self._journey is not None and self._journey.transfers and self._task is not None:
                self._look_after(self._task, _TIDYING, self._abandon, self._journey)
            # what is sent whole has its 226, as in ProFTPD, and is not waited for any longer
            if (self._port is not None and self._port.linger_no_more()) or self.abort_transfer():
                self._queue.appendleft(line)
                return True
            self.abort_wanted = not self._queue
        elif line.strip().upper() == b"STAT" and (self.work or (self._port is not None and self._port.busy)):
            self._run_aside(line)
            return True
        return False

    def _look_after(
        self, task: asyncio.Task[None], seconds: float, look: Callable[[asyncio.Task[None], Journey], None],
        journey: Journey,
    ) -> None:  # fmt: skip
        """Look whether the task is done by then; done before, it does not keep its session in memory for that."""
        looking = self.worker.loop.call_later(seconds, look, task, journey)
        task.add_done_callback(lambda done: looking.cancel())

    def _abandon(self, task: asyncio.Task[None], journey: Journey) -> None:
        """ABOR came, and the transfer that it ended still waits for a file system."""
        if not task.done():
            journey.abort(task)
            self._look_after(task, _TIDYING, self._abandon, journey)

    def _leave(self, task: asyncio.Task[None], journey: Journey) -> None:
        """The client has closed its side, and what it asked for last still waits for a file system."""
        if not task.done():
            if journey.waiting:
                # what it has asked for besides would wait as well
                self._queue = None
            journey.abort(task)
            self._look_after(task, LINGER, self._leave, journey)
