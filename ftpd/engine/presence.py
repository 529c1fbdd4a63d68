"""Who is on, for the scoreboard: written a moment after sessions come or do something, taken off it when they go."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

from ftpd.core import trace
from ftpd.core.log import Level, log
from ftpd.core.scoreboard import IDLE, NOBODY, Board, Entry
from ftpd.module.command import Command
from ftpd.module.session import Session

if TYPE_CHECKING:
    import asyncio

    from ftpd.engine.control import ControlChannel

_DELAY = 0.2
"""Seconds from a command, or a client's coming, to its line on the board: what is over sooner costs no write."""
_SLICE = 200
"""Entries written in a row before others get their turn."""


class Presence:
    """The sessions of one worker on a board; a disk that fails costs the board, never a session."""

    def __init__(self, board: Board, loop: asyncio.AbstractEventLoop) -> None:
        self.board: Board | None = board
        self._loop = loop
        self._places: dict[ControlChannel, int] = {}
        self._changed: dict[ControlChannel, Command | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def came(self, channel: ControlChannel) -> None:
        if trace.active or (self.board is not None and self.board.at_once):
            # who looks on finds even the shortest session here
            self._write(channel, None)
        elif self.board is not None:
            self._changed[channel] = None
            if self._timer is None:
                self._timer = self._loop.call_later(_DELAY, self._write_changed)

    def went(self, channel: ControlChannel) -> None:
        self._changed.pop(channel, None)
        place = self._places.pop(channel, None)
        if place is not None and self.board is not None:
            self.board.release(place)

    def does(self, channel: ControlChannel, command: Command | None) -> None:
        """A command began, or, with None, a session changed; on the board when it is still so in a moment."""
        self._changed[channel] = command
        if self._timer is None:
            self._timer = self._loop.call_later(_DELAY, self._write_changed)

    def _write_changed(self) -> None:
        self._timer = None
        again: dict[ControlChannel, Command | None] = {}
        for _ in range(min(_SLICE, len(self._changed))):
            channel, command = self._changed.popitem()
            if channel.working:
                # until it is done, for its progress
                again[channel] = command
            else:
                command = None
            self._write(channel, command)
        if self._changed:
            self._timer = self._loop.call_later(0, self._write_changed)
        elif again:
            self._timer = self._loop.call_later(1.0, self._write_changed)
        self._changed.update(again)

    def _write(self, channel: ControlChannel, command: Command | None) -> None:
        if self.board is None:
            return
        place = self._places.get(channel)
        if place is None:
            place = self._places[channel] = self.board.claim()
        try:
            peer = channel.session.peer if trace.active else ""
            self.board.write(place, entry_of(channel.session, command), peer)
        except OSError as error:
            log(Level.ERROR, "the scoreboard is given up, ftpwho will not see who is on: %s", error)
            self.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.board is not None:
            self.board.close()
            self.board = None
        self._places.clear()
        self._changed.clear()


def entry_of(session: Session, command: Command | None) -> Entry:
    """What the board shows of a session that runs this command, or none."""
    identity = session.identity
    entry = Entry(
        pid=os.getpid(),
        uid=0 if identity is None else identity.uid,
        gid=0 if identity is None else identity.gid,
        user=session.user or NOBODY,
        port=session.local.port,
        server=f"{session.local.host}:{session.local.port}",
        label=session.setting("ServerName", "ProFTPD"),
        address=session.remote.host,
        name=session.remote_name,
        client_class=session.class_name,
        protocol=session.protocol,
        cwd=session.cwd,
        began=int(session.started),
    )
    if command is None:
        entry.idle_since = int(time())
        entry.command = IDLE
        return entry
    entry.command, _, entry.argument = command.shown.partition(" ")
    transfer, data = command.transfer, session.wire.data
    if transfer is not None and data is not None:
        entry.size = transfer.file_size or 0
        entry.length = entry.done = data.moved
        entry.elapsed = int((time() - command.started) * 1000)
    return entry
