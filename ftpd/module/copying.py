"""Copies of files: made by the kernel, slice by slice in a thread, holes and all, so that others get their turn."""

from __future__ import annotations

import errno
import os
from typing import Protocol

from ftpd.module.command import Command
from ftpd.module.wire import Work

POOL = "copy"
"""Copies have threads of their own: a slow disk under them keeps no other work from being done."""
_SLICE = 32 << 20
"""Bytes copied before other copies get a turn at the thread, and before we look whether the client is still there."""
_NO_RANGES = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})
"""What copy_file_range says between file systems, on those that cannot, and in containers that forbid it."""


class Job(Protocol):
    """What is done in slices, by one thread or another: each step holds a lock, so that giving up waits for it."""

    def begin(self) -> bool:
        """The first slice; True when there is more to do."""

    def go_on(self) -> bool: ...

    def give_up(self) -> None:
        """Leave nothing of what is not finished."""


async def in_slices(cmd: Command, work: Work, job: Job, what: str) -> None:
    """Do the job while the client wants it: Refuse 426, which begins with ``what``, when it does not any more."""
    try:
        more = await cmd.offload(job.begin, POOL)
        while more:
            work.check(what)
            more = await cmd.offload(job.go_on, POOL)
    except BaseException:
        await cmd.offload(job.give_up, POOL)
        raise


def copy_slice(source: int, target: int, at: int, size: int) -> int:
    """Copy what comes at ``at`` of a file that has ``size`` bytes, and give where the next slice begins.

    That is ``at`` itself when the file has become shorter meanwhile.  Holes stay holes, or a file that is nothing else
    would fill the disk: the one at the end is for :func:`os.ftruncate` to make.
    """
    left = _SLICE
    while left > 0 and at < size:
        start = _next_data(source, at, size)
        end = min(_end_of_data(source, start, size), start + left)
        at = start
        while at < end:
            moved = _move(source, target, at, end - at)
            if not moved:
                return at
            at += moved
        left -= max(at - start, 1)
    return at


def _next_data(descriptor: int, offset: int, size: int) -> int:
    try:
        return min(os.lseek(descriptor, offset, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole is left
            return size
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return offset
        raise


def _end_of_data(descriptor: int, offset: int, size: int) -> int:
    try:
        return min(os.lseek(descriptor, offset, os.SEEK_HOLE), size)
    except OSError:
        return size


def _move(source: int, target: int, offset: int, count: int) -> int:
    """Let the kernel copy, which may only note that both files share the blocks, or ask the file server to."""
    try:
        return os.copy_file_range(source, target, count, offset, offset)
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    os.lseek(target, offset, os.SEEK_SET)
    return os.sendfile(target, source, offset, count)
