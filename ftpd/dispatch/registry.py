"""A generation: configuration, modules and dispatch table as one whole that sessions live with."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any, Protocol, TypeVar

from ftpd.conf.acl import Who, in_class
from ftpd.conf.directive import Directive
from ftpd.conf.tree import Config, Scope
from ftpd.core import trace
from ftpd.core.fault import is_cancelled
from ftpd.core.log import Level, log
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Group, Phase
from ftpd.dispatch.access import AccessFiles
from ftpd.dispatch.admission import readmit
from ftpd.dispatch.auth import OrderedAccounts
from ftpd.dispatch.compile import Plan, Table
from ftpd.dispatch.gate import PathGate
from ftpd.dispatch.phases import run
from ftpd.module import loader
from ftpd.module.command import Command, Pool
from ftpd.module.control import Control
from ftpd.module.events import SESSION_OPEN, UNHANDLED_COMMAND, Event
from ftpd.module.handler import always_alike
from ftpd.module.names import module_name
from ftpd.module.session import Session, VerbHelp
from ftpd.module.table import Module

T = TypeVar("T")


class CannotBegin(Exception):
    """A module that did not get what it needs when it was to go into service, as a database."""


class Routes(Protocol):
    """Which server a client means: by the address and port that it has connected to, and by a name."""

    @property
    def use_ipv6(self) -> bool: ...

    def server_of(self, local: tuple[str, int]) -> Scope | None: ...

    def server_named(self, local: tuple[str, int], name: str, met: Scope | None) -> Scope | None: ...


class Generation:
    """Implements :class:`ftpd.module.session.Modules`; immutable but for its count of sessions."""

    def __init__(
        self, modules: Sequence[Module], config: Config, offload: Pool, module_path: str = "",
        left_out: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.modules = tuple(modules)
        self.module_path = module_path
        """The ModulePath in force at the end of the configuration: where insmod looks."""
        self.config = config
        self.routes: Routes | None = None
        """None where there is but the one server."""
        self.table = Table(modules, config)
        self.accounts = OrderedAccounts(modules)
        self.gate = PathGate(AccessFiles(self.modules, left_out, config.labels))
        self.offload = offload
        self.sessions = 0
        self.kept: dict[object, Any] = {}
        """What engine and modules worked out of this configuration; it lives as long."""
        self._retired = False
        known = [directive for module in modules for directive in module.directives]
        # as written, too, which is how modules ask
        self._directives: dict[str, Directive[Any]] = {d.name.lower(): d for d in known} | {d.name: d for d in known}
        self._listeners: dict[Event[Any], list[Callable[[Any], None]]] = {}
        for module in reversed(self.modules):
            for event, listener, needed in reversed(module.listeners):
                if needed is None or needed(config):
                    self._listeners.setdefault(event, []).append(listener)
        self.openings = tuple(
            opening
            for module in reversed(self.modules)
            for opening, needed in reversed(module.openings)
            if needed is None or needed(config)
        )
        """What is awaited for each client before SESSION_OPEN, in the order in which listeners are told."""
        self._features = tuple(line for module in modules for line in module.features)
        alike = [module.alike_features.get(line) for module in modules for line in module.features]
        self._alike_features = None if None in alike else tuple(one for one in alike if one is not always_alike)
        self._help = tuple(
            VerbHelp(handler.verb, handler.usage, module.name, handler.auth, handler.when)
            for module in modules
            for handler in module.handlers
            if handler.phase is Phase.CMD and handler.usage is not None
        )
        self._resources = AsyncExitStack()
        self._periodic: list[asyncio.Task[None]] = []

    # -- what modules ask ----------------------------------------------------------------------------

    @property
    def loaded(self) -> tuple[str, ...]:
        return tuple(f"{module.name}/{module.version}" for module in self.modules)

    def is_loaded(self, name: str) -> bool:
        try:
            bare = module_name(name)
        except ValueError:
            return False
        return any(module.name == bare for module in self.modules)

    def features(self, session: Session) -> list[str]:
        found: list[str] = []
        for lines in self._features:
            if isinstance(lines, str):
                found.append(lines)
            else:
                found += lines(session)
        return found

    def features_last(self) -> bool:
        return self._alike_features is not None

    def features_are_alike(self, session: Session) -> bool:
        for alike in self._alike_features or ():
            if alike is not None and not alike(session):
                return False
        return self._alike_features is not None

    def help(self, session: Session) -> list[VerbHelp]:
        return [entry for entry in self._help if entry.when is None or session.settings[entry.when]]

    def knows(self, verb: str) -> bool:
        return verb in self.table.verbs

    def group(self, verb: str) -> Group:
        return self.table.plan(verb).group

    def directive(self, name: str) -> Directive[Any] | None:
        return self._directives.get(name) or self._directives.get(name.lower())

    @property
    def controls(self) -> dict[str, Control]:
        return {control.action: control for module in self.modules for control in module.controls}

    def emit(self, event: Event[T], payload: T) -> bool:
        whole = True
        if trace.active:
            count = len(self._listeners.get(event, ()))
            peer = payload.peer if isinstance(payload, Session) else ""
            trace.say("event", 8, "dispatching event '%s' to %d listeners", event.name, count, peer=peer)
        for listener in self._listeners.get(event, ()):
            try:
                listener(payload)
            except BaseException as error:
                if event.may_refuse and isinstance(error, Refuse):
                    raise
                whole = False
                log(Level.ERROR, "a listener to %s failed: %r", event.name, error, exc_info=error)
                if event is SESSION_OPEN:
                    # who cannot be looked at is not greeted either
                    break
        return whole

    def in_class(self, name: str, host: str) -> bool:
        return in_class(self.config, name, Who(address=ipaddress.ip_address(host.partition("%")[0])))

    def readmit(self, session: Session) -> None:
        readmit(session)

    def unhandled(self, command: Command) -> None:
        self.emit(UNHANDLED_COMMAND, command)

    def command(self, session: Session, verb: str, argument: str) -> tuple[Command, Plan]:
        """The command that a line means, and its plan; ``SITE CHMOD 644 a`` is the verb ``SITE CHMOD``."""
        if verb == "SITE":
            sub, _, rest = argument.partition(" ")
            if f"SITE {sub.upper()}" in self.table.verbs and sub.isascii():
                verb, argument = f"SITE {sub.upper()}", rest
        table = self.table
        plan = table.plans.get(verb, table.unknown)
        return Command(session, verb, argument, gate=self.gate, offload=self.offload), plan

    def pseudo(self, session: Session, name: str) -> Command:
        return Command(session, name, "", gate=self.gate, offload=self.offload)

    async def dispatch(self, command: Command) -> None:
        await run(command, self.table.plan(command.name))

    # -- in and out of service -----------------------------------------------------------------------

    async def start(self) -> None:
        """Enter the modules' resources in the order of loading and start what runs periodically."""
        for module in self.modules:
            for make in module.resources:
                try:
                    await self._enter(make())
                except BaseException as error:
                    if is_cancelled(error):
                        raise
                    raise CannotBegin(
                        f"{module.name} could not begin its work: {type(error).__name__}: {error}"
                    ) from error
            for seconds, function in module.periodic:
                self._periodic.append(asyncio.create_task(_again_and_again(module.name, seconds, function)))

    async def _enter(self, resource: AbstractContextManager[Any] | AbstractAsyncContextManager[Any]) -> None:
        if isinstance(resource, AbstractAsyncContextManager):
            await self._resources.enter_async_context(resource)
        else:
            self._resources.enter_context(resource)

    def session_began(self) -> None:
        self.sessions += 1

    def session_ended(self) -> bool:
        """True when that was the last session of a generation that has been replaced: stop it now."""
        self.sessions -= 1
        return self._retired and self.sessions == 0

    def retire(self) -> bool:
        """No new sessions come; True when none is left either: stop it now."""
        self._retired = True
        return self.sessions == 0

    async def stop(self) -> None:
        """Leave the resources, last entered first, and forget the shared modules' namespaces."""
        for task in self._periodic:
            task.cancel()
        await asyncio.gather(*self._periodic, return_exceptions=True)
        try:
            await self._resources.aclose()
        except BaseException as error:
            if is_cancelled(error):
                raise
            log(Level.ERROR, "a module's resource failed to close: %r", error, exc_info=error)
        self.forget()

    def forget(self) -> None:
        """Drop the namespaces of shared modules; for a generation that never went into service."""
        for module in self.modules:
            if module.namespace:
                loader.unload(module.namespace)


async def _again_and_again(name: str, seconds: float, function: Callable[[], Awaitable[None] | None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            answer = function()
            if inspect.isawaitable(answer):
                await answer
        except BaseException as error:
            if is_cancelled(error):
                raise
            log(Level.ERROR, "%s: what runs every %g s failed: %r", name, seconds, error, exc_info=error)
