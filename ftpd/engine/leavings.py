"""What generations leave behind when they end: rings of functions and their globals, for the collector to find."""

from __future__ import annotations

import asyncio
import gc

from ftpd.dispatch.registry import Generation

_MOST = 4
_SOON = 0.05
"""Seconds after which nobody's last step holds on to the generation any more."""


class Leavings:
    """Calls the collector while there is little for it to do.

    By itself it would come when some thirty generations lie there, and hold the loop for 40 ms to clear them away.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = 0

    async def stop(self, generation: Generation) -> None:
        """Take it out of service, and its leavings away before they are many."""
        await generation.stop()
        self._left += 1
        if self._left == _MOST:
            self._loop.call_later(_SOON, self._clear)

    def _clear(self) -> None:
        self._left = 0
        gc.collect()
