"""The daemon's life: bind, drop rights, serve, take over a new configuration on SIGHUP, end on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Collection
from typing import TypeVar

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Scope
from ftpd.core import logfile, trace, turns
from ftpd.core.log import Level, log
from ftpd.daemon import detach, logs, pages, pidfile, plan, rights, scoreboard, single, systemd
from ftpd.daemon.announce import announce, status
from ftpd.daemon.controls import ControlDesk, control_settings
from ftpd.daemon.errors import StartError
from ftpd.daemon.listen import Endpoint
from ftpd.daemon.pidfile import PidFile
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Opened, Ports, close
from ftpd.daemon.process import GRACE, event_loop, into_service, limit, pass_over, spare_the_loop
from ftpd.dispatch.assemble import Changes
from ftpd.dispatch.registry import Generation
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.build import ftpd_version
from ftpd.module.events import RESTART, SHUTDOWN, SIGNAL_USR2, STARTUP

T = TypeVar("T")

_KEPT = "the configuration before stays in force"
_ENDINGS: dict[int, str] = {signal.SIGTERM: "killed", signal.SIGINT: "killed", signal.SIGXCPU: "CPU limit exceeded"}


class Daemon:
    """One process that serves; :meth:`run` returns its exit status."""

    def __init__(self, first: Plan, pools: Pools) -> None:
        self.plan = first
        self.pools = pools
        # asked while we may still read it: an interpreter can lie where User cannot
        self._version = ftpd_version()
        self._ports = Ports()
        self._pid_file: PidFile | None = None
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._swapping = asyncio.Lock()
        """Held from reading a configuration until it is in force: SIGHUP, insmod and rmmod take turns."""
        self._told_again = False

    def run(self) -> int:
        """Serve until told to stop; StartError when it cannot begin."""
        pass_over(signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGIO)
        os.umask(0)
        rights.prepare(self.plan.settings)
        loop = event_loop()
        spare_the_loop()
        if self.plan.settings.inetd:
            client = single.client_of_inetd()
            rights.take_on(self.plan.identity)
            return loop(self._serve_one(client))
        if self.plan.settings.workers > 1 and not self.plan.options.one_session:
            return self._have_workers()
        self._ports.begin(self.plan)
        rights.take_on(self.plan.identity)
        starter = None if self.plan.options.foreground else detach.detach()
        return loop(self._serve(starter))

    def _have_workers(self) -> int:
        # a daemon of one process has no need of it; imported before the rights to read it are given up
        from ftpd.daemon.master import Master

        self._ports.workers = self.plan.settings.workers
        self._ports.begin(self.plan)
        rights.take_on(self.plan.identity)
        starter = None if self.plan.options.foreground else detach.detach()
        return Master(self.plan, self.pools, self._ports, self._version).run(starter)

    def _server_of(self, generation: Generation, local: Endpoint) -> Scope | None:
        # not the plan's: while one is taken over, clients are of the generation before for a moment, or of the new one
        return None if generation.routes is None else generation.routes.server_of(local)

    # -- serving -------------------------------------------------------------------------------------

    async def _serve(self, starter: detach.Starter | None) -> int:
        loop = asyncio.get_running_loop()
        worker = Worker(self.plan.generation, self.pools, self._server_of)
        desk = ControlDesk(lambda: worker.generation, lambda *what: self._change(worker, desk, *what))
        if not self.plan.options.one_session:
            # not with workers: what they have in common they would have each for itself. It takes 10 ms or more, for
            # which no session is to wait
            pages.gather()
        try:
            await self._begin(worker)
            if not self.plan.options.one_session:
                await desk.follow(control_settings(self.plan.generation, self.plan.record))
            self.plan.generation.emit(STARTUP, None)
        except BaseException:
            self._leave()
            await worker.close()
            raise
        self._hear_the_end(loop)
        loop.add_signal_handler(signal.SIGUSR2, lambda: worker.generation.emit(SIGNAL_USR2, None))
        loop.add_signal_handler(signal.SIGHUP, self._told_to_reload, worker, desk)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        announce(self.plan, tuple(self._ports.sockets), self._version, handed_over=self._ports.handed_over)
        # who started us may look into the log as soon as we say so
        await asyncio.to_thread(logfile.flush)
        if starter is not None:
            starter()
        systemd.notify(READY=1, STATUS=self._status(), MAINPID=os.getpid())
        alive = asyncio.create_task(_say_that_we_live())
        writing = asyncio.create_task(logs.keep_writing())
        if self.plan.options.one_session:
            await single.serve_first(worker, list(self._ports.of_worker(0).values()), self._stop)
        else:
            await self._stop.wait()
        systemd.notify(STOPPING=1, STATUS="ending sessions")
        for task in (alive, writing, self._reloading):
            if task is not None:
                task.cancel()
        await desk.close()
        worker.generation.emit(SHUTDOWN, None)
        await worker.close(grace=GRACE)
        log(Level.NOTICE, "ProFTPD %s standalone mode SHUTDOWN", self._version)
        # who waits for the PidFile to go reads the logs then
        await asyncio.to_thread(logfile.flush)
        self._leave()
        return 0

    async def _begin(self, worker: Worker) -> None:
        """All that can fail, while who started us still waits for the outcome."""
        await into_service(self.plan.generation.start())
        limit(worker, self.plan)
        self._pid_file = pidfile.of(self.plan.settings, foreground=self.plan.options.foreground)
        self._open_log(self.plan)
        worker.show_on(scoreboard.opened(self.plan.settings))
        if not self.plan.options.one_session:
            for sock in self._ports.of_worker(0).values():
                worker.listen(sock)

    async def _serve_one(self, client: socket.socket) -> int:
        """ServerType inetd: the one client that was handed over."""
        worker = Worker(self.plan.generation, self.pools, single.server_for_inetd(self.plan))
        try:
            self._open_log(self.plan)
            await into_service(self.plan.generation.start())
            board = scoreboard.opened(self.plan.settings)
            worker.show_on(board)
            single.count_by(board, client)
            self._hear_the_end(worker.loop)
            await single.serve(worker, client, self._stop)
        finally:
            await worker.close()
        return 0

    def _leave(self) -> None:
        if self._pid_file is not None:
            self._pid_file.remove()
            self._pid_file = None

    @staticmethod
    def _open_log(wanted: Plan, *, again: bool = False) -> None:
        logs.direct(wanted, again=again)

    def _status(self) -> str:
        return status(tuple(self._ports.sockets))

    # -- signals -------------------------------------------------------------------------------------

    def _hear_the_end(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU):
            loop.add_signal_handler(number, self._told_to_stop, number)

    def _told_to_stop(self, number: int) -> None:
        trace.say("signal", 5, "signal %d: the daemon is to end", number)
        how = _ENDINGS.get(number, "terminating")
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
            log(Level.NOTICE, "received SIGHUP -- master server reparsing configuration file")
            systemd.notify_reloading()
            try:
                await self._swap(worker, desk, Changes)
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
        self, worker: Worker, desk: ControlDesk,
        add: Collection[str], remove: Collection[str], renew: Collection[str],
    ) -> None:  # fmt: skip
        """insmod, rmmod and their kin: the configuration and all shared modules anew, with these more or less."""
        await self._swap(worker, desk, lambda: self.plan.changes.after(self.plan.generation, add, remove, renew))
        for names, what in ((add, "loaded"), (remove, "unloaded")):
            for name in names:
                log(Level.NOTICE, "module '%s.c' %s", name, what)

    async def _swap(self, worker: Worker, desk: ControlDesk, changes: Callable[[], Changes]) -> None:
        async with self._swapping:
            try:
                await self._take_over(worker, desk, await self._read(changes()))
            finally:
                # of those that could not be put into force something is left, too
                worker.leavings.clear_soon()

    async def _read(self, changes: Changes) -> Plan:
        def read() -> Plan:
            with turns.taken():
                return plan.read(self.plan.options, self.plan.record, self.pools, changes)

        # names are looked up, and files may lie on a disk that has to spin up
        return await self._aside(read)

    async def _aside(self, work: Callable[[], T]) -> T:
        """In a thread, as clients are being served; should it never come back, the daemon ends all the same."""
        return await self.pools(work, "daemon")

    async def _take_over(self, worker: Worker, desk: ControlDesk, wanted: Plan) -> None:
        opened: Opened = {}
        pid_file = self._pid_file
        try:
            if wanted.settings.inetd:
                raise StartError("ServerType inetd: a daemon that listens cannot become one that inetd starts")
            opened = self._ports.opened(wanted)
            if wanted.settings.pid_file != self.plan.settings.pid_file:
                settings, foreground = wanted.settings, wanted.options.foreground
                pid_file = await self._aside(lambda: pidfile.of(settings, foreground=foreground))
            await into_service(worker.replace(wanted.generation))
        except BaseException:
            close(opened)
            if pid_file is not None and pid_file is not self._pid_file:
                pid_file.remove()
            await wanted.generation.stop()
            raise
        before, self.plan = self.plan, wanted
        if pid_file is not self._pid_file:
            if self._pid_file is not None:
                await self._aside(self._pid_file.remove)
            self._pid_file = pid_file
        self._listen(worker, opened)
        await desk.follow(control_settings(wanted.generation, wanted.record))
        limit(worker, wanted)
        rights.take_on(wanted.identity)
        if scoreboard.differs(before.settings, wanted.settings):
            worker.show_on(await self._aside(lambda: scoreboard.opened(wanted.settings)))
        try:
            self._open_log(wanted, again=True)
        except StartError as error:
            log(Level.ERROR, "%s: the log before goes on", error)
        for warning in wanted.warnings:
            log(Level.WARN, "%s", warning.summary())
        wanted.generation.emit(RESTART, None)
        log(Level.NOTICE, "the new configuration is in force")

    def _listen(self, worker: Worker, opened: Opened) -> None:
        sockets = self._ports.sockets
        for end in self._ports.unwanted(self.plan):
            worker.stop_listening(*sockets.pop(end))
            log(Level.NOTICE, "no longer listening on %s, port %d", *end)
        for end in () if self._ports.handed_over else self.plan.bindings.endpoints:
            if end not in sockets and end not in opened:
                try:
                    opened[end] = self._ports.open(end, self.plan)
                except StartError as error:
                    log(Level.ERROR, "%s: nobody is served there", error)
        for end, (sock,) in opened.items():
            sockets[end] = (sock,)
            worker.listen(sock)
            log(Level.NOTICE, "listening on %s, port %d", *end)


async def _say_that_we_live() -> None:
    interval = systemd.watchdog_interval()
    while interval is not None:
        systemd.notify(WATCHDOG=1)
        await asyncio.sleep(interval)
