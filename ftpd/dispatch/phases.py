"""One command through the six phases; plain handlers run at once, only an async one makes a task wait."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Iterator
from time import perf_counter

from ftpd.core import trace, watchdog
from ftpd.core.fault import SCARCE, is_cancelled
from ftpd.core.log import Level, debug
from ftpd.core.reply import Refuse
from ftpd.core.vocab import ERROR, HANDLED, Outcome, Phase
from ftpd.dispatch.admission import admit
from ftpd.dispatch.compile import Chain, Plan
from ftpd.module.command import Command
from ftpd.module.handler import Handler
from ftpd.module.wire import TransferError

# bound once: Python 3.11 asks a function for each look at a member of an enumeration
_PRE_CMD, _CMD = Phase.PRE_CMD, Phase.CMD
_LOGS = (Phase.LOG_CMD, Phase.LOG_CMD_ERR)
_NOTHING: Iterator[tuple[Phase, Chain]] = iter(())
LOCAL_ERROR = 451, ("Requested action aborted: local error in processing",)
_CODES = {errno.ENOSPC: 452, errno.EDQUOT: 552, errno.EFBIG: 552, **dict.fromkeys(SCARCE, 450)}
"""Of errors that are not simply 550: what may be otherwise in a moment is no final word."""


class Road:
    """Where a command is on its way: the handlers of the chain still to be asked, and the chains behind it."""

    __slots__ = ("_after", "_asked", "_chain", "_phase", "_plan", "command")

    def __init__(self, command: Command, plan: Plan) -> None:
        command.group, command.classes = plan.group, plan.classes
        self.command = command
        self._plan = plan
        self._phase = _PRE_CMD
        self._chain: Iterator[Handler] = iter(plan.pre)
        self._after: Iterator[tuple[Phase, Chain]] = _NOTHING
        self._asked: Handler | None = None
        """The handler that is being waited for."""

    def go(self) -> Awaitable[object] | None:
        """Ask on until a handler must be waited for: what it waits for. None at the end of the road."""
        command = self.command
        loud, limit = trace.loud, watchdog.LIMIT
        began = perf_counter()
        while True:
            answer: object = None
            is_cmd = self._phase is _CMD
            for handler in self._chain:
                if loud:
                    _tell(handler, command)
                try:
                    if is_cmd:
                        admit(command, handler)
                    answer = handler.run(command)
                except BaseException as error:
                    answer = _answer_for(error, handler, command)
                ended = perf_counter()
                if ended - began > limit:
                    watchdog.note(_what(handler), ended - began)
                began = ended
                if answer is None:
                    continue
                if answer.__class__ is not Outcome:
                    self._asked = handler
                    return watchdog.timed(_what(handler), answer)  # type: ignore[arg-type]
                if answer is not ERROR or self._phase not in _LOGS:
                    break
                # a LOG handler that fails stops no other
                answer = None
            if self._phase is _PRE_CMD and answer is not ERROR:
                self._phase, self._chain = _CMD, iter(self._plan.cmd)
            elif (is_cmd and answer is HANDLED and not self._plan.after) or not self._turn(answer):
                return None

    def follow(self, chains: Iterator[tuple[Phase, Chain]]) -> Awaitable[object] | None:
        """Ask these only, of a command whose road was walked by another."""
        self._phase, self._chain, self._after = Phase.LOG_CMD, iter(()), chains
        return self.go()

    def resume(self, answer: object, error: BaseException | None = None) -> Awaitable[object] | None:
        """Go on with what the handler that was waited for gave, or raised."""
        handler = self._asked
        assert handler is not None
        if error is None and not (answer is None or isinstance(answer, Outcome)):
            right = "cmd.ok(code, text), cmd.fail(code, text) or None"
            error = TypeError(f"the handler gave {answer!r}, which is no Outcome as that of {right}")
        if error is not None:
            answer = _answer_for(error, handler, self.command)
        ends = answer is not None and (answer is not ERROR or self._phase not in _LOGS)
        if ends and not self._turn(answer):
            return None
        return self.go()

    def _turn(self, answer: object) -> bool:
        """Into the next chain, after this answer of the last one; False when that was all."""
        plan = self._plan
        if self._phase is _PRE_CMD and answer is not ERROR:
            self._phase, self._chain = _CMD, iter(plan.cmd)
            return True
        if self._phase is _PRE_CMD or self._phase is _CMD:
            if answer is None:
                command = self.command
                command.session.modules.unhandled(command)
                command.errors.add(500, (f"{_unknown(command.name)} not understood",))
            elif answer is ERROR and not self.command.errors:
                # what has failed must not be answered by what was said before it failed, nor pass for done in also()
                self.command.session.log(Level.ERROR, "no module said why %s is refused", self.command.shown)
                self.command.errors.add(*LOCAL_ERROR)
            self._after = iter(plan.after if answer is HANDLED else plan.after_err)
        behind = next(self._after, None)
        if behind is None:
            return False
        self._phase, self._chain = behind[0], iter(behind[1])
        return True


def _tell(handler: Handler, command: Command) -> None:
    peer = command.session.peer
    text = f"dispatching {handler.phase.value} command '{command.shown}' to {handler.module}"
    debug(4, "%s", text, peer=peer)
    trace.say("command", 7, text, peer=peer)


def _unknown(verb: str) -> str:
    """A verb nobody answers, as ProFTPD names it: what stands behind SITE comes from another place there, in quotes."""
    return f"'{verb}'" if verb.startswith("SITE ") else verb.replace("_", " ")


def _what(handler: Handler) -> str:
    return f"{handler.module} {handler.phase.value} {handler.verb}"


def _answer_for(error: BaseException, handler: Handler, command: Command) -> Outcome:
    """What an exception of a handler means; only in PRE_CMD, CMD and POST_CMD_ERR does the client hear it."""
    code, lines = _words_for(error, handler, command)
    if isinstance(error, Refuse) and error.close:
        # the one refusal that also stands after success: it replaces the reply and ends the session
        command.replies.clear()
        command.errors.clear()
        command.errors.add(code, lines)
        command.session.end(error.reason or lines[-1])
    elif handler.phase in (Phase.PRE_CMD, Phase.CMD, Phase.POST_CMD_ERR):
        command.errors.add(code, lines)
    else:
        command.session.log(Level.NOTICE, "%s: %d %s", _what(handler), code, " ".join(lines))
    return ERROR


def _words_for(error: BaseException, handler: Handler, command: Command) -> tuple[int, tuple[str, ...]]:
    if isinstance(error, Refuse):
        return error.code, tuple(error.lines)
    if isinstance(error, TransferError):
        return error.code, (error.text,)
    if isinstance(error, OSError) and error.errno and isinstance(error.errno, int):
        code = _CODES.get(error.errno, 550)
        return code, (f"{command.argument or command.name}: {os.strerror(error.errno)}",)
    command.session.log(Level.ERROR, "%s failed on %s: %r", _what(handler), command.shown, error)
    command.session.log_exception(error)
    return LOCAL_ERROR


def run_inline(command: Command, plan: Plan) -> tuple[Road, Awaitable[object]] | None:
    """Walk as far as it goes without waiting; None when that was all, else the road and what it waits for.

    Replies are collected on the command.
    """
    road = Road(command, plan)
    waits_for = road.go()
    return None if waits_for is None else (road, waits_for)


async def run_on(road: Road, waits_for: Awaitable[object] | None) -> None:
    """Go on with a road that :func:`run_inline` left waiting."""
    while waits_for is not None:
        try:
            answer = await waits_for
        except BaseException as error:
            if is_cancelled(error):
                raise
            waits_for = road.resume(None, error)
        else:
            waits_for = road.resume(answer)


async def run(command: Command, plan: Plan) -> None:
    """The whole road, from inside another command or a test."""
    road = Road(command, plan)
    await run_on(road, road.go())
