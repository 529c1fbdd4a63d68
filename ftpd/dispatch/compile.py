"""Modules in, dispatch table out: for each verb the handlers of each phase, in the order they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftpd.conf.tree import Config
from ftpd.core.vocab import ANY, Class, Group, Phase
from ftpd.module.table import Handler, Module

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


def asked_order(modules: Sequence[Module]) -> list[Handler]:
    """All handlers, first asked first: the module loaded last, and in it the one declared last.

    This is ProFTPD's rule (its symbol table keeps the highest load priority in front); every chain of
    every phase comes from this one list.
    """
    return [handler for module in reversed(modules) for handler in reversed(module.handlers)]


def _chain(handlers: Iterable[Handler], phase: Phase, *verbs: str) -> Chain:
    """The handlers of a phase for these names; those of the first name (the wildcard) come first."""
    rows = [handler for handler in handlers if handler.phase is phase]
    return tuple(row for verb in verbs for row in rows if row.verb == verb)


def _behind(handlers: list[Handler], verb: str, post: Phase, log: Phase) -> Chains:
    chains = (
        (post, _chain(handlers, post, ANY, verb)),
        (log, _chain(handlers, log, ANY)),
        (log, _chain(handlers, log, verb)),
    )
    return tuple((phase, chain) for phase, chain in chains if chain)


def _plan(handlers: list[Handler], verb: str, *, known: bool) -> Plan:
    rows = [handler for handler in handlers if handler.verb == verb and handler.phase is Phase.CMD]
    classes = Class.NONE
    for row in rows:
        classes |= row.classes
    return Plan(
        verb=verb,
        known=known,
        group=next((row.group for row in rows if row.group is not None), Group.NONE),
        classes=classes,
        pre=_chain(handlers, Phase.PRE_CMD, ANY, verb),
        cmd=_chain(handlers, Phase.CMD, ANY, verb),
        after=_behind(handlers, verb, Phase.POST_CMD, Phase.LOG_CMD),
        after_err=_behind(handlers, verb, Phase.POST_CMD_ERR, Phase.LOG_CMD_ERR),
    )


class Table:
    """The plans of one generation of modules; immutable once made."""

    __slots__ = ("_plans", "_unknown", "verbs")

    def __init__(self, modules: Sequence[Module], config: Config | None = None) -> None:
        handlers = [
            handler
            for handler in asked_order(modules)
            if handler.needed is None or config is None or handler.needed(config)
        ]
        known = {handler.verb for handler in handlers if handler.phase is Phase.CMD} - {ANY}
        named = {handler.verb for handler in handlers} - {ANY}
        self._plans = {verb: _plan(handlers, verb, known=verb in known) for verb in named}
        self._unknown = _plan([handler for handler in handlers if handler.verb == ANY], "", known=False)
        self.verbs = frozenset(known)

    def plan(self, verb: str) -> Plan:
        """The verb's plan; an unknown verb still meets the wildcard handlers."""
        return self._plans.get(verb, self._unknown)
