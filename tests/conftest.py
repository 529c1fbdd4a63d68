"""After each test, nothing may be left of it: no open descriptor, no thread, no asyncio task still waiting."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
import uvloop
from hypothesis import settings

# the same examples in every run: a change is judged by what it changes, not by the luck of the draw
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


def descriptors() -> dict[int, str]:
    """The open descriptors of this process, and what each is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            # the descriptor of the listing itself
            continue
    return found


def threads() -> dict[int, str]:
    return {id(thread): thread.name for thread in threading.enumerate()}


def waiting_tasks() -> dict[int, str]:
    """Tasks of any loop that have not ended; there is no public way to ask for those of a loop that has."""
    kept_in = "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks"
    known: Iterable[asyncio.Task[object]] = getattr(asyncio.tasks, kept_in)
    return {id(task): repr(task) for task in list(known) if not task.done()}


def left_behind(before: Mapping[int, str], now: Callable[[], Mapping[int, str]]) -> list[str]:
    """What is there now and was not before; garbage may still hold it, and a thread may be about to end."""
    if now().keys() <= before.keys():
        return []
    gc.collect()
    end = time.monotonic() + 1
    while (left := [what for key, what in now().items() if key not in before]) and time.monotonic() < end:
        time.sleep(0.01)
    return left


# libuv opens a pipe for signals with the first loop of a process and keeps it: that is to be before the first test
uvloop.new_event_loop().close()


def pytest_collection_finish() -> None:
    """What thousands of collected tests hold is no garbage: the tests that have it looked for would look through that
    each time, which was a third of all their processor time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    counted: dict[str, Callable[[], dict[int, str]]] = {
        "descriptors": descriptors,
        "threads": threads,
        "asyncio tasks": waiting_tasks,
    }
    before = {kind: count() for kind, count in counted.items()}
    yield
    for record in caplog.get_records("call"):
        # its traceback has every frame up to the loop's, and pytest keeps the record for the report
        record.exc_info = None
    for kind, count in counted.items():
        left = left_behind(before[kind], count)
        assert not left, f"the test left {kind} behind: {', '.join(left)}"
