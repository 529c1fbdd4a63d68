"""One command through the six phases; plain handlers run at once, only an async one makes a task wait."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Generator
from time import perf_counter
from typing import Any

from ftpd.core import trace, watchdog
from ftpd.core.fault import FAULTS, is_cancelled
from ftpd.core.log import Level, debug
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Outcome, Phase
from ftpd.dispatch.compile import Chain, Plan
from ftpd.dispatch.gate import admit
from ftpd.module.command import Command
from ftpd.module.table import Handler
from ftpd.module.wire import TransferError

Road = Generator[Awaitable[Outcome | None], Outcome | None, None]
Step = Generator[Awaitable[Outcome | None], Outcome | None, Outcome | None]

_FULL = {errno.ENOSPC: 452, errno.EDQUOT: 552, errno.EFBIG: 552}


def walk(command: Command, plan: Plan) -> Road:
    """Take the command through its phases; yields each awaitable that an async handler gave.

    Replies are collected on the command.  Whoever drives this sends back what the awaitable gave, or throws
    what it raised.
    """
    command.group, command.classes = plan.group, plan.classes
    outcome = None
    if plan.pre and (yield from _ask(plan.pre, Phase.PRE_CMD, command)) is Outcome.ERROR:
        outcome = Outcome.ERROR
    else:
        outcome = yield from _ask(plan.cmd, Phase.CMD, command)
        if outcome is None:
            command.session.modules.unhandled(command)
            command.errors.add(500, (f"{_unknown(command.name)} not understood",))
            outcome = Outcome.ERROR
    if outcome is Outcome.HANDLED:
        if plan.post:
            yield from _ask(plan.post, Phase.POST_CMD, command)
        logs, phase = plan.log, Phase.LOG_CMD
    else:
        if plan.post_err:
            yield from _ask(plan.post_err, Phase.POST_CMD_ERR, command)
        logs, phase = plan.log_err, Phase.LOG_CMD_ERR
    for chain in logs:
        if chain:
            yield from _ask(chain, phase, command)


def _ask(chain: Chain, phase: Phase, command: Command) -> Step:
    """Ask handlers until one does not decline; None when all did."""
    loud = trace.loud
    for handler in chain:
        if loud:
            _tell(handler, command)
        began = perf_counter()
        try:
            if phase is Phase.CMD:
                admit(command, handler)
            answer = handler.run(command)
        except BaseException as error:
            answer = _answer_for(error, handler, command)
        if not (answer is None or isinstance(answer, Outcome)):
            try:
                answer = _outcome((yield watchdog.timed(_what(handler), answer)))
            except FAULTS as error:
                answer = _answer_for(error, handler, command)
            finally:
                # the waiting was not the handler's, whether it ended well or not
                began = perf_counter()
        spent = perf_counter() - began
        if spent > watchdog.LIMIT:
            watchdog.note(_what(handler), spent)
        if answer is None:
            continue
        if answer is Outcome.ERROR and phase in (Phase.LOG_CMD, Phase.LOG_CMD_ERR):
            continue
        return answer
    return None


def _outcome(answer: object) -> Outcome | None:
    if answer is None or isinstance(answer, Outcome):
        return answer
    raise TypeError(f"the handler gave {answer!r}, which is no Outcome")


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
        command.session.end(lines[-1])
    elif handler.phase in (Phase.PRE_CMD, Phase.CMD, Phase.POST_CMD_ERR):
        command.errors.add(code, lines)
    else:
        command.session.log(Level.NOTICE, "%s: %d %s", _what(handler), code, " ".join(lines))
    return Outcome.ERROR


def _words_for(error: BaseException, handler: Handler, command: Command) -> tuple[int, tuple[str, ...]]:
    if isinstance(error, Refuse):
        return error.code, tuple(error.lines)
    if isinstance(error, TransferError):
        return error.code, (error.text,)
    if isinstance(error, OSError) and error.errno:
        code = _FULL.get(error.errno, 550)
        return code, (f"{command.argument or command.name}: {os.strerror(error.errno)}",)
    command.session.log(Level.ERROR, "%s failed on %s: %r", _what(handler), command.shown, error)
    command.session.log_exception(error)
    return 451, ("Requested action aborted: local error in processing",)


def run_inline(command: Command, plan: Plan) -> tuple[Road, Awaitable[Any]] | None:
    """Walk as far as it goes without waiting; None when that was all, else the road and what it waits for."""
    road = walk(command, plan)
    try:
        return road, next(road)
    except StopIteration:
        return None


async def run_on(road: Road, waits_for: Awaitable[Any]) -> None:
    """Go on with a road that :func:`run_inline` left waiting."""
    try:
        while True:
            try:
                answer = await waits_for
            except FAULTS as error:
                if is_cancelled(error):
                    raise
                waits_for = road.throw(error)
            else:
                waits_for = road.send(answer)
    except StopIteration:
        return
    finally:
        road.close()


async def run(command: Command, plan: Plan) -> None:
    """The whole road, from inside another command or a test."""
    rest = run_inline(command, plan)
    if rest is not None:
        await run_on(*rest)
