"""What may come out of a module's code: any exception at all, while asyncio's own word is not taken for one."""

from __future__ import annotations

import asyncio
import errno
import threading

SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that tell of the machine's state and of no file's: what was asked may go well in a moment."""


def is_interrupt(error: BaseException) -> bool:
    """True for Ctrl-C while the daemon starts; in another thread it is a module's own doing."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def is_cancelled(error: BaseException) -> bool:
    """True when it is asyncio that ends this task, or throws its coroutine away: then the error has to go on.

    Around a module's code everything is caught, as a module that calls sys.exit must not end the daemon, nor one that
    raises CancelledError or GeneratorExit leave its client without an answer; SIGINT comes through the loop, so a
    KeyboardInterrupt is a module's too, but for the time of the start (:func:`is_interrupt`).  Around its async code
    this is asked first.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None  # no loop runs any more
    if isinstance(error, GeneratorExit):
        return task is None
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
