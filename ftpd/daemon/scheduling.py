"""The loop is soon on the processor again: Linux lets who asks for short turns go before who asks for long ones.

Without that a thread that reads a large folder, or another program, keeps the processor until its own turn is over,
which many kernels see at their ticks alone, every four milliseconds: so long whoever says something then had to wait.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_TURN = 100_000
"""Nanoseconds, the least that Linux gives; since 6.12, earlier ones do as before."""
_CALLS = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""sched_setattr(2), which no C library had for long."""
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""The first edition of struct sched_attr (sched_setattr(2)): size, policy, flags, nice, priority, and the turn's length
in the place of a runtime."""
_NOT_OF_CHILDREN = 1
"""SCHED_FLAG_RESET_ON_FORK: threads and programs that are started have turns as others have."""


def shorten_turns() -> bool:
    """Ask for it for the calling thread; whether the kernel has heard of it.

    Who was given another policy or went in front of others by an administrator stays as he is: the flag would take the
    latter from threads.
    """
    call = _CALLS.get(platform.machine())
    try:
        nice, policy = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
    except OSError:
        return False
    if call is None or nice < 0 or policy != os.SCHED_OTHER:
        return False
    wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, _NOT_OF_CHILDREN, nice, 0, _TURN, 0, 0)
    refused: int = ctypes.CDLL(None).syscall(call, 0, wanted, 0)
    return refused == 0
