"""The daemon's life: bind, drop rights, serve, take over a new configuration on SIGHUP, end on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Collection
from importlib import import_module

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Scope
from ftpd.core import logfile, trace
from ftpd.core.log import Level, log
from ftpd.daemon import detach, logs, plan, rights, scoreboard, single, systemd
from ftpd.daemon.announce import announce, status
from ftpd.daemon.controls import ControlDesk, control_settings
from ftpd.daemon.errors import StartError
from ftpd.daemon.listen import Endpoint, bind
from ftpd.daemon.pidfile import PidFile
from ftpd.daemon.plan import Plan
from ftpd.dispatch.assemble import Changes
from ftpd.dispatch.registry import CannotBegin, Generation
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.build import ftpd_version
from ftpd.module.events import RESTART, SHUTDOWN, SIGNAL_USR2, STARTUP

_GRACE = 2.0
"""Seconds that transfers get to end when the daemon is told to stop."""
_EVERYWHERE = {"::", "0.0.0.0"}
_KEPT = "the configuration before stays in force"
_TURN = 0.001
"""Seconds that a thread may keep the interpreter while the loop wants it; by default it would be five times that."""


def hold_hangups() -> None:
    """To be called first: a HUP that comes before there is a handler would end us; so it is heard when there is one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


class Daemon:
    """One process that serves; :meth:`run` returns its exit status."""

    def __init__(self, first: Plan, pools: Pools) -> None:
        self.plan = first
        self.pools = pools
        # asked while we may still read it: an interpreter can lie where User cannot
        self._version = ftpd_version()
        self._sockets: dict[Endpoint, socket.socket] = {}
        self._handed_over = False
        self._pid_file: PidFile | None = None
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._swapping = asyncio.Lock()
        """Held from reading a configuration until it is in force: SIGHUP, insmod and rmmod take turns."""
        self._told_again = False

    def run(self) -> int:
        """Serve until told to stop; StartError when it cannot begin."""
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            # they would end us; were they ignored instead, so they would be in the programs that modules start
            signal.signal(number, _not_for_us)
        os.umask(0)
        rights.prepare(self.plan.settings)
        loop = _event_loop()
        _spare_the_loop()
        if self.plan.settings.inetd:
            client = single.client_of_inetd()
            rights.take_on(self.plan.identity)
            return loop(self._serve_one(client))
        self._sockets = self._inherited() or self._bound(self.plan)
        rights.take_on(self.plan.identity)
        ready = None if self.plan.options.foreground else detach.detach()
        return loop(self._serve(ready))

    def _inherited(self) -> dict[Endpoint, socket.socket]:
        sockets = {sock.getsockname()[:2]: sock for sock in systemd.inherited_sockets()}
        self._handed_over = bool(sockets)
        return sockets

    def _bound(self, wanted: Plan) -> dict[Endpoint, socket.socket]:
        """The endpoints that are wanted and that we do not listen on yet; all of them or StartError.

        Those that only become free when others are given up come later.
        """
        opened: dict[Endpoint, socket.socket] = {}
        try:
            for end in wanted.bindings.endpoints:
                if end in self._sockets:
                    continue
                if self._in_the_way(end, wanted):
                    # at least the address has to be there
                    bind((end[0], 0), 1).close()
                else:
                    opened[end] = bind(end, wanted.settings.backlog, reuse_port=wanted.settings.reuse_port)
        except StartError:
            for sock in opened.values():
                sock.close()
            raise
        return opened

    def _in_the_way(self, end: Endpoint, wanted: Plan) -> bool:
        """Whether a socket of ours that is to go keeps us from listening there: one of them is for all addresses."""
        return any(
            old[1] == end[1] and {old[0], end[0]} & _EVERYWHERE
            for old in self._sockets
            if old not in wanted.bindings.endpoints
        )

    def _server_of(self, generation: Generation, local: Endpoint) -> Scope | None:
        return self.plan.bindings.server_of(local)

    # -- serving -------------------------------------------------------------------------------------

    async def _serve(self, ready: detach.Ready | None) -> int:
        loop = asyncio.get_running_loop()
        worker = Worker(self.plan.generation, self.pools, self._server_of)
        desk = ControlDesk(lambda: worker.generation, lambda add, remove: self._change(worker, desk, add, remove))
        try:
            await self._begin(worker)
            if not self.plan.options.one_session:
                await desk.follow(control_settings(self.plan.generation, self.plan.record))
        except BaseException:
            self._leave()
            await worker.close()
            raise
        self._hear_the_end(loop)
        loop.add_signal_handler(signal.SIGUSR2, lambda: worker.generation.emit(SIGNAL_USR2, None))
        loop.add_signal_handler(signal.SIGHUP, self._told_to_reload, worker, desk)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        announce(self.plan, tuple(self._sockets), self._version, handed_over=self._handed_over)
        # who started us may look into the log as soon as we say so
        await asyncio.to_thread(logfile.flush)
        if ready is not None:
            ready()
        systemd.notify(READY=1, STATUS=self._status(), MAINPID=os.getpid())
        alive = asyncio.create_task(_say_that_we_live())
        writing = asyncio.create_task(logs.keep_writing())
        if self.plan.options.one_session:
            await single.serve_first(worker, list(self._sockets.values()), self._stop)
        else:
            await self._stop.wait()
        systemd.notify(STOPPING=1, STATUS="ending sessions")
        for task in (alive, writing, self._reloading):
            if task is not None:
                task.cancel()
        await desk.close()
        worker.generation.emit(SHUTDOWN, None)
        await worker.close(grace=_GRACE)
        log(Level.NOTICE, "ProFTPD %s standalone mode SHUTDOWN", self._version)
        # who waits for the PidFile to go reads the logs then
        await asyncio.to_thread(logfile.flush)
        self._leave()
        return 0

    async def _begin(self, worker: Worker) -> None:
        """All that can fail, while who started us still waits for the outcome."""
        await _into_service(self.plan.generation.start())
        _limit(worker, self.plan)
        self._pid_file = self._write_pid_file(self.plan)
        self._open_log(self.plan)
        worker.show_on(scoreboard.opened(self.plan.settings))
        if not self.plan.options.one_session:
            for sock in self._sockets.values():
                worker.listen(sock)
        self.plan.generation.emit(STARTUP, None)

    async def _serve_one(self, client: socket.socket) -> int:
        """ServerType inetd: the one client that was handed over."""
        worker = Worker(self.plan.generation, self.pools, single.server_for_inetd(self.plan))
        try:
            self._open_log(self.plan)
            await _into_service(self.plan.generation.start())
            self._hear_the_end(worker.loop)
            await single.serve(worker, client, self._stop)
        finally:
            await worker.close()
        return 0

    def _write_pid_file(self, wanted: Plan) -> PidFile | None:
        try:
            return PidFile.write(wanted.settings.pid_file)
        except StartError as error:
            # nobody asked for it, and who started us in the foreground has other means to find us
            if wanted.settings.pid_file_wanted or not wanted.options.foreground:
                raise
            log(Level.INFO, "%s; a PidFile line names another", error)
            return None

    def _leave(self) -> None:
        if self._pid_file is not None:
            self._pid_file.remove()
            self._pid_file = None

    @staticmethod
    def _open_log(wanted: Plan) -> None:
        logs.direct(wanted)

    def _status(self) -> str:
        return status(tuple(self._sockets))

    # -- signals -------------------------------------------------------------------------------------

    def _hear_the_end(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._told_to_stop, number)

    def _told_to_stop(self, number: int) -> None:
        trace.say("signal", 5, "signal %d: the daemon is to end", number)
        how = "killed" if number == signal.SIGTERM else "terminating"
        log(Level.NOTICE, "ProFTPD %s (signal %d)", how, number)
        self._stop.set()

    def _told_to_reload(self, worker: Worker, desk: ControlDesk) -> None:
        """A HUP while a configuration is being read asks to read it once more: it may have changed meanwhile."""
        self._told_again = True
        trace.say("signal", 5, "SIGHUP: the configuration is to be read again")
        if self._reloading is None or self._reloading.done():
            self._reloading = worker.loop.create_task(self._reload(worker, desk))

    async def _reload(self, worker: Worker, desk: ControlDesk) -> None:
        """Build a new generation aside and swap it in when it is whole; a faulty one leaves the old in service."""
        while self._told_again:
            self._told_again = False
            log(Level.NOTICE, "received SIGHUP -- reading the configuration %s again", self.plan.options.config)
            systemd.notify_reloading()
            try:
                async with self._swapping:
                    await self._take_over(worker, desk, await self._read(Changes()))
                desk.disabled.clear()
                said = self._status()
            except ConfigFaults as faults:
                for line in faults.render().splitlines():
                    log(Level.ERROR, "%s", line)
                said = f"the configuration is faulty: {_KEPT}"
                log(Level.ERROR, "%s", said)
            except (ConfigError, StartError) as error:
                said = f"{error}: {_KEPT}"
                log(Level.ERROR, "%s", said)
            except Exception as error:
                said = f"the new configuration could not be put into service: {_KEPT}"
                log(Level.ERROR, "%s: %r", said, error, exc_info=error)
            systemd.notify(READY=1, STATUS=said)

    async def _change(
        self, worker: Worker, desk: ControlDesk, add: Collection[str], remove: Collection[str]
    ) -> None:  # fmt: skip
        """insmod, rmmod and their kin: the configuration and all shared modules anew, with these more or less."""
        async with self._swapping:
            changes = self.plan.changes.after(self.plan.generation, add, remove)
            await self._take_over(worker, desk, await self._read(changes))
        for names, what in ((add, "loaded"), (remove, "unloaded")):
            for name in names:
                log(Level.NOTICE, "module '%s.c' %s", name, what)

    async def _read(self, changes: Changes) -> Plan:
        # in a thread: names are looked up, and files may lie on a disk that has to spin up
        return await asyncio.to_thread(plan.read, self.plan.options, self.plan.record, self.pools, changes)

    async def _take_over(self, worker: Worker, desk: ControlDesk, wanted: Plan) -> None:
        opened: dict[Endpoint, socket.socket] = {}
        pid_file = self._pid_file
        try:
            if wanted.settings.inetd:
                raise StartError("ServerType inetd: a daemon that listens cannot become one that inetd starts")
            if not self._handed_over:
                opened = self._bound(wanted)
            if wanted.settings.pid_file != self.plan.settings.pid_file:
                pid_file = self._write_pid_file(wanted)
            await _into_service(worker.replace(wanted.generation))
        except BaseException:
            for sock in opened.values():
                sock.close()
            if pid_file is not None and pid_file is not self._pid_file:
                pid_file.remove()
            await wanted.generation.stop()
            raise
        before, self.plan = self.plan, wanted
        if pid_file is not self._pid_file:
            self._leave()
            self._pid_file = pid_file
        self._listen(worker, opened)
        await desk.follow(control_settings(wanted.generation, wanted.record))
        _limit(worker, wanted)
        rights.take_on(wanted.identity)
        if scoreboard.differs(before.settings, wanted.settings):
            worker.show_on(scoreboard.opened(wanted.settings))
        try:
            self._open_log(wanted)
        except StartError as error:
            log(Level.ERROR, "%s: the log before goes on", error)
        for warning in wanted.warnings:
            log(Level.WARN, "%s", warning.summary())
        wanted.generation.emit(RESTART, None)
        log(Level.NOTICE, "the new configuration is in force")

    def _listen(self, worker: Worker, opened: dict[Endpoint, socket.socket]) -> None:
        if not self._handed_over:
            for end in [end for end in self._sockets if end not in self.plan.bindings.endpoints]:
                worker.stop_listening(self._sockets.pop(end))
                log(Level.NOTICE, "no longer listening on %s, port %d", *end)
            for end in self.plan.bindings.endpoints:
                if end not in self._sockets and end not in opened:
                    try:
                        opened[end] = bind(
                            end, self.plan.settings.backlog, reuse_port=self.plan.settings.reuse_port
                        )  # fmt: skip
                    except StartError as error:
                        log(Level.ERROR, "%s: nobody is served there", error)
        for end, sock in opened.items():
            self._sockets[end] = sock
            worker.listen(sock)
            log(Level.NOTICE, "listening on %s, port %d", *end)


def _spare_the_loop() -> None:
    """Keep what goes on in other threads, and the collector of garbage, from holding up those that are served.

    All that the start has made stays to the end, but for the first generation, which is small: were it looked
    through again at each full collection, that would take 5 to 15 ms, and each change of modules brings one about.
    The collector has rested up to here: what it would have found was not worth its time.
    """
    sys.setswitchinterval(_TURN)
    gc.freeze()
    gc.enable()


def _limit(worker: Worker, plan: Plan) -> None:
    settings = plan.settings
    worker.limit(
        sessions=settings.max_instances, arrivals=settings.connection_rate, names=settings.reverse_dns
    )  # fmt: skip


def _not_for_us(number: int, frame: object) -> None:
    """A signal that means nothing here."""


async def _into_service(start: Awaitable[None]) -> None:
    """Await what lets the modules of a generation begin."""
    try:
        await start
    except CannotBegin as error:
        raise StartError(str(error)) from error


async def _say_that_we_live() -> None:
    interval = systemd.watchdog_interval()
    while interval is not None:
        systemd.notify(WATCHDOG=1)
        await asyncio.sleep(interval)


def _event_loop() -> Callable[..., int]:
    """What runs the loop: uvloop where it is installed, unless FTPD_LOOP asks for asyncio's own."""
    wanted = os.environ.get("FTPD_LOOP", "")
    if wanted not in ("", "uvloop", "asyncio"):
        raise StartError(f"FTPD_LOOP is '{wanted}'; it can be uvloop or asyncio")
    if wanted != "asyncio":
        try:
            import uvloop
        except ImportError:
            if wanted:
                raise StartError("FTPD_LOOP asks for uvloop, which is not installed: pip install uvloop") from None
        else:
            runner: Callable[..., int] = uvloop.run
            return runner
    # asyncio would import it with its first thread, when an interpreter can lie where User cannot read
    import_module("concurrent.futures.thread")
    return asyncio.run
