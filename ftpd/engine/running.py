"""A line becomes a command, walks its road through dispatch, waits where it must, and is answered once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import Any

from ftpd.core.aside import Journey, Trip
from ftpd.core.fault import is_cancelled
from ftpd.core.log import Level
from ftpd.core.mounts import mounts
from ftpd.core.paths import decode
from ftpd.core.reply import Refuse, Reply
from ftpd.dispatch.compile import Plan
from ftpd.dispatch.phases import LOCAL_ERROR, Road, run_inline, run_on
from ftpd.engine.goodbyes import Goodbyes
from ftpd.engine.lines import LineTooLong
from ftpd.engine.request import INVALID, TOO_LONG, foreign, is_abort, understand, usual
from ftpd.module.command import Command
from ftpd.module.events import BAD_PROTOCOL, INVALID_COMMAND

_TRANSFERS = frozenset({"APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU"})
_LOCAL_ERROR = Reply(*LOCAL_ERROR)
NOT_AVAILABLE = 421, "Service not available, closing control connection"

_Begun = tuple[Road, Awaitable[object]] | None


async def _run_rest(rest: _Begun) -> None:
    if rest is not None:
        await run_on(*rest)


class Running(Goodbyes):
    """Runs one command at a time, and a STAT aside while a transfer goes on."""

    def _take(self, line: bytes | LineTooLong, packet: bytes = b"") -> None:
        """Run a line's command, to its end if nothing must be waited for; ``packet``: it came alone in that one."""
        request = usual(line) or understand(line)
        if isinstance(request, Reply):
            self.unsettle()
            if request is INVALID:
                self.generation.emit(INVALID_COMMAND, self.session)
            elif request is TOO_LONG:
                self.session.log(Level.NOTICE, "client sent too-long command, ignoring")
            for timer in self._idlers:
                timer.reset()
            self.send(request)
            return
        verb, argument = request
        session = self.session
        if session.recode is not None:
            argument = session.heard(verb, argument)
        command, plan = self.generation.command(session, verb, argument)
        if plan.steady is None or not packet:
            self._common = None
            if self._answers:
                self.unsettle()
        if not plan.known and isinstance(line, bytes) and (other := foreign(line)) and not self.generation.knows(verb):
            self._turn_off(*other)
            return
        presence = self.worker.presence
        if presence is not None:
            presence.does(self, command)
        # an ABOR in the same packet is for this command
        self.abort_wanted = bool(self._queue) and is_abort(self._queue[0])  # type: ignore[index]
        before = self._place_before(plan, packet)
        rest = self._run(command, plan)
        if self._port is not None:
            # what the walk had begun is gone on with by now, or was refused
            self._port.abandon()
        if rest is None:
            self.abort_wanted = self._abort_heard = False
            if plan.parts is not None and packet:
                self._remember_goodbye(packet, command, plan)
            answer = self._answer(command)
            if plan.steady is not None and packet:
                self._remember(packet, command, plan, answer)
            elif packet:
                if before is not None:
                    self._remember_lead(packet, command, plan, before)
                elif self._strangers is not None:
                    self._remember_name(packet, command, plan, answer)
                elif self._entrance is not None:
                    self._remember_proof(packet, command, plan, answer)
                if self._mine is not None:
                    self._inherit_again()
        else:
            if packet and plan.records and plan.steady is not None:
                self._set_answers_aside()
            else:
                self.unsettle()
            self._task = self._spawn(self._wait(command, rest, packet, plan))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.worker.spawn(work if self._meter is None else self._meter.along(work))

    def _turn_off(self, protocol: str, what: str) -> None:
        """The client speaks another protocol; ProFTPD has no word for such an end."""
        self.session.log(Level.WARN, "client sent %s command '%s', disconnecting", protocol, what)
        self.generation.emit(BAD_PROTOCOL, self.session)
        self.end("")

    def _run(self, command: Command, plan: Plan) -> Coroutine[Any, Any, None] | None:
        """Walk the command's road as far as it goes without waiting; what is left of it, if that was not all."""
        self._running = True
        try:
            files = self.session.files
            if mounts().far if files is None else files.slow:
                return self._run_slowly(command, plan)
            begun = run_inline(command, plan)
            if begun is None:
                return None
            return run_on(*begun) if files is not None else self._run_slowly(command, plan, begun)
        finally:
            self._running = False

    def _run_slowly(
        self, command: Command, plan: Plan, begun: _Begun | Trip[_Begun] = None
    ) -> Coroutine[Any, Any, None] | None:
        """The same where files may keep the command waiting.

        ``begun``: no file system of the machine does, but by the end of the login some may turn out to be such.
        """
        at_once = begun is not None
        trips, journey = self.worker.trips, Journey()
        if self._task is None:
            journey.transfers = command.name in _TRANSFERS
            self._journey = journey
        if not at_once and (begun := trips.go(partial(run_inline, command, plan), journey)) is None:
            self._journey = None if self._task is None else self._journey
            return None
        return trips.along(begun, _run_rest, journey)

    async def _wait(
        self, command: Command, rest: Coroutine[Any, Any, None], packet: bytes = b"", plan: Plan | None = None
    ) -> None:  # fmt: skip
        answer = b""
        try:
            await rest
            answer = self._answer(command)
        except BaseException as error:
            if is_cancelled(error) and self._over:
                raise
            # what a module can do to its own task: cancel it. Nobody knows how far the command has come
            self.session.log(Level.ERROR, "%s ended in a fault: %r", command.shown, error)
            self.session.log_exception(error)
            self._turn_away(Refuse(*NOT_AVAILABLE), "Application error")
        finally:
            self._waited()
        if packet and plan is not None and plan.records and plan.steady is not None:
            self._bring_answers_back()
            if answer and not self._queue:
                # how others like it are answered is known, though it had to wait
                self._remember(packet, command, plan, answer)
            else:
                self.unsettle()

    def _waited(self) -> None:
        self._task = self._journey = None
        self.abort_wanted = self._abort_heard = False
        self._go_on()

    def _answer(self, command: Command) -> bytes:
        reply = command.reply
        if reply is None:
            # every command is answered exactly once, also where a module forgot to
            self.session.log(Level.ERROR, "no module gave %s a reply", command.shown)
            reply = _LOCAL_ERROR
        answer = self._encoded(reply, command)
        if self._ending is None:
            self._write(answer)
        else:
            # the end follows at once, and goes with it
            self._write(answer, socket.MSG_MORE)
            self._hang_up()
        return answer

    def _encoded(self, reply: Reply, command: Command) -> bytes:
        """The reply's bytes; one that would leave the client waiting, or is no text, is a module's fault."""
        try:
            if not 200 <= reply.code <= 699:
                raise ValueError(f"{reply.code} is no code of a final reply")
            session = self.session
            if session.translation is None and session.recode is None:
                return reply.encode()
            return session.told(reply)
        except Exception as error:
            self.session.log(Level.ERROR, "the reply to %s cannot be sent: %r", command.shown, error)
            return _LOCAL_ERROR.encode()

    def _run_aside(self, line: bytes) -> None:
        command, plan = self.generation.command(self.session, decode(line).strip().upper(), "")
        rest = self._run(command, plan)
        if rest is None:
            self._answer(command)
        else:
            self._aside = self._spawn(self._later(command, rest))

    async def _later(self, command: Command, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        finally:
            self._aside = None
        self._answer(command)
