"""What every process of the daemon does at its start: signals, the collector of garbage, the loop, limits."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from typing import Any

from ftpd.core import crypt
from ftpd.daemon import scheduling
from ftpd.daemon.errors import StartError
from ftpd.daemon.plan import Plan
from ftpd.dispatch.registry import CannotBegin
from ftpd.engine import tidying
from ftpd.engine.worker import Worker

GRACE = 2.0
"""Seconds that transfers get to end when the daemon is told to stop."""
_TURN = 0.0003
"""Seconds that a thread may keep the interpreter each time that the loop wants it; 5 ms by default."""


# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def hold_hangups() -> None:
    """To be called first: a HUP that comes before there is a handler would end us; so it is heard when there is one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def pass_over(*numbers: int) -> None:
    """Signals that mean nothing here.

    They would end us; were they ignored instead, so they would be in the programs that modules start.
    """
    for number in numbers:
        signal.signal(number, _not_for_us)


def _not_for_us(number: int, frame: object) -> None:
    """A signal that means nothing here."""


def spare_the_loop() -> None:
    """Keep what goes on in other threads, and the collector of garbage, from holding up those that are served.

    All that the start has made stays to the end, but for the first generation, which is small: were it looked
    through again at each full collection, that would take 5 to 15 ms.
    The collector has rested up to here: what it would have found was not worth its time.
    """
    sys.setswitchinterval(_TURN)
    gc.freeze()
    tidying.only_when_told()
    gc.enable()
    _keep_memory()


def _keep_memory() -> None:
    """What one listing lets go of, the next one takes: the kernel would give each page anew, a microsecond for each.

    By default glibc gives it back to the kernel from 128 KiB on.
    """
    with suppress(AttributeError):  # another libc
        tune = ctypes.CDLL(None).mallopt
        tune(_M_TRIM_THRESHOLD, 4 << 20)
        tune(_M_MMAP_THRESHOLD, 1 << 20)


def limit(worker: Worker, plan: Plan) -> None:
    """What the daemon's own settings allow: clients, and the time for which their passwords are known."""
    settings = plan.settings
    worker.limit(
        sessions=settings.max_instances, arrivals=settings.connection_rate, names=settings.reverse_dns
    )  # fmt: skip
    crypt.proofs.last(settings.password_cache)


async def into_service(start: Awaitable[None]) -> None:
    """Await what lets the modules of a generation begin."""
    try:
        await start
    except CannotBegin as error:
        raise StartError(str(error)) from error


def event_loop() -> Callable[..., int]:
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
            return _in_short_turns(uvloop.run)
    # asyncio would import it with its first thread, when an interpreter can lie where User cannot read
    import_module("concurrent.futures.thread")
    return _in_short_turns(asyncio.run)


def _in_short_turns(run: Callable[..., int]) -> Callable[..., int]:
    """Not before it runs: a process that is forked from who asked has turns as all others have."""

    def running(serving: Coroutine[Any, Any, int]) -> int:
        scheduling.shorten_turns()
        return run(serving)

    return running
