"""Becoming a daemon: the shell's command returns when the daemon listens or has failed, with the right status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

Ready = Callable[[], None]


def detach() -> Ready:
    """Leave the terminal; only the daemon returns, with a function to call once it serves.

    The process that was started waits: it ends with 0 when that function is called, and with 1 when the
    daemon ends before.  Messages go to the terminal until then.
    """
    told, tell = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.close(tell)
        started = os.read(told, 1) == b"+"
        os._exit(0 if started else 1)
    os.close(told)
    os.setsid()
    # not the leader of its session any more, it can never get a terminal again
    if os.fork():
        os._exit(0)

    def ready() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        if null > 2:
            os.close(null)
        try:
            os.write(tell, b"+")
        except BrokenPipeError:
            # who started us did not wait; we serve all the same
            pass
        os.close(tell)

    # a folder that is our current one could not be unmounted
    os.chdir("/")
    return ready
