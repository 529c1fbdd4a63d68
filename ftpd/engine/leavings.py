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

    def _go_on(self, names: list[str]) -> None:
        """One module, and the next when others have had their turn."""
        while names:
            # it may have gone with another one, as one that is offered something goes with who offers it
            if (name := names.pop()) in loader.unloaded:
                clear(name)
                self._next = self._loop.call_soon(self._go_on, names)
                return
        self._next = None
        if loader.unloaded:
            self._wait()


def clear(name: str) -> None:
    """Take away the forgotten module of this name, if nothing uses it any more."""
    running = gc.isenabled()
    gc.disable()
    try:
        if _make_young(name):
            # what stays is old again with that: by the hundred changes it would be looked through together, in one go
            gc.collect(1)
    finally:
        if running:
            gc.enable()


def _make_young(name: str) -> bool:
    """All that hangs together with the module; False where that is no end.

    It may be more than is the module's alone: whether anything uses it is for the collector to find out.
    """
    namespace = loader.unloaded.get(name)
    if namespace is None:
        return False
    found: list[Any] = [namespace]
    seen = {id(namespace)}
    for one in found:
        for other in gc.get_referents(one):
            if id(other) not in seen:
                seen.add(id(other))
                if gc.is_tracked(other) and not _is_common(other):
                    found.append(other)
        if len(found) > _MANY:
            return False
    for one in found:
        _leave_out(one)
        _take_in(one)
    return True


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
