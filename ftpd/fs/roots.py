"""The open root folders of sessions: those who have the same one share its descriptor."""

from __future__ import annotations

import os
from weakref import ref

from ftpd.fs import kernel
from ftpd.fs.folder import Descriptor

_roots: dict[kernel.Place, ref[Descriptor]] = {}


class _Root(Descriptor):
    """One for all sessions in a folder: what each may do there is asked with each path, and not of it."""

    __slots__ = ("_place",)

    def __init__(self, fd: int, place: kernel.Place) -> None:
        self.fd = fd
        self._place = place
        _roots[place] = ref(self)

    def __del__(self) -> None:
        os.close(self.fd)
        known = _roots.get(self._place)
        # another may be there since: of two that enter it at once in two threads, each has its own
        if known is not None and known() is None:
            _roots.pop(self._place, None)


def shared(fd: int, place: kernel.Place | None) -> Descriptor:
    """The descriptor of an open root folder: one that another session has of it already, if there is any."""
    if place is None:
        return Descriptor(fd)
    known = _roots.get(place)
    there = None if known is None else known()
    if there is None:
        return _Root(fd, place)
    os.close(fd)
    return there
