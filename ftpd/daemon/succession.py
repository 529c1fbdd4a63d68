"""Another configuration takes over: a new team is raised for it, and the one before ends with its last sessions.

Nothing is in force before all of the new ones are ready; where one cannot be, the team before goes on.
"""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.core.log import Level, log
from ftpd.daemon import logs, pidfile, rights, scoreboard, systemd
from ftpd.daemon import plan as plans
from ftpd.daemon.controls import control_settings, told
from ftpd.daemon.errors import StartError
from ftpd.daemon.plan import Plan
from ftpd.daemon.ports import Ports, close
from ftpd.daemon.staff import Staff
from ftpd.daemon.teams import Hand, Team
from ftpd.daemon.vacancies import Vacancies
from ftpd.dispatch.assemble import Changes
from ftpd.engine.pool import Pools

_KEPT = "the configuration before stays in force"


class Succession(Staff):
    """What SIGHUP, insmod and rmmod do where there are several workers."""

    def __init__(self, first: Plan, pools: Pools, ports: Ports) -> None:
        super().__init__(first, pools, ports)
        self._vacancies = Vacancies()
        self._news = "startup"
        """What the next who speaks for the daemon tells the modules."""
        self._disabled: list[str] = []
        """Actions that rmctrl took out of service, whoever speaks."""

    def _reload(self) -> None:
        log(Level.NOTICE, "received SIGHUP -- master server reparsing configuration file")
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

    def _change(self, asker: Hand, number: int, add: list[str], remove: list[str], renew: list[str]) -> None:
        """insmod, rmmod and their kin: a team with these modules more or less."""
        try:
            if self._coming is not None:
                raise StartError("another configuration is about to be put into force: ask again in a moment")
            plan = self._team.plan
            team = self._begin(plan.changes.after(plan.generation, add, remove, renew))
        except ConfigFaults as faults:
            lines = [told(fault.summary(), fault.right) for fault in faults.by_line()]
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
            logs.direct(plan, again=True)
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
        """Say that the new configuration is in force, when no worker of the one before takes clients any more.

        And when whoever asks then asks one of the new ones.
        """
        team = self._team
        listening = any(hand.listens for old in self._old for hand in old.hands)
        if team.told or listening or any(hand.to_speak for hand in team.hands):
            return
        team.told = True
        log(Level.NOTICE, "the new configuration is in force")
        for line in team.said:
            log(Level.NOTICE, "%s", line)
        if team.asked is not None:
            hand, number = team.asked
            hand.line.send({"answer": {"id": number, "lines": [], "modules": team.modules}})
            # it is of the team before, which would live as long as this one, and the one before that
            team.asked = None
        self._tell_systemd()

    def _retire(self, before: Team) -> None:
        """Their sessions go on, with the logs of the new one where those have been moved away."""
        self._old.append(before)
        for old in self._old:
            old.say({"reopen": True})
        for hand in before.hands:
            hand.retired = True
        # whoever asks meanwhile finds a control socket, where it stays in its place
        path = _control_socket(self._team)
        before.say({"retire": {"overlap": path is not None and path == _control_socket(before)}})
        if not before.hands:
            self._old.remove(before)


def _control_socket(team: Team) -> str | None:
    return control_settings(team.plan.generation, team.plan.record).path
