"""Threads for what blocks: a small pool for each kind of work, so that a hung kind starves no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = {"auth": 2}
_DEFAULT_THREADS = 4


def _finished(work: Callable[[], T]) -> T:
    try:
        return work()
    except StopIteration as error:
        # a future cannot carry it: who waits would wait for ever
        raise RuntimeError("what was offloaded raised StopIteration") from error


class Pools:
    """Implements :class:`ftpd.module.command.Pool`; threads start at the first use of their kind."""

    def __init__(self) -> None:
        self._pools: dict[str, ThreadPoolExecutor] = {}

    async def __call__(self, work: Callable[[], T], kind: str) -> T:
        pool = self._pools.get(kind)
        if pool is None:
            threads = _THREADS.get(kind, _DEFAULT_THREADS)
            pool = self._pools[kind] = ThreadPoolExecutor(threads, thread_name_prefix=f"ftpd-{kind}")
        return await asyncio.get_running_loop().run_in_executor(pool, _finished, work)

    def close(self) -> None:
        """Let running work end in its own time; nothing new is taken."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._pools.clear()
