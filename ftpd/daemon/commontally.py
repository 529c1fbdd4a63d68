"""Who is counted where inetd starts a process for each client: this one's own, and what the scoreboard tells of others.

MaxClients and its kin hold for all of them, as in ProFTPD, which counts by the scoreboard as well.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

from ftpd.core.log import debug
from ftpd.core.scoreboard import IDLE, NOBODY, CommonBoard, Entry
from ftpd.core.tally import Counted, Locked, OwnTally

_PATIENCE, _PAUSE = 2.0, 0.001
_USER, _CLASS = 31, 31
"""Letters of names that an entry has room for."""


class CommonTally(Locked, OwnTally):
    """One for the one client of a process; keys are those of mod_auth's census and mod_xfer's slots.

    What counts stands on the board before the lock is let go, so that of many who come at once none is overlooked.
    """

    def __init__(self, board: CommonBoard, host: str, port: int) -> None:
        super().__init__()
        self._board = board
        now = int(time.time())
        self._entry = Entry(os.getpid(), port=port, server=f"{host}:{port}", idle_since=now, began=now)
        self._changed = False

    def add_all(self, counted: Sequence[Counted]) -> None:
        super().add_all(counted)
        for key, _ in counted:
            self._tell(key, gone=False)
        self._show()

    def drop_all(self, keys: Sequence[Hashable]) -> None:
        super().drop_all(keys)
        for key in keys:
            self._tell(key, gone=True)
        self._show()

    def count(self, key: Hashable) -> int:
        test = _test(key)
        return super().count(key) + (0 if test is None else sum(map(test, self._others())))

    def distinct(self, under: Hashable) -> int:
        match under:
            case ("hosts", str(where), str(user)):
                means = _test(("user", where, user))
                own = {key[-1] for key in self._under.get(under, ()) if isinstance(key, tuple)}
                return len(own | {one.address for one in self._others() if means is not None and means(one)})
        return super().distinct(under)

    def _let_go(self) -> None:
        self._show()
        fcntl.lockf(self._board.mutex, fcntl.LOCK_UN)

    def _take_lock(self) -> None:
        """The kernel lets go of it should we die with it; who keeps it for long does not keep clients out."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.lockf(self._board.mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < end:
                    time.sleep(_PAUSE)
                    continue
                debug(1, "the ScoreboardMutex is kept by another process: clients are counted without it")
            return

    def _others(self) -> list[Entry]:
        """Who is on at the same address and port, in other processes."""
        return [one for one in self._board.others() if one.server == self._entry.server]

    def _tell(self, key: Hashable, *, gone: bool) -> None:
        entry = self._entry
        match key:
            case ("connection", _, str(host)):
                entry.address = host
            case ("user", _, str(name)):
                entry.user = NOBODY if gone else name
            case ("class", _, str(name)):
                entry.client_class = "" if gone else name
            case ("user", _, _, str(verb)):
                entry.command = IDLE if gone else verb
            case _:
                return
        self._changed = True

    def _show(self) -> None:
        if self._changed and not self._held:
            self._changed = False
            with suppress(OSError):
                self._board.write(self._board.claim(), self._entry)


def _test(key: Hashable) -> Callable[[Entry], bool] | None:
    """What tells an entry that the key counts; None where it counts nothing that is on a board."""
    match key:
        case ("connection", _, host):
            return lambda one: one.address == host
        case ("connections", _):
            return lambda one: True
        case ("class", _, str(name)):
            return lambda one: one.user != NOBODY and one.client_class == name[:_CLASS]
        case ("host" | "user" as kind, _, str(who), str(verb)):
            return lambda one: _is(one, kind, who) and one.command == verb
        case ("client", str(where)):
            return lambda one: _is_of(one, where)
        case ("host" | "user" as kind, str(where), str(who)):
            return lambda one: _is_of(one, where) and _is(one, kind, who)
    return None


def _is(one: Entry, kind: str, who: str) -> bool:
    return one.address == who if kind == "host" else one.user == who[:_USER]


def _is_of(one: Entry, where: str) -> bool:
    """Whether it is a login to that server, or to the <Anonymous> of that user: ``server/user``."""
    anonymous = where.partition("/")[2]
    return one.user == anonymous[:_USER] if anonymous else one.user != NOBODY
