"""Who ends its session by its own word: told goodbye as others were who stood alike, without asking anybody again."""

from __future__ import annotations

import socket
from collections.abc import Hashable
from time import monotonic
from typing import NamedTuple

from ftpd.core import trace
from ftpd.dispatch.compile import Plan
from ftpd.engine.common import standing_of
from ftpd.engine.recall import Recall
from ftpd.module.command import Command
from ftpd.module.handler import Alikeness

_KEY = object()
_MOST = 256
"""Users of whom one generation remembers how they were told goodbye last."""
_TRUSTED = 30.0
"""Seconds for which any of it is believed at the longest."""


class _Goodbye(NamedTuple):
    """How a session ended."""

    standing: Hashable
    said: bytes
    reason: str
    alike: tuple[Alikeness, ...]
    """Whether it is so for a session, where that hangs on more than how it stands."""
    until: float


class Goodbyes(Recall):
    """A session that has nothing under way ends where others like it have ended that said the same."""

    def _goes(self, packet: bytes) -> bool:
        """End the session by this line, which came alone, if it is known how; False for the whole road."""
        if self._task is not None or self._queue or self._running or self._out or self._peer_done:
            return False
        if trace.loud or self._pace is not None or self._meter is not None or not self._reader.between:
            return False
        session, known, port = self.session, self.generation.kept.get(_KEY), self._port
        if known is None or self._upload is not None or (port is not None and port.lent):
            return False
        found: _Goodbye | None = known.get((packet, session.user))
        if found is None or found.until <= monotonic() or found.standing != standing_of(session):
            return False
        if found.alike and not all(alike(session) for alike in found.alike):
            return False
        session.bytes_in += len(packet)
        if port is not None:
            port.abandon()
        self._ending = found.reason
        # the end follows at once, and goes with it
        self._write(found.said, socket.MSG_MORE)
        self._finish_when_written()
        return True

    def _remember_goodbye(self, packet: bytes, command: Command, plan: Plan) -> None:
        """The packet was one line, and its command has ended the session: it is answered next."""
        if command.errors or self._ending is None or self._out or self._peer_done or trace.loud:
            return
        if plan.alike is None or command.reply is None or packet not in self.generation.table.partings:
            return
        standing, session = standing_of(self.session), self.session
        if standing is None or not all(alike(session) for alike in plan.alike):
            return
        if not all(holds(command) for holds in plan.parts or ()):
            return
        known = self.generation.kept.setdefault(_KEY, {})
        if len(known) >= _MOST:
            known.clear()
        until = monotonic() + _TRUSTED
        known[packet, session.user] = _Goodbye(standing, command.reply.encode(), self._ending, plan.alike, until)
