"""What generations leave behind when they end: rings of functions and their globals, for the collector to find."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import typing
from types import ModuleType
from typing import Any

from ftpd.dispatch.registry import Generation
from ftpd.module import loader

_SOON = 0.05
"""Seconds after which nobody's last step holds on to the generation any more."""
_MOST_PATIENCE = 600.0
"""Seconds between looking after what is held on to still, at the longest."""
_MANY = 5_000
"""Objects, where the way from a module has led to what is not its own: large ones are made of 500."""
_STRIDE = 100
"""Objects that are asked in one turn of the loop what they hold: a quarter of a millisecond."""

# what the collector is about, and what it is not: C has public names for it
_leave_out = ctypes.pythonapi.PyObject_GC_UnTrack
_take_in = ctypes.pythonapi.PyObject_GC_Track
_leave_out.argtypes = _take_in.argtypes = [ctypes.py_object]
_leave_out.restype = _take_in.restype = None


class Leavings:
    """Has the collector look through what a forgotten module was made of, and through nothing else.

    By itself it would come when some thirty generations lie there and look through all that lives, sessions above
    all: that holds the loop for 40 ms where there are 200 of them, and for longer where there are more.  So what
    hangs together with the module is made young again, and only what is young is looked through: a millisecond.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._next: asyncio.Handle | None = None
        self._due = 0.0
        self._patience = _SOON

    async def stop(self, generation: Generation) -> None:
        """Take it out of service, and then away."""
        await generation.stop()
        self.clear_soon()

    def clear_soon(self) -> None:
        """Modules have been forgotten: take away what is left of them."""
        self._patience = _SOON
        # a round that is under way looks afterwards whether there are more
        if self._next is None or self._due > self._loop.time() + _SOON:
            self._wait()

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self) -> None:
        self.close()
        self._due = self._loop.time() + self._patience
        self._next = self._loop.call_at(self._due, self._begin)

    def _begin(self) -> None:
        # a thread that waits for a disk may use them for long
        self._patience = min(self._patience * 4, _MOST_PATIENCE)
        # typing remembers what Template[Moment] means, and so the module in which Moment was
        for forget in getattr(typing, "_cleanups", ()):
            forget()
        self._go_on(sorted(loader.unloaded.keys()))

    def _go_on(self, names: list[str], cluster: Cluster | None = None) -> None:
        """Some steps with one module, and the next when others have had their turn."""
        if cluster is not None and not cluster.look_on(_STRIDE):
            cluster.clear()
            cluster = None
        # it may have gone with another one, as one that is offered something goes with who offers it
        while cluster is None and names:
            namespace = loader.unloaded.get(names.pop())
            cluster = None if namespace is None else Cluster(namespace)
        if cluster is not None:
            self._next = self._loop.call_soon(self._go_on, names, cluster)
            return
        self._next = None
        if loader.unloaded:
            self._wait()


class Cluster:
    """All that hangs together with a module, as it is found out step by step.

    It may be more than is the module's alone: whether anything uses it is for the collector to find out.
    """

    def __init__(self, namespace: ModuleType) -> None:
        self._found: list[Any] = [namespace]
        self._seen = {id(namespace)}
        self._asked = 0
        """How many of them have told what they hold."""

    def look_on(self, steps: int) -> bool:
        """So many steps more; False when all has been found, or too much."""
        found, seen = self._found, self._seen
        end = min(self._asked + steps, len(found))
        for one in found[self._asked : end]:
            for other in gc.get_referents(one):
                if id(other) not in seen:
                    seen.add(id(other))
                    if gc.is_tracked(other) and not _is_common(other):
                        found.append(other)
        self._asked = end
        return end < len(found) <= _MANY

    def clear(self) -> None:
        """Have the collector look through what was found, and let go of it first."""
        running = gc.isenabled()
        gc.disable()
        try:
            found, self._found = self._found, []
            if len(found) <= _MANY:
                for one in found:
                    _leave_out(one)
                    _take_in(one)
                del one
                found.clear()
                # what stays is old again with that: by the hundred changes it would be looked through in one go
                gc.collect(1)
        finally:
            if running:
                gc.enable()


def _is_common(one: object) -> bool:
    """Whether it is there for all modules, and leads to everything there is."""
    if type(one) is dict:
        module = sys.modules.get(str(one.get("__name__", "")))
        return getattr(module, "__dict__", None) is one
    if isinstance(one, type):
        return one.__module__ not in loader.unloaded
    if isinstance(one, ModuleType):
        return one.__name__ not in loader.unloaded
    return isinstance(one, asyncio.AbstractEventLoop)
