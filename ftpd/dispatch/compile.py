"""Modules in, dispatch table out: for each verb the handlers of each phase, in the order they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ftpd.conf.tree import Config
from ftpd.core import turns
from ftpd.core.record import dataclass
from ftpd.core.vocab import ANY, Class, Group, Phase, Steady
from ftpd.module.handler import Alikeness, Handler, Shortcut, Steadiness, always_alike
from ftpd.module.table import Module

Chain = tuple[Handler, ...]
Chains = tuple[tuple[Phase, Chain], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one verb: a chain a phase, walked until a handler does not decline."""

    verb: str
    known: bool
    group: Group
    classes: Class
    pre: Chain
    cmd: Chain
    after: Chains
    """What follows a command that succeeded: POST_CMD, then LOG_CMD; empty chains are left out.

    The LOG phases have two chains, the wildcard's and the verb's: ending one does not end the other.
    """
    after_err: Chains
    limited: bool
    """The gate is asked about <Limit> before a handler is."""
    steady: tuple[Steadiness, ...] | None
    """What all on the road of a success say of how steady they are; None: some say nothing.

    Where what answers in the verb's place has some phases told of what it did, those asked there need not say anything.
    """
    alike: tuple[Alikeness, ...] | None
    """What is to be asked before the same holds of another session that stands alike; None: it does not.

    Those count as well who have said that they have nothing to record of what they are told.
    """
    shortcut: Shortcut | None
    leads: Shortcut | None
    leads_by: Steady
    steady_around: tuple[Steadiness, ...]
    """What all others on the road of a success say of how steady they are."""
    parts: tuple[Steadiness, ...] | None
    """The same of all on the road of a verb that ends the session; None: it does not, or some say nothing."""
    records: Phase | None
    """The first phase that what the shortcut gives tells of each command."""


def asked_order(modules: Sequence[Module]) -> list[Handler]:
    """All handlers, first asked first: the module loaded last, and in it the one declared last.

    This is ProFTPD's rule (its symbol table keeps the highest load priority in front); every chain of
    every phase comes from this one list.
    """
    return [handler for module in reversed(modules) for handler in reversed(module.handlers)]


class _Rows:
    """The handlers by phase and name, each row in the order in which they are asked."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        rows: dict[Phase, dict[str, list[Handler]]] = {phase: {} for phase in Phase}
        for handler in handlers:
            rows[handler.phase].setdefault(handler.verb, []).append(handler)
        self._rows: dict[Phase, dict[str, Chain]] = {
            phase: {verb: tuple(row) for verb, row in named.items()} for phase, named in rows.items()
        }

    def named(self, phase: Phase | None = None) -> set[str]:
        return {verb for of, named in self._rows.items() if phase in (None, of) for verb in named} - {ANY}

    def chain(self, phase: Phase, verb: str) -> Chain:
        """The handlers of a phase for this name."""
        return self._rows[phase].get(verb, ())

    def all_for(self, phase: Phase, verb: str) -> Chain:
        """The handlers of a phase for a command of this name; those of the wildcard come first."""
        named = self._rows[phase]
        return named.get(ANY, ()) + named.get(verb, ())

    def _behind(self, verb: str, post: Phase, log: Phase) -> Chains:
        chains = ((post, self.all_for(post, verb)), (log, self.chain(log, ANY)), (log, self.chain(log, verb)))
        return tuple((phase, chain) for phase, chain in chains if chain)

    def plan(self, verb: str, *, known: bool) -> Plan:
        turns.rest()
        rows = self.chain(Phase.CMD, verb)
        classes = Class.NONE
        for row in rows:
            classes |= row.classes
        pre, cmd = self.all_for(Phase.PRE_CMD, verb), self.all_for(Phase.CMD, verb)
        only = _only_answering(cmd)
        records = None if only is None else only.records
        after = self._behind(verb, Phase.POST_CMD, Phase.LOG_CMD)
        around = (
            None
            if only is None or only.leads is None or len(cmd) > 1
            else _steady((*pre, *(row for _, chain in after for row in chain)))
        )
        steady = _steady((*pre, *cmd, *_asked_of(after, records)))
        parts = only is not None and only.parts and only.limit is None
        return Plan(
            verb=verb,
            known=known,
            group=next((row.group for row in rows if row.group is not None), Group.NONE),
            classes=classes,
            pre=pre,
            cmd=cmd,
            after=after,
            after_err=self._behind(verb, Phase.POST_CMD_ERR, Phase.LOG_CMD_ERR),
            limited=any(row.limit is not None for row in cmd),
            steady=None if parts else steady,
            alike=_alike((*pre, *cmd, *_asked_of(after, records)), after),
            shortcut=None if only is None else only.shortcut,
            leads=None if only is None or around is None else only.leads,
            leads_by=Steady.VERB if only is None else only.leads_by,
            steady_around=around or (),
            parts=steady if parts else None,
            records=records,
        )


def _only_answering(cmd: Chain) -> Handler | None:
    """The one that answers the verb, where all who are asked before it say how steady they are in declining."""
    if not cmd or any(row.steady is None or row.shortcut is not None for row in cmd[:-1]):
        return None
    return cmd[-1]


_BEHIND = (Phase.POST_CMD, Phase.LOG_CMD)


def _asked_of(chains: Chains, told: Phase | None) -> Iterator[Handler]:
    """The handlers behind a command, before the phases that are told of it in any case."""
    asked = _BEHIND if told is None else _BEHIND[: _BEHIND.index(told)]
    return (handler for phase, chain in chains if phase in asked for handler in chain)


def _steady(road: Chain) -> tuple[Steadiness, ...] | None:
    """What all handlers on the road of a success have to say; one that says nothing stands for none."""
    asked = tuple(handler.steady for handler in road if handler.steady is not None)
    return asked if len(asked) == len(road) else None


def _alike(road: Chain, after: Chains) -> tuple[Alikeness, ...] | None:
    """Of those behind it that are told in any case, it is known who has nothing to record: they have said so."""
    told = (handler for _, chain in after for handler in chain if handler.steady is not None)
    asked = tuple(dict.fromkeys((*road, *told)))
    if any(handler.alike is None for handler in asked):
        return None
    return tuple(one.alike for one in asked if one.alike is not None and one.alike is not always_alike)


class Table:
    """The plans of one generation of modules; immutable once made."""

    __slots__ = ("alike", "partings", "plans", "unknown", "verbs")

    def __init__(self, modules: Sequence[Module], config: Config | None = None) -> None:
        rows = _Rows(
            handler
            for handler in asked_order(modules)
            if handler.needed is None or config is None or handler.needed(config)
        )
        known = rows.named(Phase.CMD)
        self.plans = {verb: rows.plan(verb, known=verb in known) for verb in rows.named()}
        self.unknown = rows.plan("", known=False)
        """An unknown verb still meets the wildcard handlers."""
        self.verbs = frozenset(known)
        shared = [
            verb
            for verb, plan in self.plans.items()
            if plan.alike is not None and (plan.steady is not None or plan.leads is not None)
        ]
        self.alike = frozenset(text.encode() for verb in shared for text in (verb, verb.lower()))
        """As clients write them: the verbs whose answers may be those of other sessions."""
        last = [verb for verb, plan in self.plans.items() if plan.alike is not None and plan.parts is not None]
        self.partings = frozenset(f"{text}\r\n".encode() for verb in last for text in (verb, verb.lower()))
        """The lines by which sessions end that stand alike."""

    def plan(self, verb: str) -> Plan:
        """The verb's plan, :attr:`unknown` where it has none."""
        return self.plans.get(verb, self.unknown)
