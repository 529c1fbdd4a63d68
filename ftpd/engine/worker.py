"""A worker: the loop, its listeners, the sessions on it, and the generation that new ones get."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from ftpd.conf.tree import Scope
from ftpd.core import aside, scribe
from ftpd.core.clock import Sweep
from ftpd.core.identity import Identity
from ftpd.core.log import Level, debug, log
from ftpd.core.mounts import Watch
from ftpd.core.reply import Reply
from ftpd.core.scoreboard import Board
from ftpd.core.tally import Crowded, tally
from ftpd.dispatch.registry import Generation
from ftpd.engine.channel import accepted, prepare, waiting
from ftpd.engine.closing import Closing
from ftpd.engine.common import forget_common
from ftpd.engine.control import ControlChannel
from ftpd.engine.door import Door
from ftpd.engine.doorway import Doorways
from ftpd.engine.farewells import Farewells
from ftpd.engine.leavings import Leavings
from ftpd.engine.names import Names
from ftpd.engine.pace import Pace
from ftpd.engine.pool import Pools
from ftpd.engine.presence import Presence
from ftpd.engine.tidying import Tidying
from ftpd.engine.uploads import Uploads
from ftpd.fs.far import around
from ftpd.fs.local import LocalFiles
from ftpd.module.events import MAX_CONNECTION_RATE, MAX_INSTANCES
from ftpd.module.files import Files
from ftpd.module.session import Address
from ftpd.transfer.channel import Ground
from ftpd.transfer.ioloop import AsyncioLoop
from ftpd.transfer.ports import plain_host

_ACCEPTS = 32
"""Connections taken per wake-up, so that a storm of them leaves room for those that are served."""
_CROWDED = 0.0002
"""Seconds from one wake-up to the next within which several wait: who comes alone is not followed by a vain look."""
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 0.2
"""Seconds without accepting where not even the reserve descriptor is left to refuse with."""
_TOLD_AGAIN = 60.0
"""Seconds before the log says once more that clients are refused: they come and go at the limit."""
_TOO_MANY = Reply(421, ("Too many connections, please try again later",)).encode()

_ASKED_TO_END, _TIDYING = 3, 1.0
"""How often commands are cancelled at the daemon's end, and the seconds that they have to tidy up each time."""

_SESSIONS = ("sessions",)
"""What MaxInstances counts, in the tally of all workers."""
_ONE_MORE, _ONE_LESS = ((_SESSIONS, None),), (_SESSIONS,)

ServerOf = Callable[[Generation, tuple[str, int]], Scope | None]


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log(Level.ERROR, "a fault on the event loop: %s", context["message"], exc_info=context.get("exception"))


class Worker:
    """Accepts and serves; made inside a running loop."""

    def __init__(self, generation: Generation, pools: Pools, server_of: ServerOf) -> None:
        self.loop = asyncio.get_running_loop()
        # asyncio's own would write to a logger of which nobody reads
        self.loop.set_exception_handler(_tell)
        self.ioloop = AsyncioLoop(self.loop)
        self.sweep = Sweep()
        self.ground = Ground(self.ioloop.data, self.sweep, pools)
        self.pools = pools
        # now, so that what is open from the start on tells what sessions leave open
        pools.listen()
        self.trips = aside.Trips(pools)
        aside.use_threads(pools)
        self.generation = generation
        self.sessions: set[ControlChannel] = set()
        self._mounts = Watch(self.loop, self._mounts_changed)
        self.most_sessions: int | None = None
        self.names: Names | None = None
        """Looks up clients' names where UseReverseDNS wants it."""
        self._arrivals: Pace | None = None
        self.accepted = 0
        self._accepted_at = 0.0
        self._abreast = 1
        """How many are taken at a wake-up, as many as seem to be waiting."""
        self.presence: Presence | None = None
        self._server_of = server_of
        self._doorways = Doorways(generation, self)
        self._listeners: dict[socket.socket, Door] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._soon = 0
        """Calls that the loop is to make in its next round."""
        self.ioloop.calm = lambda: not self._tasks and not self._soon
        self._endings: list[asyncio.Task[None]] = []
        """Generations on their way out of service; unlike commands, these are never cancelled."""
        self.leavings = Leavings(self.loop)
        self.uploads = Uploads(self.loop, self.ioloop)
        self._tidying = Tidying(self.loop, lambda: len(self.sessions))
        self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._told_of_shedding = -_TOLD_AGAIN
        self._resting: set[socket.socket] = set()
        """Listeners that are not watched, because what they have could be neither taken nor refused."""
        self._early: dict[socket.socket, int] = {}
        """How many clients of a listener have connected before it had the options that they would inherit."""
        self.farewells = Farewells(self.sweep)
        self.closing = Closing(self.sweep, lambda: self.sessions)
        self._idle: asyncio.Event | None = None
        """Set when the last session ends; there when somebody waits for that."""

    def limit(self, *, sessions: int | None, arrivals: tuple[int, int] | None = None, names: bool = False) -> None:
        """MaxInstances, MaxConnectionRate and UseReverseDNS, as the configuration in force has them."""
        self.most_sessions = sessions
        if arrivals != (None if self._arrivals is None else (self._arrivals.most, self._arrivals.seconds)):
            self._arrivals = None if arrivals is None else Pace(*arrivals, tally().arrivals)
        if names != (self.names is not None):
            self.names = Names(self.pools) if names else None

    # -- listening -----------------------------------------------------------------------------------

    def listen(self, sock: socket.socket) -> None:
        """Serve what connects to this listening socket; it is ours now."""
        sock.setblocking(False)
        # inherited by what is accepted
        prepare(sock)
        if early := waiting(sock):
            self._early[sock] = early
        door = self._listeners[sock] = Door(self.ioloop, sock, self._accept)
        door.open()

    def stop_listening(self, *which: socket.socket) -> None:
        """Close these listening sockets, or all."""
        for sock in which or tuple(self._listeners):
            self._listeners.pop(sock).close()
            self._resting.discard(sock)
            self._early.pop(sock, None)
            sock.close()

    async def idle(self) -> None:
        """Wait until no session is left."""
        while self.sessions:
            if self._idle is None:
                self._idle = asyncio.Event()
            await self._idle.wait()

    def _accept(self, listener: socket.socket) -> None:
        self.farewells.look()
        crowded = monotonic() - self._accepted_at < _CROWDED
        self._abreast = min(2 * self._abreast, _ACCEPTS) if crowded else 1
        for _ in range(self._abreast):
            try:
                sock, address = accepted(listener)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._shed(listener, error)
                else:
                    log(Level.ERROR, "accept failed: %s", error)
                break
            if self._early:
                self._catch_up(listener, sock)
            self._serve(sock, address)
        self._accepted_at = monotonic()

    def _catch_up(self, listener: socket.socket, sock: socket.socket) -> None:
        """Give one who came early the options that others inherit; systemd starts the daemon for such a one."""
        left = self._early.pop(listener, 0)
        if left:
            with suppress(OSError):
                prepare(sock)
        if left > 1:
            self._early[listener] = left - 1

    def _shed(self, listener: socket.socket, error: OSError) -> None:
        """No descriptor is left: the one kept in reserve tells those who wait so, one after the other."""
        self.farewells.look_at_all()
        now = self.loop.time()
        if now - self._told_of_shedding >= _TOLD_AGAIN:
            self._told_of_shedding = now
            log(Level.CRIT, "%s: new connections are refused until others end", os.strerror(error.errno or 0))
        for _ in range(_ACCEPTS):
            if not self._refuse_one(listener):
                return

    def _refuse_one(self, listener: socket.socket) -> bool:
        """Take one connection in the reserve's place and close it; False when there is none, or no place."""
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        try:
            sock, _address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as again:
            # those who go on waiting would wake us without an end
            debug(2, "shedding a connection failed: %s", again)
            self._rest(listener)
            return False
        else:
            with sock, suppress(OSError):
                sock.setblocking(False)
                sock.send(_TOO_MANY)
            return True
        finally:
            with suppress(OSError):
                self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def _rest(self, listener: socket.socket) -> None:
        if listener not in self._resting:
            self._resting.add(listener)
            self._listeners[listener].close()
            self.loop.call_later(_PAUSE, self._listen_again)

    def _listen_again(self) -> None:
        """A descriptor may be free again: a session has ended, or some time has gone by."""
        for listener in self._resting:
            self._listeners[listener].open()
        self._resting.clear()

    def _serve(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        try:
            if (self.most_sessions is None and self._arrivals is None) or not self._turns_away(sock):
                self.adopt(sock, address)
        except Crowded as error:
            log(Level.ERROR, "a connection is refused: %s", error)
            sock.close()
        except OSError as error:
            # the client was gone before it was served (a port scan, a reset in the queue)
            debug(3, "a connection went away at once: %s", error)
            sock.close()

    def _turns_away(self, sock: socket.socket) -> bool:
        """Refuse one who would be one too many, at all or within so short a time."""
        if self._is_full():
            self._deny_one_too_many(sock)
            return True
        if self._arrivals is not None and self._too_soon(self._arrivals):
            most, seconds = self._arrivals.most, self._arrivals.seconds
            log(Level.WARN, "MaxConnectionRate (%d/%d secs) reached, new connection denied", most, seconds)
            self.generation.emit(MAX_CONNECTION_RATE, None)
            sock.close()
            return True
        return False

    def _is_full(self) -> bool:
        return self.most_sessions is not None and tally().count(_SESSIONS) >= self.most_sessions

    def _deny_one_too_many(self, sock: socket.socket) -> None:
        log(Level.WARN, "MaxInstances (%d) reached, new connection denied", self.most_sessions)
        self.generation.emit(MAX_INSTANCES, None)
        sock.close()

    def _take_place(self) -> bool:
        """Be one of MaxInstances, whatever other workers take meanwhile; False where there is no room for one more."""
        with tally().exclusively():
            if self._is_full():
                return False
            tally().add_all(_ONE_MORE)
            return True

    def _too_soon(self, arrivals: Pace) -> bool:
        with tally().exclusively():
            return arrivals.wait(monotonic()) > 0

    def adopt(self, sock: socket.socket, address: tuple[Any, ...] = ()) -> ControlChannel | None:
        """Begin a session on a connected socket, prepared; None when no server is there for its address, or no room.

        ``address`` is the client's, where that is known.
        """
        sock.setblocking(False)
        local = sock.getsockname()[:2]
        doorway = self._doorways.known(local)
        if doorway is None:
            server = self._server_of(self.generation, local)
            if server is None:
                text = f"Sorry, no server available to handle request on {plain_host(local[0])}"
                sock.send(Reply(500, (text,)).encode())
                sock.close()
                return None
            doorway = self._doorways.at(local, server)
        host, port = (address or sock.getpeername())[:2]
        remote = Address(plain_host(host) if ":" in host else host, port)
        if self.closing.shut:
            self.closing.refuse(sock, doorway, remote.host)
            return None
        if self.most_sessions is None:
            tally().add_all(_ONE_MORE)
        elif not self._take_place():
            self._deny_one_too_many(sock)
            return None
        try:
            channel = doorway.channel()
            channel.begin(sock, doorway, remote)
        except BaseException:
            tally().drop_all(_ONE_LESS)
            raise
        self.accepted += 1
        self.generation.session_began()
        self.sessions.add(channel)
        if self.presence is not None:
            self.presence.came(channel)
        channel.start(expected=doorway.welcomes_all)
        return channel

    def show_on(self, board: Board | None) -> None:
        """Keep this scoreboard from now on, and give the one before back."""
        if self.presence is not None:
            self.presence.close()
        self.presence = None if board is None else Presence(board, self.loop)
        if self.presence is not None:
            for channel in self.sessions:
                self.presence.came(channel)

    def session_over(self, channel: ControlChannel) -> None:
        """A session told its modules goodbye; a generation that was replaced ends with its last one."""
        if channel in self.sessions:
            self.sessions.discard(channel)
            tally().drop_all(_ONE_LESS)
        if self.presence is not None:
            self.presence.went(channel)
        if self._resting:
            self.soon(self._listen_again)
        if channel.generation.session_ended():
            self._endings = [task for task in self._endings if not task.done()]
            self._endings.append(self.loop.create_task(self.leavings.stop(channel.generation)))
        if not self.sessions:
            # whoever has just left may look into the logs, or have them looked into
            scribe.press()
            if self._idle is not None:
                self._idle.set()
                self._idle = None

    def enter(self, identity: Identity, root: str, umask: int) -> Files:
        return around(LocalFiles(identity, root, umask), identity)

    def _mounts_changed(self) -> None:
        """A file system has come or gone: sessions below whose roots it may be are to reckon with it."""
        forget_common(self.generation)
        for channel in self.sessions:
            session = channel.session
            if isinstance(session.files, LocalFiles) and session.identity is not None:
                session.files = around(session.files, session.identity)
                channel.unsettle()
                forget_common(channel.generation)

    # -- generations ---------------------------------------------------------------------------------

    async def replace(self, generation: Generation) -> None:
        """Give new sessions another generation; those of the old one keep theirs to their end."""
        await generation.start()
        old, self.generation = self.generation, generation
        self._doorways = Doorways(generation, self)
        if old.retire():
            await self.leavings.stop(old)

    # -- tasks and the end ---------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def soon(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call it in the next round of the loop, for which nobody waits longer than for this one's."""
        self._soon += 1
        self.loop.call_soon(self._call, callback, arguments)

    def _call(self, callback: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self._soon -= 1
        callback(*arguments)

    def cancel_later(self, task: asyncio.Task[Any], seconds: float = 30.0) -> None:
        """Cancel a command whose client is gone, when it does not come to its end by itself.

        And again, where it then waits for somebody to tidy up who does not answer.
        """

        def cancel() -> None:
            if not task.done():
                task.cancel()
                self.cancel_later(task, seconds)

        self.sweep.start(seconds, cancel)

    async def close(self, *, grace: float = 0.0) -> None:
        """No new sessions; those that transfer get ``grace`` seconds, then all are told 421 and closed."""
        self.stop_listening()
        for channel in list(self.sessions):
            if grace == 0 or channel.data is None:
                self._dismiss(channel)
        if self.sessions and grace:
            try:
                await asyncio.wait_for(self.idle(), grace)
            except TimeoutError:
                pass
        for channel in list(self.sessions):
            self._dismiss(channel)
        for _ in range(_ASKED_TO_END):
            if self._tasks:
                for task in list(self._tasks):
                    task.cancel()
                # who tidies up may wait for a file system that does not answer
                await asyncio.wait(list(self._tasks), timeout=_TIDYING)
        for channel in list(self.sessions):
            channel.close()
        await asyncio.gather(*self._endings)
        self.show_on(None)
        self.leavings.close()
        self._tidying.close()
        await self.generation.stop()
        if self.names is not None:
            self.names.close()
        self.farewells.close()
        self.uploads.close()
        self._mounts.close()
        aside.use_threads(None)
        self.sweep.close()
        self.ioloop.close()
        self.pools.close()
        if self._spare >= 0:
            os.close(self._spare)

    def _dismiss(self, channel: ControlChannel) -> None:
        channel.send(Reply(421, ("Service not available, server is shutting down",)))
        channel.vanish("Server shutting down")
