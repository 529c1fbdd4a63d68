"""The control channel: one client's lines through dispatch, one at a time, and the replies back in order."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import AsyncChat, Epoll

from ftpd.core import trace
from ftpd.core.aside import Journey, Trip
from ftpd.core.clock import Timer
from ftpd.core.fault import is_cancelled
from ftpd.core.log import Level, debug, log
from ftpd.core.paths import decode
from ftpd.core.reply import Refuse, Reply
from ftpd.dispatch.compile import Plan
from ftpd.dispatch.gate import welcome
from ftpd.dispatch.phases import LOCAL_ERROR, Road, run_inline, run_on
from ftpd.dispatch.registry import Generation
from ftpd.engine.dataport import ABORTED, DataPort
from ftpd.engine.impatience import GRACE, refusal
from ftpd.engine.lines import LineReader, LineTooLong
from ftpd.engine.names import Names
from ftpd.engine.pace import Pace
from ftpd.engine.request import INVALID, is_abort, understand
from ftpd.engine.tuning import tuning_of
from ftpd.module.command import Command
from ftpd.module.events import BAD_PROTOCOL, INVALID_COMMAND, MAX_COMMAND_RATE, SESSION_CLOSE, SESSION_OPEN
from ftpd.module.session import Address, Session
from ftpd.module.wire import Data, TransferError, Work
from ftpd.transfer.ports import plain_host
from ftpd.transfer.sockets import DEFAULT

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.engine.worker import Worker

_READ = Epoll.READ
_READ_SIZE = 8192
_BACKLOG = 64 * 1024
"""Bytes of replies that wait for a slow reader before the session's commands wait too."""
_QUEUE = 128
"""Pipelined lines that are held before the socket is left alone."""
_BATCH = 64
"""Commands that one session may run in a row before the others get a turn."""
_TIDYING = 1.0
"""Seconds that an aborted transfer has to tidy up on a file system that may not answer."""
_TRANSFERS = frozenset({"APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU"})
_LINGER = 5.0
"""Seconds that a client has to read the last reply and close."""
_LOCAL_ERROR = Reply(*LOCAL_ERROR)
_TLS_HELLO = b"\x16\x03"
"""How a TLS client begins; where it may begin so, TLS has read that before us."""
_NOT_AVAILABLE = 421, "Service not available, closing control connection"


_Begun = tuple[Road, Awaitable[object]] | None


async def _run_rest(rest: _Begun) -> None:
    if rest is not None:
        await run_on(*rest)


class ControlChannel(FTPHandler):  # type: ignore[misc]
    """pyftpdlib's command channel, with our own reading and dispatch; implements Wire."""

    def __init__(self, sock: socket.socket, worker: Worker, generation: Generation, server: Scope) -> None:
        # what fails for a client that has already gone comes first: nothing is registered with the loop yet
        remote, local = sock.getpeername(), sock.getsockname()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        tuning = tuning_of(generation, server)
        if sock.family != socket.AF_UNIX and tuning.control.no_delay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tuning.control is not DEFAULT:
            tuning.control.apply(sock)
        # FTPHandler's own constructor makes thirty attributes for verbs that modules answer here:
        # only the channel beneath it is wanted
        AsyncChat.__init__(self, sock, ioloop=worker.ioloop)
        self.worker = worker
        self.generation = generation
        self._reader = LineReader(tuning.line_buffer)
        self._pace = None if tuning.command_rate is None else Pace(*tuning.command_rate)
        self._held: asyncio.TimerHandle | None = None
        """Runs while the client has to wait because it has sent too many commands (MaxCommandRate)."""
        self._queue: deque[bytes | LineTooLong] | None = None
        self._task: asyncio.Task[None] | None = None
        self._out = b""
        self._port: DataPort | None = None
        self.work: Work | None = None
        self._journey: Journey | None = None
        """Of the command that runs, where files may keep it waiting."""
        self._abort_heard = False
        """ABOR came for the command that runs, if only after its data connection's end had been seen."""
        self._impatient: asyncio.TimerHandle | None = None
        """Runs while a command waits behind a transfer."""
        self._timers: list[Timer] | None = None
        self._ending: str | None = None
        self._ended = False
        self._peer_done = False
        self._scheduled = False
        self._opened = False
        """The client has been let in, as far as the greeting."""
        self.abort_wanted = False
        """ABOR came before the command that it is for had its data connection."""
        self._running = False
        """A command is on its way through dispatch: whatever ends the session waits for its reply."""
        self._aside: asyncio.Task[None] | None = None
        """A STAT that is answered while a transfer runs."""
        self._mute = False
        """The client has had its last reply, and the command that it overtook may not add another."""
        self._events = _READ
        self._linger: Timer | None = None
        self.session = Session(
            wire=self,
            modules=generation,
            server=server,
            settings=server.settings,
            remote=Address(plain_host(remote[0]), remote[1]),
            local=Address(plain_host(local[0]), local[1]),
            enter=worker.enter,
        )

    @property
    def working(self) -> bool:
        """Whether a command waits for something: a transfer, a password's hash."""
        return self._task is not None

    def start(self) -> None:
        """Tell the modules; mod_core greets the client."""
        names = self.worker.names
        name = self.session.remote.host if names is None else names.known(self.session.remote.host)
        try:
            if name is not None:
                self._admit(name)
                if not self.generation.openings:
                    self._open()
                    return
        except Refuse as refusal:
            self._turn_away(refusal)
            return
        # what the client sends meanwhile waits, as it does behind a command
        self._task = self.worker.spawn(self._open_in_time(None if name is not None else names))

    def _admit(self, name: str) -> None:
        self.session.remote_name = name
        welcome(self.session, self.generation.config)

    async def _open_in_time(self, names: Names | None) -> None:
        """For what must be asked of somebody first, by us or by modules: that has its time before the greeting."""
        try:
            if names is not None:
                self._admit(await names.of(self.session.remote.host))
            for opening in self.generation.openings:
                await opening(self.session)
            if not self._ended and not self._closed:
                self._open()
        except Refuse as refusal:
            self._turn_away(refusal)
        except BaseException as error:
            if is_cancelled(error) and self._over:
                raise
            self.session.log_exception(error)
            self._turn_away(Refuse(*_NOT_AVAILABLE))
        finally:
            self._waited()

    def _open(self) -> None:
        if not self.generation.emit(SESSION_OPEN, self.session):
            raise Refuse(*_NOT_AVAILABLE)
        self._opened = True
        self.session.log(Level.INFO, "FTP session opened.")

    def _turn_away(self, refusal: Refuse, reason: str = "Session initialized failed") -> None:
        if refusal.lines:
            self.send(Reply(refusal.code, tuple(refusal.lines)))
        self.end(reason)

    @property
    def _over(self) -> bool:
        """The session ends: only then is its task cancelled by us (:meth:`Worker.cancel_later`)."""
        return self._closed or self._ending is not None

    # -- reading -----------------------------------------------------------------------------------

    def readable(self) -> bool:
        return not self._closed

    def writable(self) -> bool:
        return bool(self._out)

    def handle_read(self) -> None:
        try:
            data = self.socket.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            debug(3, "reading from the client failed: %s", error, peer=self.session.peer)
            self.vanish("Read EOF from client")
            return
        if not data:
            self._hear_end()
            return
        if self._ending is not None:
            # what comes after QUIT is not for us; it is read so that closing sends no reset
            return
        session, reader = self.session, self._reader
        if not session.bytes_in and data.startswith(_TLS_HELLO):
            self._foreign("TLS")
            return
        session.bytes_in += len(data)
        if trace.active:
            trace.say("netio", 19, "read %d bytes from the client", len(data), peer=session.peer)
        reader.telnet_is_text = session.recode is not None and session.recode.telnet_is_text
        lines = reader.feed(data)
        if reader.telnet:
            self._write(reader.telnet)
            reader.telnet = b""
        if len(lines) == 1 and self._task is None and not self._queue and not self._running and self._pace is None:
            self._take(lines[0])
        elif lines:
            if self._queue is None:
                self._queue = deque()
            for line in lines:
                self._enqueue(line)
            self._drain()
        self._watch()

    handle_read_event = handle_read

    def _hear_end(self) -> None:
        """The client has closed its side: what it has asked for is still done."""
        self._peer_done = True
        if self._ended:
            self.close()
        if self._task is not None and self._journey is not None:
            self.worker.loop.call_later(_LINGER, self._leave, self._task, self._journey)
        self._watch()
        if self._ending is None and self._task is None and not self._queue:
            self.end("Read EOF from client")

    def _enqueue(self, line: bytes | LineTooLong) -> None:
        assert self._queue is not None
        if (self._task is not None or self._running) and isinstance(line, bytes) and self._overtakes(line):
            return
        self._queue.append(line)
        if self._impatient is None and self._task is not None and self._port is not None and self._port.busy:
            self._impatient = self.worker.loop.call_later(GRACE, self._refuse_impatient)

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
                self.worker.loop.call_later(_TIDYING, self._abandon, self._task, self._journey)
            if self.abort_transfer():
                self._queue.appendleft(line)
                return True
            self.abort_wanted = not self._queue
        elif line.strip().upper() == b"STAT" and (self.work or (self._port is not None and self._port.busy)):
            self._run_aside(line)
            return True
        return False

    def _abandon(self, task: asyncio.Task[None], journey: Journey) -> None:
        """ABOR came, and the transfer that it ended still waits for a file system."""
        if not task.done():
            journey.abort(task)
            self.worker.loop.call_later(_TIDYING, self._abandon, task, journey)

    def _leave(self, task: asyncio.Task[None], journey: Journey) -> None:
        """The client has closed its side, and what it asked for last still waits for a file system."""
        if not task.done():
            if journey.waiting:
                # what it has asked for besides would wait as well
                self._queue = None
            journey.abort(task)
            self.worker.loop.call_later(_LINGER, self._leave, task, journey)

    def _run_aside(self, line: bytes) -> None:
        command, plan = self.generation.command(self.session, decode(line).strip().upper(), "")
        rest = self._run(command, plan)
        if rest is None:
            self._answer(command)
        else:
            self._aside = self.worker.spawn(self._later(command, rest))

    async def _later(self, command: Command, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        finally:
            self._aside = None
        self._answer(command)

    def _drain(self) -> None:
        """Run queued lines until one has to wait, the client must read first, or others want a turn."""
        self._scheduled = False
        for _ in range(_BATCH):
            if not self._queue or self._task is not None or self._running or self._ending is not None or self._ended:
                break
            if len(self._out) > _BACKLOG or self._held is not None:
                break
            if self._pace is not None and (wait := self._pace.wait(self.worker.loop.time())):
                self._hold(wait)
                break
            self._take(self._queue.popleft())
        else:
            self._schedule()
        if not self._queue and self._queue is not None and self._task is None:
            self._queue = None
            if self._peer_done and self._ending is None:
                self.end("Read EOF from client")
        self._watch()

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

    def _schedule(self) -> None:
        if not self._scheduled and not self._ended:
            self._scheduled = True
            self.worker.loop.call_soon(self._drain)

    # -- one line ----------------------------------------------------------------------------------

    def _take(self, line: bytes | LineTooLong) -> None:
        request = understand(line)
        if isinstance(request, Reply):
            if request is INVALID:
                self.generation.emit(INVALID_COMMAND, self.session)
            self.send(request)
            return
        verb, argument = request
        if self.session.recode is not None:
            argument = self.session.heard(verb, argument)
        command, plan = self.generation.command(self.session, verb, argument)
        if not plan.known and request.foreign and not self.generation.knows(verb):
            self._foreign(verb)
            return
        presence = self.worker.presence
        if presence is not None:
            presence.does(self, command)
        # an ABOR in the same packet is for this command
        self.abort_wanted = bool(self._queue) and is_abort(self._queue[0])  # type: ignore[index]
        rest = self._run(command, plan)
        if rest is None:
            self.abort_wanted = self._abort_heard = False
            self._answer(command)
        else:
            self._task = self.worker.spawn(self._wait(command, rest))

    def _foreign(self, what: str) -> None:
        self.generation.emit(BAD_PROTOCOL, self.session)
        self.session.log(Level.NOTICE, "client speaks another protocol (%s), disconnecting", what)
        self.end("Bad protocol")

    def _run(self, command: Command, plan: Plan) -> Coroutine[Any, Any, None] | None:
        """Walk the command's road as far as it goes without waiting; what is left of it, if that was not all."""
        self._running = True
        try:
            files = self.session.files
            if files is None or files.slow:
                return self._run_slowly(command, plan)
            rest = run_inline(command, plan)
            return None if rest is None else run_on(*rest)
        finally:
            self._running = False

    def _run_slowly(self, command: Command, plan: Plan) -> Coroutine[Any, Any, None] | None:
        """The same where files may keep the command waiting, or, before the login, may turn out to be such."""
        trips, journey = self.worker.trips, Journey()
        if self._task is None:
            journey.transfers = command.name in _TRANSFERS
            self._journey = journey
        begun: _Begun | Trip[_Begun] = trips.go(partial(run_inline, command, plan), journey)
        return None if begun is None else trips.along(begun, _run_rest, journey)

    async def _wait(self, command: Command, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
            self._answer(command)
        except BaseException as error:
            if is_cancelled(error) and self._over:
                raise
            # what a module can do to its own task: cancel it. Nobody knows how far the command has come
            self.session.log(Level.ERROR, "%s ended in a fault: %r", command.shown, error)
            self.session.log_exception(error)
            self._turn_away(Refuse(*_NOT_AVAILABLE), "Application error")
        finally:
            self._waited()

    def _waited(self) -> None:
        self._task = self._journey = None
        self.abort_wanted = self._abort_heard = False
        if self._ending is not None:
            self._finish_when_written()
        elif self._peer_done and not self._queue:
            self.end("Read EOF from client")
        elif self._queue:
            self._schedule()

    def _answer(self, command: Command) -> None:
        reply = command.reply
        if reply is None:
            # every command is answered exactly once, also where a module forgot to
            self.session.log(Level.ERROR, "no module gave %s a reply", command.shown)
            reply = _LOCAL_ERROR
        self._write(self._encoded(reply, command))
        if self._ending is not None:
            self._hang_up()

    def _encoded(self, reply: Reply, command: Command) -> bytes:
        """The reply's bytes; one that would leave the client waiting, or is no text, is a module's fault."""
        try:
            if not 200 <= reply.code <= 699:
                raise ValueError(f"{reply.code} is no code of a final reply")
            return self.session.told(reply)
        except Exception as error:
            self.session.log(Level.ERROR, "the reply to %s cannot be sent: %r", command.shown, error)
            return _LOCAL_ERROR.encode()

    # -- writing -----------------------------------------------------------------------------------

    def send(self, reply: Reply) -> None:
        self._write(self.session.told(reply))

    def _write(self, data: bytes) -> None:
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
            sent = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            debug(3, "writing to the client failed: %s", error, peer=self.session.peer)
            self.worker.loop.call_soon(self.vanish, "Client has gone away")
            return
        if sent < len(data):
            self._out = data[sent:]
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
            if self._ending is not None:
                if self._task is None:
                    self._finish_when_written()
            elif self._queue:
                self._schedule()
        self._watch()

    handle_write_event = handle_write

    def _watch(self) -> None:
        """Ask the loop for what matters now: no reading from a client that does not read, or is far ahead."""
        if not (self._out or self._queue or self._peer_done) and self._events == _READ:
            return
        if self._closed:
            return
        full = len(self._out) > _BACKLOG or (self._queue is not None and len(self._queue) >= _QUEUE)
        events = 0 if (self._peer_done or (full and self._ending is None)) else _READ
        if self._out:
            events |= self.ioloop.WRITE
        if events != self._events:
            self._events = events
            self.ioloop.modify(self._fileno, events)

    # -- the end -------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """End the session: nothing more is read, what is queued to be written is written.

        A command that ends its own session is answered first. One that is overtaken (by a timer, mostly) has its
        transfer ended and is not answered any more: the client has been told 421.
        """
        if self._ending is None:
            self._ending = reason
            self._queue = None
        if not self._running and (self._aside is None or asyncio.current_task() is not self._aside):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._task is None:
            self._finish_when_written()
        elif self._task is not asyncio.current_task():
            self._mute = True
            self.abort_transfer()
            self.worker.cancel_later(self._task, _LINGER)

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
        # wait for the client's own end, so that a reset cannot overtake our last reply
        self._start_linger()
        self._watch()

    def _start_linger(self) -> None:
        """A client that neither reads what is left nor closes gets some seconds, once."""
        if self._linger is None:
            self._linger = self.worker.sweep.start(_LINGER, self.close)

    def vanish(self, reason: str) -> None:
        """The client is gone: stop its transfer, let its command come to its end, and close."""
        if self._ending is None:
            self._ending = reason
            self._queue = None
        self.abort_transfer()
        self._out = b""
        self.close()

    def _finish(self) -> None:
        """Tell the modules, once; the session's files, timers and data connection go."""
        if self._ended:
            return
        self._ended = True
        for timer in self._timers or ():
            timer.cancel()
        self._timers = None
        self.forget_data()
        self.session.notes.setdefault("core.disconnect-details", self._ending or "")
        self.generation.emit(SESSION_CLOSE, self.session)
        if self._opened:
            self.session.log(Level.INFO, "FTP session closed.")
        self.worker.session_over(self)

    def close(self) -> None:
        """Close the socket; a command that still waits is left to see its transfer fail."""
        if self._closed:
            return
        if self._linger is not None:
            # left running, it would keep this session in memory for seconds after its end
            self._linger.cancel()
        for waiting in (self._held, self._impatient):
            if waiting is not None:
                waiting.cancel()
        if self._task is not None and not self._task.done():
            self.abort_transfer()
            self._task.add_done_callback(lambda task: self._finish_closed())
            slow = self.session.files is not None and self.session.files.slow
            self.worker.cancel_later(self._task, _LINGER if slow else 30.0)
            AsyncChat.close(self)
            return
        AsyncChat.close(self)
        self._finish_closed()

    def _finish_closed(self) -> None:
        self._finish()
        if self.session.files is not None:
            self.session.files.close()
            self.session.files = None

    def handle_close(self) -> None:
        self.vanish("Read EOF from client")

    def handle_error(self) -> None:
        """A fault of our own in a callback: this session ends, no other notices."""
        error = sys.exc_info()[1]
        log(Level.ERROR, "the control channel failed: %r", error, peer=self.session.peer, exc_info=error)
        self.vanish("Application error")

    # -- Wire: the data connection and the timers ------------------------------------------------------

    def _data_port(self) -> DataPort:
        if self._port is None:
            self._port = DataPort(
                self.worker.ground.with_options(tuning_of(self.generation, self.session.server).data),
                local=self.socket.getsockname(),
                peer=self.socket.getpeername(),
                label=self.session.peer,
            )
        return self._port

    @property
    def use_ipv6(self) -> bool:
        return self.generation.routes is None or self.generation.routes.use_ipv6

    def server_at(self, address: str) -> Scope | None:
        routes, local = self.generation.routes, self.session.local
        if routes is None:
            return self.session.server if address == local.host else None
        return routes.server_of((address, local.port))

    def server_named(self, name: str) -> Scope | None:
        routes = self.generation.routes
        return None if routes is None else routes.server_named(self.session.local, name)

    def moved(self) -> None:
        tuning = tuning_of(self.generation, self.session.server)
        self._reader.limit = tuning.line_buffer - 2
        rate = tuning.command_rate
        if rate != (None if self._pace is None else (self._pace.most, self._pace.seconds)):
            self._pace = None if rate is None else Pace(*rate)
        if tuning.control is not DEFAULT:
            tuning.control.apply(self.socket)

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

    def open_data(self, *, timeout: float, allow_foreign: bool = False) -> Coroutine[Any, Any, Data]:
        if self.abort_wanted:
            self.forget_data()
            raise TransferError(426, ABORTED, aborted=True)
        return self._data_port().open(timeout=timeout, allow_foreign=allow_foreign)

    @property
    def data(self) -> Data | None:
        return None if self._port is None else self._port.data

    def abort_transfer(self) -> bool:
        if self.work is not None:
            self.work.aborted = True
            return True
        return self._port is not None and self._port.abort()

    @property
    def busy(self) -> bool:
        return self.work is not None or self.data is not None

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

    def timer(self, seconds: float, callback: Callable[[], None]) -> Timer:
        def ring() -> None:
            try:
                callback()
            except BaseException as error:
                self.session.log(Level.ERROR, "a timer of this session failed: %r", error)
                self.session.log_exception(error)

        if trace.active:
            trace.say("timer", 7, "added a timer of %g seconds", seconds, peer=self.session.peer)
        timer = self.worker.sweep.start(seconds, ring)
        if self._timers is None:
            self._timers = []
        self._timers = [one for one in self._timers if one.active]
        self._timers.append(timer)
        return timer
