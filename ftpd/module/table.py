"""A module: the value whose decorators collect directives, handlers, backends, listeners and actions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeVar, overload

from ftpd.conf import types
from ftpd.conf.directive import ConfigError, Context, Directive, Multi, Reading
from ftpd.conf.tree import Config
from ftpd.core import turns
from ftpd.core.vocab import ANY, Class, Group, Outcome, Phase, Steady
from ftpd.module.auth import AuthBackend
from ftpd.module.command import Command
from ftpd.module.control import Asked, Control, ControlRule, Lines
from ftpd.module.errands import Errands
from ftpd.module.events import Event, event_named
from ftpd.module.handler import (
    Alikeness,
    Answer,
    Brief,
    Handler,
    Shortcut,
    Steadiness,
    alike_for,
    always_alike,
    only_where,
    steady_for,
)
from ftpd.module.offers import Offer
from ftpd.module.session import Session, Slot

T = TypeVar("T")
API_VERSION = 1

Opening = Callable[[Session], Awaitable[None]]
A = TypeVar("A", bound=Answer)
O = TypeVar("O", bound=Callable[[Command], Outcome | None | Awaitable[Outcome | None]])  # noqa: E741
C = TypeVar("C", bound=Callable[[Asked], Lines])
K = TypeVar("K", bound=Callable[[Config], Iterable[ConfigError] | None])
F = TypeVar("F", bound=Callable[..., Any])


def _no_maker(name: str, parse: Callable[..., Any]) -> None:
    """A word's parser would be its value: no line would be refused, and nobody would know why."""
    if parse in (types.integer, types.one_of, types.flags, types.none_or):
        raise TypeError(f"{name}: types.{parse.__name__} makes a parser and has to be called, as types.integer(1)")


class Module:
    """All that one module brings. ``needs`` names modules that must be loaded before it."""

    def __init__(
        self, name: str, *, version: str, needs: Iterable[str] = (), extra: str = "", api: int = API_VERSION
    ) -> None:
        self.name = name if name.startswith("mod_") else f"mod_{name}"
        self.version = version
        self.api = api
        self.namespace = ""
        """Where the loader put a shared module's names; empty for a static one."""
        self.source = ("", b"")
        """The file of a shared module and what was in it."""
        self.needs = tuple(n if n.startswith("mod_") else f"mod_{n}" for n in needs)
        self.extra = extra
        self.directives: list[Directive[Any]] = []
        self.handlers: list[Handler] = []
        self.backends: list[AuthBackend] = []
        self.listeners: list[tuple[Event[Any], Callable[[Any], None], Callable[[Config], bool] | None]] = []
        self.openings: list[tuple[Opening, Callable[[Config], bool] | None]] = []
        self.features: list[str | Callable[[Session], Iterable[str]]] = []
        self.alike_features: dict[str | Callable[[Session], Iterable[str]], Alikeness] = {}
        """Those of them that say the same of all sessions that stand alike."""
        self.controls: list[Control] = []
        self.checks: list[Callable[[Config], Iterable[ConfigError] | None]] = []
        self.resources: list[Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]] = []
        self.periodic: list[tuple[float, Callable[[], Awaitable[None] | None]]] = []
        self.offers: list[tuple[Offer[Any], Any]] = []
        self.takers: list[tuple[Offer[Any], list[Any]]] = []
        self._heard: set[tuple[Event[Any], Callable[[str, Any], None]]] = set()

    def __repr__(self) -> str:
        return f"<Module {self.name}/{self.version}>"

    # -- directives --------------------------------------------------------------------------------

    @overload
    def directive(
        self,
        name: str,
        parse: Callable[[list[str]], T],
        *,
        default: T,
        contexts: Context,
        multi: Multi = ...,
        inherit: bool = ...,
        usage: str = ...,
        doc: str = ...,
        act: Callable[[Reading, T], None] | None = ...,
        inert: bool = ...,
        keeps_variables: bool = ...,
        combine: Callable[[T, T], T] | None = ...,
    ) -> Directive[T]: ...
    @overload
    def directive(
        self, name: str, parse: Callable[[list[str]], T], *, contexts: Context, multi: Multi = ...,
        inherit: bool = ..., usage: str = ..., doc: str = ...,
        act: Callable[[Reading, T], None] | None = ..., inert: bool = ..., keeps_variables: bool = ...,
        combine: Callable[[T, T], T] | None = ...,
    ) -> Directive[T | None]: ...  # fmt: skip
    def directive(
        self, name: str, parse: Callable[[list[str]], Any], *, default: Any = None, contexts: Context,
        multi: Multi = Multi.FIRST, inherit: bool = True, usage: str = "", doc: str = "",
        act: Callable[[Reading, Any], None] | None = None, inert: bool = False, keeps_variables: bool = False,
        combine: Callable[[Any, Any], Any] | None = None,
    ) -> Directive[Any]:  # fmt: skip
        """Declare a directive; the result is the key to its value: ``cmd.config[key]``.

        ``parse`` takes the words of the line and raises ConfigError; see :mod:`ftpd.conf.types`.
        """
        _no_maker(name, parse)
        key: Directive[Any] = Directive(
            name, parse, default=default, contexts=contexts, multi=multi, inherit=inherit, usage=usage, doc=doc,
            act=act, module=self.name, inert=inert, keeps_variables=keeps_variables, combine=combine,
        )  # fmt: skip
        self.directives.append(key)
        turns.rest()
        return key

    def directive_list(
        self, name: str, parse: Callable[[list[str]], T], *, contexts: Context, inherit: bool = True,
        usage: str = "", doc: str = "", act: Callable[[Reading, T], None] | None = None, inert: bool = False,
        keeps_variables: bool = False,
        combine: Callable[[tuple[T, ...], tuple[T, ...]], tuple[T, ...]] | None = None,
    ) -> Directive[tuple[T, ...]]:  # fmt: skip
        """Declare a directive that may be repeated: its value is all its lines, in file order."""
        _no_maker(name, parse)
        key: Directive[tuple[T, ...]] = Directive(
            name, parse, default=(), contexts=contexts, multi=Multi.LIST, inherit=inherit, usage=usage, doc=doc,
            act=act, module=self.name, inert=inert, keeps_variables=keeps_variables,
            combine=combine,
        )  # fmt: skip
        self.directives.append(key)
        turns.rest()
        return key

    def adopt(self, *directives: Directive[Any]) -> None:
        """Own directives that were declared elsewhere."""
        self.directives.extend(directives)

    def check(self, function: K) -> K:
        """Called with the whole configuration once it is read; a ConfigError that it raises refuses it.

        One that may find several faults yields a ConfigError for each, so that all are told at once; a ConfigWarning
        that it yields is told and refuses nothing.
        """
        self.checks.append(function)
        return function

    # -- commands ----------------------------------------------------------------------------------

    def cmd(
        self, *verbs: str, group: Group | None = None, classes: Class = Class.NONE, auth: bool = True,
        usage: str | None = None, arity: tuple[int, int | None] = (0, None), limit: tuple[int, str] | None = None,
        when: Directive[bool] | None = None, steady: int | Steadiness = False, alike: bool | Alikeness = False,
        shortcut: Shortcut | None = None, records: Phase | None = None,
        leads: Shortcut | None = None, leads_by: Steady = Steady.VERB, parts: bool = False,
        needed: Callable[[Config], bool] | None = None,
    ) -> Callable[[A], A]:  # fmt: skip
        """Answer these verbs (CMD): an Outcome, or None to leave it to another module.

        ``when`` is a directive that switches them: where it is off nobody asks, and HELP does not show them.
        ``steady`` says that the answer changes nothing, and is the same until the client has another verb answered
        that is not steady: it may then be given again without asking.
        ``alike`` says that it is the same for all sessions that stand alike: of one user, let in as the same account
        from the same host by the same address, in the same folder, under the same configuration and TYPE, with nothing
        said of a transfer to come. Where it hangs on more, a function says of a session if that is as it mostly is.
        Other sessions then have a shortcut made by what was given to :class:`ftpd.module.wire.Wire` for the first.
        ``shortcut`` is for verbs that look at one name and change nothing: called with a command that succeeded and
        the folder of its path, it gives a function that answers the verb from then on for plain names in that folder,
        by the bytes of the name and of the reply; None from either leaves it to the whole road.  Of a verb without an
        argument it gives one for just that line, which is called with no bytes.  ``records`` is the first phase that
        is told of what this function did (:meth:`ftpd.module.wire.Wire.sends` and ``takes``): those who are asked
        there need not be steady.
        ``leads`` is a shortcut of another kind, for a verb that leads a session from one place to another (CWD, TYPE)
        and does nothing else: made by ``wire.enters`` or ``wire.turns`` once the command has succeeded, it answers all
        sessions that stand where this one stood. ``leads_by`` says whether by any plain name, or just by that line.
        ``parts`` is for a verb that ends the session and does nothing else (QUIT): where all on its road are steady,
        what ends it among them, it is done for others that stand alike without asking.
        ``needed`` says of a configuration whether it wants this at all.
        """
        return self._handle(
            Phase.CMD, verbs, auth=auth, group=group, classes=classes, usage=usage, arity=arity, limit=limit,
            when=when, shortcut=shortcut, steady=steady_for(steady or (Steady.VERB if shortcut else False)),
            alike=alike_for(alike), leads=leads, leads_by=leads_by, parts=parts, records=records, needed=needed,
        )  # fmt: skip

    def site(
        self, name: str, *, group: Group = Group.NONE, auth: bool = True, usage: str | None = None,
        arity: tuple[int, int | None] = (0, None), limit: tuple[int, str] | None = None,
        when: Directive[bool] | None = None,
    ) -> Callable[[A], A]:  # fmt: skip
        """Answer ``SITE name``; it appears in SITE HELP, and as SITE_name in <Limit>."""
        return self._handle(
            Phase.CMD,
            (f"SITE {name.upper()}",),
            auth=auth,
            group=group,
            classes=Class.MISC,
            usage=usage,
            arity=arity,
            limit=limit,
            when=when,
        )

    def opts(
        self, name: str, *, auth: bool = False, arity: tuple[int, int | None] = (0, None),
        when: Directive[bool] | None = None,
    ) -> Callable[[A], A]:  # fmt: skip
        """Answer ``OPTS name``, which is dispatched as a command of its own called OPTS_name."""
        name = name.upper()
        # <Limit> knows it as OPTS_name
        limit = (550, f"OPTS {name}: Permission denied")
        return self._handle(Phase.CMD, (f"OPTS_{name}",), auth=auth, arity=arity, limit=limit, when=when)

    def pre(
        self, *verbs: str, needed: Callable[[Config], bool] | None = None, steady: int | Steadiness = False,
        alike: bool | Alikeness = False,
    ) -> Callable[[O], O]:  # fmt: skip
        """Look at a command before it runs (PRE_CMD); Refuse or ERROR stops it. No verb means every verb.

        ``needed`` says of a configuration whether it wants this at all. ``steady``, as for :meth:`cmd`, lets the
        answers of others that say so be given again without asking, and ``alike`` to other sessions.
        """
        return self._handle(Phase.PRE_CMD, verbs, needed=needed, steady=steady_for(steady), alike=alike_for(alike))

    def post(
        self, *verbs: str, needed: Callable[[Config], bool] | None = None, steady: int | Steadiness = False,
        alike: bool | Alikeness = False,
    ) -> Callable[[O], O]:  # fmt: skip
        """Hear of success (POST_CMD); replies added here go out with the command's own.

        ``steady`` and ``alike``, as for :meth:`pre`: whether there is nothing to do for a command; of uploads those
        are left out whose names are offered (NOTED_NAMES).
        """
        return self._handle(Phase.POST_CMD, verbs, needed=needed, steady=steady_for(steady), alike=alike_for(alike))

    def post_err(self, *verbs: str, needed: Callable[[Config], bool] | None = None) -> Callable[[O], O]:
        """Hear of failure (POST_CMD_ERR)."""
        return self._handle(Phase.POST_CMD_ERR, verbs, needed=needed)

    def log(
        self, *verbs: str, needed: Callable[[Config], bool] | None = None, steady: int | Steadiness = False,
        alike: bool | Alikeness = False, brief: Brief | None = None,
    ) -> Callable[[O], O]:  # fmt: skip
        """Record success (LOG_CMD); ``needed`` says of a configuration whether it wants this at all.

        ``steady`` and ``alike``, as for :meth:`pre`: whether there is nothing to record of a command. ``brief`` is for
        who records of a transfer only who, which file, how large and how long: called with a session and the direction
        ("i" or "o"), it gives what is told of files that are moved as one before was, whose command it has recorded,
        some at a time and in their order; None for the command of each.
        """
        return self._handle(
            Phase.LOG_CMD, verbs, needed=needed, steady=steady_for(steady), alike=alike_for(alike), brief=brief
        )

    def log_err(self, *verbs: str, needed: Callable[[Config], bool] | None = None) -> Callable[[O], O]:
        """Record failure (LOG_CMD_ERR)."""
        return self._handle(Phase.LOG_CMD_ERR, verbs, needed=needed)

    def _handle(
        self, phase: Phase, verbs: Iterable[str], *, when: Directive[bool] | None = None, **row: Any
    ) -> Callable[[F], F]:
        def keep(function: F) -> F:
            run = function if when is None else only_where(when, function)
            for verb in tuple(verbs) or (ANY,):
                self.handlers.append(Handler(phase, verb.upper(), run, self.name, when=when, **row))
            turns.rest()
            return function

        return keep

    # -- the rest ----------------------------------------------------------------------------------

    def auth(self, backend: AuthBackend) -> None:
        """Offer an auth backend; AuthOrder names it by this module's name."""
        self.backends.append(backend)

    def offer(self, key: Offer[T], value: T) -> None:
        """Have something for the modules that take offers under this key."""
        self.offers.append((key, value))

    def takes_offers(self, key: Offer[T]) -> list[T]:
        """A list that holds, once the configuration is read, what the loaded modules offer, in their order."""
        taken: list[T] = []
        self.takers.append((key, taken))
        return taken

    def feat(self, *lines: str | Callable[[Session], Iterable[str]], alike: bool | Alikeness = False) -> None:
        """Add lines to FEAT; a function is asked each time and may yield none.

        ``alike``, as for :meth:`cmd`: what it says does not change of itself, and is the same for all that stand alike.
        """
        for line in lines:
            if isinstance(line, str):
                self.alike_features[line] = always_alike
            elif alike:
                self.alike_features[line] = always_alike if alike is True else alike
        self.features += lines

    def on(
        self, event: Event[T], *, needed: Callable[[Config], bool] | None = None
    ) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
        """Listen to an event; ``needed`` says of a configuration whether it wants this at all."""
        if not isinstance(event, Event):
            raise TypeError(f"{event!r} is no Event: on_named() listens to one by its name")

        def keep(function: Callable[[T], None]) -> Callable[[T], None]:
            self.listeners.append((event, function, needed))
            return function

        return keep

    def on_named(self, name: str, listener: Callable[[str, Any], None], reading: Reading) -> None:
        """Listen to the event that a line of the configuration names; the listener is given its name, too.

        To be called as the line is read (a directive's ``act``).  However many lines name an event, it is told once;
        a name that nothing has is a warning.
        """
        event = event_named(name)
        if event is None:
            reading.warn(f"nothing here ever tells of an event '{name}'", word=0)
        elif (event, listener) not in self._heard:
            self._heard.add((event, listener))
            self.on(event)(partial(listener, name))

    @overload
    def opening(self, function: Opening) -> Opening: ...
    @overload
    def opening(self, *, needed: Callable[[Config], bool]) -> Callable[[Opening], Opening]: ...
    def opening(
        self, function: Opening | None = None, *, needed: Callable[[Config], bool] | None = None
    ) -> Opening | Callable[[Opening], Opening]:
        """Await something before a client is told anything and SESSION_OPEN happens; Refuse turns it away.

        ``needed`` says of a configuration whether it wants this at all: where it does not, no client pays for it.
        """

        def keep(function: Opening) -> Opening:
            self.openings.append((function, needed))
            return function

        return keep if function is None else keep(function)

    def session_state(self, make: Callable[[], T]) -> Slot[T]:
        """A typed place in every session: ``session[slot]`` makes it at first use."""
        return Slot(f"{self.name}.{getattr(make, '__name__', 'state')}", make)

    def control(
        self,
        action: str,
        *,
        help: str,
        acl: Directive[tuple[ControlRule, ...]] | None = None,
        parts: tuple[str, ...] = (),
    ) -> Callable[[C], C]:
        """Answer ``ftpdctl action``: a function, or async generator, of what was asked that yields lines.

        ``acl`` is the directive that says who may, of :func:`ftpd.module.control.control_rules`; default ControlsACLs.
        ``parts`` are the sub-actions (``info``, ``reset``) where that directive names these.
        """

        def keep(function: C) -> C:
            self.controls.append(Control(action, help, function, self.name, acl, parts))
            return function

        return keep

    def resource(self, make: Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]) -> None:
        """A context manager entered when the module goes into service and left when its last session ended."""
        self.resources.append(make)

    def errands(self, grace: float) -> Errands:
        """For tasks that nobody waits for, or not to the end; going out of service they have ``grace`` seconds more."""
        errands = Errands(grace)
        self.resource(errands.in_service)
        return errands

    def every(self, seconds: float) -> Callable[[F], F]:
        """Run a function of no arguments again and again while the module is in service."""

        def keep(function: F) -> F:
            self.periodic.append((seconds, function))
            return function

        return keep
