"""A worker's process: it serves on the sockets that it was given, and does what the master says over their line."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ftpd.conf.tree import Scope
from ftpd.core import logfile
from ftpd.core.ctrlwire import Answer
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass
from ftpd.core.scoreboard import Board
from ftpd.core.tally import COLUMNS, SharedTally, share
from ftpd.daemon import logs, rights
from ftpd.daemon.controls import ControlDesk, control_settings
from ftpd.daemon.detach import Starter, leave_terminal
from ftpd.daemon.errors import StartError
from ftpd.daemon.line import Message, encode
from ftpd.daemon.listen import Endpoint
from ftpd.daemon.plan import Plan
from ftpd.daemon.process import GRACE, event_loop, into_service, limit, pass_over
from ftpd.dispatch.registry import Generation
from ftpd.engine.pool import Pools
from ftpd.engine.worker import Worker
from ftpd.module.control import Asker, ControlError, Status
from ftpd.module.events import RESTART, SHUTDOWN, SIGNAL_USR2, STARTUP
from ftpd.module.table import Module

_LONGEST = 1 << 24
"""Bytes of a message: what an action says may be long."""
_PATIENCE = 5.0
"""Seconds for the answers that are under way when another worker is to speak for the daemon."""
_OVERLAP = 10.0
"""Seconds that the control socket stays for another worker to put its own in the place, however busy the machine is."""
_STEERING = frozenset({"mod_ctrls", "mod_dso"})
"""Modules whose actions are about all workers at once; those of others are done in each."""


@dataclass(frozen=True)
class Seat:
    """What a worker is born with."""

    number: int
    """From 1."""
    column: int
    """Its own in the tally and on the scoreboard."""
    plan: Plan
    pools: Pools
    sockets: dict[Endpoint, socket.socket]
    line: socket.socket
    tally: SharedTally
    board: Board | None
    starter: Starter | None
    """Where the master tells who started it that it serves; not ours to use."""
    new: bool
    """The plan is not in force yet, and logs and identity are those of the one before."""


def work(seat: Seat) -> int:
    """Serve until the master says that it is enough; gives the exit status."""
    # what is meant for the daemon comes to the master, which says what is to be done
    pass_over(signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    if seat.starter is not None:
        seat.starter.forget()
    if seat.new:
        rights.take_on(seat.plan.identity)
    share(seat.tally, seat.column)
    if seat.board is not None:
        seat.board.share(seat.column, COLUMNS)
    try:
        return event_loop()(_Crew(seat).serve())
    except Exception as error:
        # standard error may lead nowhere
        log(Level.ERROR, "worker %d cannot go on: %r", seat.number, error, exc_info=error)
        return 1


class _Crew:
    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._asked: dict[int, asyncio.Future[Message]] = {}
        """Questions to the master that are not answered yet."""
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> int:
        seat = self._seat
        reader, self._writer = await asyncio.open_connection(sock=seat.line, limit=_LONGEST)
        self._worker = worker = Worker(seat.plan.generation, seat.pools, self._server_of)
        self._desk = _Desk(self)
        # a start may take long; whether we live is asked meanwhile
        listening = asyncio.create_task(self._listen_to(reader))
        try:
            await into_service(seat.plan.generation.start())
        except Exception as error:
            self._say({"failed": str(error)})
            listening.cancel()
            await worker.close()
            return 1
        limit(worker, seat.plan)
        worker.show_on(seat.board)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        writing = asyncio.create_task(logs.keep_writing())
        self._say({"ready": True})
        await self._over.wait()
        for task in (writing, listening):
            task.cancel()
        await self._desk.close()
        await worker.close(grace=GRACE)
        await asyncio.to_thread(logfile.flush)
        self._writer.close()
        return 0

    def _server_of(self, generation: Generation, local: Endpoint) -> Scope | None:
        return None if generation.routes is None else generation.routes.server_of(local)

    # -- the line to the master ------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        # without a master there is nobody to tell
        with suppress(OSError, RuntimeError):
            self._writer.write(encode(message))

    async def ask(self, message: Message) -> Message:
        """A question to the master, and its answer."""
        number = len(self._asked) + 1
        while number in self._asked:
            number += 1
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._say({**message, "id": number})
            return await self._asked[number]
        finally:
            del self._asked[number]

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                message: Message = json.loads(line)
                for word, value in message.items():
                    try:
                        await self._do(word, value)
                    except Exception as error:
                        log(Level.ERROR, "what the master said (%s) could not be done: %r", word, error, exc_info=error)
        log(Level.ERROR, "the master is gone: this worker ends with the sessions that it has")
        await self._retire()

    async def _do(self, word: str, value: Any) -> None:
        emit = self._worker.generation.emit
        match word:
            case "serve":
                if self._seat.starter is not None:
                    leave_terminal()
                if self._seat.new:
                    # that a log cannot be opened is for the master to tell; the one before goes on
                    with suppress(StartError):
                        logs.direct(self._seat.plan, again=True)
                for sock in self._seat.sockets.values():
                    self._worker.listen(sock)
            case "disabled":
                self._desk.disabled = set(value)
            case "speak":
                settings = control_settings(self._seat.plan.generation, self._seat.plan.record)
                instead = value["instead"]
                await self._desk.follow(settings, instead=None if instead is None else (instead[0], instead[1]))
                self._say({"speaks": self._desk.place})
                if news := value["news"]:
                    emit(STARTUP if news == "startup" else RESTART, None)
            case "retire":
                await self._retire(overlap=value["overlap"])
            case "stop":
                if value == "speaker":
                    emit(SHUTDOWN, None)
                self._over.set()
            case "alive":
                self._say({"alive": value})
            case "reopen":
                logfile.reopen()
            case "signal":
                emit(SIGNAL_USR2, None)
            case "answer":
                waiting = self._asked.get(value["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(value)
            case "do":
                self._spawn(self._answer_to(value))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_to(self, wanted: Message) -> None:
        answer = await self._desk.do(Asker(**wanted["asker"]), wanted["words"])
        self._say({"did": {"id": wanted["id"], "status": int(answer.status), "lines": answer.lines}})

    async def _retire(self, *, overlap: bool = False) -> None:
        """Another takes over: no new clients, and the end with the last of those that are on.

        With an ``overlap`` our control socket is there until the other's is in its place.
        """
        self._worker.stop_listening()
        for sock in self._seat.sockets.values():
            sock.close()
        self._say({"deaf": True})
        self._spawn(self._end_when_idle(_OVERLAP if overlap else 0))

    async def _end_when_idle(self, overlap: float) -> None:
        await self._desk.give_way(overlap)
        await self._desk.close(patience=_PATIENCE)
        self._say({"silent": True})
        await self._worker.idle()
        self._over.set()


class _Desk(ControlDesk):
    """The control desk of a worker; that of the one which speaks for the daemon has a socket, too."""

    def __init__(self, crew: _Crew) -> None:
        super().__init__(lambda: crew._worker.generation, self._have_changed)
        self._crew = crew
        self._in_force: tuple[Module, ...] = ()
        """Of the team that has taken over; nothing of them but what the master has told of them."""

    @property
    def modules(self) -> tuple[Module, ...]:
        return self._in_force or super().modules

    async def _have_changed(self, add: Collection[str], remove: Collection[str], renew: Collection[str]) -> None:
        answer = await self._crew.ask({"change": {"add": list(add), "remove": list(remove), "renew": list(renew)}})
        if answer["lines"]:
            raise ControlError(Status.INTERNAL, *answer["lines"])
        former = {module.name: module for module in self.modules}
        self._in_force = tuple(
            former[name] if kept else _described(name, version, needs, namespace)
            for name, version, needs, namespace, kept in answer["modules"]
        )

    async def do(self, asker: Asker, words: list[str]) -> Answer:
        """The action in this worker."""
        return await super().answer(asker, words)

    async def answer(self, asker: Asker, words: list[str]) -> Answer:
        control = self.controls.get(words[0]) if words else None
        disabled = set(self.disabled)
        own = await self.do(asker, words)
        if self.disabled != disabled:
            self._crew._say({"disabled": sorted(self.disabled)})
        if control is None or control.module in _STEERING or own.status is not Status.OK:
            return own
        others = await self._crew.ask({"ask": {"asker": asdict(asker), "words": words}})
        if not others["answers"]:
            return own
        lines = [f"worker {self._crew._seat.number}: {line}" for line in own.lines]
        for number, said in others["answers"]:
            lines += [f"worker {number}: {line}" for line in said]
        return Answer(own.status, lines)


def _described(name: str, version: str, needs: list[str], namespace: str) -> Module:
    module = Module(name, version=version, needs=needs)
    module.namespace = namespace
    return module
