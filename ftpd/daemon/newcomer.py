"""A log that a new configuration names, opened aside: its disk may hang, and the sessions must not wait for that."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ftpd.core.log import Level, log
from ftpd.core.logfile import LogFile

_AT_ONCE = 0.05
"""Seconds that a disk which answers does not take."""

_turn = threading.Lock()
_wanted: _Opening | None = None
"""What the newest configuration has asked for: what an older one waits for has no more use."""


class _Opening:
    """One file on its way, and what is done when it comes after all."""

    def __init__(self, file: LogFile, use: Callable[[], None]) -> None:
        self._file = file
        self._use = use
        self._late = False
        self.done = False
        self.error: OSError | None = None

    def run(self) -> None:
        error = None
        try:
            self._file.open()
        except OSError as wrong:
            error = wrong
        with _turn:
            self.done, self.error = True, error
            if not self._late or _wanted is not self:
                return
            if error is None:
                self._use()
        if error is not None:
            log(Level.ERROR, "unable to open %s: %s: the log before goes on", self._file.name, error.strerror)

    def is_there(self) -> bool:
        """Whether it has been opened by now; what comes later is for the thread to see to."""
        with _turn:
            self._late = not self.done
        if self.error is not None:
            raise self.error
        return self.done


def open(file: LogFile, use: Callable[[], None]) -> bool:
    """Whether it is open by now; else ``use`` is called as soon as it is. OSError where it is known already why not."""
    global _wanted
    opening = _Opening(file, use)
    with _turn:
        _wanted = opening
    # one that hangs must not hold up the end of the daemon
    thread = threading.Thread(target=opening.run, name="a new log", daemon=True)
    thread.start()
    thread.join(_AT_ONCE)
    return opening.is_there()


def forget() -> None:
    """Another configuration is in force: what was asked for before is not wanted any more."""
    global _wanted
    with _turn:
        _wanted = None
