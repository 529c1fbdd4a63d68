"""The thread that writes the logs: whoever has a record hands it over and goes on, whatever the disk does."""

from __future__ import annotations

import atexit
import errno
import os
import threading
from collections import deque
from time import monotonic
from weakref import WeakSet

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log

GATHER = 0.01
"""Seconds in which records gather, so that a busy log costs one write for many."""
HELD = 1 << 20
"""Bytes that an outlet keeps while it cannot be written; what comes then is lost, and counted."""
_PRESSED = 0.05
"""Seconds between two times that :func:`press` counts: a row of short sessions is no reason to write often."""
_BATCH = 256 << 10
_RETRY = 1.0
_LONGEST_RETRY = 30.0
_HANGS = 1.0
"""Seconds after which a write is taken for one that may never end: another thread goes on with the other outlets."""
PIPE = 4096
"""Bytes that go through a pipe together (PIPE_BUF): those of several workers must not come apart."""
_BEHIND = (errno.EAGAIN, errno.ENOBUFS)
"""The reader is slow, which is no fault until records are lost."""


class Outlet:
    """Where records go. :meth:`put` never waits; subclasses send, in the scribe's thread."""

    def __init__(self, name: str, complaint: Level = Level.WARN) -> None:
        self._complaint = complaint
        self.name = name
        """How complaints call it: ``ExtendedLog '/var/log/all'``."""
        self.lost = 0
        """Records that found no room since something was delivered last."""
        # reentrant: what is collected as garbage meanwhile may have something to say
        self._lock = threading.RLock()
        self._records: deque[bytes] = deque()
        self._bytes = 0
        self._due = False
        """The scribe knows that there is something to do."""
        self._batch: list[bytes] = []
        self._trouble = ""
        self._pause = _RETRY
        self._to_close = False
        _outlets.add(self)

    def put(self, record: bytes) -> None:
        """Hand a record over, its line end included; from any thread."""
        first_lost = False
        with self._lock:
            held = self._bytes + len(record)
            if held <= HELD:
                self._records.append(record)
                self._bytes = held
            else:
                self.lost += 1
                first_lost = self.lost == 1
            asleep, self._due = not self._due, True
        if asleep:
            _scribe.wake(self)
        if first_lost:
            log(self._complaint, "%s loses records: %s", self.name, self._trouble or "they are taken too slowly")

    def release(self) -> None:
        """Let go of what is open once all that waits is delivered; the next record opens it anew."""
        with self._lock:
            self._to_close = True
            asleep, self._due = not self._due, True
        if asleep:
            _scribe.wake(self)

    def forget(self) -> None:
        """Drop what waits, and be as new: what the parent of a fork has to write is not for the child."""
        self._lock = threading.RLock()
        self._records.clear()
        self._batch.clear()
        self._bytes = 0
        self._due = False

    # -- in the scribe's thread ------------------------------------------------------------------------

    def deliver(self) -> float | None:
        """Send all there is; gives the seconds after which to try again, or None when nothing is left."""
        while self._take():
            try:
                with acting_as_daemon():
                    self._send()
            except OSError as error:
                return self._failed(error)
            self._worked()
        return None

    def _take(self) -> bool:
        """Fill the batch; False when there is nothing: then the next record has to wake the scribe."""
        while True:
            with self._lock:
                size = sum(map(len, self._batch))
                while self._records and size < _BATCH:
                    record = self._records.popleft()
                    size += len(record)
                    self._bytes -= len(record)
                    self._batch.append(record)
                closes, self._to_close = self._to_close and not self._batch, self._to_close and bool(self._batch)
                if not self._batch and not closes:
                    self._due = False
            if self._batch:
                return True
            if not closes:
                return False
            self._let_go()

    def _send(self) -> None:
        """Take out of ``_batch`` what can be delivered; OSError when the rest cannot be now."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Close what is open, unless nothing could take its place."""
        self._close()

    def _close(self) -> None:
        """Let go of what is open."""

    def _failed(self, error: OSError) -> float:
        if error.errno in _BEHIND:
            return GATHER
        reason = error.strerror or str(error)
        if self._trouble != reason:
            self._trouble = reason
            log(self._complaint, "unable to write %s: %s", self.name, reason)
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_RETRY)
        return pause

    def _worked(self) -> None:
        if not (self._trouble or self.lost):
            return
        with self._lock:
            lost, self.lost = self.lost, 0
        if self._trouble or lost:
            log(self._complaint, "%s is written again; %s of its records were lost", self.name, lost or "none")
        self._trouble, self._pause = "", _RETRY


def write(descriptor: int, batch: list[bytes], most: int) -> None:
    """Write the records and take them out of the batch; as many at once as are no longer than ``most`` together."""
    while batch:
        many, size = 1, len(batch[0])
        while many < len(batch) and size + len(batch[many]) <= most:
            size += len(batch[many])
            many += 1
        written = os.write(descriptor, b"".join(batch[:many]))
        batch[:many] = [b"".join(batch[:many])[written:]] if written < size else []


class Scribe:
    """One thread for all outlets; where a write hangs, it is left to that one and another goes on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: deque[Outlet] = deque()
        self._later: list[tuple[float, Outlet]] = []
        self._thread: threading.Thread | None = None
        self._busy: Outlet | None = None
        self._since = 0.0
        self._hung: set[Outlet] = set()
        self._hurry = 0
        self._pressed = False
        self._pressed_at = 0.0
        self._round = 0
        """Outlets that are delivered without another pause: their records have waited."""

    def wake(self, outlet: Outlet) -> None:
        with self._changed:
            self._due.append(outlet)
            self._changed.notify_all()
            self._look()

    def look(self) -> None:
        """To be called now and then: a write that hangs must not be the reason why another log stands still."""
        with self._changed:
            self._look()

    def _look(self) -> None:
        if self._thread is not None and (self._busy is None or monotonic() - self._since < _HANGS):
            return
        if self._busy is not None:
            self._hung.add(self._busy)
            self._busy, self._round = None, 0
        if self._due or self._later:
            self._thread = threading.Thread(target=self._run, name="ftpd-scribe", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                # no thread is to be had now: the records wait, and whoever logs must not suffer for it
                self._thread = None
        else:
            self._thread = None

    def _run(self) -> None:
        me = threading.current_thread()
        while (outlet := self._next(me)) is not None:
            try:
                again = outlet.deliver()
            except Exception as error:
                # without its thread there would be no log at all to tell of this
                log(Level.ERROR, "%s: a fault in its delivery: %r", outlet.name, error, exc_info=error)
                again = _LONGEST_RETRY
            with self._changed:
                if self._busy is outlet:
                    self._busy = None
                self._hung.discard(outlet)
                if again is not None:
                    self._later.append((monotonic() + again, outlet))
                self._changed.notify_all()

    def _next(self, me: threading.Thread) -> Outlet | None:
        """The outlet to deliver now; None when another thread took over."""
        with self._changed:
            while self._thread is me:
                now = monotonic()
                self._due.extend(outlet for when, outlet in self._later if when <= now)
                self._later = [entry for entry in self._later if entry[0] > now]
                if not self._due:
                    self._round = 0
                    self._changed.wait(min(when for when, _ in self._later) - now if self._later else None)
                    continue
                if self._round == 0:
                    self._gather(now + GATHER)
                    self._pressed = False
                    self._round = len(self._due)
                    continue
                self._round -= 1
                self._busy, self._since = self._due.popleft(), monotonic()
                return self._busy
            return None

    def _gather(self, end: float) -> None:
        """Give the records a moment to come together."""
        while not (self._hurry or self._pressed) and (left := end - monotonic()) > 0:
            self._changed.wait(left)

    def press(self) -> None:
        """What waits now is to be written without the pause."""
        if not self._due or (now := monotonic()) - self._pressed_at < _PRESSED:
            return
        with self._changed:
            self._pressed, self._pressed_at = True, now
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all is delivered that can be; False when it was not in time."""
        if not (self._due or self._later or self._busy or self._hung):
            return True
        end = monotonic() + seconds
        with self._changed:
            # what failed before is tried once more
            self._due.extend(outlet for _, outlet in self._later)
            self._later.clear()
            self._hurry += 1
            self._changed.notify_all()
            try:
                while self._due or self._busy or self._hung:
                    self._look()
                    left = min(end - monotonic(), _HANGS)
                    if left <= 0:
                        return False
                    self._changed.wait(left)
                return True
            finally:
                self._hurry -= 1

    def rest(self) -> None:
        """Let the thread end, and what could not be delivered with it; the next record starts another."""
        with self._changed:
            for _, outlet in self._later:
                outlet.forget()
            self._later.clear()
            self._thread = None
            self._changed.notify_all()


_scribe = Scribe()
_outlets: WeakSet[Outlet] = WeakSet()


def look() -> None:
    """See to it that no log waits behind one that hangs; for a timer."""
    _scribe.look()


def press() -> None:
    """Have written soon what was handed over, and wait for nothing: nobody is there whose records could join it."""
    _scribe.press()


def flush(seconds: float = 2.0) -> bool:
    """Wait until what was handed over is written where it can be; for the end, and for tests."""
    return _scribe.flush(seconds)


def rest() -> None:
    """End the thread until there is something to write again; what could not be written is given up."""
    _scribe.rest()


def _begin_anew() -> None:
    """In the child of a fork there is no thread."""
    global _scribe
    _scribe = Scribe()
    for outlet in tuple(_outlets):
        outlet.forget()


os.register_at_fork(before=flush, after_in_child=_begin_anew)
atexit.register(flush)
