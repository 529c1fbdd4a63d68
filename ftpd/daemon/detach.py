"""Becoming a daemon: the shell's command returns when the daemon listens or has failed, with the right status."""

from __future__ import annotations

import os
import sys


class Starter:
    """Who started the daemon and waits; to be called once it serves."""

    def __init__(self, tell: int) -> None:
        self._tell = tell

    def __call__(self) -> None:
        leave_terminal()
        try:
            os.write(self._tell, b"+")
        except BrokenPipeError:
            # who started us did not wait; we serve all the same
            pass
        self.forget()

    def forget(self) -> None:
        """It is told, or not for this process to tell."""
        if self._tell >= 0:
            os.close(self._tell)
            self._tell = -1


def leave_terminal() -> None:
    """Have nothing to do any more with the terminal, or whatever it was that we were started from."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def detach() -> Starter:
    """Leave the terminal's session; only the daemon returns, with what to call once it serves.

    The process that was started waits: it ends with 0 when that is called, and with 1 when the daemon ends before.
    Messages go to the terminal until then.
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
    # a folder that is our current one could not be unmounted
    os.chdir("/")
    return Starter(tell)
