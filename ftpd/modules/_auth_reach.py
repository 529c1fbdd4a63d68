"""Work at paths of the machine: done at once where they are near, by a thread of their device where one may hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ftpd.api import Command, pool_at

T = TypeVar("T")


async def reach(command: Command, work: Callable[[], T], *places: str) -> T:
    """Do what is to be done at these paths."""
    kind = pool_at(*places, kind="")
    return await command.offload(work, kind) if kind else work()
