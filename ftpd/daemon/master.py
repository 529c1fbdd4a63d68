"""The master of several workers: it binds, gives birth, replaces those that die, and never reads the network.

It has no event loop and no thread when it forks: a worker is a copy of it with the configuration read, and goes its
own way from there. A new configuration is a new team of workers; the one before ends with its last sessions.
"""

from __future__ import annotations

import selectors
import signal
from time import monotonic

from ftpd.core import logfile
from ftpd.core.log import Level, log
from ftpd.daemon import crew, logs, pidfile, scoreboard, systemd
from ftpd.daemon.announce import announce
from ftpd.daemon.bell import Bell
from ftpd.daemon.detach import Starter
from ftpd.daemon.errors import StartError
from ftpd.daemon.line import Message
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Ports, close
from ftpd.daemon.process import GRACE
from ftpd.daemon.pulse import Pulse
from ftpd.daemon.staff import Born
from ftpd.daemon.succession import Succession
from ftpd.daemon.teams import Hand, Questions
from ftpd.engine.pool import Pools

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_TO_END = GRACE + 5.0
"""Seconds after which a worker that was told to end is ended."""


class Master(Succession):
    """The daemon where there are ``Workers``; :meth:`run` returns its exit status, or in a worker that one's."""

    def __init__(self, first: Plan, pools: Pools, ports: Ports, version: str) -> None:
        super().__init__(first, pools, ports)
        self._version = version
        self._speaker: Hand | None = None
        """Who has the control socket, and hears of STARTUP, RESTART and SHUTDOWN."""
        self._questions = Questions()
        self._serving = False
        self._end = 0.0
        """When workers that live still are ended; 0 until we are told to stop."""
        self._told_again = False
        self._pulse = Pulse()

    def run(self, starter: Starter | None) -> int:
        self._starter = starter
        try:
            return self._rule()
        except Born as born:
            seat = born.seat
        # out of the handler: what the master was about is nothing that this process could fail in
        return crew.work(seat)

    # -- the master's life -------------------------------------------------------------------------------

    def _rule(self) -> int:
        plan = self._team.plan
        self._pid_file = pidfile.of(plan.settings, foreground=plan.options.foreground)
        try:
            logs.direct(plan)
            self._hear_signals()
            self._team.board = scoreboard.opened(plan.settings)
            self._raise(self._team)
            while not self._team.complete:
                self._look(1.0)
        except Exception:
            self._leave()
            raise
        self._serving = self._team.told = True
        self._team.say({"serve": True})
        self._give_the_word()
        log(Level.NOTICE, "%d workers serve", len(self._team.hands))
        announce(plan, tuple(self._ports.sockets), self._version, handed_over=self._ports.handed_over)
        logfile.flush()
        if self._starter is not None:
            self._starter()
            self._starter = None
        self._tell_systemd()
        while self._hands() or not self._end:
            self._look(self._wait())
            for hand, code in self._reap():
                self._bury(hand, code)
            self._do_what_is_due()
        log(Level.NOTICE, "ProFTPD %s standalone mode SHUTDOWN", self._version)
        logfile.flush()
        self._leave()
        return 0

    def _look(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._heed_signals()
            elif key.data.line.open:
                self._listen_to(key.data)

    def _wait(self) -> float | None:
        times = [self._pulse.next, *self._vacancies.times()]
        return max(0.0, min([self._end] if self._end else times) - monotonic())

    def _do_what_is_due(self) -> None:
        now = monotonic()
        if self._end:
            if now >= self._end:
                self._kill(self._hands())
            return
        for number in self._vacancies.due(now):
            self._fill(number)
        if now >= self._pulse.next:
            self._kill(self._pulse.feel(now, self._hands()))
        if self._told_again and self._coming is None:
            self._told_again = False
            self._reload()

    def _fill(self, number: int) -> None:
        try:
            self._bear(self._team, number)
        except StartError as error:
            # no process or descriptor is to be had now: the others serve on
            seconds = self._vacancies.put_off(number)
            log(Level.ERROR, "worker %d cannot be replaced, and is tried again in %g s: %s", number, seconds, error)
        else:
            log(Level.NOTICE, "process %d takes the place of worker %d", self._team.hands[-1].pid, number)

    # -- signals -------------------------------------------------------------------------------------------

    def _hear_signals(self) -> None:
        self._bell = Bell((*_ENDS, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD))
        self._selector.register(self._bell.sock, selectors.EVENT_READ)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def _heed_signals(self) -> None:
        assert self._bell is not None
        for number in self._bell.rung():
            if number in _ENDS:
                self._stop(number)
            elif number == signal.SIGHUP:
                self._told_again = True
            elif number == signal.SIGUSR2:
                self._team.say({"signal": True})

    def _stop(self, number: int) -> None:
        if self._end:
            return
        how = "terminating" if number == signal.SIGQUIT else "killed"
        log(Level.NOTICE, "ProFTPD %s (signal %d)", how, number)
        systemd.notify(STOPPING=1, STATUS="ending sessions")
        self._end = monotonic() + _TO_END
        # who comes now is refused, and does not wait for somebody to accept
        for opened in (self._ports.sockets, *(team.opened for team in self._teams())):
            close(opened)
        for hand in self._hands():
            hand.line.send({"stop": "speaker" if hand is self._speaker else ""})

    # -- birth and death -----------------------------------------------------------------------------------

    def _bury(self, hand: Hand, code: int) -> None:
        self._strike_off(hand)
        for asker, number, answers in self._questions.without(hand):
            asker.line.send({"answer": {"id": number, "answers": answers}})
        if hand is self._speaker:
            self._speaker = None
        self._take_effect()
        if not (hand.retired or self._end):
            self._mourn(hand, f"signal {-code}" if code < 0 else f"status {code}")
        self._give_the_word()

    def _mourn(self, hand: Hand, how: str) -> None:
        """It was not meant to end: another takes its place, at once unless that has become a habit."""
        log(Level.ERROR, "worker %d (process %d) ended with %s, its sessions with it", hand.number, hand.pid, how)
        if hand.team is self._coming:
            self._give_up(f"worker {hand.number} of the new configuration ended with {how}")
        elif hand.team is self._team:
            self._vacancies.note(hand.number, hand.born)

    # -- what workers say ----------------------------------------------------------------------------------

    def _listen_to(self, hand: Hand) -> None:
        messages = hand.line.receive()
        if messages is None:
            self._hang_up(hand)
            if not self._serving and not hand.ready:
                raise StartError(f"worker {hand.number} ended before it could serve")
            return
        for message in messages:
            try:
                self._heed(hand, message)
            except (LookupError, TypeError, ValueError) as error:
                # a module of it may be faulty, and write where it should not; we have to outlive that
                text = "worker %d (process %d) talks nonsense, and is ended: %r"
                log(Level.ERROR, text, hand.number, hand.pid, error, exc_info=error)
                self._hang_up(hand)
                self._kill([hand])
                return

    def _heed(self, hand: Hand, message: Message) -> None:
        match message:
            case {"ready": _}:
                self._hear_ready(hand)
            case {"failed": reason}:
                self._hear_failed(hand, reason)
            case {"change": wanted, "id": number}:
                self._change(hand, number, wanted["add"], wanted["remove"], wanted["renew"])
            case {"ask": question, "id": number}:
                self._ask_others(hand, number, question)
            case {"did": answer}:
                for asker, number, answers in self._questions.answered(hand, answer):
                    asker.line.send({"answer": {"id": number, "answers": answers}})
            case {"deaf": _}:
                hand.listens = False
                self._take_effect()
            case {"speaks": place}:
                hand.to_speak, hand.place = False, place
                self._take_effect()
            case {"silent": _}:
                if hand is self._speaker:
                    self._speaker = None
                self._give_the_word()
            case {"disabled": actions}:
                self._disabled = list(actions)
            case {"alive": _}:
                hand.heard = True
            case _:
                raise ValueError(message)

    def _hear_ready(self, hand: Hand) -> None:
        hand.ready = True
        if hand.team is self._coming and hand.team.complete:
            self._put_in_force(hand.team)
            # before the one who spoke is silent: whoever asks in between is heard
            before, self._speaker = self._speaker, None
            self._give_the_word(instead=None if before is None else before.place)
        elif hand.team is self._team and self._serving:
            hand.line.send({"serve": True})
            self._give_the_word()

    def _hear_failed(self, hand: Hand, reason: str) -> None:
        if not self._serving:
            raise StartError(reason)
        if hand.team is self._coming:
            hand.retired = True
            self._give_up(reason)
        else:
            log(Level.ERROR, "worker %d could not begin: %s", hand.number, reason)

    def _give_the_word(self, *, instead: list[int] | None = None) -> None:
        """One worker speaks for the daemon; the next one when that is silent, or ``instead`` of what one has."""
        if self._speaker is not None or self._end or not self._serving:
            return
        self._speaker = next((hand for hand in self._team.hands if hand.ready), None)
        if self._speaker is not None:
            self._speaker.to_speak = True
            self._speaker.line.send({"disabled": self._disabled, "speak": {"news": self._news, "instead": instead}})
            self._news = ""

    def _ask_others(self, asker: Hand, number: int, question: Message) -> None:
        """An action of a module is to be done in the other workers as well."""
        others = [hand for hand in self._team.hands if hand is not asker and hand.ready]
        label = self._questions.ask(asker, number, others)
        for hand in others:
            hand.line.send({"do": {**question, "id": label}})
        if not others:
            asker.line.send({"answer": {"id": number, "answers": []}})
