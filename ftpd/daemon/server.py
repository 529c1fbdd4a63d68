"""The daemon's life: read, bind, drop rights, serve, reload on SIGHUP, end on SIGTERM."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Scope
from ftpd.core import identity
from ftpd.core.identity import Identity
from ftpd.core.log import Level, log
from ftpd.daemon import detach, logs, pidfile, systemd
from ftpd.daemon.listen import Bindings, Endpoint, bind, bindings
from ftpd.daemon.logs import StartError
from ftpd.daemon.values import DaemonSettings, daemon_settings
from ftpd.dispatch.assemble import assemble
from ftpd.dispatch.registry import Generation
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.build import BuildRecord, ftpd_version
from ftpd.module.events import RESTART, SHUTDOWN, STARTUP

_GRACE = 2.0
"""Seconds that transfers get to end when the daemon is told to stop."""


@dataclass
class Options:
    """What the command line decided."""

    config: str
    foreground: bool = False
    quiet: bool = False
    debug: int | None = None
    defines: list[str] = field(default_factory=list)
    address: str | None = None
    ipv6: bool | None = None
    one_session: bool = False


class Daemon:
    """One process that serves; :meth:`run` returns its exit status."""

    def __init__(self, options: Options, record: BuildRecord) -> None:
        self.options = options
        self.record = record
        # asked while we may still read it: an interpreter can lie where User cannot
        self._version = ftpd_version()
        self.pools = Pools()
        self.generation = self._assemble()
        self.settings = daemon_settings(self.generation, record, ipv6=options.ipv6)
        self.bindings = bindings(self.generation, self.settings, main_address=options.address)
        self._sockets: dict[Endpoint, socket.socket] = {}
        self._stop: asyncio.Event | None = None
        self._reloading: asyncio.Task[None] | None = None

    def _assemble(self) -> Generation:
        return assemble(self.options.config, self.record, self.pools, defines=self.options.defines)

    def run(self) -> int:
        """Serve until told to stop; StartError when it cannot begin."""
        os.umask(0)
        _raise_descriptor_limit()
        if self.settings.inetd:
            return self._loop()(self._serve_one(socket.socket(fileno=os.dup(0))))
        self._sockets = self._inherited() or {end: bind(end, self.settings.backlog) for end in self.bindings.endpoints}
        if not self._sockets:
            raise StartError("no valid servers configured: every server has Port 0")
        loop = self._loop()
        self._become(self.settings)
        ready = None if self.options.foreground or self.options.one_session else detach.detach()
        return loop(self._serve(ready))

    @staticmethod
    def _loop() -> Callable[..., int]:
        if os.environ.get("FTPD_LOOP", "uvloop") == "uvloop":
            try:
                import uvloop
            except ImportError:
                return asyncio.run
            return uvloop.run
        return asyncio.run

    def _inherited(self) -> dict[Endpoint, socket.socket]:
        return {sock.getsockname()[:2]: sock for sock in systemd.inherited_sockets()}

    @staticmethod
    def _become(settings: DaemonSettings) -> None:
        """From here on the daemon's threads are User and Group, unless they act for somebody."""
        if not identity.privileged():
            return
        user = settings.user or "nobody"
        try:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
            group = settings.group
            gid = entry.pw_gid if group is None else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise StartError(f"User or Group is not known to the system: {error.args[0]}") from None
        identity.set_neutral(Identity(entry.pw_uid, gid, (gid,)))

    # -- serving -------------------------------------------------------------------------------------

    async def _serve(self, ready: detach.Ready | None) -> int:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        identity.set_neutral(identity.neutral())
        await self.generation.start()
        worker = Worker(self.generation, self.pools, self._server_of)
        worker.most_sessions = self.settings.max_instances
        self._open_log()
        for sock in self._sockets.values():
            worker.listen(sock)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._told_to_reload, worker)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        try:
            pidfile.write(self.settings.pid_file)
        except OSError as error:
            log(Level.ERROR, "unable to write PidFile %s: %s", self.settings.pid_file, error.strerror)
            if not self.options.foreground:
                await worker.close()
                return 1
        self.generation.emit(STARTUP, None)
        self._announce()
        if ready is not None:
            ready()
        systemd.notify(READY=1, STATUS=self._status(worker), MAINPID=os.getpid())
        await self._stop.wait()
        systemd.notify(STOPPING=1, STATUS="ending sessions")
        worker.generation.emit(SHUTDOWN, None)
        await worker.close(grace=_GRACE)
        pidfile.remove(self.settings.pid_file)
        log(Level.NOTICE, "ProFTPD %s standalone mode SHUTDOWN", self._version)
        return 0

    async def _serve_one(self, sock: socket.socket) -> int:
        """ServerType inetd: the one client is on our standard input."""
        self._become(self.settings)
        await self.generation.start()
        worker = Worker(self.generation, self.pools, lambda generation, local: generation.config.main)
        self._open_log()
        worker.adopt(sock)
        await worker.idle()
        await worker.close()
        return 0

    def _server_of(self, generation: Generation, local: Endpoint) -> Scope | None:
        return self.bindings.server_of(local)

    def _open_log(self) -> None:
        debug = self.settings.debug_level if self.options.debug is None else self.options.debug
        if self.options.foreground and not self.options.quiet:
            logs.to_terminal(debug)
        else:
            logs.to_configured(self.settings.system_log, self.settings.syslog_level, debug)

    def _announce(self) -> None:
        for host, port in self._sockets:
            log(Level.NOTICE, "listening on %s, port %d", host, port)
        log(Level.NOTICE, "modules: %s", " ".join(self.generation.loaded))
        port = next(iter(self._sockets))[1]
        log(Level.NOTICE, "try: curl ftp://127.0.0.1:%d/", port)
        log(Level.NOTICE, "ProFTPD %s standalone mode STARTUP", self._version)

    def _status(self, worker: Worker) -> str:
        where = ", ".join(f"{host} port {port}" for host, port in self._sockets)
        return f"serving on {where}"

    # -- signals -------------------------------------------------------------------------------------

    def _told_to_stop(self, number: int) -> None:
        log(Level.NOTICE, "ftpd killed (signal %d)", number)
        assert self._stop is not None
        self._stop.set()

    def _told_to_reload(self, worker: Worker) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = worker.loop.create_task(self._reload(worker))

    async def _reload(self, worker: Worker) -> None:
        """Build a new generation aside and swap it in when it is whole; a faulty one leaves the old in service."""
        log(Level.NOTICE, "received SIGHUP -- reading the configuration again")
        systemd.notify_reloading()
        try:
            generation = await asyncio.to_thread(self._assemble)
        except ConfigFaults as faults:
            for line in str(faults).splitlines():
                log(Level.ERROR, "%s", line)
            log(Level.ERROR, "the configuration is faulty: the one before stays in force")
            systemd.notify(READY=1, STATUS="the configuration is faulty: the one before stays in force")
            return
        opened: dict[Endpoint, socket.socket] = {}
        try:
            settings = daemon_settings(generation, self.record, ipv6=self.options.ipv6)
            wanted = bindings(generation, settings, main_address=self.options.address)
            for end in wanted.endpoints:
                if end not in self._sockets:
                    opened[end] = bind(end, settings.backlog)
            await worker.replace(generation)
        except (StartError, OSError) as error:
            for sock in opened.values():
                sock.close()
            generation.forget()
            log(Level.ERROR, "%s: the configuration before stays in force", error)
            systemd.notify(READY=1, STATUS=f"{error}: the configuration before stays in force")
            return
        self._take_over(worker, generation, settings, wanted, opened)

    def _take_over(
        self,
        worker: Worker,
        generation: Generation,
        settings: DaemonSettings,
        wanted: Bindings,
        opened: dict[Endpoint, socket.socket],
    ) -> None:
        self.generation, self.settings, self.bindings = generation, settings, wanted
        for end in [end for end in self._sockets if end not in wanted.endpoints]:
            worker.stop_listening(self._sockets.pop(end))
        for end, sock in opened.items():
            self._sockets[end] = sock
            worker.listen(sock)
        worker.most_sessions = settings.max_instances
        try:
            self._open_log()
        except StartError as error:
            log(Level.ERROR, "%s: the log before goes on", error)
        generation.emit(RESTART, None)
        log(Level.NOTICE, "the new configuration is in force")
        systemd.notify(READY=1, STATUS=self._status(worker))


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
