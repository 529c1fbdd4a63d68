"""mod_gauge -- how late the loop is, what of it a change of modules is to blame for, and what the process holds.

Its clock, and what it has put around the steps of a change, go on from generation to generation.
"""

import asyncio
import functools
import gc
import inspect
import os
import sys
import time
import types
from contextlib import contextmanager

from ftpd.api import Module
from ftpd.daemon.ctrlsock import ControlSocket
from ftpd.engine.leavings import Leavings

module = Module("mod_gauge", version="1.0")
STEP = 0.002
held = sys.modules.setdefault("ftpd_soak", types.SimpleNamespace(late=0.0, elsewhere=0.0, steps={}, ticking=False))


def waited():
    """How long the loop's thread was ready to run and had no processor, which others of the machine had."""
    try:
        with open("/proc/thread-self/schedstat") as numbers:
            return int(numbers.read().split()[1]) / 1e9
    except OSError:
        # a kernel that does not tell
        return 0.0


def tick(due, cpu, own, wait):
    late = time.perf_counter() - due - (waited() - wait)
    # nor did this process hold the loop for longer than it, with all its threads, has worked
    worked, own = time.process_time() - cpu, time.thread_time() - own
    held.late = max(held.late, min(late, worked))
    # what was late and not this thread's work is another one's: it had the interpreter
    held.elsewhere = max(held.elsewhere, min(late - max(0.0, own - STEP), worked - own))
    begin()


def begin():
    asyncio.get_running_loop().call_later(
        STEP, tick, time.perf_counter() + STEP, time.process_time(), time.thread_time(), waited()
    )


@contextmanager
def timed(name):
    began, cpu, wait = time.perf_counter(), time.process_time(), waited()
    try:
        yield
    finally:
        spent = min(time.perf_counter() - began - (waited() - wait), time.process_time() - cpu)
        held.steps[name] = max(held.steps.get(name, 0.0), spent)


@types.coroutine
def in_steps(name, work):
    """Each stretch between two suspensions is a step."""
    steps = work.__await__()
    send, value = steps.send, None
    while True:
        try:
            with timed(name):
                waits_for = send(value)
        except StopIteration as done:
            return done.value
        try:
            send, value = steps.send, (yield waits_for)
        except BaseException as error:
            send, value = steps.throw, error


def watched(owner, name):
    before = getattr(owner, name)

    @functools.wraps(before)
    def call(*given):
        with timed(name):
            return before(*given)

    @functools.wraps(before)
    async def work(*given):
        return await in_steps(name, before(*given))

    setattr(owner, name, work if inspect.iscoroutinefunction(before) else call)


@contextmanager
def clock():
    if not held.ticking:
        held.ticking = True
        begin()
    yield


module.resource(clock)
if not held.ticking:
    # all that a change does in the loop's thread: it is asked for, read in another thread, put into force and
    # answered; and what the generation before leaves behind is taken away
    for owner, name in ((ControlSocket, "_connected"), (Leavings, "stop"), (Leavings, "_begin"), (Leavings, "_go_on")):
        watched(owner, name)


@module.control("gauge", help="how late the loop was since the last time, and what the process holds")
def gauge(asked):
    late, elsewhere, steps = held.late, held.elsewhere, dict(held.steps)
    forget()
    if asked.words:
        for _ in range(3):
            gc.collect()
        # and nothing of that is a change's
        asyncio.get_running_loop().call_later(0.05, forget)
    yield f"{late * 1000:.3f}"
    yield f"{elsewhere * 1000:.3f}"
    yield " ".join(f"{name}={spent * 1000:.3f}" for name, spent in steps.items())
    yield str(len(asyncio.all_tasks()))
    yield str(len(os.listdir("/proc/self/fd")))
    with open("/proc/self/statm") as statm:
        yield str(int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024)


def forget():
    held.late = held.elsewhere = 0.0
    held.steps.clear()
