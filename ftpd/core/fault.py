"""What may come out of a module's code: any exception at all, while asyncio's own word is not taken for one."""

from __future__ import annotations

import asyncio
import threading

FAULTS = (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError)
"""What to catch around a module's async code.

A module that calls sys.exit must not end the daemon, nor one that raises CancelledError leave its client without an
answer; SIGINT comes through the loop, so a KeyboardInterrupt is a module's too. Plain code may raise GeneratorExit as
well: around that, catch BaseException and let go on what :func:`is_interrupt` says.
"""


def is_interrupt(error: BaseException) -> bool:
    """True for Ctrl-C while the daemon starts; in another thread it is a module's own doing."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def is_cancelled(error: BaseException) -> bool:
    """True when it is asyncio that ends this task: then the error has to go on."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
