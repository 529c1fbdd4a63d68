"""The master of several workers: it binds, gives birth, replaces those that die, and never reads the network.

It has no event loop and no thread when it forks: a worker is a copy of it with the configuration read, and goes its
own way from there. A new configuration is a new team of workers; the one before ends with its last sessions.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.core import logfile
from ftpd.core.log import Level, log
from ftpd.core.tally import COLUMNS, SharedTally
from ftpd.daemon import crew, logs, pidfile, rights, scoreboard, systemd
from ftpd.daemon import plan as plans
from ftpd.daemon.announce import announce, status
from ftpd.daemon.bell import Bell
from ftpd.daemon.controls import told
from ftpd.daemon.crew import Seat
from ftpd.daemon.detach import Starter
from ftpd.daemon.errors import StartError
from ftpd.daemon.line import Line, Message
from ftpd.daemon.pidfile import PidFile
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Ports, close, part
from ftpd.daemon.process import GRACE
from ftpd.daemon.pulse import Pulse
from ftpd.daemon.teams import Hand, Questions, Team
from ftpd.daemon.vacancies import Vacancies
from ftpd.dispatch.assemble import Changes
from ftpd.engine.pool import Pools

_KEPT = "the configuration before stays in force"
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_TO_END = GRACE + 5.0
"""Seconds after which a worker that was told to end is ended."""


class _Born(BaseException):
    """Raised in the new process, so that it leaves all that the master is about."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat


class Master:
    """The daemon where there are ``Workers``; :meth:`run` returns its exit status, or in a worker that one's."""

    def __init__(self, first: Plan, pools: Pools, ports: Ports, version: str) -> None:
        self._pools = pools
        self._ports = ports
        self._version = version
        self._tally = SharedTally()
        self._selector = selectors.DefaultSelector()
        self._bell: Bell | None = None
        self._team = Team(first)
        self._coming: Team | None = None
        self._old: list[Team] = []
        self._speaker: Hand | None = None
        """Who has the control socket, and hears of STARTUP, RESTART and SHUTDOWN."""
        self._news = "startup"
        """What the next speaker tells the modules."""
        self._disabled: list[str] = []
        """Actions that rmctrl took out of service, whoever speaks."""
        self._questions = Questions()
        self._pid_file: PidFile | None = None
        self._starter: Starter | None = None
        self._serving = False
        self._end = 0.0
        """When workers that live still are ended; 0 until we are told to stop."""
        self._told_again = False
        self._vacancies = Vacancies()
        self._pulse = Pulse()

    def run(self, starter: Starter | None) -> int:
        self._starter = starter
        try:
            return self._rule()
        except _Born as born:
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
            self._reap()
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

    def _leave(self) -> None:
        self._kill(self._hands())
        for board in {team.board for team in self._teams()}:
            if board is not None:
                board.close()
        if self._pid_file is not None:
            self._pid_file.remove()
            self._pid_file = None

    @staticmethod
    def _kill(hands: Collection[Hand]) -> None:
        for hand in hands:
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGKILL)

    def _teams(self) -> list[Team]:
        return [team for team in (self._team, self._coming, *self._old) if team is not None]

    def _hands(self) -> list[Hand]:
        return [hand for team in self._teams() for hand in team.hands]

    def _tell_systemd(self, trouble: str = "") -> None:
        said = trouble or f"{status(tuple(self._ports.sockets))}, {len(self._team.hands)} workers"
        systemd.notify(READY=1, STATUS=said, MAINPID=os.getpid())

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
        how = "killed" if number == signal.SIGTERM else "terminating"
        log(Level.NOTICE, "ProFTPD %s (signal %d)", how, number)
        systemd.notify(STOPPING=1, STATUS="ending sessions")
        self._end = monotonic() + _TO_END
        # who comes now is refused, and does not wait for somebody to accept
        for opened in (self._ports.sockets, *(team.opened for team in self._teams())):
            close(opened)
        for hand in self._hands():
            hand.line.send({"stop": "speaker" if hand is self._speaker else ""})

    # -- birth and death -----------------------------------------------------------------------------------

    def _raise(self, team: Team) -> None:
        """All workers of a team; Born in each of them."""
        for number in range(1, self._ports.workers + 1):
            self._bear(team, number)

    def _bear(self, team: Team, number: int) -> None:
        taken = {hand.column for hand in self._hands()}
        column = next((column for column in range(COLUMNS) if column not in taken), None)
        if column is None:
            raise StartError(
                f"{COLUMNS} workers live, most of them for sessions of configurations before: wait for them"
            )
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise StartError(f"no line to another worker is to be had: {error.strerror}") from None
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise StartError(f"no process for another worker is to be had: {error.strerror}") from None
        if pid == 0:
            sockets = {**part(self._ports.sockets, number - 1), **part(team.opened, number - 1)}
            if not self._ports.handed_over:
                sockets = {end: sock for end, sock in sockets.items() if end in team.plan.bindings.endpoints}
            self._forget_all(ours, sockets.values())
            new = team is self._coming
            seat = Seat(
                number, column, team.plan, self._pools, sockets, theirs, self._tally, team.board, self._starter, new
            )
            raise _Born(seat)
        theirs.close()
        hand = Hand(number, column, pid, Line(ours), team)
        team.hands.append(hand)
        self._selector.register(ours, selectors.EVENT_READ, hand)

    def _forget_all(self, ours: socket.socket, its_own: Collection[socket.socket]) -> None:
        """In a worker: little of what the master has open is its own."""
        self._selector.close()
        if self._bell is not None:
            self._bell.forget()
        ours.close()
        for hand in self._hands():
            hand.line.close()
        for pid_file in {self._pid_file, *(team.pid_file for team in self._teams())}:
            if pid_file is not None:
                pid_file.forget()
        for opened in (self._ports.sockets, *(team.opened for team in self._teams())):
            for sock in (sock for sockets in opened.values() for sock in sockets if sock not in its_own):
                # were it open here, the kernel would go on sending clients when those who accept there are gone
                sock.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, state = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            hand = next((hand for hand in self._hands() if hand.pid == pid), None)
            if hand is not None:
                self._bury(hand, os.waitstatus_to_exitcode(state))

    def _bury(self, hand: Hand, code: int) -> None:
        team = hand.team
        self._hang_up(hand)
        team.hands.remove(hand)
        self._tally.release(hand.column)
        if team.board is not None:
            team.board.clear(hand.pid)
        for asker, number, answers in self._questions.without(hand):
            asker.line.send({"answer": {"id": number, "answers": answers}})
        if team in self._old and not team.hands:
            self._old.remove(team)
            if team.board is not None and all(team.board is not other.board for other in self._teams()):
                team.board.close()
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

    def _hang_up(self, hand: Hand) -> None:
        if hand.line.open:
            self._selector.unregister(hand.line.sock)
            hand.line.close()

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
                self._change(hand, number, wanted["add"], wanted["remove"])
            case {"ask": question, "id": number}:
                self._ask_others(hand, number, question)
            case {"did": answer}:
                for asker, number, answers in self._questions.answered(hand, answer):
                    asker.line.send({"answer": {"id": number, "answers": answers}})
            case {"deaf": _}:
                hand.listens = False
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

    def _give_the_word(self) -> None:
        """One worker speaks for the daemon; the next one when that is silent."""
        if self._speaker is not None or self._end or not self._serving:
            return
        self._speaker = next((hand for hand in self._team.hands if hand.ready), None)
        if self._speaker is not None:
            self._speaker.line.send({"disabled": self._disabled, "speak": self._news})
            self._news = ""

    def _ask_others(self, asker: Hand, number: int, question: Message) -> None:
        """An action of a module is to be done in the other workers as well."""
        others = [hand for hand in self._team.hands if hand is not asker and hand.ready]
        label = self._questions.ask(asker, number, others)
        for hand in others:
            hand.line.send({"do": {**question, "id": label}})
        if not others:
            asker.line.send({"answer": {"id": number, "answers": []}})

    # -- another configuration -----------------------------------------------------------------------------

    def _reload(self) -> None:
        log(Level.NOTICE, "received SIGHUP -- reading the configuration %s again", self._team.plan.options.config)
        systemd.notify_reloading()
        try:
            self._begin(Changes())
        except ConfigFaults as faults:
            for line in faults.render().splitlines():
                log(Level.ERROR, "%s", line)
            self._stay("the configuration is faulty")
        except (ConfigError, StartError) as error:
            self._stay(str(error))
        except Exception as error:
            log(Level.ERROR, "the new configuration could not be put into service: %r", error, exc_info=error)
            self._stay("the new configuration could not be put into service")

    def _stay(self, reason: str) -> None:
        log(Level.ERROR, "%s: %s", reason, _KEPT)
        self._tell_systemd(f"{reason}: {_KEPT}")

    def _change(self, asker: Hand, number: int, add: list[str], remove: list[str]) -> None:
        """insmod, rmmod and their kin: a team with these modules more or less."""
        try:
            if self._coming is not None:
                raise StartError("another configuration is about to be put into force: ask again in a moment")
            plan = self._team.plan
            team = self._begin(plan.changes.after(plan.generation, add, remove))
        except ConfigFaults as faults:
            lines = [told(fault.summary(), fault.right) for fault in faults.faults]
        except ConfigError as error:
            lines = [told(error.message, error.right)]
        except StartError as error:
            lines = [str(error)]
        except Exception as error:
            log(Level.ERROR, "the modules could not be put into service: %r", error, exc_info=error)
            lines = [f"the modules could not be put into service, as the daemon's log tells: {error!r}"]
        else:
            team.asked = asker, number
            team.said = [f"module '{name}.c' loaded" for name in add]
            team.said += [f"module '{name}.c' unloaded" for name in remove]
            return
        asker.line.send({"answer": {"id": number, "lines": lines}})

    def _begin(self, changes: Changes) -> Team:
        """A team for the configuration as it is now; nothing is in force before all of its workers are ready."""
        before = self._team.plan
        # what teams before these have left; nobody waits for us
        gc.collect()
        # in a thread, as modules are told: there a KeyboardInterrupt is their own; it has ended before we fork
        with ThreadPoolExecutor(1) as reader:
            plan = reader.submit(plans.read, before.options, before.record, self._pools, changes).result()
        team = Team(plan)
        try:
            if plan.settings.inetd:
                raise StartError("ServerType inetd: a daemon that listens cannot become one that inetd starts")
            if plan.settings.workers != self._ports.workers:
                log(Level.WARN, "Workers %d counts from the next start on", plan.settings.workers)
            team.opened = self._ports.opened(plan)
            if plan.settings.pid_file != before.settings.pid_file:
                team.pid_file = pidfile.of(plan.settings, foreground=plan.options.foreground)
            changed = scoreboard.differs(before.settings, plan.settings)
            team.board = scoreboard.opened(plan.settings) if changed else self._team.board
            self._coming = team
            self._raise(team)
        except Exception:
            self._dissolve(team)
            raise
        return team

    def _give_up(self, reason: str) -> None:
        """The team that was to come cannot serve."""
        team = self._coming
        assert team is not None
        self._dissolve(team)
        if team.asked is None:
            self._stay(reason)
        else:
            hand, number = team.asked
            hand.line.send({"answer": {"id": number, "lines": [reason]}})

    def _dissolve(self, team: Team) -> None:
        self._coming = None
        close(team.opened)
        for hand in team.hands:
            hand.retired = True
        self._kill(team.hands)
        if team.pid_file is not None:
            team.pid_file.remove()
            team.pid_file = None
        if team.hands:
            # until their ends are known
            self._old.append(team)
        elif team.board is not None and team.board is not self._team.board:
            team.board.close()
        team.plan.generation.forget()

    def _put_in_force(self, team: Team) -> None:
        before, self._team, self._coming = self._team, team, None
        plan = team.plan
        team.describe_modules(before)
        if team.asked is None:
            self._disabled = []
        self._ports.take_over(plan, team.opened)
        team.opened = {}
        if team.pid_file is not None:
            if self._pid_file is not None:
                self._pid_file.remove()
            self._pid_file, team.pid_file = team.pid_file, None
        rights.take_on(plan.identity)
        try:
            logs.direct(plan)
        except StartError as error:
            log(Level.ERROR, "%s: the log before goes on", error)
        for warning in plan.warnings:
            log(Level.WARN, "%s", warning.summary())
        self._vacancies = Vacancies()
        self._news = "restart"
        team.say({"serve": True})
        self._retire(before)
        before.plan.generation.forget()
        self._take_effect()

    def _take_effect(self) -> None:
        """Say that the new configuration is in force, when no worker of the one before takes clients any more."""
        team = self._team
        if team.told or any(hand.listens for old in self._old for hand in old.hands):
            return
        team.told = True
        if team.asked is not None:
            hand, number = team.asked
            hand.line.send({"answer": {"id": number, "lines": [], "modules": team.modules}})
        log(Level.NOTICE, "the new configuration is in force")
        for line in team.said:
            log(Level.NOTICE, "%s", line)
        self._tell_systemd()

    def _retire(self, before: Team) -> None:
        """Their sessions go on, with the logs of the new one where those have been moved away."""
        self._old.append(before)
        for old in self._old:
            old.say({"reopen": True})
        for hand in before.hands:
            hand.retired = True
        before.say({"retire": True})
        if not before.hands:
            self._old.remove(before)
