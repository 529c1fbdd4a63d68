"""Requests over the control socket: who may use which action, what it says, and what it may have the daemon do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Config
from ftpd.core.ctrlwire import Answer
from ftpd.core.fault import is_cancelled
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.core.logfile import ModuleLog
from ftpd.core.record import dataclass
from ftpd.daemon.ctrlsock import ControlSocket, Place
from ftpd.daemon.errors import StartError
from ftpd.daemon.values import value_of
from ftpd.dispatch.registry import Generation
from ftpd.module.build import BuildRecord
from ftpd.module.control import Asked, Asker, Control, ControlError, ControlRule, Status, one_by_one, permitted
from ftpd.module.table import Module

_SOCKET_ACL = "ControlsSocketACL"
"""Who may ask anything; without such a line that is whoever may have an action, each of which has rules of its own."""


@dataclass(frozen=True)
class ControlSettings:
    """The directives of mod_ctrls."""

    path: str | None
    """None: no socket."""
    wanted: bool
    """A line of the configuration names the path; otherwise it is where the build put it."""
    owner: tuple[int, int] | None
    most_clients: int


def control_settings(generation: Generation, record: BuildRecord) -> ControlSettings:
    main = generation.config.main
    path = value_of(generation, main, "ControlsSocket", None)
    on = generation.directive("ControlsEngine") is not None and value_of(generation, main, "ControlsEngine", True)
    return ControlSettings(
        path=(path or record.control_socket) if on and path != "none" else None,
        wanted=path is not None,
        owner=value_of(generation, main, "ControlsSocketOwner", None),
        most_clients=value_of(generation, main, "ControlsMaxClients", 5),
    )


class ControlDesk:
    """Implements :class:`ftpd.module.control.Steering`; ``change`` puts more, fewer or other modules into service."""

    def __init__(
        self,
        running: Callable[[], Generation],
        change: Callable[[Collection[str], Collection[str], Collection[str]], Awaitable[None]],
    ) -> None:
        self.disabled: set[str] = set()
        self._running = running
        self._change = change
        self._log = ModuleLog("ControlsLog", "mod_ctrls/1.0")
        self._socket: ControlSocket | None = None
        self._settings: ControlSettings | None = None

    # -- the socket ----------------------------------------------------------------------------------

    async def follow(self, settings: ControlSettings, *, instead: Place | None = None) -> None:
        """Have the socket that the configuration asks for; where it cannot be made, clients are served without.

        ``instead`` is what another of the daemon's processes has there, which gives way.
        """
        before, self._settings = self._settings, settings
        if before is None or self._socket is None or (before.path, before.owner) != (settings.path, settings.owner):
            await self.close()
            if settings.path is not None:
                await self._open(settings.path, settings, instead)
        if self._socket is not None:
            self._socket.most_clients = settings.most_clients
        for action in sorted(self._unknown()):
            log(Level.WARN, "ControlsACLs names '%s', but no module that is loaded has such an action", action)

    async def _open(self, path: str, settings: ControlSettings, instead: Place | None) -> None:
        made = ControlSocket(path, self._admits, self.answer)
        try:
            await made.open(settings.owner, instead=instead)
        except StartError as error:
            log(Level.ERROR if settings.wanted else Level.INFO, "%s; ftpdctl cannot reach this daemon", error)
        else:
            self._socket = made

    @property
    def place(self) -> Place | None:
        """What is listened at; None where there is no socket."""
        return None if self._socket is None else self._socket.place

    async def give_way(self, seconds: float) -> None:
        """Be there for whoever asks until another process is, for so many seconds at most."""
        if self._socket is not None:
            await self._socket.give_way(seconds)

    async def close(self, *, patience: float = 0) -> None:
        """Have no socket any more; requests under way may take so many seconds to their end."""
        if self._socket is not None:
            made, self._socket = self._socket, None
            await made.close(patience)

    # -- who may what --------------------------------------------------------------------------------

    def _rules(self, name: str) -> tuple[ControlRule, ...]:
        generation = self._running()
        rules: tuple[ControlRule, ...] = value_of(generation, generation.config.main, name, ())
        return rules

    def _admits(self, asker: Asker) -> bool:
        rules = self._rules(_SOCKET_ACL)
        if rules:
            return permitted(rules, "", asker)
        others = [control for control in self.controls.values() if _rules_of(control) != _SOCKET_ACL]
        return any(self._may(asker, control) for control in others)

    def _may(self, asker: Asker, control: Control, words: Sequence[str] = ()) -> bool:
        directive = _rules_of(control)
        if directive == _SOCKET_ACL:
            return self._admits(asker)
        return any(permitted(self._rules(directive), action, asker) for action in control.named(words))

    def _unknown(self) -> set[str]:
        named = {action for rule in self._rules("ControlsACLs") for action in rule.actions}
        return named.difference(self.controls)

    # -- a request -----------------------------------------------------------------------------------

    async def answer(self, asker: Asker, words: list[str]) -> Answer:
        """Run the action and give what it says, and what it could not do."""
        self._note(f"recvd from {asker} client: '{' '.join(words)}'")
        lines: list[str] = []
        status = Status.OK
        try:
            async for line in one_by_one(self._allowed(asker, *words).run(Asked(words[1:], asker, self))):
                lines.append(line)
        except ControlError as refusal:
            status = refusal.status
            lines += refusal.lines
        except BaseException as error:
            if is_cancelled(error):
                raise
            log(Level.ERROR, "the control action %s failed: %r", words[0], error, exc_info=error)
            status = Status.INTERNAL
            lines.append(f"{words[0]}: internal error, which the daemon's log tells of")
        self._note(f"sent to {asker} client: return value: {int(status)}")
        for line in lines:
            self._note(f"sent to {asker} client: '{line}'")
        return Answer(status, lines)

    def _allowed(self, asker: Asker, action: str, *words: str) -> Control:
        control = self.controls.get(action)
        if control is None or action in self.disabled:
            raise ControlError(Status.UNSUPPORTED, "unsupported action requested")
        if not self._may(asker, control, words):
            log(Level.NOTICE, "ftpdctl %s is denied to %s: %s says who may", action, asker, _rules_of(control))
            raise ControlError(Status.ACCESS_DENIED, "access denied")
        return control

    def _note(self, text: str) -> None:
        generation = self._running()
        self._log.write(value_of(generation, generation.config.main, "ControlsLog", None), text)

    # -- what an action may have done ----------------------------------------------------------------

    @property
    def modules(self) -> tuple[Module, ...]:
        return self._running().modules

    @property
    def controls(self) -> Mapping[str, Control]:
        return self._running().controls

    @property
    def config(self) -> Config:
        return self._running().config

    async def explain(self, words: list[str]) -> list[str]:
        # a start has no need of it; by now only the daemon's own rights may reach where Python lies
        with acting_as_daemon():
            from ftpd.daemon import explain

        try:
            return await explain.explain(self._running(), explain.question(words))
        except explain.Unclear as unclear:
            raise ControlError(Status.WRONG_PARAMETERS, str(unclear)) from None

    async def swap(
        self, *, add: Collection[str] = (), remove: Collection[str] = (), renew: Collection[str] = ()
    ) -> None:  # fmt: skip
        try:
            await self._change(add, remove, renew)
        except ConfigFaults as faults:
            raise ControlError(
                Status.INTERNAL, *(told(fault.summary(), fault.right) for fault in faults.by_line())
            ) from None
        except ConfigError as error:
            raise ControlError(Status.INTERNAL, told(error.message, error.right)) from None
        except StartError as error:
            raise ControlError(Status.INTERNAL, str(error)) from None


def told(message: str, right: str) -> str:
    return f"{message}; right: {right}" if right else message


def _rules_of(control: Control) -> str:
    """The directive that says who may use it."""
    return "ControlsACLs" if control.acl is None else control.acl.name
